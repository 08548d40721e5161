"""Run commands and move files, on another machine or on this one."""

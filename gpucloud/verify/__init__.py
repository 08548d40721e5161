"""Prove a GPU machine, layer by layer: facts from `bootstrap/probe.py`, judged by pure functions."""

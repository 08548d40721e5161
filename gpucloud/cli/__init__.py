"""The command line: one verb, one file; parse → `ops` → render. Nothing here imports an SDK, paramiko or rich early."""

"""Checks and times everything that runs on a GPU: `python -m realtime.benchmark.gpu --help`."""

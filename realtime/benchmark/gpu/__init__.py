"""What runs on a GPU, checked and timed: `python -m realtime.benchmark.gpu --help`."""

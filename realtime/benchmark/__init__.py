"""Latency under load, measured so that it can be doubted: `python -m realtime.benchmark --help`.

Frames come on a clock whether or not the program is ready, latency counts from the moment at which
a frame was due, a frame that was not analysed is later than any other, and every single value is
kept beside the report. `docs/benchmarks.md` says what each figure means.
"""

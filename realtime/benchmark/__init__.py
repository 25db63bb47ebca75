"""Latency under load, measured so that others can check it: `python -m realtime.benchmark --help`.

Frames come on a clock, whether or not the program is ready. Latency counts from the time at which a
frame was due. A frame that was not analysed counts as later than any other. The report keeps every
single value. `docs/benchmarks.md` says what each figure means.
"""

"""The program's clock: seconds from an arbitrary start, the same in all threads, never backwards.

It is the system's monotonic clock, which camera drivers and LSL use too. `time.perf_counter` reads
it most precisely: on Windows, before Python 3.13, `time.monotonic` has steps of 15.6 ms, half a
frame. Elsewhere both are the same clock.
"""

import time

monotonic_s = time.perf_counter

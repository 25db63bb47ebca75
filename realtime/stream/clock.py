"""The program's clock: seconds from an arbitrary start, the same for all threads, never backwards.

It is the system's monotonic clock, which cameras' drivers and LSL use too, read in the most precise
way: on Windows `time.monotonic` goes in steps of 15.6 ms (Python before 3.13), half a frame;
elsewhere the two are one clock.
"""

import time

monotonic_s = time.perf_counter

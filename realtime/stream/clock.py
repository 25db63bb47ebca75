"""The program's clock: seconds from no given beginning, the same for all threads, never back.

It is the system's monotonic clock, which cameras' drivers and LSL use too, by the finest way of
reading it: on Windows `time.monotonic` goes in steps of 15.6 ms (Python before 3.13), half a frame;
elsewhere the two are one clock.
"""

import time

monotonic_s = time.perf_counter

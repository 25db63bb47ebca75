"""Sound on its way from a microphone into the video's file.

Each block of samples comes with the time of its first sample on the system's monotonic clock, which
is converted to the source's clock. `sound.csv` has a line for each stretch of missing sound, except
for redacted sound, which has a marker.
"""

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from realtime.sessions.crash_safe_video import SAMPLE_BYTES, VideoWriter
from realtime.sessions.ledger import RECORDER_BEHIND
from realtime.sessions.line_file import LineFile

QUIET_DB = -70.0
"""The lowest loudness that is measured, dB below full scale."""
SOUND_HEADER = "from_s,to_s,cause"
WAITING_S = 30.0
"""The most sound that waits for the recorder: longer than the ring holds frames."""
SOUND_GAP_S = 0.03
"""A shorter gap comes from the device's clock; no sound is missing."""
ENDING_S = 0.5
"""Sound may end this long before the last picture."""
CREEP = 5e-4
"""A block may last longer than its samples say by this share: no device's clock is that slow."""
MAX_LATE_S = 1.0
"""If every block was late for this long, samples are missing and the device did not say so."""


@dataclass(frozen=True, slots=True)
class SoundBlock:
    """Consecutive samples."""

    time_s: float
    """When the first sample was taken, on the system's monotonic clock."""
    samples: bytes
    """int16, little-endian, one channel."""
    cause: str = ""
    """Why there is a gap before this block; empty: no gap, or unknown."""

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.samples) // SAMPLE_BYTES

    @property
    def level_db(self) -> float:
        """Its loudness (RMS), dB below full scale: `QUIET_DB` to 0."""
        samples = np.frombuffer(self.samples, "<i2").astype(np.float32) / 2**15
        power = float(np.mean(np.square(samples))) if len(samples) else 0.0
        return 10 * math.log10(max(power, 10 ** (QUIET_DB / 10)))


class SampleClock:
    """Computes when samples were taken. A block is never reported before it was taken, but on a
    busy machine often long after, so the promptest of the recent reports counts. Counting samples
    alone would drift away from the frames, because no device has exactly its stated rate."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next_s: float | None = None
        self._late_s = 0.0

    def begin_s(self, latest_s: float, samples: int, *, lost: bool = False) -> float:
        """Return when the first of the next `samples` was taken; `latest_s` is the latest possible
        time. `lost`: the device says that samples before it are missing."""
        seconds = samples / self._rate
        begin_s = latest_s
        if self._next_s is not None and not lost:
            late = latest_s - self._next_s > SOUND_GAP_S
            self._late_s = self._late_s + seconds if late else 0.0
            if self._late_s < MAX_LATE_S:
                begin_s = min(latest_s, self._next_s + CREEP * seconds)
        self._next_s = begin_s + seconds
        return begin_s


class SoundTrack:
    """The sound of one recording. Any thread may call take; only the recorder's may call the
    other methods."""

    def __init__(self, path: Path, rate: int) -> None:
        """`path`: the table of missing sound, which is created."""
        self.rate = rate
        self._path = path
        self._gaps = LineFile(path, SOUND_HEADER)
        self._lock = threading.Lock()
        self._arrived: deque[SoundBlock] = deque()
        self._placed: deque[tuple[float, SoundBlock]] = deque()
        self._waiting_bytes = 0
        self._cause = ""
        self._end_s: float | None = None
        self._last_ms = -1

    def take(self, block: SoundBlock, omit_cause: str = "") -> None:
        """Take the next block. If `omit_cause` names a cause, leave the block out."""
        with self._lock:
            if self._waiting_bytes > WAITING_S * self.rate * SAMPLE_BYTES:
                omit_cause = omit_cause or RECORDER_BEHIND
            if omit_cause:
                self._cause = omit_cause
                return
            cause, self._cause = self._cause or block.cause, ""
            self._arrived.append(replace(block, cause=cause))
            self._waiting_bytes += len(block.samples)

    def place(self, clock_offset_s: float, until_s: float) -> None:
        """Convert to the source's clock the blocks that began before `until_s` of that clock.
        `clock_offset_s`: the monotonic clock minus the source's, which may change after a pause."""
        with self._lock:
            while self._arrived and self._arrived[0].time_s < clock_offset_s + until_s:
                block = self._arrived.popleft()
                self._placed.append((block.time_s - clock_offset_s, block))

    def write(
        self, video: VideoWriter, zero_s: float, redacted: Callable[[float, float], bool]
    ) -> None:
        """Write the converted blocks to `video`, which begins at `zero_s`, except those whose begin
        and end `redacted` accepts. Raises `OSError`."""
        while self._placed:
            begin_s, block = self._placed.popleft()
            with self._lock:
                self._waiting_bytes -= len(block.samples)
            end_s = begin_s + block.count / self.rate
            if begin_s < zero_s:
                continue
            before_s = zero_s if self._end_s is None else self._end_s
            if begin_s - before_s > SOUND_GAP_S:
                self._gaps.write(f"{before_s},{begin_s},{block.cause or 'microphone'}")
            self._end_s = end_s
            if redacted(begin_s, end_s):
                continue
            self._last_ms = max(round((begin_s - zero_s) * 1000), self._last_ms + 1)
            video.write_sound(block.samples, self._last_ms)

    def sync(self) -> None:
        """Return when the table is on the disk."""
        self._gaps.sync()

    def close(self, zero_s: float, last_s: float) -> None:
        """Close the table. The video lasts from `zero_s` to `last_s`; if the microphone did not
        come back, sound is missing until `last_s`."""
        end_s = zero_s if self._end_s is None else self._end_s
        try:
            if last_s - end_s > ENDING_S:
                self._gaps.write(f"{end_s},{last_s},{self._cause or 'microphone'}")
        finally:
            self._gaps.close()

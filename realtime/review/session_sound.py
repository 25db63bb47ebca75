"""The sound of a session on the time line of its video, and its loudness.

Blocks of sound carry times that are rounded to 1 ms, from a clock that is a little fast or slow. If
each block began exactly at its time, one would hear clicks. So consecutive blocks are joined end to
end, and stretched by at most 0.2 % to stay within a millisecond of their times. Missing sound is
silence.
"""

import io
import math
import threading
import wave
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.records import ArrayF32
from realtime.recording.sound_track import SOUND_GAP_S
from realtime.results.value_checks import as_seconds
from realtime.sessions.crash_safe_video import SAMPLE_BYTES
from realtime.sessions.frame_table import NO_MS, NO_PART
from realtime.sessions.ledger import REDACTED
from realtime.sessions.line_file import read_lines
from realtime.sessions.reader import Session
from realtime.sessions.redact import SOUND_BEFORE_S

ArrayI16 = NDArray[np.int16]

KEPT_PARTS = 2
"""Files whose sound is kept in memory: the five minutes of one are 29 MB at 48 kHz."""
HOPS_PER_S = 100
"""Resolution of the loudness."""
FLOOR_DB = -96.0
"""Digital silence: the last of 16 bits."""
LANE_DB = -70.0
"""Bottom of the loudness lane: no room with a person in it is quieter."""
MAX_SESSION_S = 7 * 86_400.0
"""No session lasts longer. The levels of this much are 240 MB."""
NO_CAUSE = "not recorded"
UNREADABLE_FILE = "file cannot be read"

_NEAR_S = 0.75e-3  # rounding alone is 0.5 ms
_STRETCH = 0.002
_FULL = 32768.0


@dataclass(frozen=True, slots=True)
class _SoundPiece:
    """Continuous sound from one file of the video. Silence between two runs is not stored: a pause
    may last for hours."""

    first: int
    """Number of its first sample, counted from 0 s of the video; may be negative."""
    samples: ArrayI16


class SessionSound:
    """The sound of one session, one channel. Any thread, one at a time."""

    def __init__(self, session: Session) -> None:
        """Raises `InputError` if the session has no sound. Its files are read later."""
        audio = session.document["video"].get("audio")
        if audio is None:
            raise InputError(f"{session.folder.path} has no sound: it was recorded without it")
        self._session = session
        self._folder = session.folder
        self.rate = int(audio["hz"])
        """Samples per second."""
        if session.seconds > MAX_SESSION_S:
            raise InputError(
                f"{session.folder.frames} is damaged: it says that the session lasts "
                f"{session.seconds:g} s"
            )
        self.count = round(session.seconds * self.rate)
        """Number of samples; the sound is as long as the video."""
        self._begins: dict[int, float] = {}
        frames = session.frames
        placed = frames.take((frames.part != NO_PART) & (frames.pts_ms != NO_MS))
        for part, first in zip(*np.unique(placed.part, return_index=True), strict=True):
            self._begins[int(part)] = float(placed.pts_ms[first]) / 1000
        self._hop = max(1, self.rate // HOPS_PER_S)
        self._levels: ArrayF32 = np.full(-(-self.count // self._hop), np.nan, np.float32)
        self._measured: set[int] = set()
        self._unreadable: list[tuple[float, float, str]] = []
        self._cache: OrderedDict[int, tuple[_SoundPiece, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def samples(self, first: int, last: int) -> ArrayI16:
        """Return samples `first` to `last` (excluded), within `count`, int16. Raises `InputError`
        if a file that holds them cannot be read."""
        out = np.zeros(max(0, last - first), np.int16)
        for number in self._parts_near(first / self.rate, last / self.rate):
            for run in self._part(number):
                begin = max(first, run.first)
                end = min(last, run.first + len(run.samples))
                if begin < end:
                    inside = run.samples[begin - run.first : end - run.first]
                    out[begin - first : end - first] = inside
        return out

    def loudness(self, start_s: float, end_s: float, bins: int) -> list[float | None]:
        """Return the greatest level in each of `bins` equal parts of the span (s of the video): RMS
        of 10 ms relative to full scale, `FLOOR_DB` to 0 dB; None where sound is missing."""
        self._measure(start_s, end_s)
        edges = np.linspace(start_s, end_s, bins + 1) * self.rate / self._hop
        lows = np.floor(edges[:-1]).astype(int)
        highs = np.maximum(np.ceil(edges[1:]).astype(int), lows + 1)
        spans = zip(np.maximum(lows, 0), highs, strict=True)
        found = [self._levels[low : max(high, 0)] for low, high in spans]
        return [
            None if np.isnan(levels).all() else round(float(np.nanmax(levels)), 1)
            for levels in found
        ]

    def find_gaps(self) -> list[tuple[float, float, str]]:
        """Return start and end (s of the video) and cause of each stretch of missing sound."""
        self._measure(0, self._session.seconds)
        edges = np.flatnonzero(np.diff(np.isnan(self._levels), prepend=False, append=False))
        spans = edges.reshape(-1, 2) * self._hop / self.rate
        causes = self._causes()
        return [
            (start_s, end_s, _cause_of(start_s, end_s, causes))
            for start_s, end_s in spans.tolist()
            if end_s - start_s > SOUND_GAP_S
        ]

    def _causes(self) -> list[tuple[float, float, str]]:
        """Return what the session says about missing sound, in s of the video."""
        zero_s = self._session.zero_s
        found = [
            (marker.time_s - zero_s, marker.until_s - zero_s, REDACTED)
            for marker in self._session.markers
            if marker.kind == "redact" and marker.until_s is not None
        ]
        found += self._unreadable
        for row in list(read_lines(self._folder.sound))[1:]:
            with suppress(ValueError):  # a torn line
                begin, end, cause = row.split(",", 2)
                begin_s, end_s = as_seconds(float(begin)), as_seconds(float(end))
                found.append((begin_s - zero_s, end_s - zero_s, cause))
        return found

    def _parts_near(self, start_s: float, end_s: float) -> list[int]:
        """Return the files whose sound may reach into the span. Sound goes on where pictures are
        missing, until the next file, and late sound is in the next file. The sound of a file that
        has no pictures left may be anywhere."""
        return [
            part
            for part in self._folder.parts()
            if self._begins.get(part, -math.inf) - SOUND_BEFORE_S < end_s
            and self._until_s(part) > start_s - 1
        ]

    def _until_s(self, number: int) -> float:
        """Return where the file after file `number` begins."""
        return min((s for part, s in self._begins.items() if part > number), default=math.inf)

    def _measure(self, start_s: float, end_s: float) -> None:
        """Measure the levels of the span. A file that cannot be read counts as missing sound."""
        for number in self._parts_near(start_s, end_s):
            if number in self._measured:
                continue
            try:
                self._part(number)
            except InputError:
                self._measured.add(number)
                begin_s = self._begins.get(number, 0.0)
                self._unreadable.append((begin_s, self._until_s(number), UNREADABLE_FILE))

    def _part(self, number: int) -> tuple[_SoundPiece, ...]:
        """Return the sound of file `number`, in the order of the file."""
        with self._lock:
            if number not in self._cache:
                self._cache[number] = runs = _read(self._folder.video(number), self.rate)
                if number not in self._measured:
                    for run in runs:
                        self._take_levels(run)
                self._measured.add(number)
                while len(self._cache) > KEPT_PARTS:
                    self._cache.popitem(last=False)
            self._cache.move_to_end(number)
            return self._cache[number]

    def _take_levels(self, run: _SoundPiece) -> None:
        hop = self._hop
        first = run.first // hop
        before = run.first - first * hop
        after = -(before + len(run.samples)) % hop
        powers = np.pad(run.samples, (before, after)).reshape(-1, hop).astype(np.float32) ** 2
        there = np.full(len(powers), hop)
        there[0] -= before
        there[-1] -= after
        mean = powers.sum(axis=1) / there / _FULL**2
        levels = 10 * np.log10(np.maximum(mean, 10 ** (FLOOR_DB / 10)))
        levels[there < hop / 2] = np.nan
        low, high = max(first, 0), min(first + len(levels), len(self._levels))
        if low < high:
            self._levels[low:high] = np.fmax(
                self._levels[low:high], levels[low - first : high - first]
            )


def open_sound(session: Session) -> SessionSound | None:
    """Return the sound of `session`; None if it has none."""
    return None if session.document["video"].get("audio") is None else SessionSound(session)


def make_wav_header(rate: int, count: int) -> bytes:
    """Return the 44-byte header of a WAV file with `count` samples of one 16-bit channel. Raises
    `InputError` above 4 GiB, which the header cannot express."""
    size = count * SAMPLE_BYTES
    if size + 36 >= 2**32:
        raise InputError(
            f"{count / rate / 3600:.1f} hours of sound: a WAV file holds {2**31 / rate / 3600:.0f}"
        )
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, SAMPLE_BYTES, rate, count, "NONE", ""))
        file.writeframesraw(b"")
        return buffer.getvalue()  # before `close`, which sets the count to what was written


def _cause_of(start_s: float, end_s: float, causes: list[tuple[float, float, str]]) -> str:
    """Return the causes of a stretch of missing sound, each once, in words."""
    found = [why for a, b, why in causes if min(b, end_s) - max(a, start_s) > SOUND_GAP_S]
    return "; ".join(dict.fromkeys(found)) or NO_CAUSE


def _read(path: Path, rate: int) -> tuple[_SoundPiece, ...]:
    """Return the sound of the file `path`."""
    runs: list[tuple[int, list[ArrayI16]]] = []
    after: int | None = None
    try:
        for begin, block in _place_blocks(path, rate):
            if begin != after:
                runs.append((begin, []))
            runs[-1][1].append(block)
            after = begin + len(block)
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    return tuple(_SoundPiece(begin, np.concatenate(blocks)) for begin, blocks in runs)


def _place_blocks(path: Path, rate: int) -> Iterator[tuple[int, ArrayI16]]:
    """Yield the blocks, each with the number of its first sample."""
    after: int | None = None
    for begin_s, block in _blocks(path):
        due = begin_s * rate
        begin = round(due)
        if after is not None and abs(due - after) <= SOUND_GAP_S * rate:
            begin, late = after, due - after
            if abs(late) > _NEAR_S * rate:
                most = max(1, round(_STRETCH * len(block)))
                block = _stretch(block, round(np.clip(late, -most, most)))
        after = begin + len(block)
        yield begin, block


def _blocks(path: Path) -> Iterator[tuple[float, ArrayI16]]:
    """Yield the blocks in the order of the file, each with the time of its first sample, s."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return
        for packet in container.demux(container.streams.audio[0]):
            count = packet.size // SAMPLE_BYTES  # a damaged file may end with half a sample
            if packet.pts is not None and packet.time_base is not None and count:
                block = np.frombuffer(bytes(packet), "<i2", count)
                yield float(packet.pts * packet.time_base), block


def _stretch(block: ArrayI16, by: int) -> ArrayI16:
    """Return `block` stretched by `by` samples."""
    at = np.linspace(0, len(block) - 1, len(block) + by)
    return np.interp(at, np.arange(len(block)), block).round().astype(np.int16)

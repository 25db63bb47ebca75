"""Microphone: blocks of its sound, with their times.

PortAudio, through sounddevice, works the same on Linux, macOS and Windows, and gives the time at
which a sample was taken. With each block, PortAudio's clock is compared with the system's monotonic
clock. How good the times are depends on the driver. A sample arrives after it was taken, so the
arrival is an upper bound.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from model.errors import InputError
from realtime.recording.sound_track import SampleClock, SoundBlock
from realtime.stream.clock import monotonic_s

DEFAULT_MICROPHONE = "default"
BUFFER_S = 0.2
"""The buffer asked of the driver: how long this program may be busy before samples are lost."""
AWAY_AFTER_S = 4.0
"""After this long without a block, the microphone is away; some need two seconds to begin."""
REOPEN_S = 2.0
LEVEL_BLOCKS = 6
"""The level is that of the loudest of the last blocks, 0.3 s: a page asks only a few times a
second."""
MICROPHONE_AWAY, MICROPHONE_OVERFLOW = "microphone away", "microphone overflowed"

_IMPORTING = threading.Lock()
"""Held while sounddevice is imported: without PortAudio the import fails half way, and another
thread could find the half."""
_LISTING = threading.Lock()
"""Held while PortAudio lists devices or restarts, so that it never does both."""
_HOSTS = ("Windows WASAPI", "Core Audio", "ALSA")
"""The interface with the best times on each system."""


def import_sounddevice() -> ModuleType:
    """Return sounddevice. Raises `InputError` if it, or PortAudio, is missing."""
    try:
        with _IMPORTING:
            import sounddevice
    except (ImportError, OSError) as error:  # the latter: no PortAudio
        raise InputError(
            f"sound needs PortAudio ({error}): on Linux install libportaudio2"
        ) from None
    module: ModuleType = sounddevice
    return module


def list_microphones() -> dict[str, int]:
    """Return PortAudio's numbers of the microphones, by name. A name that several share gets the
    number added: "USB Audio [5]". Raises `InputError` as `import_sounddevice` does."""
    sound = import_sounddevice()
    with _LISTING:
        hosts = list(sound.query_hostapis())
        best = sorted(hosts, key=lambda host: host["name"] not in _HOSTS)
        numbers = best[0]["devices"] if best else []
        found = [(number, sound.query_devices(number)) for number in numbers]
    inputs = [(number, str(one["name"])) for number, one in found if one["max_input_channels"]]
    names = Counter(name for _, name in inputs)
    return {f"{n} [{number}]" if names[n] > 1 else n: number for number, n in inputs}


class Microphone:
    """One microphone. `listen` opens it."""

    def __init__(self, wanted: str) -> None:
        """`wanted`: its name, a part that only its name has, or `default`. If none or several
        match, raises `InputError` that lists the microphones."""
        sound = import_sounddevice()
        numbers = list_microphones()
        names = [name for name in numbers if name == wanted]
        names = names or [name for name in numbers if wanted.lower() in name.lower()]
        if wanted == DEFAULT_MICROPHONE and not names:
            number = sound.default.device[0]
            names = [name for name in numbers if numbers[name] == number] or list(numbers)[:1]
        if len(names) != 1:
            choices = f"choose one of {', '.join(numbers)}" if numbers else "connect one"
            what = "several microphones match" if names else "there is no such microphone"
            raise InputError(f"--audio {wanted}: {what}; {choices}")
        self.name = names[0]
        self._number = numbers[self.name]
        device = sound.query_devices(self._number)
        self.rate = int(device["default_samplerate"])
        self._by_arrival = sound.query_hostapis(device["hostapi"])["name"] == "ALSA"
        self._away = False
        self._levels_db: deque[float] = deque(maxlen=LEVEL_BLOCKS)
        self.channels = self._fewest_channels(wanted, int(device["max_input_channels"]))

    def _fewest_channels(self, wanted: str, most: int) -> int:
        """Return the number of channels to open: some microphones cannot open a single one."""
        sound = import_sounddevice()
        why: object = None
        for channels in sorted({1, min(2, most), most}):
            try:
                sound.check_input_settings(self._number, channels=channels, dtype="int16")
            except sound.PortAudioError as error:
                why = why or error
            else:
                return channels
        raise InputError(f"--audio {wanted}: {self.name} cannot be opened ({why})")

    @property
    def clock(self) -> str:
        """Where sample times come from: `driver`, or `receipt` (counted back from arrival)."""
        return "receipt" if self._by_arrival else "driver"

    @property
    def state(self) -> str:
        """Its name, with "(away)" if it delivers nothing now."""
        return f"{self.name} (away)" if self._away else self.name

    @property
    def level_db(self) -> float | None:
        """How loud it is now, see `SoundBlock.level_db`; None if it delivers nothing."""
        return None if self._away else max(list(self._levels_db), default=None)

    def listen(self, hear: Callable[[SoundBlock], None], ended: threading.Event) -> None:
        """Until `ended`, pass each block to `hear`, in a PortAudio thread. If blocks stop coming,
        look for the microphone by name every `REOPEN_S` and reopen it. If several share the name,
        use the number, although it may belong to another microphone by then."""
        sound = import_sounddevice()
        cause = ""

        def take(block: SoundBlock) -> None:
            self._away = False  # not earlier: a stream that opens may still be dead
            self._levels_db.append(block.level_db)
            hear(block)

        while not ended.is_set():
            callback = _Callback(take, self.rate, cause, self.channels, by_arrival=self._by_arrival)
            try:
                with sound.RawInputStream(
                    device=self._number,
                    channels=self.channels,
                    dtype="int16",
                    samplerate=self.rate,
                    latency=BUFFER_S,
                    callback=callback.take,
                ) as stream:
                    callback.listen(stream)
                    while not ended.wait(AWAY_AFTER_S) and callback.new_blocks():
                        pass
            except sound.PortAudioError:  # unplugged: try again
                pass
            self._away, cause = not ended.is_set(), MICROPHONE_AWAY
            self._levels_db.clear()
            if self._away and not ended.wait(REOPEN_S):
                self._look_again()

    def _look_again(self) -> None:
        """Restart PortAudio, because it lists devices only when it starts. No stream may be
        open."""
        sound = import_sounddevice()
        try:
            with _LISTING:
                sound._terminate()
                sound._initialize()
            self._number = list_microphones().get(self.name, self._number)
        except (InputError, sound.PortAudioError):  # the system has no sound now: try again
            pass


class _Callback:
    """What PortAudio calls."""

    def __init__(
        self,
        hear: Callable[[SoundBlock], None],
        rate: int,
        cause: str,
        channels: int,
        *,
        by_arrival: bool,
    ) -> None:
        self._hear, self._rate, self._cause = hear, rate, cause
        self._channels = channels
        self._by_arrival = by_arrival
        self._clock = SampleClock(rate)
        self._stream: Any = None
        self._blocks = 0
        self._blocks_before = 0

    def listen(self, stream: Any) -> None:
        """Take blocks from `stream`, and ask its clock with each block."""
        self._stream = stream

    def new_blocks(self) -> bool:
        """Return whether a block came since the last call."""
        before, self._blocks_before = self._blocks_before, self._blocks
        return self._blocks > before

    def take(self, samples: Any, count: int, times: Any, status: Any) -> None:
        """PortAudio's callback."""
        if self._stream is None:  # PortAudio calls before the stream's constructor returns
            return
        # Ignore ALSA's time: through PulseAudio it is wrong by half a second for a while, and with
        # a sound card it is only the time of arrival.
        clock_offset_s = monotonic_s() - self._stream.time
        latest_s = times.currentTime - count / self._rate
        if times.inputBufferAdcTime and not self._by_arrival:
            latest_s = min(latest_s, times.inputBufferAdcTime)
        lost = bool(status.input_overflow)
        begin_s = self._clock.begin_s(latest_s + clock_offset_s, count, lost=lost)
        cause, self._cause = MICROPHONE_OVERFLOW if lost else self._cause, ""
        self._blocks += 1
        self._hear(SoundBlock(begin_s, mix_channels(bytes(samples), self._channels), cause))


def mix_channels(samples: bytes, channels: int) -> bytes:
    """Return the mean of interleaved int16 channels as one channel."""
    if channels == 1:
        return samples
    mean = np.frombuffer(samples, "<i2").reshape(-1, channels).mean(axis=1)
    return bytes(mean.round().astype("<i2").tobytes())

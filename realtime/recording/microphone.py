"""Microphone: blocks of its sound, with their times.

It uses PortAudio through sounddevice, which has the same devices, and the time at which a sample
was taken, on Linux, macOS and Windows. Each block ties PortAudio's clock to the system's monotonic
clock. The quality of the times depends on the driver. No sample can arrive before it was taken,
which bounds the times on one side.
"""

import threading
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from model.errors import InputError
from realtime.recording.sound_track import Block, SampleClock
from realtime.stream.clock import monotonic_s

DEFAULT = "default"
BUFFER_S = 0.2
"""Asked of the driver: how long this program may be busy before samples are lost."""
SILENT_S = 4.0
"""Without a block for this long, the microphone is away; some need two seconds to begin."""
AGAIN_S = 2.0
AWAY, OVERFLOWED = "microphone away", "microphone overflowed"

_IMPORTING = threading.Lock()
"""Held while sounddevice is imported: without PortAudio that fails half way, and another thread
would see the half."""
_LISTING = threading.Lock()
"""Held while PortAudio lists devices or restarts, so that it never does both."""
_HOSTS = ("Windows WASAPI", "Core Audio", "ALSA")
"""Of a system's interfaces to the same devices, the one with the best times."""


def library() -> ModuleType:
    """Return sounddevice. Raises `InputError` if it, or PortAudio beneath it, is missing."""
    try:
        with _IMPORTING:
            import sounddevice
    except (ImportError, OSError) as error:  # the latter: no PortAudio
        raise InputError(
            f"sound needs PortAudio ({error}): on Linux install libportaudio2"
        ) from None
    module: ModuleType = sounddevice
    return module


def microphones() -> dict[str, int]:
    """Return PortAudio's numbers of the microphones, by name. If several share a name, each has its
    number added: "USB Audio [5]". Raises `InputError` as `library` does."""
    sound = library()
    with _LISTING:
        hosts = list(sound.query_hostapis())
        best = sorted(hosts, key=lambda host: host["name"] not in _HOSTS)
        numbers = best[0]["devices"] if best else []
        found = [(number, sound.query_devices(number)) for number in numbers]
    heard = [(number, str(one["name"])) for number, one in found if one["max_input_channels"]]
    names = Counter(name for _, name in heard)
    return {f"{n} [{number}]" if names[n] > 1 else n: number for number, n in heard}


class Microphone:
    """One microphone, found but not yet open."""

    def __init__(self, wanted: str) -> None:
        """`wanted`: its name, a part of it that no other has, or `default`. Raises `InputError`
        naming the microphones that exist."""
        sound = library()
        there = microphones()
        names = [name for name in there if name == wanted]
        names = names or [name for name in there if wanted.lower() in name.lower()]
        if wanted == DEFAULT and not names:
            number = sound.default.device[0]
            names = [name for name in there if there[name] == number] or list(there)[:1]
        if len(names) != 1:
            choices = ", ".join(there) or "none is connected"
            what = "no such microphone" if not names else "several are called like that"
            raise InputError(f"--audio {wanted}: {what}; there are: {choices}")
        self.name = names[0]
        self._number = there[self.name]
        device = sound.query_devices(self._number)
        self.rate = int(device["default_samplerate"])
        self._by_arrival = sound.query_hostapis(device["hostapi"])["name"] == "ALSA"
        self._away = False
        self.channels = self._fewest_channels(wanted, int(device["max_input_channels"]))

    def _fewest_channels(self, wanted: str, most: int) -> int:
        """Return the number of channels to open: some microphones do not give one alone."""
        sound = library()
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
        """Where sample times come from: `driver`, or `receipt`, counted back from their arrival."""
        return "receipt" if self._by_arrival else "driver"

    @property
    def state(self) -> str:
        """Its name, and whether it delivers nothing now."""
        return f"{self.name} (away)" if self._away else self.name

    def listen(self, hear: Callable[[Block], None], ended: threading.Event) -> None:
        """Until `ended`, pass each block to `hear`, in a PortAudio thread. If blocks stop coming,
        look for the microphone by name and reopen it every `AGAIN_S`. If several share the name,
        use the number, although it may be another microphone by then."""
        sound = library()
        cause = ""

        def present(block: Block) -> None:
            self._away = False  # a stream that opens may still be dead
            hear(block)

        while not ended.is_set():
            ear = _Callback(present, self.rate, cause, self.channels, by_arrival=self._by_arrival)
            try:
                with sound.RawInputStream(
                    device=self._number,
                    channels=self.channels,
                    dtype="int16",
                    samplerate=self.rate,
                    latency=BUFFER_S,
                    callback=ear.take,
                ) as stream:
                    ear.listen(stream)
                    while not ended.wait(SILENT_S) and ear.heard_since():
                        pass
            except sound.PortAudioError:  # unplugged: try again
                pass
            self._away, cause = not ended.is_set(), AWAY
            if self._away and not ended.wait(AGAIN_S):
                self._look_again()

    def _look_again(self) -> None:
        """Restart PortAudio, because it lists devices only when it starts. No stream of it is open
        now."""
        sound = library()
        try:
            with _LISTING:
                sound._terminate()
                sound._initialize()
            self._number = microphones().get(self.name, self._number)
        except (InputError, sound.PortAudioError):  # the system's sound is away: try again
            pass


class _Callback:
    """What PortAudio calls."""

    def __init__(
        self,
        hear: Callable[[Block], None],
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
        self._heard = 0
        self._told = 0

    def listen(self, stream: Any) -> None:
        """Take blocks from `stream`, and ask its clock with each block."""
        self._stream = stream

    def heard_since(self) -> bool:
        """Return whether anything came since the last call."""
        before, self._told = self._told, self._heard
        return self._heard > before

    def take(self, samples: Any, count: int, times: Any, status: Any) -> None:
        """PortAudio's callback."""
        if self._stream is None:  # it begins before its constructor has ended
            return
        # Ignore ALSA's time: through PulseAudio it is wrong by half a second for a while, and for a
        # sound card it only says when the block came.
        tie_s = monotonic_s() - self._stream.time
        told_s = times.currentTime - count / self._rate
        if times.inputBufferAdcTime and not self._by_arrival:
            told_s = min(told_s, times.inputBufferAdcTime)
        lost = bool(status.input_overflow)
        begin_s = self._clock.begin_s(told_s + tie_s, count, lost=lost)
        cause, self._cause = OVERFLOWED if lost else self._cause, ""
        self._heard += 1
        self._hear(Block(begin_s, mix_channels(bytes(samples), self._channels), cause))


def mix_channels(samples: bytes, channels: int) -> bytes:
    """Return the mean of interleaved int16 channels as one channel."""
    if channels == 1:
        return samples
    together = np.frombuffer(samples, "<i2").reshape(-1, channels).mean(axis=1)
    return bytes(together.round().astype("<i2").tobytes())

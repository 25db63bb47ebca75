"""A microphone of which the test decides what it hears, and when."""

import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from fakes import picture

from model.errors import InputError
from model.records import Frame, Stamp
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.recording.microphone import Microphone, list_microphones, mix_channels
from realtime.recording.plan import RecordPlan
from realtime.sessions.folder import SessionFolder
from realtime.sessions.line_file import read_lines
from realtime.sources import SOURCES, SourceInfo, SourceOptions, SourceStatus
from realtime.stream.clock import monotonic_s

TIMEOUT_S = 60
HZ = 8000
BLOCK = HZ // 10
DEVICE = {
    "name": "room",
    "max_input_channels": 1,
    "default_samplerate": float(HZ),
    "hostapi": 0,
}


class PortAudio:
    """What of sounddevice is used, with one microphone that opens whenever it is asked to."""

    PortAudioError = type("PortAudioError", (Exception,), {})
    default = SimpleNamespace(device=(0, 0))

    def __init__(self) -> None:
        self.opened: queue.Queue[Callable[..., None]] = queue.Queue()
        self.asked = 0
        self.devices = {0: DEVICE}
        self.plugged = self.devices
        """What is found when it begins anew."""
        self.channels: list[int] = []
        self.numbers: list[int] = []

    def query_hostapis(self, index: int | None = None) -> Any:
        hosts = [{"name": "ALSA", "devices": list(self.devices)}]
        return hosts if index is None else hosts[index]

    def query_devices(self, number: int) -> dict[str, Any]:
        return self.devices[number]

    def check_input_settings(self, number: int, *, channels: int, dtype: str) -> None:
        assert dtype == "int16"
        if channels not in self.devices[number].get("opens_with", (1,)):
            raise self.PortAudioError("Invalid number of channels")

    def RawInputStream(  # noqa: N802
        self, *, callback: Callable[..., None], device: int, channels: int, **_: Any
    ) -> "PortAudio":
        if device not in self.devices:
            raise self.PortAudioError("Invalid device")
        self._callback = callback
        self.numbers.append(device)
        self.channels.append(channels)
        return self

    def _terminate(self) -> None:
        self.devices = {}

    def _initialize(self) -> None:
        self.devices = self.plugged

    def __enter__(self) -> "PortAudio":
        self.opened.put(self._callback)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def time(self) -> float:
        """PortAudio's clock is the system's here."""
        self.asked += 1
        return monotonic_s()

    def say(self, take: Callable[..., None], value: int, begin_s: float) -> None:
        """A block of samples, spoken at that moment of the monotonic clock."""
        times = SimpleNamespace(currentTime=begin_s + BLOCK / HZ, inputBufferAdcTime=0.0)
        samples = np.full(BLOCK, value, "<i2").tobytes()
        status = SimpleNamespace(input_overflow=True)  # so that its time is kept
        before = self.asked
        while self.asked == before:  # what comes while the stream is being opened is not heard
            take(samples, BLOCK, times, status)


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> PortAudio:
    fake = PortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


class Ended(threading.Event):
    """Nobody waits for it: what the test does then happens at once. Set when that is all."""

    def __init__(self, then: Sequence[Callable[[], None]]) -> None:
        super().__init__()
        self._then = iter(then)

    def wait(self, timeout: float | None = None) -> bool:
        act = next(self._then, self.set)
        act()
        return self.is_set()


def test_a_microphone_is_back_when_something_is_heard_of_it(portaudio: PortAudio) -> None:
    microphone = Microphone("room")
    states: list[str] = []
    values: list[int] = []

    def silence() -> None:
        states.append(microphone.state)

    def block() -> None:
        portaudio.say(portaudio.opened.queue[-1], 7, monotonic_s())
        states.append(microphone.state)

    # It opens and is silent; between two tries it is waited for; then it is there, and ends.
    ended = Ended([silence, silence, silence, silence, block, silence])
    microphone.listen(lambda b: values.append(b.count), ended)
    there, away = "room", "room (away)"
    assert states == [there, away, away, away, there, there]
    assert values == [BLOCK]
    assert portaudio.opened.qsize() == 3


def test_the_level_is_that_of_the_loudest_of_the_last_blocks(portaudio: PortAudio) -> None:
    microphone = Microphone("room")
    levels: list[float | None] = []

    def hear(value: int) -> Callable[[], None]:
        def act() -> None:
            portaudio.say(portaudio.opened.queue[-1], value, monotonic_s())
            levels.append(microphone.level_db)

        return act

    silence = [lambda: levels.append(microphone.level_db)] * 2
    spoken = [hear(value) for value in (0, 3277, *[328] * 5, 328, -32768)]
    microphone.listen(lambda block: None, Ended([silence[0], silence[0], *spoken, *silence]))
    quiet, loud, low, full = -70.0, -20.0, -40.0, 0.0
    heard = [quiet, *[loud] * 6, low, full]
    assert levels == [None, None, *[pytest.approx(db, abs=0.01) for db in heard], full, None]


def test_one_that_comes_back_with_another_number_is_found_by_its_name(
    portaudio: PortAudio,
) -> None:
    microphone = Microphone("room")
    portaudio.plugged = {0: {**DEVICE, "name": "another"}, 3: DEVICE}
    heard: list[int] = []
    ended = Ended([lambda: None, lambda: None, lambda: portaudio.say(
        portaudio.opened.queue[-1], 7, monotonic_s()
    )])  # fmt: skip
    microphone.listen(lambda block: heard.append(block.count), ended)
    assert portaudio.numbers == [0, 3], "never another microphone"
    assert heard == [BLOCK]


def test_one_that_stays_away_is_tried_again_until_the_end(portaudio: PortAudio) -> None:
    microphone = Microphone("room")
    portaudio.plugged = {}
    states: list[str] = []
    ended = Ended([lambda: states.append(microphone.state)] * 6)
    microphone.listen(lambda block: None, ended)
    assert states[-1] == "room (away)"
    assert portaudio.numbers == [0]


def test_two_of_one_name_are_told_apart(portaudio: PortAudio) -> None:
    portaudio.devices = {0: DEVICE, 4: DEVICE, 5: {**DEVICE, "name": "hall"}}
    assert list_microphones() == {"room [0]": 0, "room [4]": 4, "hall": 5}
    with pytest.raises(InputError, match=r"several microphones match.*room \[0\], room \[4\]"):
        Microphone("room")
    assert Microphone("room [4]").name == "room [4]"
    assert Microphone("hall").name == "hall"


def test_one_of_two_channels_alone_is_mixed(portaudio: PortAudio) -> None:
    portaudio.devices = {0: {**DEVICE, "max_input_channels": 2, "opens_with": (2,)}}
    assert Microphone("room").channels == 2
    both = np.array([[100, 300], [-32768, -32768], [32767, 32767], [1, 0]], "<i2")
    assert np.frombuffer(mix_channels(both.tobytes(), 2), "<i2").tolist() == [200, -32768, 32767, 0]
    assert mix_channels(both.tobytes(), 1) == both.tobytes()
    portaudio.devices = {0: {**DEVICE, "opens_with": ()}}
    with pytest.raises(InputError, match="cannot be opened"):
        Microphone("room")


class Still:
    """A camera that takes a picture when the test wants one."""

    info = SourceInfo("", "still", "", True, "receipt", 64, 48, None, None, True)

    def __init__(self, spec: str, options: SourceOptions) -> None:
        self.sent: queue.Queue[Frame | None] = queue.Queue()

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.sent.get()) is not None:
            yield frame

    def status(self) -> SourceStatus:
        return SourceStatus("open", "", 0, None, {}, {})

    def interrupt(self) -> None:
        self.sent.put(None)

    def close(self) -> None:
        pass


def test_what_is_said_in_a_pause_is_left_out_and_nothing_else(
    portaudio: PortAudio, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOURCES, "still", f"{__name__}:Still")
    plan = RecordPlan(
        tmp_path / "s", "P07", codec="ffv1", consent="analysis", audio="room", voice=True
    )
    with LiveSession(LiveConfig("still", classifier=str(untrained), record=plan)) as session:
        source = session.source
        assert isinstance(source, Still)
        take = portaudio.opened.get(timeout=TIMEOUT_S)
        began_s = monotonic_s() - 1
        source.sent.put(Frame(Stamp(0, began_s), picture(0), began_s))
        assert session.results.latest_step(None, TIMEOUT_S)
        portaudio.say(take, 1, began_s + 0.1)
        session.pause()
        paused_s = monotonic_s()
        portaudio.say(take, 2, paused_s - 0.2)  # before the pause, and comes late
        portaudio.say(take, 3, paused_s)
        session.resume()
        resumed_s = monotonic_s()
        portaudio.say(take, 4, resumed_s - 0.05)  # at the end of the pause, and comes late
        portaudio.say(take, 5, resumed_s)
    folder = SessionFolder(tmp_path / "s")
    with av.open(str(folder.video(1))) as container:
        packets = [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]
    assert [np.frombuffer(packet, "<i2")[0] for packet in packets] == [1, 2, 5]
    assert [row.rpartition(",")[2] for row in read_lines(folder.sound)][-1] == "paused"

"""Sound beside the pictures: on one clock, in one file, forgotten and found again with them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
import pytest
from fakes import FakeClock
from test_recording_recorder import DOCUMENT, records

import realtime.recording.video_parts as parts
import run_live
from model.errors import InputError
from model.records import Frame, Stamp
from realtime.export.video import write_video
from realtime.recording.microphone import Microphone
from realtime.recording.plan import RecordPlan
from realtime.recording.recorder import SessionRecorder
from realtime.recording.sound_track import SampleClock, SoundBlock, SoundTrack
from realtime.sessions.delete import delete
from realtime.sessions.folder import SessionFolder, create_folder
from realtime.sessions.line_file import read_lines
from realtime.sessions.markers import Marker
from realtime.sessions.reader import open_session
from realtime.sessions.recover import recover
from realtime.sessions.redact import redact_span
from realtime.sessions.video_cut import read_pts

HZ = 8000
FPS = 25
BLOCK = HZ // 10
ZERO_S = 100.0
BEGUN_S = 100.01
"""When the microphone begins, a moment after the camera."""
SECRET = 12345
"""The value of samples that must not be found again."""


def picture(index: int, flash: bool = False) -> Frame:
    time_s = ZERO_S + index / FPS
    image = np.full((48, 64, 3), 255 if flash else index % 50, np.uint8)
    return Frame(Stamp(index, time_s), image, time_s)


def block(number: int, value: int = 0) -> SoundBlock:
    """Of 0.1 s, the first of which begins with the first picture."""
    return SoundBlock(ZERO_S + number * BLOCK / HZ, np.full(BLOCK, value, "<i2").tobytes())


def sounding(path: Path, clock: str = "driver") -> SessionRecorder:
    folder = create_folder(path)
    return SessionRecorder(
        folder,
        DOCUMENT | {"consent": None},
        clock=lambda: clock,
        losses=dict,
        now=FakeClock().now,
        sound=SoundTrack(folder.sound, HZ),
    )


def heard(path: Path) -> Iterator[tuple[float, np.ndarray[Any, Any]]]:
    """Blocks of a video's sound: when each begins, in s, and its samples."""
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.audio[0]):
            if packet.size:
                assert packet.pts is not None
                assert packet.time_base is not None
                yield float(packet.pts * packet.time_base), np.frombuffer(bytes(packet), "<i2")


def flashes(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [
            float(shown.pts * shown.time_base)
            for shown in container.decode(video=0)
            if shown.pts is not None
            and shown.time_base is not None
            and shown.to_ndarray(format="gray").mean() > 200
        ]


def clicks(path: Path) -> list[float]:
    return [
        begin_s + int(at) / HZ
        for begin_s, samples in heard(path)
        for at in np.flatnonzero(samples == SECRET)
    ]


def test_a_click_and_a_flash_lie_together_in_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a minute, a device that runs a thousandth too fast, a new file every ten seconds."""
    monkeypatch.setattr(parts, "PART_S", 10.0)
    made, device, jitter = sounding(tmp_path / "s"), SampleClock(HZ), Random(1)
    period_s = BLOCK / HZ / 1.001  # how long a block takes it
    number = 0
    for index in range(30 * FPS):
        shown = picture(index, flash=index % (4 * FPS) == 15)
        while (begin_s := BEGUN_S + number * period_s) + period_s <= shown.stamp.time_s:
            samples = np.zeros(BLOCK, "<i2")
            for lit in range(15, 30 * FPS, 4 * FPS):
                at = round((ZERO_S + lit / FPS - begin_s) / period_s * BLOCK)
                if 0 <= at < BLOCK:
                    samples[at] = SECRET
            begun_s = device.begin_s(begin_s + jitter.choice([0.0, 0.004]), BLOCK)
            made.take_sound(SoundBlock(begun_s, samples.tobytes()))
            number += 1
        made.write(shown)
    made.close("end")
    folder = SessionFolder(tmp_path / "s")
    assert folder.parts() == [1, 2, 3]
    lit = [s for part in folder.parts() for s in flashes(folder.video(part))]
    heard_at = [s for part in folder.parts() for s in clicks(folder.video(part))]
    assert len(lit) == len(heard_at) == 8
    assert np.abs(np.subtract(lit, heard_at)).max() < 0.002
    assert list(read_lines(folder.sound)) == ["from_s,to_s,cause"]
    blocks = [b for part in folder.parts() for b in heard(folder.video(part))]
    assert number - 2 <= len(blocks) <= number  # none is lost between two files
    out = tmp_path / "out"
    out.mkdir()
    (joined,) = write_video(open_session(tmp_path / "s"), out)
    assert clicks(joined) == heard_at
    assert flashes(joined) == lit


def test_blocks_that_come_late_keep_whole_sound_whole() -> None:
    """An hour of a device that runs 100 ppm too slow: counting samples would be 0.36 s off. Half of
    its blocks come late, one in a hundred by more than a block lasts."""
    clock, jitter = SampleClock(HZ), Random(2)
    period_s = BLOCK / HZ * (1 + 1e-4)
    worst_s, last_s = 0.0, -1.0
    for number in range(36_000):
        late_s = jitter.choice([0.0] * 50 + [0.01] * 49 + [0.15])
        begin_s = clock.begin_s(number * period_s + late_s, BLOCK)
        if number > 20:
            worst_s = max(worst_s, abs(begin_s - number * period_s))
            assert begin_s > last_s
        last_s = begin_s
    assert worst_s < 0.002


def test_missing_samples_are_a_gap_whether_the_device_says_so_or_not() -> None:
    clock, block_s = SampleClock(HZ), BLOCK / HZ
    begins = [clock.begin_s(n * block_s, BLOCK) for n in range(5)]
    assert begins == pytest.approx([n * block_s for n in range(5)])
    assert clock.begin_s(2.0, BLOCK, lost=True) == 2.0
    silent = [clock.begin_s(5 + n * block_s, BLOCK) for n in range(20)]
    assert silent[5] == pytest.approx(2.0 + 6 * block_s, abs=1e-3)  # it may come too late
    assert silent[-1] == pytest.approx(5 + 19 * block_s)


def test_forgetting_deletes_the_sound_too(tmp_path: Path) -> None:
    made = sounding(tmp_path / "s")
    for index in range(100):  # 4 s; what is said from 1.5 to 3 s has to go
        made.take_sound(SoundBlock(*_slice(index)))
        made.write(picture(index))
        if index == 75:
            made.mark(Marker("redact", "", "", ZERO_S + 1.5, 0.0, "", ZERO_S + 3.0))
    made.close("end")
    folder = SessionFolder(tmp_path / "s")
    assert not _found(tmp_path / "s", SECRET)
    begins = [s for part in folder.parts() for s, _ in heard(folder.video(part))]
    assert max(s for s in begins if s < 1.6) > 1.4
    assert min(s for s in begins if s > 1.6) == pytest.approx(3.04, abs=0.002)
    assert list(read_lines(folder.sound)) == ["from_s,to_s,cause"]


def _slice(index: int, secret: tuple[float, float] = (1.5, 3.0)) -> tuple[float, bytes]:
    """The sound of one picture's time; secret is what is said between two moments."""
    begin_s = index / FPS
    value = SECRET if secret[0] <= begin_s + 0.02 <= secret[1] else 7
    return ZERO_S + begin_s, np.full(HZ // FPS, value, "<i2").tobytes()


def _found(folder: Path, value: int) -> bool:
    pattern = np.full(8, value, "<i2").tobytes()
    return any(pattern in path.read_bytes() for path in folder.iterdir())


def test_a_finished_session_is_redacted_and_deleted_with_its_sound(tmp_path: Path) -> None:
    made = sounding(tmp_path / "s")
    for index in range(100):
        made.take_sound(SoundBlock(*_slice(index)))
        made.write(picture(index))
    made.close("end")
    assert _found(tmp_path / "s", SECRET)
    redact_span(tmp_path / "s", 1.5, 3.0)
    assert not _found(tmp_path / "s", SECRET)
    assert _found(tmp_path / "s", 7)
    redact_span(tmp_path / "s", 3.5, float("inf"))  # and what is heard after the last picture
    begins = [s for s, _ in heard(SessionFolder(tmp_path / "s").video(1))]
    assert max(begins) < 3.5
    files, copies = delete(tmp_path / "s", tmp_path / "receipt.json")
    assert files > 0
    assert copies.deleted == copies.left == ()
    assert '"sound.csv"' in (tmp_path / "receipt.json").read_text()


def test_what_is_not_there_has_a_line_with_its_cause(tmp_path: Path) -> None:
    made = sounding(tmp_path / "s")
    made.write(picture(0))
    made.take_sound(block(2, 7))
    made.take_sound(block(3, 7), omit_cause="paused")
    made.take_sound(block(4, 7))
    later = block(9, 7)
    made.take_sound(SoundBlock(later.time_s, later.samples, "microphone away"))
    made.beat()
    made.write(picture(3 * FPS))  # and is not heard of again
    made.close("end")
    folder = SessionFolder(tmp_path / "s")
    rows = [row.split(",") for row in list(read_lines(folder.sound))[1:]]
    assert [
        (round(float(a) - ZERO_S, 3), round(float(b) - ZERO_S, 3), why) for a, b, why in rows
    ] == [
        (0.0, 0.2, "microphone"),
        (0.3, 0.4, "paused"),
        (0.5, 0.9, "microphone away"),
        (1.0, 3.0, "microphone"),
    ]
    assert [round(s, 3) for s, _ in heard(folder.video(1))] == [0.2, 0.4, 0.9]


@pytest.mark.parametrize("forgotten", [False, True])
def test_sound_of_a_file_goes_on_where_its_pictures_do(tmp_path: Path, forgotten: bool) -> None:
    """Two seconds, a pause of a minute, two more: the file's clock stood still, the microphone's
    did not. What was said last before the pause may come late, and be forgotten in it."""
    made, paused_s = sounding(tmp_path / "s", "file"), 60.0
    for index in range(50):
        begin_s, samples = _slice(index, secret=(1.0, 2.0))
        made.take_sound(SoundBlock(begin_s + 0.01, samples))
        if index < 49:
            made.write(picture(index))
            made.beat()
    made.write(picture(49))
    if forgotten:
        made.mark(Marker("redact", "", "", ZERO_S + 1.0, 0.0, "", ZERO_S + 1.99))
    made.beat()
    for index in range(50, 100):
        begin_s, samples = _slice(index, secret=(9, 9))
        made.take_sound(SoundBlock(begin_s + 0.01 + paused_s, samples))
        made.beat()  # before the picture that tells of the pause
        shown = picture(index)
        made.write(replace(shown, received_s=shown.received_s + paused_s))
    made.close("end")
    folder = SessionFolder(tmp_path / "s")
    placed = [
        (s, samples[0]) for part in folder.parts() for s, samples in heard(folder.video(part))
    ]
    said = [(index / FPS + 0.01, SECRET if 25 <= index < 50 else 7) for index in range(99)]
    if forgotten:
        said = [(s, value) for s, value in said if not 0.96 < s < 1.99]
    assert [value for _, value in placed] == [value for _, value in said]
    assert [s for s, _ in placed] == pytest.approx([s for s, _ in said], abs=0.002)
    assert list(read_lines(folder.sound)) == ["from_s,to_s,cause"]


def test_a_recorder_that_stands_still_costs_sound_not_memory(tmp_path: Path) -> None:
    made = sounding(tmp_path / "s")
    made.write(picture(0))
    for number in range(400):  # 40 s
        made.take_sound(block(number))
    made.beat()
    made.take_sound(block(400))
    made.beat()
    made.close("end")
    (row,) = list(read_lines(SessionFolder(tmp_path / "s").sound))[1:]
    assert row.endswith(",recorder behind")
    assert 30 < float(row.split(",")[0]) - ZERO_S < 30.2


@pytest.mark.parametrize("seed", range(6))
def test_a_recording_with_sound_that_was_cut_off_is_made_whole(tmp_path: Path, seed: int) -> None:
    made = sounding(tmp_path / "live")
    for index in range(50):
        made.take_sound(SoundBlock(*_slice(index)))
        made.write(picture(index))
    # As a killed program leaves it, or torn anywhere.
    shutil.copytree(tmp_path / "live", tmp_path / "s")
    made.close("end")
    video = SessionFolder(tmp_path / "s").video(1)
    size = video.stat().st_size
    if seed:
        os.truncate(video, Random(seed).randrange(size // 3, size))
    with (tmp_path / "s" / "sound.csv").open("a") as table:
        table.write("100.0,1")
    done = recover(SessionFolder(tmp_path / "s"))
    pictures = read_pts(video)
    assert done.frames == len(pictures) > 0
    assert [r.pts_ms for r in records(tmp_path / "s") if r.fate == "recorded"] == pictures
    sound = list(heard(video))
    assert sound[-1][0] <= pictures[-1] / 1000
    if not seed:
        assert len(pictures) >= 50 - FPS // 4  # a quarter of a second
    # Both lie in the file as they came: one never waits long for the other.
    assert abs(sound[-1][0] - pictures[-1] / 1000) < 0.3
    assert list(read_lines(SessionFolder(tmp_path / "s").sound)) == ["from_s,to_s,cause"]


def test_sound_wants_a_consent_of_its_own() -> None:
    for given in ({}, {"voice": True}, {"consent": "analysis"}):
        with pytest.raises(InputError, match="to record sound"):
            RecordPlan(Path("s"), "P07", audio="default", **given)  # type: ignore[arg-type]
    assert RecordPlan(Path("s"), "P07", audio="default", voice=True, consent="analysis").voice


def test_without_portaudio_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(InputError, match="libportaudio2"):
        Microphone("default")


def test_a_microphone_that_is_not_there_is_told_with_those_that_are() -> None:
    pytest.importorskip("sounddevice", exc_type=OSError, reason="PortAudio is not installed")
    with pytest.raises(InputError, match="there is no such microphone; "):
        Microphone("a microphone that nobody has")


SPEAKER = """
pcm.room {{ type pulse; server "unix:{socket}"; device "speaker.monitor" }}
ctl.room {{ type pulse; server "unix:{socket}" }}
"""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a program that has one real microphone, `room`, of a PulseAudio of its
    own: it hears what a loudspeaker plays, of which there is nothing."""
    alsa = Path("/usr/share/alsa/alsa.conf")
    plugins = [*Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")]
    if not (shutil.which("pulseaudio") and alsa.exists() and plugins):
        pytest.skip("no PulseAudio with its plugin for ALSA is installed")
    pytest.importorskip("sounddevice", exc_type=OSError, reason="PortAudio is not installed")
    socket = tmp_path / "socket"
    (tmp_path / "asound.conf").write_text(f"<{alsa}>\n" + SPEAKER.format(socket=socket))
    environment = os.environ | {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf"),
    }
    modules = [
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        "module-null-sink sink_name=speaker",
    ]
    loads = [word for module in modules for word in ("-L", module)]
    # It goes to the background once it is ready.
    start = ["pulseaudio", "--daemonize=yes", "--exit-idle-time=-1", "-n", *loads]
    subprocess.run(start, env=environment, check=True, capture_output=True, timeout=30)
    yield environment
    stop = ["pulseaudio", "--kill"]
    subprocess.run(stop, env=environment, check=True, capture_output=True, timeout=30)


def test_a_real_microphone_is_recorded(
    room: dict[str, str], untrained: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "run_live.py", "--headless", "--source", "demo", "--seconds", "5"]
    command += ["--width", "320", "--height", "240", "--classifier", str(untrained)]
    command += ["--record", str(tmp_path / "s"), "--participant", "P07", "--engine", "eager"]
    command += ["--consent", "analysis, sound", "--voice", "--audio", "room"]
    done = subprocess.run(
        command,
        cwd=Path(run_live.__file__).parent,
        env=room,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    session = open_session(tmp_path / "s")
    assert session.document["video"]["audio"]["microphone"] == "room"
    assert session.document["consent"]["voice"]
    hz = session.document["video"]["audio"]["hz"]
    blocks = list(heard(session.folder.video(1)))
    seconds = sum(len(samples) for _, samples in blocks) / hz
    gaps = [row.split(",") for row in list(read_lines(session.folder.sound))[1:]]
    silent_s = sum(float(end) - float(begin) for begin, end, _ in gaps)
    assert len(gaps) <= 2  # until it begins
    assert 1 < seconds < 5.5
    assert blocks[-1][0] + len(blocks[-1][1]) / hz == pytest.approx(5, abs=0.7)
    assert seconds + silent_s == pytest.approx(5, abs=0.7)

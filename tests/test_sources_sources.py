"""What every source of the table promises; how a spec finds its source; the gate."""

import itertools
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import FakeClock, FakePort, picture, serve_file, write_clip
from hypothesis import given
from hypothesis import strategies as st
from test_recording_recorder import frame, recorder

from model.errors import SourceError
from model.records import Frame
from realtime import sources
from realtime.sources import SEEKABLE, SOURCES, Source, SourceOptions, open_source, split_spec
from realtime.sources.auto import open_auto
from realtime.sources.browser import BrowserSource
from realtime.sources.camera import Camera
from realtime.sources.demo_face import Demo
from realtime.sources.frame_source import Gate

OPTIONS = SourceOptions(width=160, height=120, fps=25, seconds=0.4)


def open_camera(spec: str, options: SourceOptions) -> Source:
    port = FakePort(FakeClock(), ["ok", "ok", "unplug", "ok", "ok", "damaged", "ok"])
    camera = Camera(spec, options, open_device=port.open, now=port.clock.now, wait=port.clock.wait)
    port.at_end = camera.interrupt
    return camera


def open_file(folder: Path, cleanup: ExitStack, options: SourceOptions) -> Source:
    clip = write_clip(folder / "clip.mkv", [picture(90)] * 6, [0, 30, 60, 100, 140, 200])
    return open_source(str(clip), replace(options, fps=None))


def open_folder(folder: Path, cleanup: ExitStack, options: SourceOptions) -> Source:
    for i in range(6):
        cv2.imwrite(str(folder / f"img{i}.png"), picture(40 * i))
    return open_source(str(folder), options)


def open_network(folder: Path, cleanup: ExitStack, options: SourceOptions) -> Source:
    clip = write_clip(folder / "clip.mkv", [picture(90)] * 6, [0, 30, 60, 100, 140, 200])
    return open_source(cleanup.enter_context(serve_file(clip)), replace(options, fps=None))


def open_browser(folder: Path, cleanup: ExitStack, options: SourceOptions) -> Source:
    source = open_source("browser", options)
    assert isinstance(source, BrowserSource)
    for i in range(3):
        source.offer(cv2.imencode(".jpg", picture(50 * i))[1].tobytes(), i / 30 - 1.0)
    return source


def open_session(folder: Path, cleanup: ExitStack, options: SourceOptions) -> Source:
    made = recorder(folder / "session")
    for index in (0, 1, 4, 5):
        made.write(frame(index))
    made.close("end")
    return open_source(str(folder / "session"), replace(options, fps=None))


OPENERS: dict[str, Callable[[Path, ExitStack, SourceOptions], Source]] = {
    "auto": lambda folder, cleanup, options: open_auto(
        "auto", options, cameras=["0"], open_camera=open_camera
    ),
    "camera": lambda folder, cleanup, options: open_camera("0", options),
    "file": open_file,
    "folder": open_folder,
    "network": open_network,
    "session": open_session,
    "demo": lambda folder, cleanup, options: open_source("demo", options),
    "browser": open_browser,
    "loop": lambda folder, cleanup, options: open_source("loop:demo", options),
}


def test_every_source_of_the_table_is_tested_here() -> None:
    assert set(OPENERS) == set(SOURCES)


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_keeps_its_promises(kind: str, tmp_path: Path) -> None:
    with ExitStack() as cleanup:
        source = OPENERS[kind](tmp_path, cleanup, OPTIONS)
        cleanup.callback(source.close)
        assert isinstance(source, Source)
        info = source.info
        assert info.kind == ("camera" if kind == "auto" else kind)
        assert info.kind in SOURCES
        assert "\n" not in info.description
        assert info.width > 0
        assert info.height > 0
        frames: list[Frame] = list(itertools.islice(source, 3))
        for frame in frames:
            assert frame.image.dtype == np.uint8
            assert frame.image.shape[2:] == (3,)
            assert frame.image.flags.c_contiguous
            assert not frame.image.flags.writeable
            assert (frame.received_s > 0) is info.live
        for before, after in itertools.pairwise(frames):
            assert after.stamp.index > before.stamp.index
            assert after.stamp.time_s > before.stamp.time_s
        status = source.status()
        assert status.state == "open"
        assert status.frames == 3
        assert status.fps_measured is not None
        source.interrupt()
        assert list(source) == []
        assert source.status().state == "ended"
        source.close()
        source.close()


def open_parts(folder: Path, start_s: float) -> Source:
    """A session in two parts, with frames that were lost."""
    made = recorder(folder / "session")
    for index in (*range(40), *range(45, 60)):
        made.write(frame(index))
    for index in range(60, 90):
        made.write(frame(index, 80, 48))  # another size begins another part
    made.close("end")
    return open_source(str(folder / "session"), SourceOptions(start_s=start_s))


def open_film(folder: Path, start_s: float) -> Source:
    """A film with few key frames, and pictures that are decoded in another order."""
    pictures = [picture(2 * i) for i in range(100)]
    encoding = {"g": "30", "bf": "2"}
    clip = write_clip(
        folder / "clip.mp4", pictures, [40 * i for i in range(100)], encoding=encoding
    )
    return open_source(str(clip), SourceOptions(start_s=start_s))


def open_images(folder: Path, start_s: float) -> Source:
    for i in range(100):
        cv2.imwrite(str(folder / f"{i:03}.png"), picture(2 * i))
    return open_source(str(folder), SourceOptions(fps=25, start_s=start_s))


SEARCHED = {"file": open_film, "folder": open_images, "session": open_parts}


def test_every_kind_that_can_be_searched_is_tested_here() -> None:
    assert set(SEARCHED) == set(SEEKABLE)


@pytest.mark.parametrize("start_s", [0.5, 1.61, 2.4, 3.5])
@pytest.mark.parametrize("kind", SEARCHED)
def test_from_a_moment_on_a_recording_gives_what_it_gives_from_its_beginning(
    kind: str, start_s: float, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "later").mkdir()
    whole, later = (
        SEARCHED[kind](tmp_path / "whole", 0.0),
        SEARCHED[kind](tmp_path / "later", start_s),
    )
    with closing(whole), closing(later):
        zero_s = whole.info.zero_s
        assert (later.info.zero_s, later.info.duration_s) == (zero_s, whole.info.duration_s)
        expected = [f for f in whole if f.stamp.time_s >= zero_s + start_s]
        found = list(later)
        assert [f.stamp.time_s for f in found] == [f.stamp.time_s for f in expected]
        assert all(map(np.array_equal, (f.image for f in found), (f.image for f in expected)))
        assert later.status().frames == len(found) > 1
        assert later.status().unusable == {}


@pytest.mark.parametrize(("rotate", "quarters"), [(90, 3), (180, 2), (270, 1)])
@pytest.mark.parametrize("kind", SOURCES)
def test_the_pictures_of_any_source_are_turned_clockwise(
    kind: str, rotate: int, quarters: int, tmp_path: Path
) -> None:
    seen = []
    for name, options in (("as it is", OPTIONS), ("turned", replace(OPTIONS, rotate=rotate))):
        (tmp_path / name).mkdir()
        with ExitStack() as cleanup:
            source = OPENERS[kind](tmp_path / name, cleanup, options)
            cleanup.callback(source.close)
            seen.append((source.info, next(iter(source))))
    (before, upright), (info, turned) = seen
    assert np.array_equal(turned.image, np.rot90(upright.image, quarters))
    assert not turned.image.flags.writeable
    assert turned.stamp == upright.stamp or kind == "network"
    size = (before.width, before.height)
    assert (info.width, info.height) == (size if rotate == 180 else size[::-1])
    assert f"; turned by {rotate}°" in info.description
    assert "turned" not in before.description


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("auto", ("auto", "auto")),
        ("demo", ("demo", "demo")),
        ("browser", ("browser", "browser")),
        ("0", ("camera", "0")),
        ("12", ("camera", "12")),
        ("007", ("camera", "7")),
        ("006", ("folder", "006")),
        ("/dev/video3", ("camera", "/dev/video3")),
        ("/dev/v4l/by-id/usb-x", ("camera", "/dev/v4l/by-id/usb-x")),
        ("rtsp://host/live", ("network", "rtsp://host/live")),
        ("https://host:8080/a.mkv", ("network", "https://host:8080/a.mkv")),
        ("clip.mkv", ("file", "clip.mkv")),
        ("pictures", ("folder", "pictures")),
        ("folder:demo", ("folder", "demo")),
        ("file:7", ("file", "7")),
        ("camera:1", ("camera", "1")),
    ],
)
def test_a_spec_finds_its_source(
    spec: str, expected: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip.mkv").touch()
    Path("pictures").mkdir()
    Path("006").mkdir()  # as of a subject
    assert split_spec(spec) == expected


@pytest.mark.parametrize("spec", ["~\0/", "a\0.mp4", "file:\ud800", "http://127.0.0.1:9/\ud800"])
def test_what_the_system_cannot_be_asked_for_is_told(spec: str) -> None:
    for call in (split_spec, open_source):
        with pytest.raises(SourceError, match="no file name or address can contain these") as error:
            call(spec)
        assert str(error.value).isprintable()


@pytest.mark.parametrize("spec", ["", "nothing.mp4", "C:\\clips\\a.mp4", "-1", "demos", "1.5"])
def test_anything_else_is_said_with_the_choices(spec: str) -> None:
    with pytest.raises(SourceError, match=r"no such file or folder; choose auto, a camera") as e:
        open_source(spec)
    assert "\n" not in str(e.value)


@given(st.text(max_size=30))
def test_no_spec_breaks_the_choice(spec: str) -> None:
    try:
        kind, _ = split_spec(spec)
    except SourceError:
        return
    assert kind in SOURCES


def test_the_choices_name_every_kind() -> None:
    words = {"auto": "auto", "camera": "camera", "file": "file", "folder": "folder"}
    words |= {"session": "session", "network": "rtsp://", "demo": "demo", "browser": "browser"}
    words["loop"] = "loop:"
    assert set(words) == set(SOURCES)
    assert all(word in sources.CHOICES for word in words.values())


def test_auto_takes_the_first_camera_that_opens() -> None:
    tried = []

    def open_it(spec: str, options: SourceOptions) -> Source:
        tried.append(spec)
        if spec == "/dev/video0":
            raise SourceError("/dev/video0 is busy: close the program that uses it")
        return open_camera(spec, options)

    source = open_auto(
        "auto", OPTIONS, cameras=["/dev/video0", "/dev/video2", "/dev/video4"], open_camera=open_it
    )
    assert tried == ["/dev/video0", "/dev/video2"]
    assert source.info.kind == "camera"
    assert source.info.spec == "/dev/video2"
    source.close()


def test_auto_falls_back_to_the_demo_and_says_why() -> None:
    def refuse(spec: str, options: SourceOptions) -> Source:
        raise SourceError(f"{spec} is busy: close the program that uses it")

    for cameras, why in ((["/dev/video0", "/dev/video1"], "video0 is busy"), ([], "no camera")):
        source = open_auto("auto", OPTIONS, cameras=cameras, open_camera=refuse)
        assert source.info.kind == "demo"
        assert source.info.spec == "auto"
        assert why in source.info.description


def test_the_demo_is_deterministic_and_knows_its_truth() -> None:
    options = SourceOptions(width=160, height=120, fps=50, seed=3, seconds=0.2)
    first, second = Demo("demo", options), Demo("demo", options)
    frames = list(first)
    assert [f.stamp.time_s for f in frames] == pytest.approx([i / 50 for i in range(10)])
    for one, other in zip(frames, second, strict=True):
        assert np.array_equal(one.image, other.image)
        assert one.image.shape == (120, 160, 3)
    truth = first.truth(60.0)
    assert any(expression.kind == "micro" for expression in truth)
    assert first.info.fps_nominal == 50
    assert Demo("demo", SourceOptions(width=160, height=120)).info.fps_nominal == 30


TIMES = st.lists(
    st.one_of(st.none(), st.sampled_from([float("nan"), float("inf")]), st.integers(0, 20)),
    max_size=40,
)


@given(TIMES, st.lists(st.integers(0, 3), min_size=41, max_size=41))
def test_the_gate_lets_only_increasing_times_pass_and_counts_the_rest(
    times: list[float | None], drops: list[int]
) -> None:
    gate = Gate()
    passed = []
    times = [*times, 21.0]  # the last one always passes
    for time_s, dropped in zip(times, drops, strict=False):
        if dropped:
            gate.drop("lost", dropped)
        frame = gate.admit(picture(1, 2, 2), time_s, received_s=7.0)
        if frame is not None:
            passed.append(frame)
            assert frame.stamp.time_s == time_s
            assert frame.received_s == 7.0
    for before, after in itertools.pairwise(passed):
        assert after.stamp.time_s > before.stamp.time_s
        assert after.stamp.index > before.stamp.index
    status = gate.status()
    assert status.frames == len(passed)
    assert sum(status.unusable.values()) + len(passed) == len(times)
    still = status.unusable.get("timestamp stands still", 0)
    everything = len(times) - still + sum(status.dropped.values())
    assert passed[-1].stamp.index == everything - 1


def test_the_measured_rate_is_that_of_the_last_frames() -> None:
    gate = Gate()
    assert gate.status().fps_measured is None
    for i in range(10):
        gate.admit(picture(1, 2, 2), i / 30)
    for i in range(200):
        gate.admit(picture(1, 2, 2), 10 + i / 120)
    assert gate.status().fps_measured == pytest.approx(120)

"""What was to be forgotten is found nowhere: not on disk, not in what the page can fetch.

The frames of a span are painted: red and blue at their most, so that whatever shows one of them is
known by its colour.
"""

import gc
import json
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import av
import cv2
import numpy as np
import pytest
from served import Served, serving
from staged import TIMEOUT_S, Footage, read_footage, stage
from websockets.sync.client import connect

import realtime.stream.ring
from model.records import Event, Frame, ImageU8, Stamp, Window
from realtime.config import LiveConfig
from realtime.export import export, export_folder
from realtime.recording.plan import RecordPlan
from realtime.results.replay import Replay
from realtime.results.results import Results
from realtime.review.session_report import write_session_report
from realtime.sessions.exported_copies import forget_copies
from realtime.sessions.folder import SessionFolder
from realtime.sessions.reader import open_session
from realtime.sessions.redact import redact_span
from realtime.stream.packed_frame import PackedFrame, RingFrame, pack, unpack
from realtime.stream.ring import FrameRing

LAST = 46
"""The last frame that is to be forgotten: the expression's onset is soon after it."""
FORGOTTEN_S = 0.8
CODEC = "ffv1"


def painted(frame: Frame) -> Frame:
    image = frame.image.copy()
    image[..., 0] = image[..., 2] = 255
    image.setflags(write=False)
    return replace(frame, image=image)


def shows_it(image: ImageU8) -> bool:
    """Whether any of a picture is painted: (H, W, 3) RGB. JPEG and blurring blunt the colour."""
    rgb = image.astype(int)
    strange = np.minimum(rgb[..., 0], rgb[..., 2]) - rgb[..., 1] > 40
    return bool(strange.mean() > 0.005)


def decoded(data: bytes) -> ImageU8:
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


@pytest.fixture
def frames(
    expression_clip: Path, untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Frame, ...]:
    clean = read_footage(expression_clip)
    first = clean[LAST].stamp.time_s - FORGOTTEN_S
    marked = tuple(
        painted(f) if first <= f.stamp.time_s and f.stamp.index <= LAST else f for f in clean
    )
    assert shows_it(marked[LAST].image)
    assert not shows_it(marked[LAST + 1].image)
    stage(marked, untrained, monkeypatch)
    return marked


def analysed(served: Served, index: int) -> None:
    """Return once frame `index` is analysed."""
    last = None
    while last is None or last < index:
        step = served.session.results.latest_step(last, TIMEOUT_S)
        assert step is not None
        last = step.frame.stamp.index


def fetched(served: Served) -> Iterator[tuple[str, ImageU8]]:
    """Every picture that the page can have, with where from; but for those of the flow, whose
    colours are directions."""
    run = served.session.snapshot().run
    for event in served.session.results.events():
        base = f"{served.address}live/events/{run}/{event.number}"
        names = [f"crop/{moment}.png" for moment in ("onset", "apex", "offset")]
        names += ["replay.jpg", "replay.jpg?factor=8"]
        for name in names:
            try:
                with urlopen(f"{base}/{name}", timeout=TIMEOUT_S) as answer:
                    yield name, decoded(answer.read())
            except HTTPError:  # it is not kept
                continue
    url = f"ws://127.0.0.1:{served.port}/live/view"
    with connect(url, max_size=2**24) as socket:
        for message in (socket.recv(TIMEOUT_S) for _ in range(4)):
            if isinstance(message, bytes):
                yield "view", decoded(message[message.index(b"\xff\xd8") :])


def stored(folder: Path) -> Iterator[tuple[str, ImageU8]]:
    """Every picture in the files below `folder`."""
    for path in folder.rglob("*"):
        if path.suffix in (".mkv", ".mp4"):
            with av.open(str(path)) as container:
                for picture in container.decode(video=0):
                    yield path.name, picture.to_ndarray(format="rgb24")
        elif path.suffix == ".html":
            import base64
            import re

            for data in re.findall(r"data:image/[a-z]+;base64,([^\"')]+)", path.read_text()):
                yield path.name, decoded(base64.b64decode(data))


@pytest.mark.parametrize("forget", [True, False], ids=["forgotten", "kept"])
def test_the_page_and_the_disk_have_nothing_of_it(
    forget: bool, frames: tuple[Frame, ...], untrained: Path, tmp_path: Path
) -> None:
    plan = RecordPlan(tmp_path / "s" / "P07", "P07", codec=CODEC, consent="all", pictures=True)
    config = LiveConfig("footage", classifier=str(untrained), record=plan)
    with serving(config) as served:
        session = served.session
        (source,) = Footage.opened
        for frame in frames[: LAST + 1]:
            source.sent.put(frame)
        analysed(served, LAST)
        session.pause()
        if forget:
            session.redact(FORGOTTEN_S)
            assert session.results.latest_step(None, 0) is None
        assert any(shows_it(image) for _, image in fetched(served)) is not forget
        session.resume()
        for frame in frames[LAST + 1 :]:
            source.sent.put(frame)
        analysed(served, len(frames) - 1)
        source.sent.put(None)
        assert session.wait(TIMEOUT_S)
        (event,) = session.results.events()
        onset_s = event.window.onset.time_s
        assert 0 < onset_s - frames[LAST].stamp.time_s < 0.5, "it begins just after"
        # The ring holds six seconds: the clip's, too.
        ring = session.ring
        assert ring is not None
        assert any(shows_it(unpack(frame).image) for frame in ring.between(0, 9)) is not forget
        found = {name for name, image in fetched(served) if shows_it(image)}
        assert {name for name, _ in fetched(served)} >= {"replay.jpg", "crop/apex.png"}
        assert found == (set() if forget else {"replay.jpg", "replay.jpg?factor=8"})
        clip = session.clip(event.number)
        assert clip
        assert any(shows_it(frame.image) for frame in clip) is not forget
    assert any(shows_it(image) for _, image in stored(tmp_path)) is not forget


def replays_in_memory() -> list[weakref.ref[ImageU8]]:
    """Their pictures; tests before may have left some."""
    gc.collect()
    return [weakref.ref(kept.pictures) for kept in gc.get_objects() if type(kept) is Replay]


def test_an_open_replay_is_not_kept_from_before(
    frames: tuple[Frame, ...], untrained: Path, tmp_path: Path
) -> None:
    """Of an expression that was looked at already, some context is forgotten afterwards."""
    before = replays_in_memory()
    config = LiveConfig(
        "footage", classifier=str(untrained), record=RecordPlan(tmp_path / "P07", "P07")
    )
    with serving(config) as served:
        session = served.session
        (source,) = Footage.opened
        source.send()
        analysed(served, len(frames) - 1)
        session.pause()
        assert {name for name, image in fetched(served) if shows_it(image)}
        known = set(map(id, before))  # of the references: equal ones compare their pictures
        opened = [kept for kept in replays_in_memory() if id(kept) not in known]
        assert opened
        end_s = frames[LAST].stamp.time_s
        session._forget(end_s - FORGOTTEN_S, end_s)
        gc.collect()
        assert [kept() for kept in opened] == [None] * len(opened)
        assert session.results.events()
        assert {name for name, _ in fetched(served)} >= {"replay.jpg"}
        assert not {name for name, image in fetched(served) if shows_it(image)}


def test_an_event_beside_it_loses_the_pictures_that_it_may_share() -> None:
    """Crops are of some frames around a moment."""

    def event(number: int, onset_s: float, offset_s: float) -> Event:
        stamps = [Stamp(round(25 * t), t) for t in (onset_s, (onset_s + offset_s) / 2, offset_s)]
        window = Window(stamps[0], stamps[1], stamps[2], 1.0, "micro", ())
        crop = np.zeros((4, 4), np.uint8)
        return Event(number, "confirmed", window, None, "", stamps[2], crops=(crop, crop, crop))

    results = Results()
    results.add_last((event(0, 0.2, 0.49), event(1, 0.6, 0.9), event(2, 1.51, 1.8)))
    assert results.forget(0.5, 1.5) == (1,)
    results.add_last((event(3, 0.7, 1.0), event(4, 1.515, 1.9), event(5, 1.6, 1.9)))
    assert {e.number: len(e.crops) for e in results.events()} == {0: 0, 2: 0, 4: 0, 5: 3}
    assert results.is_forgotten(Stamp(25, 1.0))
    assert not results.is_forgotten(Stamp(45, 1.8))


def test_a_ring_forgets_pictures_and_no_frame() -> None:
    ring = FrameRing(10, 2**20)
    follower = ring.follow()
    image = np.full((4, 4, 3), 200, np.uint8)
    for index in range(5):
        ring.append(Frame(Stamp(index, index / 10), image, 0.0, b"jpeg"))
    ring.forget(0.1, 0.3)
    ring.close()
    seen = [(frame.stamp.index, int(frame.image.max()), missed) for frame, missed in follower]
    assert seen == [(0, 200, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 200, 0)]
    held = [unpack(frame) for frame in ring.between(0.1, 0.3)]
    assert [frame.packed for frame in held] == [None] * 3
    assert not any(frame.image.flags.writeable for frame in held)


def test_a_ring_forgets_what_is_packed_or_being_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = FrameRing(10, 2**20)
    image = np.full((16, 16, 3), 200, np.uint8)
    for index in range(4):
        ring.append(Frame(Stamp(index, index / 10), image, 0.0))

    def forget_meanwhile(frame: RingFrame, *, as_sent: bool) -> PackedFrame:
        packed = pack(frame, as_sent=as_sent)
        if frame.stamp.index == 1:
            ring.forget(0.0, 0.1)
        return packed

    monkeypatch.setattr(realtime.stream.ring, "pack", forget_meanwhile)
    ring.pack_read()
    kept = ring.between(0.0, 1.0)
    assert [int(unpack(frame).image.max()) for frame in kept] == [0, 0, 200, 200]
    assert isinstance(kept[0], PackedFrame)


def test_what_was_exported_is_reached_too(
    frames: tuple[Frame, ...], untrained: Path, tmp_path: Path
) -> None:
    plan = RecordPlan(tmp_path / "P07", "P07", codec=CODEC, consent="all", pictures=True)
    config = LiveConfig("footage", classifier=str(untrained), record=plan)
    with serving(config) as served:
        (source,) = Footage.opened
        source.send()
        analysed(served, len(frames) - 1)
    session = open_session(tmp_path / "P07")
    written = list(export(session, ["video", "crop", "csv"]))
    report = write_session_report(tmp_path / "P07", None, None)
    changed = next(path for path in written if "crop" in path.name)
    with changed.open("ab") as file:
        file.write(b"\0")  # somebody worked on it
    assert {name for name, image in stored(tmp_path) if shows_it(image)} >= {"video.mkv"}
    end_s = frames[LAST].stamp.time_s
    redact_span(tmp_path / "P07", end_s - FORGOTTEN_S, end_s)
    copies = forget_copies(SessionFolder(tmp_path / "P07"))
    tables = {path for path in written if path.suffix != ".mkv"}
    assert report in copies.deleted
    assert {path.suffix for path in copies.deleted} == {".html", ".mkv"}
    assert set(copies.left) == {changed, *tables}
    changed.unlink()
    assert list(stored(tmp_path))
    assert not {name for name, image in stored(tmp_path) if shows_it(image)}
    for path in tables:
        path.unlink()
    again = list(export(open_session(tmp_path / "P07"), ["video", "crop"]))
    assert all(path.parent == export_folder(session) for path in again)
    assert not {name for name, image in stored(tmp_path) if shows_it(image)}
    lines = (tmp_path / "P07" / "copies.jsonl").read_text().splitlines()
    assert {Path(json.loads(line)["path"]) for line in lines} >= {*written, report}

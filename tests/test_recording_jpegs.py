"""Recordings that keep the camera's own JPEGs: the very bytes, in every way a session is used."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from fakes import FakeClock, FakePort, camera_jpeg, copied, motion_jpeg, picture, web_server
from test_recording_recorder import DOCUMENT, frame, records

from model.errors import InputError
from model.records import Frame, ImageU8
from realtime.config import LiveConfig
from realtime.export.video import write_video
from realtime.live import LiveSession
from realtime.recording import video_parts as parts
from realtime.recording.plan import RecordPlan
from realtime.recording.recorder import SessionRecorder
from realtime.review.recorded_frames import RecordedFrames
from realtime.sessions.crash_safe_video import CODECS
from realtime.sessions.folder import SessionFolder, create_folder
from realtime.sessions.markers import Marker
from realtime.sessions.reader import open_session
from realtime.sessions.recover import recover
from realtime.sessions.redact import redact_span
from realtime.sessions.replay_parity import compare_with_live
from realtime.sessions.session_source import SessionSource
from realtime.sessions.video_cut import read_pts
from realtime.sources import SOURCES, SourceOptions, open_source
from realtime.sources.camera import Camera
from realtime.sources.camera_opening import CaptureMode
from realtime.sources.frame_source import FrameSource
from realtime.sources.picture_decoding import decode_picture

UNTOUCHED = DOCUMENT | {"video": {"codec": "mjpeg", "lossless": True}}
PACKED = SourceOptions(packed=True)


def recorder(path: Path) -> SessionRecorder:
    return SessionRecorder(
        create_folder(path), UNTOUCHED, clock=lambda: "driver", losses=dict, now=FakeClock().now
    )


def jpeg_frame(index: int, width: int = 64, height: int = 48) -> Frame:
    jpeg = camera_jpeg(index, width, height)
    return replace(frame(index), image=pixels(jpeg), packed=jpeg)


def pixels(jpeg: bytes | None) -> ImageU8:
    assert jpeg is not None
    image = decode_picture(jpeg)
    assert image is not None
    return image


def packets(video: Path) -> list[bytes]:
    """What is in the file, byte by byte."""
    with av.open(str(video)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


class JpegCamera(FrameSource):
    """A camera that shows a clip, in JPEGs; mounted as the options say, so that they bring it
    upright."""

    def __init__(self, spec: str, options: SourceOptions) -> None:
        super().__init__(options.rotate)
        assert options.packed
        self._clip = open_source(spec)
        width, height = self._clip.info.width, self._clip.info.height
        if options.rotate == 90:
            width, height = height, width
        info = replace(self._clip.info, width=width, height=height)
        self._info = replace(info, lossless=False, jpeg=True)

    def _run(self) -> Generator[Frame, None, None]:
        for shown in self._clip:
            mounted = np.rot90(shown.image[..., ::-1], self._rotate // 90)
            packed = cv2.imencode(".jpg", mounted)[1].tobytes()
            admitted = self._gate.admit(pixels(packed), shown.stamp.time_s, packed=packed)
            assert admitted is not None
            yield admitted

    def _release(self) -> None:
        self._clip.close()


def recording(clip: Path, classifier: Path, folder: Path, rotate: int = 0) -> None:
    """A clip with one expression, recorded from a camera that sends JPEGs."""
    plan = RecordPlan(folder, "P07", codec="mjpeg", consent="analysis")
    config = LiveConfig(f"jpegs:{clip}", rotate=rotate, classifier=str(classifier), record=plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCES, "jpegs", f"{__name__}:JpegCamera")
        with LiveSession(config) as live:
            assert live.wait(60)


@pytest.fixture(scope="module")
def session(
    untrained: Path, expression_clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A recording of JPEGs. Not to be changed."""
    folder = tmp_path_factory.mktemp("jpegs") / "P07"
    recording(expression_clip, untrained, folder)
    return folder


def test_the_cameras_bytes_are_in_the_file_and_its_pixels_come_back(tmp_path: Path) -> None:
    port = FakePort(
        FakeClock(), ["ok", "damaged", *["ok"] * 6], mode=CaptureMode(64, 48, 30.0, "MJPG")
    )
    camera = Camera("0", PACKED, open_device=port.open, now=port.clock.now, wait=port.clock.wait)
    assert camera.info.jpeg
    port.at_end = camera.interrupt
    made = SessionRecorder(
        create_folder(tmp_path / "s"),
        UNTOUCHED,
        clock=lambda: camera.info.clock,
        losses=lambda: camera.status().unusable,
        now=FakeClock().now,
    )
    with closing(camera):
        live = list(camera)
        for one in live:
            made.write(one)
    made.close("end")
    sent = [camera_jpeg(grab, 64, 48) for grab in (6, 8, 9, 10, 11, 12, 13)]  # 5 for the probe
    assert packets(tmp_path / "s" / "video.mkv") == sent
    assert [(r.index, r.fate, r.cause) for r in records(tmp_path / "s")][:3] == [
        (0, "recorded", ""),
        (1, "missing", "damaged picture"),
        (2, "recorded", ""),
    ]
    with closing(SessionSource(str(tmp_path / "s"), SourceOptions())) as source:
        again = list(source)
    assert [one.stamp for one in again] == [one.stamp for one in live]
    for then, now in zip(live, again, strict=True):
        assert np.array_equal(then.image, now.image)
        assert not now.image.flags.writeable


def test_a_player_shows_what_is_in_it(session: Path) -> None:
    with av.open(str(session / "video.mkv")) as container:
        shown = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    with closing(SessionSource(str(session), SourceOptions())) as source:
        kept = [one.image for one in source]
    assert len(shown) == len(kept) == 87
    for theirs, ours in zip(shown, kept, strict=True):  # other arithmetic, the same picture
        assert np.abs(theirs.astype(int) - ours).mean() < 2


def test_analysed_again_nothing_differs(session: Path) -> None:
    document = SessionFolder(session).read_document()
    assert document["video"]["lossless"]
    assert document["video"]["encoder"] is None
    assert {check["name"]: check["good"] for check in document["checks"]}["JPEGs"]
    with closing(SessionSource(str(session), SourceOptions())) as source:
        assert not source.info.lossless  # the camera packed them
        found = compare_with_live(source, "cpu")
    assert found.live == found.replayed == 1
    assert found.differences == ()
    assert found.cautions == ()


def test_of_a_camera_on_its_side_the_bytes_are_kept_and_the_pictures_turned(
    untrained: Path, expression_clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "P07"
    recording(expression_clip, untrained, folder, rotate=90)
    with closing(open_source(str(expression_clip))) as clip:
        upright = [one.image for one in clip]
    kept = pixels(packets(folder / "video.mkv")[40])
    assert kept.shape == (320, 240, 3)
    assert np.abs(np.rot90(kept, -1).astype(int) - upright[40]).mean() < 4
    document = SessionFolder(folder).read_document()
    assert document["config"]["rotate"] == 90
    with closing(SessionSource(str(folder), SourceOptions())) as source:
        assert (source.info.width, source.info.height) == (320, 240)
        found = compare_with_live(source, "cpu")
    assert (found.live, found.replayed, found.differences, found.cautions) == (1, 1, (), ())
    with closing(RecordedFrames(open_session(folder))) as pictures:
        assert np.array_equal(pictures.frame(40).image, np.rot90(kept, -1))
    (out,) = write_video(open_session(folder), tmp_path)
    for video in (folder / "video.mkv", out):  # a player turns them too
        with closing(open_source(str(video))) as source:
            assert np.abs(next(iter(source)).image.astype(int) - upright[0]).mean() < 4


def test_stepping_through_it_shows_the_same_pixels(session: Path) -> None:
    with closing(RecordedFrames(open_session(session))) as pictures:
        for place in (50, 51, 3):
            jpeg = packets(session / "video.mkv")[place]
            assert np.array_equal(pictures.frame(place).image, pixels(jpeg))


def test_a_picture_that_was_damaged_on_the_disk_is_a_jump(session: Path, tmp_path: Path) -> None:
    video = copied(session, tmp_path) / "video.mkv"
    data, damaged = bytearray(video.read_bytes()), packets(video)[5]
    at = data.index(damaged) + len(damaged)
    data[at - 2 : at] = b"\0\0"  # its end mark
    video.write_bytes(data)
    with closing(SessionSource(str(video.parent), SourceOptions())) as source:
        assert [one.stamp.index for one in source] == [n for n in range(87) if n != 5]
        assert source.status().unusable == {"damaged": 1}


def test_what_is_redacted_is_gone_and_the_rest_is_as_it_was(session: Path, tmp_path: Path) -> None:
    before = packets(session / "video.mkv")
    folder = copied(session, tmp_path)
    assert redact_span(folder, 1.0, 1.5) == 13
    assert packets(folder / "video.mkv") == before[:25] + before[38:]
    held = (folder / "video.mkv").read_bytes()
    assert not any(gone in held for gone in before[25:38])


def test_it_is_exported_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_S", 0.2)
    made = recorder(tmp_path / "s")
    for index in range(12):
        made.write(jpeg_frame(index))
    made.close("end")
    (out,) = write_video(open_session(tmp_path / "s"), tmp_path)
    assert len(SessionFolder(tmp_path / "s").parts()) == 3
    assert packets(out) == [camera_jpeg(index, 64, 48) for index in range(12)]
    assert read_pts(out) == [40 * index for index in range(12)]


def test_a_picture_that_came_otherwise_is_kept_bit_by_bit_in_a_part_of_its_own(
    tmp_path: Path,
) -> None:
    shown = [jpeg_frame(0), frame(1), jpeg_frame(2), jpeg_frame(3, 80, 64), jpeg_frame(4, 80, 64)]
    made = recorder(tmp_path / "s")
    for one in shown:
        made.write(one)
    made.close("end")
    assert [r.part for r in records(tmp_path / "s")] == [1, 2, 3, 4, 4]
    with closing(SessionSource(str(tmp_path / "s"), SourceOptions())) as source:
        for then, now in zip(shown, source, strict=True):
            assert np.array_equal(then.image, now.image)
    with pytest.raises(InputError, match="differ in size or codec"):
        write_video(open_session(tmp_path / "s"), tmp_path)


def test_the_last_seconds_can_be_forgotten_while_it_records(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    for index in range(30):
        made.write(jpeg_frame(index))
    span = frame(10).stamp.time_s, frame(19).stamp.time_s
    made.mark(Marker("redact", "", "", span[0], 0.0, "", span[1]))
    for index in range(30, 33):
        made.write(jpeg_frame(index))
    made.close("end")
    folder = SessionFolder(tmp_path / "s")
    kept = [jpeg for part in folder.parts() for jpeg in packets(folder.video(part))]
    assert kept == [camera_jpeg(n, 64, 48) for n in range(33) if not 10 <= n <= 19]
    assert [r.index for r in records(tmp_path / "s") if r.fate == "redacted"] == list(range(10, 20))


@pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.77, 0.96, 1.0])
def test_cut_off_anywhere_what_is_left_is_as_it_was(tmp_path: Path, share: float) -> None:
    made = recorder(tmp_path / "s")
    for index in range(30):
        made.write(jpeg_frame(index))
    made.close("end")
    folder = SessionFolder(tmp_path / "s")
    folder.write_document(folder.read_document() | {"state": "recording"})
    data = folder.video(1).read_bytes()
    folder.video(1).write_bytes(data[: round(len(data) * share)])
    done = recover(folder)
    kept = [r for r in records(tmp_path / "s") if r.fate == "recorded"]
    assert [r.index for r in kept] == list(range(done.frames))
    assert done.frames == 30 - done.lost
    if done.frames:
        assert packets(folder.video(1)) == [camera_jpeg(n, 64, 48) for n in range(done.frames)]
        assert [r.pts_ms for r in kept] == read_pts(folder.video(1))
        with closing(SessionSource(str(tmp_path / "s"), SourceOptions())) as source:
            assert [one.stamp.index for one in source] == list(range(done.frames))


def test_a_stream_of_jpegs_hands_them_over_as_it_sent_them() -> None:
    sent = {cv2.imencode(".jpg", picture(n))[1].tobytes() for n in range(200)}
    with web_server(motion_jpeg(60)) as address:
        with closing(open_source(address, PACKED)) as source:
            assert source.info.jpeg
            for one, _ in zip(source, range(20), strict=False):
                assert one.packed in sent
                assert np.array_equal(one.image, pixels(one.packed))
        with closing(open_source(address)) as source:  # nobody asked
            assert next(iter(source)).packed is None


@pytest.mark.parametrize(("fourcc", "jpeg"), [("MJPG", True), ("YUYV", False)])
def test_a_camera_says_whether_it_has_jpegs(fourcc: str, jpeg: bool) -> None:
    port = FakePort(FakeClock(), ["ok"] * 3, mode=CaptureMode(64, 48, 30.0, fourcc))
    for options in (SourceOptions(), PACKED):
        with closing(Camera("0", options, open_device=port.open, now=port.clock.now)) as camera:
            assert camera.info.jpeg is jpeg
            packed = next(iter(camera)).packed
            assert (packed is not None) is jpeg


def test_a_jpeg_takes_less_room_than_is_planned_for_it() -> None:
    """Quality 95 of a picture that is all edges and noise."""
    noise = np.random.default_rng(3).normal(0, 12, (480, 640, 3))
    image = np.clip(picture(120, 640, 480) + noise, 0, 255).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    assert len(jpeg) < CODECS["mjpeg"].bytes_per_px * 640 * 480

"""Video files, made here by PyAV: good ones, odd ones, and broken ones."""

import functools
import tempfile
import wave
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from fakes import jpeg_packets, mux_jpegs, picture, write_clip
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import SourceError
from model.records import Frame
from realtime.sources import Source, SourceOptions, open_source


def read(path: Path) -> tuple[Source, list[Frame]]:
    source = open_source(str(path))
    frames = list(source)
    source.close()
    for before, after in pairwise(frames):
        assert after.stamp.index > before.stamp.index
        assert after.stamp.time_s > before.stamp.time_s
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.ndim == 3
        assert frame.image.shape[2] == 3
        assert not frame.image.flags.writeable
        assert frame.image.flags.c_contiguous
        assert frame.received_s == 0.0
    return source, frames


def times_ms(frames: list[Frame]) -> list[int]:
    return [round(frame.stamp.time_s * 1000) for frame in frames]


def levels(frames: list[Frame]) -> list[int]:
    """The grey value of each picture's lower right quarter, to the next multiple of ten."""
    return [round(float(f.image[-4:, -4:].mean()) / 10) * 10 for f in frames]


@pytest.mark.parametrize("fps", [5, 25, 240])
def test_frames_keep_their_own_times(tmp_path: Path, fps: int) -> None:
    at_ms = [round(1000 * i / fps) for i in range(20)]
    clip = write_clip(tmp_path / "clip.mkv", [picture(10 * i) for i in range(20)], at_ms)
    source, frames = read(clip)
    assert times_ms(frames) == at_ms
    assert [f.stamp.index for f in frames] == list(range(20))
    assert levels(frames) == [10 * i for i in range(20)]
    info = source.info
    assert (info.kind, info.clock, info.live) == ("file", "file", False)
    assert (info.width, info.height) == (64, 48)
    assert "clip.mkv: 64×48" in info.description
    status = source.status()
    assert (status.state, status.frames, status.dropped, status.unusable) == ("ended", 20, {}, {})


def test_a_variable_rate_is_honoured_and_time_starts_at_the_first_frame(tmp_path: Path) -> None:
    at_ms = [500, 533, 600, 1100, 1104, 2000]
    _, frames = read(write_clip(tmp_path / "vfr.mkv", [picture(90)] * 6, at_ms))
    assert times_ms(frames) == [0, 33, 100, 600, 604, 1500]


@pytest.mark.parametrize(
    ("rotation", "hflip", "shape", "dark"),
    [
        (0, False, (48, 64), (0, 0)),
        (90, False, (64, 48), (-1, 0)),  # counter-clockwise
        (-90, False, (64, 48), (0, -1)),
        (180, False, (48, 64), (-1, -1)),
        (0, True, (48, 64), (0, -1)),
    ],
)
def test_portrait_and_mirrored_video_comes_upright(
    tmp_path: Path, rotation: int, hflip: bool, shape: tuple[int, int], dark: tuple[int, int]
) -> None:
    clip = tmp_path / "phone.mp4"
    write_clip(clip, [picture(200)] * 3, [0, 33, 66], rotation=rotation, hflip=hflip)
    source, frames = read(clip)
    assert (source.info.height, source.info.width) == shape
    for frame in frames:
        assert frame.image.shape == (*shape, 3)
        corners = {(y, x): frame.image[y, x].mean() for y in (0, -1) for x in (0, -1)}
        assert min(corners, key=lambda corner: corners[corner]) == dark


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "size"),
    [
        ("ffv1", "gray", (64, 48)),
        ("ffv1", "yuv420p10le", (64, 48)),
        ("ffv1", "gray16le", (64, 48)),
        ("ffv1", "yuv444p", (33, 17)),
        ("libx264", "yuv420p", (16, 16)),
        ("mjpeg", "yuvj444p", (31, 15)),
    ],
)
def test_grey_deep_small_and_odd_pictures_become_rgb(
    tmp_path: Path, codec: str, pix_fmt: str, size: tuple[int, int]
) -> None:
    images = [picture(value, *size) for value in (100, 180)]
    clip = write_clip(tmp_path / "c.mkv", images, [0, 40], codec=codec, pix_fmt=pix_fmt)
    source, frames = read(clip)
    assert source.info.lossless is (codec == "ffv1")
    assert len(frames) == 2
    for frame, image in zip(frames, images, strict=True):
        assert frame.image.shape == image.shape
        error = np.abs(frame.image[-3:, -3:].astype(int) - image[-3:, -3:].astype(int))
        assert error.max() <= 6


def test_colours_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 255
    clip = write_clip(tmp_path / "c.mkv", [red, red], [0, 40], codec="ffv1", pix_fmt="yuv444p")
    for frame in read(clip)[1]:
        assert frame.image[24, 32, 0] > 240
        assert frame.image[24, 32, 1:].max() < 15


def test_a_codec_that_nobody_knows_is_said(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mkv", [picture(90)] * 3, [0, 40, 80])
    clip.write_bytes(clip.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_NOBODY/KNOWS!"))
    with pytest.raises(SourceError, match=r"c\.mkv: its video is in a codec that cannot be read"):
        open_source(str(clip))


def test_a_size_that_changes_on_the_way_is_carried_and_said(tmp_path: Path) -> None:
    images = [picture(100)] * 3 + [picture(100, 96, 80)] * 3
    clip = mux_jpegs(tmp_path / "c.mkv", jpeg_packets(images), [0, 40, 80, 120, 160, 200])
    source, frames = read(clip)
    assert [f.image.shape for f in frames] == [(48, 64, 3)] * 3 + [(80, 96, 3)] * 3
    assert times_ms(frames) == [0, 40, 80, 120, 160, 200]
    assert source.status().unusable == {}
    assert source.status().message == "size changed to 96×80 at 0.12 s"


def test_times_that_stand_still_are_refused_and_counted(tmp_path: Path) -> None:
    encoded = jpeg_packets([picture(10 * i) for i in range(5)])
    clip = mux_jpegs(tmp_path / "c.mkv", encoded, [0, 40, 40, 40, 80])
    source, frames = read(clip)
    assert times_ms(frames) == [0, 40, 80]
    assert levels(frames) == [0, 10, 40]
    assert [f.stamp.index for f in frames] == [0, 1, 2]
    assert source.status().unusable == {"timestamp stands still": 2}


def test_times_that_run_back_are_refused_counted_and_leave_a_gap(tmp_path: Path) -> None:
    """Two transport streams behind each other: the second starts at the first one's time."""
    parts = []
    for name, levels_of, at_ms in (
        ("a.ts", range(10, 60, 10), range(0, 200, 40)),
        ("b.ts", range(60, 140, 10), range(0, 320, 40)),
    ):
        part = write_clip(tmp_path / name, [picture(v) for v in levels_of], list(at_ms))
        parts.append(part.read_bytes())
    clip = tmp_path / "joined.ts"
    clip.write_bytes(b"".join(parts))
    source, frames = read(clip)
    status = source.status()
    assert set(status.unusable) <= {"timestamp runs back", "timestamp stands still", "damaged"}
    assert status.unusable["timestamp runs back"] >= 4
    assert times_ms(frames) == list(range(0, 320, 40))
    assert levels(frames) == [10, 20, 30, 40, 50, 110, 120, 130]
    jump = frames[5].stamp.index - frames[4].stamp.index
    assert jump == 1 + status.unusable["timestamp runs back"]


def whole_clip(suffix: str, **options: str) -> bytes:
    """30 noisy pictures, 1 s: noise, so that every cut and flip hits picture data."""
    noise = np.random.default_rng(3)
    images = [noise.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(30)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"whole{suffix}"
        return write_clip(path, images, [33 * i for i in range(30)], options=options).read_bytes()


whole_mkv = functools.cache(functools.partial(whole_clip, ".mkv"))


def test_a_truncated_file_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    clip = tmp_path / "cut.mkv"
    clip.write_bytes(whole_mkv()[: len(whole_mkv()) // 2])
    source, frames = read(clip)
    assert 5 <= len(frames) < 25
    assert "incomplete" in source.status().message


def test_a_truncated_file_with_its_index_first_gives_what_is_there(tmp_path: Path) -> None:
    data = whole_clip(".mp4", movflags="faststart")
    clip = tmp_path / "cut.mp4"
    clip.write_bytes(data[: len(data) // 2])
    source, frames = read(clip)
    assert 5 <= len(frames) < 25
    assert "incomplete" in source.status().message


def test_a_truncated_file_without_its_index_is_said_to_be_cut_off(tmp_path: Path) -> None:
    clip = tmp_path / "cut.mp4"
    clip.write_bytes(whole_clip(".mp4")[:-2000])
    with pytest.raises(SourceError, match="cut off"):
        open_source(str(clip))


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 1.0), st.binary(max_size=40), st.booleans())
def test_damage_anywhere_is_counted_or_said_and_never_more(
    where: float, patch: bytes, cut: bool
) -> None:
    """Whatever is cut off or overwritten: good stamps, or a SourceError."""
    data = bytearray(whole_mkv())
    at = int(where * len(data))
    data[at : at + len(patch)] = patch
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "damaged.mkv"
        clip.write_bytes(data[: at + len(patch)] if cut else data)
        try:
            source, frames = read(clip)
        except SourceError:
            return
        status = source.status()
        assert status.frames == len(frames) > 0
        refused = sum(n for why, n in status.unusable.items() if "still" not in why)
        assert frames[-1].stamp.index < len(frames) + refused


def test_damaged_pictures_are_counted(tmp_path: Path) -> None:
    """Every second JPEG of a motion JPEG file loses its tables."""
    encoded = jpeg_packets([picture(50 + 10 * i) for i in range(8)])
    encoded[1::2] = [av.Packet(b"\xff\xd8\xff\xdb\x00\x02\xff\xd9") for _ in range(4)]
    clip = mux_jpegs(tmp_path / "c.mkv", encoded, [40 * i for i in range(8)])
    source, frames = read(clip)
    assert times_ms(frames) == [0, 80, 160, 240]
    assert source.status().unusable == {"damaged": 4}


def test_a_picture_that_the_decoder_would_patch_up_counts_as_damaged(tmp_path: Path) -> None:
    noise = np.random.default_rng(4)
    images = [noise.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(5)]
    encoded = jpeg_packets(images)
    scan = bytearray(bytes(encoded[2]))
    scan[-900:-800] = bytes(100)
    encoded[2] = av.Packet(bytes(scan))
    clip = mux_jpegs(tmp_path / "c.mkv", encoded, [40 * i for i in range(5)])
    source, frames = read(clip)
    assert times_ms(frames) == [0, 40, 120, 160]
    assert [f.stamp.index for f in frames] == [0, 1, 3, 4]
    assert source.status().unusable == {"damaged": 1}


def sound(path: Path) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(8000))


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("text.mp4", lambda p: p.write_text("not a video, really\n" * 100), "not a video"),
        ("notes.txt", lambda p: p.write_text("not a video\n" * 100), "text file"),
        ("empty.mp4", lambda p: p.write_bytes(b""), "not a video"),
        ("noise.avi", lambda p: p.write_bytes(bytes(range(256)) * 20), "not a video"),
        ("zero.mkv", lambda p: write_clip(p, [], []), "without frames"),
        ("sound.wav", sound, "no video"),
    ],
)
def test_what_is_not_a_video_is_said_in_one_line(tmp_path, name, write, message) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / name
    write(path)
    with pytest.raises(SourceError, match=message) as caught:
        open_source(str(path))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_only_names_others_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    outside = tmp_path / "outside.ts"
    with av.open(str(outside), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(30):
            frame = av.VideoFrame.from_ndarray(picture(50), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    (tmp_path / "in" / "link.ts").symlink_to(outside)
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n"
    for name, words in (
        ("list.m3u8", playlist.format(outside)),
        ("list.mkv", "ffconcat version 1.0\nfile link.ts\n"),
    ):
        (tmp_path / "in" / name).write_text(words)
        with pytest.raises(SourceError, match="a list of other files"):
            open_source(str(tmp_path / "in" / name))


def test_a_picture_too_large_is_damaged(tmp_path: Path) -> None:
    clip = tmp_path / "large.mov"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8200, 8200, "gray"
        frame = av.VideoFrame.from_ndarray(np.zeros((8200, 8200), np.uint8), format="gray")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match="all 1 pictures in it are damaged"):
        open_source(str(clip))


def test_a_file_that_does_not_exist_is_said_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing\.mp4.*no such file.*demo") as caught:
        open_source(str(tmp_path / "nothing.mp4"))
    assert "\n" not in str(caught.value)


def test_a_name_that_looks_like_a_protocol_is_a_file(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    write_clip(Path("12h30.mkv"), [picture(90)] * 2, [0, 40]).rename("concat:30.mkv")
    source = open_source("concat:30.mkv", SourceOptions())
    assert len(list(source)) == 2
    source.close()


def test_interrupt_ends_the_iteration(tmp_path: Path) -> None:
    source = open_source(str(write_clip(tmp_path / "c.mkv", [picture(9)] * 9, list(range(9)))))
    frames = iter(source)
    assert next(frames).stamp.index == 0
    assert next(iter(source)).stamp.index == 1  # iterating again goes on
    source.interrupt()
    assert list(frames) == []
    assert source.status().state == "ended"
    source.close()
    source.close()

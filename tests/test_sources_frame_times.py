"""The time line of a recording: its beginning, its rate, slow motion."""

import wave
from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from fakes import motion_jpeg, picture, serve_file, web_server, write_clip
from hypothesis import given
from hypothesis import strategies as st
from test_recording_recorder import frame, recorder

from model.errors import SourceError
from model.records import Frame
from realtime.sources import Source, SourceOptions, open_source
from realtime.sources.frame_times import measure_rate


def read(path: Path | str, fps: float | None = None) -> tuple[Source, list[Frame]]:
    with closing(open_source(str(path), SourceOptions(fps=fps))) as source:
        return source, list(source)


def times_ms(frames: list[Frame]) -> list[int]:
    return [round(1000 * frame.stamp.time_s) for frame in frames]


def with_sound(path: Path, sound_ms: Sequence[int], pictures_ms: Sequence[int]) -> Path:
    """A file with blocks of sound and pictures at these times."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30)
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        for at_ms in sound_ms:
            packet = Packet(bytes(1600))
            packet.stream, packet.pts, packet.dts = sound, at_ms, at_ms
            packet.time_base, packet.is_keyframe = Fraction(1, 1000), True
            container.mux(packet)
        for at_ms in pictures_ms:
            shown = av.VideoFrame.from_ndarray(picture(90), "rgb24")
            shown.pts, shown.time_base = at_ms, Fraction(1, 1000)
            container.mux(video.encode(shown))
        container.mux(video.encode())
    return path


def test_pictures_that_begin_after_the_sound_keep_their_times(tmp_path: Path) -> None:
    at_ms = [2000 + 33 * i for i in range(10)]
    clip = with_sound(tmp_path / "c.mkv", range(0, 3000, 100), at_ms)
    source, frames = read(clip)
    assert times_ms(frames) == at_ms
    assert "; pictures begin at 2.000 s" in source.info.description
    assert source.status().message == ""


def test_a_file_begins_where_its_first_stream_does(tmp_path: Path) -> None:
    """As players show it, whatever its first time stamp is."""
    clip = with_sound(tmp_path / "c.mkv", range(5000, 6000, 100), [5500, 5540, 5580])
    assert times_ms(read(clip)[1]) == [500, 540, 580]
    alone = write_clip(tmp_path / "c.ts", [picture(90)] * 50, [700 + 40 * i for i in range(50)])
    source, frames = read(alone)
    assert times_ms(frames) == [40 * i for i in range(50)]
    assert not any("begin" in note for note in source.info.notes)


def test_the_rate_is_what_the_times_say(tmp_path: Path) -> None:
    at_ms = [0, 90, 150, 240] + [300 + 33 * i + i % 3 for i in range(40)]
    clip = write_clip(tmp_path / "c.webm", [picture(90)] * 44, at_ms, codec="libvpx", rate=1000)
    source, frames = read(clip)
    assert times_ms(frames) == at_ms
    assert source.info.fps_nominal == pytest.approx(30, rel=0.03)
    assert "says 1000 fps, its times 30" in source.info.description


def test_a_rate_that_agrees_is_taken_as_it_is_said(tmp_path: Path) -> None:
    at_ms = [round(1000 * i / 29.97) for i in range(20)]
    source, _ = read(write_clip(tmp_path / "c.mp4", [picture(90)] * 20, at_ms))
    assert source.info.fps_nominal == pytest.approx(29.97, rel=0.002)
    assert source.info.notes == ()


@given(st.floats(5, 300), st.integers(3, 64), st.integers(0, 10**6))
def test_a_regular_rate_is_measured_through_rounding(fps: float, n: int, start_ms: int) -> None:
    times_s = [round(start_ms + 1000 * i / fps) / 1000 for i in range(n)]
    measured = measure_rate(times_s)
    assert measured is not None
    assert measured.steady
    assert measured.fps == pytest.approx(fps, rel=1 / (1000 / fps * (n - 1)) + 1e-3)


@given(st.lists(st.floats(-1e3, 1e3), max_size=20))
def test_any_times_have_a_rate_or_none(times_s: list[float]) -> None:
    measured = measure_rate(times_s)
    assert measured is None or (np.isfinite(measured.fps) and measured.fps > 0)


def test_slow_motion_gets_the_times_at_which_it_was_shot(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mp4", [picture(90)] * 90, [33 * i for i in range(90)])
    plain, _ = read(clip)
    source, frames = read(clip, fps=240)
    assert [f.stamp.time_s for f in frames] == pytest.approx([i / 240 for i in range(90)], rel=0.01)
    assert source.info.fps_nominal == pytest.approx(240)
    assert "shot at 240 fps, stored at 30.3: times as it was shot" in source.info.description
    assert plain.info.duration_s is not None
    assert source.info.duration_s == pytest.approx(plain.info.duration_s / 240 * 30.3, rel=0.01)
    assert source.status().message == ""
    assert read(clip, fps=30)[0].info.notes == ()  # it is


def test_a_phones_tag_says_that_it_is_slow_motion(tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    write_clip(
        path, [picture(90)] * 30, [33 * i for i in range(30)],
        options={"movflags": "use_metadata_tags"}, tags={"com.android.capture.fps": "120.0"},
    )  # fmt: skip
    source, frames = read(path)
    assert frames[-1].stamp.time_s == pytest.approx(29 / 120, rel=0.01)
    assert "shot at 120 fps" in source.info.description
    with closing(open_source(str(path), SourceOptions(fps=240))) as said:  # who says it, counts
        assert "shot at 240 fps" in said.info.description


def test_a_rate_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mkv", [picture(90)] * 9, [33 * i for i in range(9)])
    with pytest.raises(SourceError, match=r"c\.mkv: --fps 25, but it is stored at 30"):
        read(clip, fps=25)
    varying = write_clip(tmp_path / "v.mkv", [picture(90)] * 6, [0, 10, 90, 100, 300, 310])
    with pytest.raises(SourceError, match="its rate varies"):
        read(varying, fps=240)
    made = recorder(tmp_path / "s")
    made.write(frame(0))
    made.close("end")
    with pytest.raises(SourceError, match="does not apply to a session, which has its own times"):
        read(tmp_path / "s", fps=240)
    with (
        web_server(motion_jpeg(60)) as address,
        pytest.raises(SourceError, match="has its own rate"),
    ):
        read(address, fps=240)
    with serve_file(clip) as address:
        assert "shot at 240 fps" in read(address, fps=240)[0].info.description


def test_a_loop_plays_a_file_at_any_rate(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mkv", [picture(90)] * 9, [33 * i for i in range(9)])
    with closing(open_source(f"loop:{clip}", SourceOptions(fps=10, seconds=1))) as source:
        assert times_ms(list(source)) == [100 * i for i in range(10)]


def test_of_several_videos_it_is_said_which_is_taken(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "c.mkv"), "w") as container:
        streams = []
        for size in (32, 64):
            stream = container.add_stream("libx264", rate=25)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
            streams.append(stream)
        for _ in range(4):
            for stream in streams:
                image = picture(90, stream.width, stream.height)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    source, frames = read(tmp_path / "c.mkv")
    assert {f.image.shape for f in frames} == {(32, 32, 3)}
    assert "; video 1 of the 2 in it" in source.info.description


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "c.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(1600))
    with pytest.raises(SourceError, match="no video in it"):
        read(tmp_path / "c.wav")

"""Sources, given nonsense by `tests/fuzz.py`: media, folders, streams, addresses."""

import threading
from contextlib import closing, suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import av.error
import layouts
import numpy as np
from fakes import grey_jpeg, picture, web_server, write_clip
from fuzz_inputs import apply_damage, damage, texts
from hypothesis import strategies as st

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.sources import Source, SourceOptions, hide_password, open_source, split_spec
from realtime.ui.allowed_sources import check_source

FRAMES = 80
"""So many of a source are read."""
CLIPS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "ffv1.mkv": {"codec": "ffv1", "pix_fmt": "bgr0"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "mjpeg.mjpeg": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "raw.y4m": {"codec": "wrapped_avframe"},
    "gif.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "png.mov": {"codec": "png", "pix_fmt": "rgb24"},
    "prores.mov": {"codec": "prores", "pix_fmt": "yuv422p10le"},
    "mpeg2.mpg": {
        "codec": "mpeg2video",
        "rate": 25,
        "tune": lambda c: setattr(c, "time_base", Fraction(1, 25)),
    },
    "turned.mp4": {"rotation": 90, "tags": {"com.android.capture.fps": "240"}},
    "flv.flv": {"codec": "flv1"},
    "wmv.wmv": {"codec": "wmv2"},
}
"""By name, what `fakes.write_clip` is asked for."""

PARTS = [
    "file:",
    "folder:",
    "session:",
    "loop:",
    "http://127.0.0.1:9/",
    "rtsp://127.0.0.1:9/",
    "http://",
    "://",
    "HERE",
    "/",
    "x.mp4",
    "a:b@",
    "?token=1",
    "#",
    "ftp://",
    "/dev/video9",
    "12:30",
    "~",
    "%00",
    "[::1]",
]

options = st.builds(
    dict,
    fps=st.none() | st.sampled_from([1e-300, 0.001, 25.0, 240.0, 1e300]) | st.floats(0.1, 1000),
    rotate=st.sampled_from([0, 90, 180, 270]),
    packed=st.booleans(),
)


def cases(corpus: Path) -> dict[str, Any]:
    """Media files, folders of pictures, streams, and what may stand behind `--source`."""
    shown = [picture(30 + 20 * (n % 8), 64, 64) for n in range(12)]
    for name, asked in CLIPS.items():
        try:
            write_clip(corpus / name, shown, [40 * n for n in range(12)], **asked)
        except av.error.FFmpegError:  # this build of FFmpeg writes none
            (corpus / name).unlink(missing_ok=True)
    clips = [name for name in CLIPS if (corpus / name).exists()]
    jpegs = [grey_jpeg(n) for n in range(6)]
    stream = b"".join(
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        + jpeg
        + b"\r\n"
        for jpeg in jpegs
    )
    kinds = {"multipart/x-mixed-replace; boundary=frame": stream}
    kinds |= {f"video/{name}": (corpus / name).read_bytes() for name in ("h264.ts", "h264.mp4")}

    def media(drawn: Any, scratch: Path) -> None:
        name, other, done, asked = drawn
        path = scratch / other
        path.write_bytes(apply_damage((corpus / name).read_bytes(), done))
        watch(open_source(f"file:{path}", SourceOptions(**asked)))

    def pictures(drawn: Any, scratch: Path) -> None:
        stem, end, numbered, asked = drawn
        for number, content, done in numbered:
            with suppress(OSError, ValueError):  # a name that no file can have
                (scratch / f"{stem}{number}{end}").write_bytes(apply_damage(content, done))
        watch(open_source(f"folder:{scratch}", SourceOptions(**asked)))

    def payload(drawn: Any, _: Path) -> None:
        kind, done, length, asked = drawn
        content = apply_damage(kinds[kind], done)

        def answer(request: Any) -> None:
            request.send_response(200)
            request.send_header("Content-Type", kind)
            if length:
                request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            with suppress(ConnectionError):
                request.wfile.write(content)

        with web_server(answer) as address:
            watch(open_source(f"{address}clip", SourceOptions(**asked)), 0.5)

    def address(drawn: Any, scratch: Path) -> None:
        spec, allowed = drawn
        spec = spec.replace("HERE", str(scratch))
        hide_password(spec)
        with suppress(InputError):
            check_source(spec, LiveConfig(host="0.0.0.0", auth=("a", "b"), allow_sources=allowed))
        if split_spec(spec)[0] in ("file", "folder", "session", "network") and not _is_elsewhere(
            spec
        ):
            watch(open_source(spec, SourceOptions()), 0.5)

    extensions = st.sampled_from([*CLIPS, "x.mp4", "x.bin", "x.txt", "x.jpg", "x.mkv", "x"])
    png = (corpus / "one.png").as_posix()
    layouts.save(Path(png), shown[0])
    contents = st.sampled_from([jpegs[0], Path(png).read_bytes(), b""])
    stems = st.sampled_from(["img", "", "reg_img", "²", "a.b", "٣", ".", "-", "x" * 200]) | st.text(
        max_size=8
    )
    counted = st.integers(0, 20) | st.sampled_from(["", 10**17, 10**100, "007", "1.5", "²", "x"])
    ends = st.sampled_from(
        [".jpg", ".png", ".JPEG", ".tiff", ".webp", ".pgm", "", ".jpg.txt", "x.bmp"]
    )
    parts = st.sampled_from(PARTS) | texts
    specs = st.lists(parts, min_size=1, max_size=4).map("".join)
    numbered = st.lists(st.tuples(counted, contents, st.just([]) | damage), max_size=8)
    return {
        "media": (st.tuples(st.sampled_from(clips), extensions, damage, options), media),
        "pictures": (st.tuples(stems, ends, numbered, options), pictures),
        "payload": (
            st.tuples(st.sampled_from(list(kinds)), damage, st.booleans(), options),
            payload,
        ),
        "address": (st.tuples(specs, st.lists(specs, max_size=2).map(tuple)), address),
    }


def _is_elsewhere(spec: str) -> bool:
    """Whether it is the address of another machine, which is not to be called on."""
    try:
        return urlsplit(spec).hostname not in (None, "127.0.0.1")
    except ValueError:
        return False


def watch(source: Source, seconds: float | None = None) -> None:
    """Read some frames, at most for so long if it is said."""
    timer = threading.Timer(seconds or 0, source.interrupt)
    with closing(source):
        if seconds:
            timer.start()
        try:
            for frame in islice(source, FRAMES):
                assert frame.image.shape[2] == 3
                assert frame.image.dtype == np.uint8
            str(source.info), source.status()
        finally:
            timer.cancel()

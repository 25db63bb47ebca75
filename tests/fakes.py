"""What the tests need of the outside world: a camera on a port, a clock, clips, a web server."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, takewhile
from pathlib import Path

import av
import cv2
import numpy as np
from av.packet import Packet

from model.errors import SourceError
from model.records import ImageU8
from realtime.sources.camera_opening import CaptureMode
from realtime.stream.clock import monotonic_s


class FakeClock:
    """A clock that moves when something waits for it or takes time."""

    def __init__(self, start_s: float = 1000.0) -> None:
        self.now_s = start_s
        self.stop_after_waits: int | None = None
        self.waits: list[float] = []

    def now(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> bool:
        """Passes the time; true, as if interrupted meanwhile, after `stop_after_waits`."""
        self.waits.append(seconds)
        self.now_s += seconds
        return self.stop_after_waits is not None and len(self.waits) > self.stop_after_waits


class FakePort:
    """A USB port with a camera, or without. `script` says what each grab does:

    ok        a picture, one period later
    late      a picture, one second later
    lost      a picture, two periods later: the driver dropped the one before it
    damaged   a picture that cannot be decoded
    future    a picture whose driver time is an hour ahead
    twice     the picture before once more, with its time
    fail      an error at once
    timeout   nothing within two seconds
    unplug    the camera is pulled out; it is back after `away` attempts to open it
    zombie    the same, but reads go on saying success

    When the script is over, `at_end` is called and grabs fail.
    """

    def __init__(
        self,
        clock: FakeClock,
        script: Sequence[str] = (),
        *,
        mode: CaptureMode | None = None,
        age_s: Callable[[int], float] = lambda grab: 0.02,
        away: int = 3,
        jpeg: Callable[[int, int, int], bytes] | None = None,
    ) -> None:
        """`jpeg`: what a camera of JPEGs sends, by grab, width and height."""
        self.clock = clock
        self.script = iter(["ok"] * 5 + list(script))
        self.mode = mode or CaptureMode(640, 480, 30.0, "MJPG")
        self.age_s = age_s
        self.away = away
        self.jpeg = jpeg or camera_jpeg
        self.plugged = True
        self.refusals = 0
        self.grabs = 0
        self.opened: list[tuple[str, int, int, float]] = []
        self.devices: list[FakeDevice] = []
        self.at_end: Callable[[], None] = lambda: None

    def open(self, address: str, width: int, height: int, fps: float) -> "FakeDevice":
        self.opened.append((address, width, height, fps))
        if not self.plugged:
            self.refusals += 1
            if self.refusals < self.away:
                raise SourceError("no camera at /dev/video0: no camera is connected")
            self.plugged = True
            self.refusals = 0
        device = FakeDevice(self)
        self.devices.append(device)
        return device


class FakeDevice:
    """The camera on a `FakePort`; keeps `CaptureDevice`."""

    name = "/dev/video0 (Fake)"
    address = "/dev/v4l/by-id/usb-fake"

    def __init__(self, port: FakePort) -> None:
        self.port = port
        self.mode = port.mode
        self.jpeg = port.mode.fourcc == "MJPG"
        self.released = False
        self.action = ""
        self.time_s = 0.0
        self.probing = len(port.opened) > 1  # a reopened camera works, whatever the script says
        self.probed = 0

    def grab(self) -> bool:
        assert not self.released
        port, clock = self.port, self.port.clock
        port.grabs += 1
        if self.probing and self.probed < 5:
            self.probed += 1
            self.action = "ok"
        else:
            self.action = next(port.script, "end")
        if self.action == "end":
            port.at_end()
            return False
        clock.now_s += {"late": 1.0, "timeout": 2.0, "fail": 0.0, "lost": 2 / 30}.get(
            self.action, 1 / 30
        )
        if self.action in ("unplug", "zombie"):
            port.plugged = False
        if self.action != "twice":
            self.time_s = clock.now_s - port.age_s(port.grabs)
            if self.action == "future":
                self.time_s += 3600.0
        return self.action not in ("fail", "timeout", "unplug")

    def driver_s(self) -> float:
        return self.time_s

    def retrieve(self) -> ImageU8 | bytes | None:
        if self.jpeg:
            whole = self.port.jpeg(self.port.grabs, self.mode.width, self.mode.height)
            return whole[:-40] if self.action == "damaged" else whole
        if self.action == "damaged":
            return None
        return np.full((self.mode.height, self.mode.width, 3), self.port.grabs % 256, np.uint8)

    def convert(self) -> None:
        self.jpeg = False

    def present(self) -> bool:
        return self.port.plugged

    def release(self) -> None:
        self.released = True


def camera_jpeg(number: int, width: int, height: int) -> bytes:
    """A picture as cameras send it: noise in it, and now and then bytes behind its end."""
    noise = np.random.default_rng(number).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    image = cv2.resize(noise, (width, height))
    return cv2.imencode(".jpg", image)[1].tobytes() + bytes(number % 3)


def picture(value: int, width: int = 64, height: int = 48) -> ImageU8:
    """(H, W, 3) uint8: one grey value, its top left quarter dark, so that turns show."""
    image = np.full((height, width, 3), value, np.uint8)
    image[: height // 2, : width // 2] = 0
    return image


def jpeg_packets(images: Sequence[ImageU8]) -> list[Packet]:
    """Each picture as a packet of motion JPEG, of its own size."""
    encoded: list[Packet] = []
    for image in images:
        encoder = av.CodecContext.create("mjpeg", "w")
        assert isinstance(encoder, av.VideoCodecContext)
        encoder.height, encoder.width = image.shape[:2]
        encoder.pix_fmt = "yuvj420p"
        encoder.time_base = Fraction(1, 1000)
        frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuvj420p")
        frame.pts = 0
        encoded += encoder.encode(frame) + encoder.encode(None)
    return encoded


def mux_jpegs(path: Path, encoded: Sequence[Packet], times_ms: Sequence[int]) -> Path:
    """A video file with these packets at these times, which need not make sense."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for packet, time_ms in zip(encoded, times_ms, strict=True):
            packet.stream = stream
            packet.pts = packet.dts = time_ms
            packet.time_base = Fraction(1, 1000)
            container.mux(packet)
    return path


def write_clip(
    path: Path,
    images: Sequence[ImageU8],
    times_ms: Sequence[int],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    hflip: bool = False,
    options: dict[str, str] | None = None,
    title: str = "",
    tags: dict[str, str] | None = None,
    rate: int = 30,
    encoding: dict[str, str] | None = None,
    tune: Callable[[av.VideoCodecContext], None] | None = None,
) -> Path:
    """A video file with a picture at each time. `rate`: what it claims; `encoding`: options of the
    encoder, `tune`: what else is done to it before it begins."""
    with av.open(str(path), "w", options=options or {}) as container:
        container.metadata.update({"title": title, **(tags or {})})
        stream = container.add_stream(codec, rate=rate, options=encoding or {})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = images[0].shape[:2] if len(images) else (48, 64)
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        if tune is not None:
            tune(stream.codec_context)
        if rotation or hflip:
            stream.set_display_rotation(rotation, hflip=hflip)
        for image, time_ms in zip(images, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        if len(images):
            container.mux(stream.encode())
        else:
            container.start_encoding()
    return path


@contextmanager
def web_server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The address of a server on the loopback that answers each GET by `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serve_file(path: Path) -> Iterator[str]:
    """The address of a file on the loopback."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        data = path.read_bytes()
        request.send_response(200)
        request.send_header("Content-Type", "application/octet-stream")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    with web_server(answer) as address:
        yield f"{address}/{path.name}"


def copied(folder: Path, to: Path) -> Path:
    """A copy of a session's folder in `to`, to be changed."""
    target = to / folder.name
    target.mkdir(parents=True)
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def grey_jpeg(number: int) -> bytes:
    return cv2.imencode(".jpg", picture(number % 200))[1].tobytes()


def motion_jpeg(
    frames: float, shown: Callable[[int], bytes] = grey_jpeg, fps: float = math.inf
) -> Callable[[BaseHTTPRequestHandler], None]:
    """What an IP camera answers: JPEGs one after the other; it hangs up after `frames`."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        with suppress(ConnectionError):  # the client hangs up first
            began_s = monotonic_s()
            for i in takewhile(lambda i: i < frames, count()):
                threading.Event().wait(max(0.0, began_s + i / fps - monotonic_s()))
                jpeg = shown(i)
                request.wfile.write(
                    b"--frame\r\nContent-Type: image/jpeg\r\n"
                    + f"Content-Length: {len(jpeg)}\r\n\r\n".encode()
                    + jpeg
                    + b"\r\n"
                )

    return answer

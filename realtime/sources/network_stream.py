"""Reads cameras and recordings on the network with PyAV: rtsp, rtsps, http, https.

If an address has a length, it is a recording and is treated like a file. Everything else is live.
Live frames get the time of receipt, because a network camera's clock is neither this machine's nor
steady. A stream that breaks off is reopened, like an unplugged camera.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace

import av
import av.error
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet

from model.errors import SourceError
from model.records import Frame
from realtime.sources import Source, SourceInfo, SourceOptions, hide_password
from realtime.sources.frame_source import FrameSource
from realtime.sources.pixel_conversion import RgbConverter
from realtime.sources.video_decoding import (
    LOSSLESS_CODECS,
    MJPEG,
    choose_video_stream,
    decode,
    unpack_jpegs,
)
from realtime.sources.video_file import RecordedSource
from realtime.stream.clock import monotonic_s

SCHEMES = ("rtsp", "rtsps", "http", "https")
OPEN_TIMEOUT_S = 10.0
REOPEN_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 3.0
"""The longest that a read, and so an interrupt, takes."""
MAX_STATED_FPS = 300.0
"""A higher stated rate is wrong."""
OPTIONS = {"rtsp_transport": "tcp"}
"""RTP over TCP: a lost datagram would smear the picture until the next key frame."""
LIVE_OPTIONS = OPTIONS | {"fflags": "nobuffer", "analyzeduration": "1000000"}
"""The data read to identify a stream, at most 1 s, are discarded, because they would come late, as
a burst."""
STREAM_AWAY = "stream away"


def open_network(spec: str, options: SourceOptions) -> Source:
    """Open an address; raises `SourceError` if it cannot be reached or has no video."""
    # The other side decides size and rate.
    container = open_address(spec, OPEN_TIMEOUT_S, LIVE_OPTIONS)
    if not container.duration:
        if options.fps is not None:
            container.close()
            raise SourceError(
                f"{hide_password(spec)}: --fps {options.fps:g}, but a stream has its own rate: "
                "leave out --fps"
            )
        return NetworkStream(spec, container, options)
    container.close()
    container = open_address(spec, OPEN_TIMEOUT_S, OPTIONS)
    name = hide_password(spec)
    try:
        return RecordedSource(container, options, spec=name, kind="network", name=name)
    except SourceError as error:
        # The index of an MP4 is usually at its end.
        raise SourceError(
            f"{error}; if its server does not support byte ranges, download it, and open the file"
        ) from None


def open_address(spec: str, timeout_s: float, options: Mapping[str, str]) -> InputContainer:
    """Return the container at an address; `timeout_s` bounds the wait for its first answer."""
    name = hide_password(spec)
    scheme, _, _ = spec.partition("://")
    if scheme not in SCHEMES:
        raise SourceError(f"{name}: no source for {scheme}://; choose {'://, '.join(SCHEMES)}://")
    try:
        return av.open(
            spec,
            options=dict(options),
            timeout=(timeout_s, READ_TIMEOUT_S),
            metadata_errors="replace",
        )
    except av.error.ExitError:
        raise SourceError(f"{name}: no answer within {timeout_s:g} s") from None
    except av.error.FFmpegError as error:
        raise SourceError(
            f"{name}: {error.strerror}; check the address, and that it plays elsewhere"
        ) from None


class NetworkStream(FrameSource):
    """A live stream. One thread uses it; any may call `status` and `interrupt`."""

    def __init__(
        self,
        spec: str,
        container: InputContainer,
        options: SourceOptions,
        *,
        now: Callable[[], float] = monotonic_s,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """`container` is open, and is closed with this source. `now` and `wait` as for `Camera`."""
        super().__init__(options.rotate)
        self._spec = spec
        self._name = hide_password(spec)
        self._packed = options.packed
        self._now = now
        self._wait = wait or self._stop.wait
        self._container: InputContainer | None = container
        try:
            stream = choose_video_stream(container, self._name)
        except SourceError:
            container.close()
            raise
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        fps = rate if 0 < rate <= MAX_STATED_FPS else None  # some state their clock's 90000
        pixels = RgbConverter(stream, "one")
        width, height = pixels.size(stream.width, stream.height)
        codec = stream.codec_context.name
        self._info = SourceInfo(
            spec=self._name,
            kind="network",
            description=f"{self._name}: {width}×{height}"
            + (f", says {fps:.4g} fps" if fps else "")
            + f", {codec}; times of receipt",
            live=True,
            clock="receipt",
            width=width,
            height=height,
            fps_asked=None,
            fps_nominal=fps,
            lossless=codec in LOSSLESS_CODECS,
            jpeg=codec == MJPEG,
            notes=pixels.notes,
        )

    def _run(self) -> Generator[Frame | None, None, None]:
        last_s = self._now()
        while self._container is not None:
            stream = choose_video_stream(self._container, self._name)
            # Low delay: frame threads would hold back as many frames as there are threads.
            stream.thread_type = "SLICE"
            stream.codec_context.flags |= Flags.low_delay
            jpegs = self._packed and stream.codec_context.name == MJPEG
            pixels = RgbConverter(stream, "one")
            for picture, image in (
                unpack_jpegs(self._container, stream, self._gate)
                if jpegs
                else decode(self._container, stream, self._gate, pixels)
            ):
                if pixels.notes != self._info.notes:
                    self._info = replace(self._info, notes=pixels.notes)
                received_s = self._now()
                packed = bytes(picture) if isinstance(picture, Packet) else None
                frame = self._gate.admit(image, received_s, received_s, packed)
                if frame is not None:
                    last_s = received_s
                yield frame
            self._release()
            self._gate.set_state(
                "reconnecting", f"{self._name} broke off: reconnecting; nothing is recorded"
            )
            if not self._retry(self._reopen, self._wait):
                return
            gap_s = self._now() - last_s
            fps = self._gate.status().fps_measured or self._info.fps_nominal or 1.0
            self._gate.drop(STREAM_AWAY, max(1, round(gap_s * fps)))
            self._gate.set_state("open", f"stream back after {gap_s:.1f} s")
            last_s += gap_s

    def _reopen(self) -> None:
        self._release()
        self._container = open_address(self._spec, REOPEN_TIMEOUT_S, LIVE_OPTIONS)
        choose_video_stream(self._container, self._name)

    def _release(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

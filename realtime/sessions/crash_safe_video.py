"""The video of a session: Matroska that stays readable if the program is killed.

Clusters of 100 ms are written as they fill (`cluster_time_limit`, `flush_packets`; FFmpeg,
libavformat/matroskaenc.c), and the encoder holds no picture back, so a killed program loses about a
tenth of a second. Pictures carry their capture time, rounded to Matroska's millisecond; the ledger
has the exact time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import av.error
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from model.records import Frame, ImageU8
from realtime.sessions.line_file import sync_file

TIME_BASE = Fraction(1, 1000)
CONTAINER = {
    "cluster_time_limit": "100",
    "flush_packets": "1",
    # µs: pictures wait no longer than this for their sound, and sound for its pictures.
    "max_interleave_delta": "100000",
}
SOUND_CODEC = "pcm_s16le"
"""16 bit, uncompressed: each block can be cut out separately, and a torn end costs one block."""
SAMPLE_BYTES = 2
ENCODER_THREADS = 2
_BT601 = 5  # swscale converts RGB with it; the stream says so, and players convert back with it


@dataclass(frozen=True, slots=True)
class Codec:
    """How pictures are encoded."""

    encoder: str
    """FFmpeg's name."""
    even: str
    """Pixel format of pictures with even sides."""
    odd: str
    """Pixel format of the others."""
    options: Mapping[str, str]
    bytes_per_px: float
    """For planning disk space: more than faces before a wall have needed."""
    lossless: bool
    keeps_jpegs: bool = False
    """The source's JPEGs go into the file; nothing is encoded."""


CODECS: dict[str, Codec] = {
    # Constant quality, with errors below what the eye sees. 10, because x264 does not know the
    # frame rate, takes each picture to be very short and allows coarser ones; if it knew of 30 fps,
    # 14 would be the same. No look-ahead and no B-frames; for seeking, a key frame a second at 30
    # fps. For 640×480 with sensor noise `ultrafast` takes 2.5 ms of a processor, half of
    # `superfast`, with the same error and size: noise takes the space, and slower presets find no
    # structure in it.
    "h264": Codec(
        "libx264",
        "yuv420p",
        "yuv444p",
        MappingProxyType({"crf": "10", "preset": "ultrafast", "tune": "zerolatency", "g": "30"}),
        bytes_per_px=0.25,
        lossless=False,
    ),
    # Every frame is a key frame, every slice has a checksum; RGB without loss.
    "ffv1": Codec(
        "ffv1",
        "bgr0",
        "bgr0",
        MappingProxyType({"level": "3", "slices": "4", "slicecrc": "1", "g": "1"}),
        bytes_per_px=2.4,
        lossless=True,
    ),
    # Each picture is a key frame. The pixel format here is nominal; each JPEG states its own.
    # Pictures of a noisy sensor at quality 95 take 0.33 bytes a pixel.
    "mjpeg": Codec(
        "mjpeg",
        "yuvj422p",
        "yuvj422p",
        MappingProxyType({}),
        bytes_per_px=0.5,
        lossless=True,
        keeps_jpegs=True,
    ),
}
"""By name: `h264` visually lossless; `ffv1` (IETF RFC 9043) lossless; `mjpeg` keeps JPEGs."""


def choose_codec(codec: str, frame: Frame) -> str:
    """Return the name in `CODECS` of what encodes `frame` in a recording with `codec`. If JPEGs are
    to be kept and a picture has none, it is `ffv1`: nothing is lost."""
    return "ffv1" if CODECS[codec].keeps_jpegs and frame.packed is None else codec


class VideoWriter:
    """One file with pictures of one size, and sound. One thread writes it."""

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        codec: str,
        sound_hz: int | None = None,
        rotate: int = 0,
    ) -> None:
        """Create `path`, which must not exist; it is its owner's alone. `width`, `height`: of the
        turned pictures, px. `sound_hz`: rate of the sound; None: no sound. `rotate`: degrees
        clockwise by which players must turn the original JPEGs. Raises `OSError` if the file cannot
        be created."""
        self.codec = codec
        packing = CODECS[codec]
        path.touch(mode=0o600, exist_ok=False)  # FFmpeg opens it later, and keeps the mode
        self.path = path
        self.size = (width, height)
        self._last_ms = -1
        even = width % 2 == 0 and height % 2 == 0
        self._format = packing.even if even else packing.odd
        self._container = av.open(str(path), "w", format="matroska", options=dict(CONTAINER))
        stream = self._container.add_stream(packing.encoder, rate=30, options=dict(packing.options))
        assert isinstance(stream, VideoStream)
        if packing.keeps_jpegs and rotate:
            if rotate in (90, 270):
                width, height = height, width
            stream.set_display_rotation(-rotate)
        stream.width, stream.height, stream.pix_fmt = width, height, self._format
        stream.codec_context.time_base = TIME_BASE
        stream.codec_context.thread_count = ENCODER_THREADS
        if not packing.lossless:
            stream.codec_context.colorspace = _BT601
            stream.codec_context.color_range = 1
        stream.codec_context.framerate = Fraction(0)  # unknown: readers measure it
        self._stream = stream
        self._sound: AudioStream | None = None
        if sound_hz is not None:
            sound = self._container.add_stream(SOUND_CODEC, rate=sound_hz, layout="mono")
            assert isinstance(sound, AudioStream)
            self._sound = sound
        # Keep one, with one thread: `VideoFrame.reformat` starts and ends a thread pool for each
        # picture, which on busy cores takes 10 to 20 ms instead of 0.8.
        self._to_packed = VideoReformatter()

    def next_pts(self, pts_ms: int) -> int:
        """Return the presentation time for a picture due at `pts_ms`: later than the last one's."""
        return max(pts_ms, self._last_ms + 1)

    def write(self, frame: Frame, pts_ms: int) -> None:
        """Append the picture of `frame` at `next_pts(pts_ms)`. It must have this file's size and,
        if this file keeps JPEGs, its JPEG. Raises `OSError` if it cannot be written."""
        pts_ms = self._last_ms = self.next_pts(pts_ms)
        if CODECS[self.codec].keeps_jpegs:
            assert frame.packed is not None  # see `choose_codec`
            self._mux(self._stream, frame.packed, pts_ms)
        else:
            self._encode(frame.image, pts_ms)

    def _encode(self, image: ImageU8, pts_ms: int) -> None:
        picture = self._to_packed.reformat(
            av.VideoFrame.from_ndarray(image, "rgb24"), format=self._format, threads=1
        )
        picture.pts, picture.time_base = pts_ms, TIME_BASE
        self._container.mux(self._stream.encode(picture))

    def _mux(self, stream: VideoStream | AudioStream, data: bytes, pts_ms: int) -> None:
        """Append data that can be decoded by itself."""
        packet = Packet(data)
        packet.stream = stream
        packet.pts = packet.dts = pts_ms
        packet.time_base = TIME_BASE
        packet.is_keyframe = True
        self._container.mux(packet)

    def write_sound(self, samples: bytes, pts_ms: int) -> None:
        """Append samples, int16 of one channel, the first of them at `pts_ms`, which must be later
        than in the last call. Raises `OSError` if they cannot be written."""
        assert self._sound is not None
        self._mux(self._sound, samples, pts_ms)

    def sync(self) -> None:
        """Return when everything written is on the disk."""
        sync_file(self.path)

    def close(self) -> None:
        """Write the index and close. Raises `OSError` if there is no room for the index; the file
        keeps its pictures."""
        try:
            if self._last_ms >= 0 and not CODECS[self.codec].keeps_jpegs:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()
        self.sync()

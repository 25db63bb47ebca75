"""The video of a session: Matroska that survives a killed program.

Clusters of 100 ms are written as they fill (`cluster_time_limit`, `flush_packets`; FFmpeg,
libavformat/matroskaenc.c), and the encoder holds no picture back, so a killed program loses about a
tenth of a second. Pictures carry their capture time, rounded to Matroska's millisecond; the exact
time is in the ledger.
"""

import os
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

TIME_BASE = Fraction(1, 1000)
CONTAINER = {
    "cluster_time_limit": "100",
    "flush_packets": "1",
    # µs: pictures wait no longer than this for their sound, nor sound for its pictures.
    "max_interleave_delta": "100000",
}
SOUND_CODEC = "pcm_s16le"
"""16 bit, as it comes: every block can be cut out separately, and a torn end costs one block."""
SAMPLE_BYTES = 2
THREADS = 2
_BT601 = 5  # what swscale converts RGB with; said in the stream, so that players undo the same


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
    """For planning disk space: more than faces before a wall have been seen to need."""
    lossless: bool
    untouched: bool = False
    """Not encoded here: the source's original JPEGs go into the file."""


CODECS: dict[str, Codec] = {
    # Constant quality below what the eye sees: 10, because x264 is not told the rate, takes each
    # picture to be very short, and so allows coarser ones; told of 30 fps it would be 14. No
    # look-ahead and no B-frames; a key frame a second at 30 fps, for seeking. For 640×480 with
    # sensor noise `ultrafast` takes 2.5 ms of a processor, half of `superfast`, with the same error
    # and the same bytes: the noise takes the space, and the slower presets find no structure in it.
    "h264": Codec(
        "libx264",
        "yuv420p",
        "yuv444p",
        MappingProxyType({"crf": "10", "preset": "ultrafast", "tune": "zerolatency", "g": "30"}),
        bytes_per_px=0.25,
        lossless=False,
    ),
    # Every frame is a key frame, every slice has a checksum; RGB as it came.
    "ffv1": Codec(
        "ffv1",
        "bgr0",
        "bgr0",
        MappingProxyType({"level": "3", "slices": "4", "slicecrc": "1", "g": "1"}),
        bytes_per_px=2.4,
        lossless=True,
    ),
    # Each picture is a key frame. The pixel format only describes them until they are decoded; the
    # JPEGs state the real one. Quality 95 of a noisy sensor takes 0.33 bytes.
    "mjpeg": Codec(
        "mjpeg",
        "yuvj422p",
        "yuvj422p",
        MappingProxyType({}),
        bytes_per_px=0.5,
        lossless=True,
        untouched=True,
    ),
}
"""By name: `h264` visually lossless, `ffv1` (IETF RFC 9043) bit by bit, `mjpeg` as it came."""


def packing(codec: str, frame: Frame) -> str:
    """Return the name in `CODECS` by which `frame` goes into a recording made with `codec`. A
    picture without its JPEG is kept bit by bit: a recording loses nothing, and compresses nothing
    twice."""
    return "ffv1" if CODECS[codec].untouched and frame.packed is None else codec


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
        """Create `path`, which must not exist; raises `OSError` if it cannot. `sound_hz`: the rate
        of its sound; None: no sound. `rotate`: degrees clockwise by which players must turn the
        original JPEGs; `width` and `height` are those after turning."""
        self.codec = codec
        packing = CODECS[codec]
        if path.exists():
            raise FileExistsError(f"{path} exists")
        self.path = path
        self.size = (width, height)
        self._last_ms = -1
        even = width % 2 == 0 and height % 2 == 0
        self._format = packing.even if even else packing.odd
        self._container = av.open(str(path), "w", format="matroska", options=dict(CONTAINER))
        stream = self._container.add_stream(packing.encoder, rate=30, options=dict(packing.options))
        assert isinstance(stream, VideoStream)
        if packing.untouched and rotate:
            if rotate in (90, 270):
                width, height = height, width
            stream.set_display_rotation(-rotate)
        stream.width, stream.height, stream.pix_fmt = width, height, self._format
        stream.codec_context.time_base = TIME_BASE
        stream.codec_context.thread_count = THREADS
        if not packing.lossless:
            stream.codec_context.colorspace = _BT601
            stream.codec_context.color_range = 1
        stream.codec_context.framerate = Fraction(
            0
        )  # not known yet: without it, readers measure it
        self._stream = stream
        self._sound: AudioStream | None = None
        if sound_hz is not None:
            sound = self._container.add_stream(SOUND_CODEC, rate=sound_hz, layout="mono")
            assert isinstance(sound, AudioStream)
            self._sound = sound
        # Keep one, with one thread: `VideoFrame.reformat` makes and ends a thread pool for each
        # picture, which takes 10 to 20 ms on busy cores instead of 0.8.
        self._to_packed = VideoReformatter()

    def next_pts(self, pts_ms: int) -> int:
        """Return the presentation time of a picture due at `pts_ms`: later than the last one's."""
        return max(pts_ms, self._last_ms + 1)

    def write(self, frame: Frame, pts_ms: int) -> None:
        """Append the picture of `frame` at `next_pts(pts_ms)`. It must have this file's size, and
        its JPEG if this file keeps JPEGs. Raises `OSError` if it cannot be written."""
        pts_ms = self._last_ms = self.next_pts(pts_ms)
        if CODECS[self.codec].untouched:
            assert frame.packed is not None  # see `packing`
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
        """Append data that can be shown or heard by itself."""
        packet = Packet(data)
        packet.stream = stream
        packet.pts = packet.dts = pts_ms
        packet.time_base = TIME_BASE
        packet.is_keyframe = True
        self._container.mux(packet)

    def write_sound(self, samples: bytes, pts_ms: int) -> None:
        """Append samples, int16 of one channel, the first of them at `pts_ms`, which must be later
        than in the last call. Raises `OSError` if they cannot be written."""
        assert self._sound is not None  # it was asked for when this was made
        self._mux(self._sound, samples, pts_ms)

    def sync(self) -> None:
        """Return when everything written is on the disk."""
        handle = os.open(self.path, os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def close(self) -> None:
        """Write the index and close. Raises `OSError` if there is no room for the index; the
        pictures are still kept."""
        try:
            if self._last_ms >= 0 and not CODECS[self.codec].untouched:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()
        self.sync()

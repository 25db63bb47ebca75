"""Cuts video files packet by packet: pictures are copied, not encoded again.

Redaction cuts out a span; recovery cuts off the torn end of a file.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from model.errors import InputError
from realtime.sessions.crash_safe_video import SAMPLE_BYTES, TIME_BASE
from realtime.sessions.line_file import sync_file, sync_folder
from realtime.sessions.private_files import begin_private
from realtime.sources.ffv1 import is_whole
from realtime.sources.picture_decoding import decode_picture
from realtime.sources.video_decoding import FFV1, MJPEG, VideoPacket

_SEGMENT = b"\x18\x53\x80\x67"  # the element's name
_HEAD_BYTES = 1024

AnyPacket: TypeAlias = "Packet[Any]"
P = TypeVar("P", bound=AnyPacket)


def read_pts(path: Path) -> list[int]:
    """Return the presentation times, in ms, of the pictures in `path`, in order."""
    container = _open(path)
    if container is None:
        return []
    with container:
        return [_ms(packet) for packet in _packets(container)]


def copy_without(
    path: Path, leave_out: Callable[[int], bool], silence: Callable[[float, float], bool]
) -> set[int]:
    """Rewrite `path` without the pictures whose presentation time in ms `leave_out` accepts.
    Pictures after them, up to the next key frame, cannot be decoded alone and go too. Blocks of
    sound go if `silence` accepts their begin and end in ms. If nothing remains, the file is
    deleted. Return the times of the pictures that went."""
    container = _open(path)
    if container is None:
        return set()
    gone: set[int] = set()
    with container:
        kept = _filter_packets(_all_packets(container), leave_out, silence, gone)
        _write(path, _streams(container), kept)
    return gone


def repair_video(path: Path) -> list[int]:
    """Repair a file that was cut off: keep everything up to the last picture that can be decoded,
    and add an index. Return the presentation times, in ms, of the remaining pictures. A file
    without any is deleted."""
    if _is_closed(path):
        return read_pts(path)
    whole = _last_whole(path)
    if whole is None:
        path.unlink(missing_ok=True)
        return []
    copy_without(path, lambda ms: ms > whole, lambda begin_ms, _: begin_ms > whole)
    return read_pts(path)


def join_videos(paths: Sequence[Path], out: Path) -> None:
    """Join consecutive parts, with their sound, into one file, `out`. Raises `InputError` if a part
    cannot be read, or if size or codec change."""
    with ExitStack() as opened:
        containers = [opened.enter_context(open_video(path)) for path in paths]
        streams = [container.streams.video[0] for container in containers]
        kinds = {(s.codec.name, s.width, s.height, s.codec_context.extradata) for s in streams}
        if len(kinds) > 1:
            raise InputError(
                f"{out}: the parts of the video differ in size or codec, and one file cannot hold "
                "both; use the session's video files instead"
            )
        packets = chain.from_iterable(map(_all_packets, containers))
        _write(out, _streams(containers[0]), packets)


def _is_closed(path: Path) -> bool:
    """Return whether the file was written to its end. The segment is all of a Matroska file but its
    head (RFC 9559, section 5.1), and the muxer writes its size, 8 bytes (RFC 8794, section 4),
    last."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    at = head.find(_SEGMENT)
    if at < 0:
        return False
    begin = at + len(_SEGMENT) + 8
    size = int.from_bytes(head[begin - 8 : begin], "big") - (1 << 56)
    return begin + size == path.stat().st_size


def _last_whole(path: Path) -> int | None:
    """Return the presentation time of the last picture that can be decoded; None if there is none.
    Decode from the last key frame on; if that fails, go back twice as far each time. What lies
    before was whole when it was written."""
    container = _open(path)
    if container is None:
        return None
    with container:
        keys = [_ms(packet) for packet in _packets(container) if packet.is_keyframe]
    starts = [keys[-(1 << n)] for n in range(len(keys).bit_length())]
    for key in [*starts, *keys[:1]]:
        last = _last_decodable(path, key)
        if last is not None:
            return last
    return None


def _last_decodable(path: Path, key_ms: int) -> int | None:
    """Return the last of the pictures from the key frame at `key_ms` on that decode."""
    last: int | None = None
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        stream.codec_context.options = {"err_detect": "explode"}
        for packet in _packets(container):
            if _ms(packet) < key_ms:
                continue
            if not _can_decode(stream, packet):
                return last
            last = _ms(packet)
    return last


def _can_decode(stream: VideoStream, packet: VideoPacket) -> bool:
    codec = stream.codec_context.name
    if codec == MJPEG:
        return decode_picture(bytes(packet)) is not None
    if codec == FFV1:
        return is_whole(bytes(packet))
    try:
        pictures = stream.decode(packet)
    except av.error.FFmpegError:
        return False
    return bool(pictures) and not any(picture.is_corrupt for picture in pictures)


def _open(path: Path) -> InputContainer | None:
    """Open `path`; return None if it was cut off before its first picture. Raises `OSError` if the
    system cannot read it, because it may contain pictures."""
    try:
        container = av.open(str(path))
    except (av.error.InvalidDataError, av.error.EOFError, FileNotFoundError):
        return None
    if not container.streams.video:
        container.close()
        return None
    return container


def open_video(path: Path) -> InputContainer:
    """Open `path`. Raises `InputError` if it cannot be read."""
    try:
        return av.open(str(path))
    except av.error.FFmpegError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _streams(container: InputContainer) -> list[Stream]:
    """Return the stream of pictures and, if there is one, that of sound."""
    return [container.streams.video[0], *container.streams.audio[:1]]


def _packets(container: InputContainer) -> Iterator[VideoPacket]:
    """Yield the pictures."""
    return _whole_packets(container.demux(container.streams.video[0]))


def _all_packets(container: InputContainer) -> Iterator[AnyPacket]:
    """Yield pictures and sound in the order of the file."""
    return _whole_packets(container.demux(_streams(container)))


def _whole_packets(packets: Iterator[P]) -> Iterator[P]:
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:  # the torn end
            return
        if packet is None:
            return
        if packet.pts is not None and packet.size and not packet.is_corrupt:
            yield packet


def _filter_packets(
    packets: Iterator[AnyPacket],
    leave_out: Callable[[int], bool],
    silence: Callable[[float, float], bool],
    gone: set[int],
) -> Iterator[AnyPacket]:
    broken = False
    for packet in packets:
        ms = _ms(packet)
        if isinstance(packet.stream, AudioStream):
            if not silence(ms, ms + 1000 * packet.size / SAMPLE_BYTES / packet.stream.rate):
                yield packet
            continue
        broken = leave_out(ms) or (broken and not packet.is_keyframe)
        if broken:
            gone.add(ms)
        else:
            yield packet


def _write(path: Path, templates: Sequence[Stream], packets: Iterator[AnyPacket]) -> None:
    partial = path.with_name(path.name + ".partial")
    first = next(packets, None)
    if first is None:
        path.unlink(missing_ok=True)
        return
    begin_private(partial)
    with av.open(str(partial), "w", format="matroska") as out:
        streams = {template.type: out.add_stream_from_template(template) for template in templates}
        # The template guesses a rate of 1000 from times in ms; without a rate, readers measure it.
        video = streams["video"]
        assert isinstance(video, VideoStream)
        video.codec_context.framerate = Fraction(0)
        for packet in chain([first], packets):
            packet.stream = streams[packet.stream.type]
            out.mux(packet)
    sync_file(partial)
    partial.replace(path)
    sync_folder(path.parent)


def _ms(packet: AnyPacket) -> int:
    assert packet.pts is not None
    return round(Fraction(packet.pts) * (packet.time_base or TIME_BASE) * 1000)

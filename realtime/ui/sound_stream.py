"""Serves a session's sound as one WAV file, of which browsers ask for stretches."""

import re
from collections.abc import Callable, Iterator

from fastapi import Response
from fastapi.responses import StreamingResponse

from realtime.review.session_sound import SessionSound, make_wav_header
from realtime.sessions.crash_safe_video import SAMPLE_BYTES

AT_ONCE_BYTES = 512 * 2**10
"""The most in one answer, about five seconds: sound that is deleted meanwhile is not sent."""
# The voice stays out of the browser's cache on disk.
_HEADERS = {"Cache-Control": "no-store", "Accept-Ranges": "bytes"}
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")


def answer_sound(open_sound: Callable[[], SessionSound], wanted: str | None) -> Response:
    """Answer with the stretch of the file that `wanted`, the header `Range`, asks for, or with its
    beginning if it is long; with the whole file if the header is missing or has another form.
    `open_sound` is called for each stretch; its `InputError` is raised."""
    size = _size(open_sound())
    asked = _RANGE.fullmatch(wanted or "")
    if asked is None:
        whole = {**_HEADERS, "Content-Length": str(size)}
        return StreamingResponse(_stretches(open_sound, size), 200, whole, "audio/wav")
    first = int(asked[1])
    last = min(int(asked[2] or size), size - 1, first + AT_ONCE_BYTES - 1)
    if first > last:
        return Response(status_code=416, headers={**_HEADERS, "Content-Range": f"bytes */{size}"})
    part = {**_HEADERS, "Content-Range": f"bytes {first}-{last}/{size}"}
    return Response(_bytes(open_sound(), first, last + 1), 206, part, "audio/wav")


def _size(sound: SessionSound) -> int:
    return len(make_wav_header(sound.rate, sound.count)) + SAMPLE_BYTES * sound.count


def _stretches(open_sound: Callable[[], SessionSound], size: int) -> Iterator[bytes]:
    for first in range(0, size, AT_ONCE_BYTES):
        yield _bytes(open_sound(), first, min(first + AT_ONCE_BYTES, size))


def _bytes(sound: SessionSound, first: int, last: int) -> bytes:
    """Return bytes `first` to `last` (excluded) of the file."""
    header = make_wav_header(sound.rate, sound.count)
    begin, end = ((max(len(header), at) - len(header)) // SAMPLE_BYTES for at in (first, last + 1))
    data = sound.samples(begin, end).astype("<i2").tobytes()
    cut = max(0, first - len(header)) % SAMPLE_BYTES
    stretch = header[first:last] + data[cut:]
    return stretch[: last - first]

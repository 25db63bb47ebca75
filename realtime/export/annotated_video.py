"""An analysed recording as a video with what was found drawn on it: MP4, H.264, without sound.

The outline of the face, the regions (filled while they move over their threshold), and the name of
each confirmed expression from its onset on, as `realtime.results.overlay` gives them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from model.files import whole_file
from model.records import ArrayF32, Event, Frame, ImageU8, Step
from realtime.export.mp4 import crop_to_even
from realtime.results.overlay import describe_current, describe_frame, find_current_event
from realtime.sources.video_decoding import VideoPacket

TIME_BASE = Fraction(1, 1000)
ENCODING = {"crf": "20", "preset": "veryfast", "bf": "0", "mbtree": "0"}
"""Visually lossless, at a size that can be passed on; packets in the order of their pictures.
Without mbtree, because x264's reads memory that nobody wrote: equal pictures gave unequal files."""
TEAL, WHITE, DARK = (94, 234, 212), (255, 255, 255), (15, 23, 42)
_BT601 = 5  # swscale converts RGB with it; the stream says so, and players convert back with it
_SHIFT = 4  # bits of a fraction of a px: lines do not jump from px to px


@dataclass(frozen=True, slots=True)
class FaceDrawing:
    """What is drawn over one frame, px of the frame; small enough to keep for a whole recording."""

    outline: ArrayF32
    """(P, 2) float32."""
    centres: ArrayF32
    """(R, 2) float32, of the regions."""
    radius: float
    over: ArrayF32
    """(R,) float32, strength over threshold; 0 while silenced."""


def take_drawing(step: Step) -> FaceDrawing | None:
    """Return what is drawn over the frame of `step`; None without a face."""
    found = describe_frame(step, None)
    if found["face"] is None:
        return None
    regions = found["regions"]
    over = [(r["strength"] or 0) / r["threshold"] if r["threshold"] else 0 for r in regions]
    return FaceDrawing(
        np.array(found["face"]["outline"], np.float32),
        np.array([region["at"] for region in regions], np.float32),
        float(regions[0]["radius"]),
        np.array(over, np.float32),
    )


def write_annotated(
    path: Path,
    frames: Iterable[Frame],
    drawings: Mapping[int, FaceDrawing],
    events: Sequence[Event],
) -> None:
    """Write `frames` to the MP4 file `path` at their times, with `drawings` (by the frame's index)
    and the names of confirmed `events`. An existing file is replaced once the new one is whole.
    Only its owner can read it. Without a frame, nothing is written."""
    drawn = (
        replace(frame, image=draw(frame, drawings.get(frame.stamp.index), events))
        for frame in frames
    )
    even = crop_to_even(drawn)
    first = next(even, None)
    if first is not None:
        with whole_file(path, private=True) as partial:
            _encode(partial, chain([first], even))


def draw(frame: Frame, drawing: FaceDrawing | None, events: Sequence[Event]) -> ImageU8:
    """Return the picture of `frame` with `drawing` and the current one of `events`, (H, W, 3) uint8
    RGB."""
    image = frame.image.copy()
    thick = max(1, round(image.shape[1] / 640))
    if drawing is not None:
        _draw_regions(image, drawing, thick)
        outline = _fixed(drawing.outline)
        cv2.polylines(image, [outline], True, WHITE, thick, cv2.LINE_AA, _SHIFT)
    event = find_current_event(events, frame.stamp.time_s)
    if event is not None:
        _draw_name(image, event, drawing, thick)
    return image


def _draw_regions(image: ImageU8, drawing: FaceDrawing, thick: int) -> None:
    radius = round(drawing.radius * 2**_SHIFT)
    for (x, y), over in zip(_fixed(drawing.centres).tolist(), drawing.over, strict=True):
        if over >= 1:
            cv2.circle(image, (x, y), radius, TEAL, 2 * thick, cv2.LINE_AA, _SHIFT)
        else:
            grey = tuple(round(130 + 90 * float(over)) for _ in range(3))
            cv2.circle(image, (x, y), radius, grey, thick, cv2.LINE_AA, _SHIFT)


def _draw_name(image: ImageU8, event: Event, drawing: FaceDrawing | None, thick: int) -> None:
    named = describe_current(event, None)
    text = str(named["label"]).capitalize() + (" (macro)" if named["kind"] == "macro" else "")
    if named["probability"] is not None:
        percent = 100 * named["probability"]
        text += "  > 99 %" if percent >= 99.5 else f"  {percent:.0f} %"  # it is never certain
    scale, font = 0.55 * thick, cv2.FONT_HERSHEY_DUPLEX
    (width, height), below = cv2.getTextSize(text, font, scale, thick)
    middle, top = (image.shape[1] / 2, 0.0)
    if drawing is not None:
        middle, top = float(drawing.outline[:, 0].mean()), float(drawing.outline[:, 1].min())
    pad = 8 * thick
    x = int(np.clip(middle - width / 2, pad, max(pad, image.shape[1] - width - pad)))
    y = int(max(height + 2 * pad, top - 2 * pad))
    cv2.rectangle(image, (x - pad, y - height - pad), (x + width + pad, y + below + pad), DARK, -1)
    cv2.putText(image, text, (x, y), font, scale, WHITE, thick, cv2.LINE_AA)


def _fixed(points: ArrayF32) -> NDArray[np.int32]:
    return np.asarray(np.round(points * 2**_SHIFT), np.int32)


def _encode(path: Path, frames: Iterator[Frame]) -> None:
    """Encode `frames`, of which there is at least one."""
    first = next(frames)
    height, width = first.image.shape[:2]
    zero_s, last_ms = first.stamp.time_s, -1
    options = {"movflags": "+faststart"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=30, options=dict(ENCODING))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = TIME_BASE
        stream.codec_context.colorspace, stream.codec_context.color_range = _BT601, 1
        stream.codec_context.framerate = Fraction(0)  # unknown: readers measure it
        to_encoded = VideoReformatter()  # one for all, see `VideoWriter`
        frame: Frame | None = first
        while frame is not None:
            picture = to_encoded.reformat(
                av.VideoFrame.from_ndarray(frame.image, "rgb24"), format="yuv420p", threads=1
            )
            last_ms = max(round((frame.stamp.time_s - zero_s) * 1000), last_ms + 1)
            picture.pts, picture.time_base = last_ms, TIME_BASE
            _mux(container, stream.encode(picture))
            frame = next(frames, None)
        _mux(container, stream.encode(None))


def _mux(container: OutputContainer, packets: Iterable[VideoPacket]) -> None:
    for packet in packets:
        packet.duration = packet.duration or 1  # players do not show a last one of length 0
        container.mux(packet)

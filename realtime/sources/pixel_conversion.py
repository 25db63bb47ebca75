"""Converts a decoder's pictures to upright RGB with square pixels.

It handles the colour matrix, range, transfer and primaries (HDR becomes SDR), the pixel shape,
fields, 16-bit pictures that use only the lower bits, and the display matrix. `RgbConverter.notes`
says which were unusual."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, cast

import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.video.frame import VideoFrame
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)
from av.video.stream import VideoStream

from model.records import ImageU8
from realtime.sources.deinterlacer import Deinterlacer, FieldMode
from realtime.sources.picture_decoding import LowBits

SD_LINES = 576
"""A picture with more lines and no stated colour matrix uses that of HD, as players do."""
MAX_ASPECT = 4
"""A stated pixel aspect beyond this, or below its inverse, is ignored."""

_UNSPECIFIED = 2
_HDR = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
_WIDE = {
    int(ColorPrimaries.BT2020): "BT.2020",
    int(ColorPrimaries.SMPTE431): "DCI-P3",
    int(ColorPrimaries.SMPTE432): "Display P3",
}
_GREY16 = ("gray16le", "gray16be")


class RgbConverter:
    """Converts the pictures of one stream. Only one thread may use it."""

    def __init__(self, stream: VideoStream, fields: FieldMode) -> None:
        """`fields`: see `realtime.sources.deinterlacer`."""
        self._aspect = _aspect(stream)
        self._deinterlacer = Deinterlacer(fields)
        self._to_rgb = VideoReformatter()
        self._low = LowBits()
        self._colours: str | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what is unusual in the pictures so far, and how it was handled."""
        aspect = self._aspect
        shape = f"pixels of {aspect.numerator}:{aspect.denominator} made square"
        return tuple(
            note
            for note in (
                shape if aspect != 1 else "",
                self._deinterlacer.note,
                self._colours or "",
                self._low.note,
            )
            if note
        )

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of a picture from its coded size."""
        if self._aspect > 1:
            return 2 * round(width * self._aspect / 2), height
        if self._aspect < 1:
            return width, 2 * round(height / self._aspect / 2)
        return width, height

    @property
    def per_picture(self) -> int:
        """How many pictures one coded picture gives: 2 if fields are taken apart."""
        return self._deinterlacer.per_picture

    def convert(self, frame: VideoFrame | None) -> Iterator[tuple[VideoFrame, ImageU8]]:
        """Yield the pictures that `frame` completes, each with the frame that carries its time and
        its RGB image, (H, W, 3) uint8; None marks the end."""
        for picture in self._deinterlacer.deinterlace(frame):
            yield picture, self._image(picture)

    def _image(self, picture: VideoFrame) -> ImageU8:
        if picture.format.name in _GREY16:
            grey = self._low.to_8_bit(picture.to_ndarray().astype(np.uint16, copy=False))
            picture_8 = VideoFrame.from_ndarray(np.ascontiguousarray(grey), "gray8")
            return turn_upright(self._rgb(picture_8), picture)
        return turn_upright(self._rgb(picture), picture)

    def _rgb(self, picture: VideoFrame) -> VideoFrame:
        asked: dict[str, Any] = {}
        if self._aspect != 1:
            asked["width"], asked["height"] = self.size(picture.width, picture.height)
            asked["interpolation"] = Interpolation.BICUBIC
        if picture.colorspace == _UNSPECIFIED and picture.height > SD_LINES:
            asked["src_colorspace"] = Colorspace.ITU709
        hdr, wide = _HDR.get(picture.color_trc), _WIDE.get(picture.color_primaries)
        if self._colours is None:
            self._colours = _colour_note(hdr, wide)
        if hdr:
            asked["dst_color_trc"] = ColorTrc.IEC61966_2_1
        if hdr or wide:
            asked["dst_color_primaries"] = ColorPrimaries.BT709
            asked["dst_color_range"] = ColorRange.JPEG
        return self._to_rgb.reformat(picture, format="rgb24", **asked)


def _aspect(stream: VideoStream) -> Fraction:
    """Return the width of a pixel over its height."""
    aspect = stream.sample_aspect_ratio
    believed = aspect is not None and Fraction(1, MAX_ASPECT) <= aspect <= MAX_ASPECT
    return aspect if aspect is not None and believed else Fraction(1)


def _colour_note(hdr: str | None, wide: str | None) -> str:
    if hdr:
        return f"HDR ({hdr}) brought to SDR: what is brighter than paper white is white"
    return f"colours of {wide} brought to BT.709" if wide else ""


def turn_upright(rgb: VideoFrame, decoded_from: VideoFrame) -> ImageU8:
    """Return the pixels of `rgb`, turned and mirrored by the display matrix of the frame it was
    converted from. Only quarter turns: video has no others.

    The matrix is row-major 16.16 fixed point with (x', y') = (a·x + c·y, b·x + d·y), y down
    (ISO/IEC 14496-12, 6.2.2; FFmpeg, libavutil/display.h).
    """
    image: ImageU8 = rgb.to_ndarray().astype(np.uint8, copy=False)
    try:
        matrix = cast(Mapping[Any, Any], decoded_from.side_data).get(SideData.DISPLAYMATRIX)
    except ValueError:
        # PyAV 18 cannot list side data if it does not know one of them (EXIF), but it has the
        # angle.
        return np.ascontiguousarray(np.rot90(image, round(decoded_from.rotation / 90)))
    if matrix is None:
        return np.ascontiguousarray(image)  # rows of odd widths are padded
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(b) > abs(a):
        image = image.transpose(1, 0, 2)
        flip_x, flip_y = c < 0, b < 0
    else:
        flip_x, flip_y = a < 0, d < 0
    image = image[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    return np.ascontiguousarray(image)

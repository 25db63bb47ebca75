"""A folder of images: how the micro-expression datasets ship their clips."""

import os
import re
from collections.abc import Generator
from itertools import chain
from pathlib import Path

from model.errors import SourceError
from model.records import Frame, ImageU8
from realtime.sources import SourceInfo, SourceOptions
from realtime.sources.gated import GatedSource
from realtime.sources.picture import decode_picture

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
UNREADABLE = "unreadable image"


class ImageFolder(GatedSource):
    """Image n of the folder at n / fps seconds, in the order of the numbers in their names.

    The images are taken as evenly spaced. One that cannot be read leaves its place empty: the
    index jumps and the time goes on.
    """

    def __init__(self, spec: str, options: SourceOptions) -> None:
        """Raises `SourceError` without a rate, and if no image in the folder can be read."""
        super().__init__(options.rotate)
        folder = Path(spec)
        if not folder.is_dir():
            raise SourceError(f"{spec}: no such folder")
        try:
            names = sorted(os.listdir(folder), key=_number_key)
        except OSError as error:
            raise SourceError(f"{spec}: cannot be listed ({error.strerror})") from None
        paths = [folder / name for name in names if Path(name).suffix.lower() in SUFFIXES]
        if not paths:
            raise SourceError(f"{spec}: no images in this folder ({', '.join(sorted(SUFFIXES))})")
        if options.fps is None:
            raise SourceError(f"{spec}: a folder of images has no rate of its own; give --fps")
        self._fps = options.fps
        pictures = ((i, _read(path)) for i, path in enumerate(paths))
        first = next(((i, image) for i, image in pictures if image is not None), None)
        if first is None:
            raise SourceError(f"{spec}: none of its {len(paths)} images can be read")
        if first[0]:
            self._gate.refuse(UNREADABLE, first[0])
        self._pictures = chain([first], pictures)
        height, width = first[1].shape[:2]
        self._info = SourceInfo(
            spec=spec,
            kind="folder",
            description=f"{folder.name or spec}: {len(paths)} images, {width}×{height}, "
            f"taken as {self._fps:.4g} fps",
            live=False,
            paced_by_stamps=True,
            clock="file",
            width=width,
            height=height,
            fps_asked=options.fps,
            fps_nominal=options.fps,
            lossless=not any(path.suffix.lower() in {".jpg", ".jpeg"} for path in paths),
            duration_s=len(paths) / self._fps,
        )

    def _run(self) -> Generator[Frame, None, None]:
        for position, image in self._pictures:
            if self._stop.is_set():
                break
            if image is None:
                self._gate.refuse(UNREADABLE)
                continue
            frame = self._gate.admit(image, position / self._fps)
            if frame is not None:
                yield frame
        self._gate.ended()


def _read(path: Path) -> ImageU8 | None:
    try:
        return decode_picture(path.read_bytes())
    except OSError:
        return None


def _number_key(name: str) -> list[tuple[int, str]]:
    """Sorts `img2` before `img10`: digits by value, the rest by letter."""
    return [
        (int(part), part) if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", name.casefold())
        if part
    ]

"""A folder of images, as micro-expression data sets ship their clips."""

import math
import os
import re
from collections.abc import Generator, Sequence
from itertools import chain, pairwise
from pathlib import Path

from model.errors import SourceError
from model.records import Frame, ImageU8
from realtime.sources import SourceInfo, SourceOptions
from realtime.sources.frame_source import FrameSource
from realtime.sources.picture_decoding import LowBits, decode_picture

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
UNREADABLE_IMAGE = "unreadable image"
MISSING_IMAGE = "missing image"

MAX_PLACES = 10**8
"""Five days at 200 fps: numbers further apart do not count images."""

_LAST_NUMBER = re.compile(r"(.*?)(\d+)(\D*)")


class ImageFolder(FrameSource):
    """Image n of the folder at n / fps seconds, in the order of the numbers in their names.

    If most numbers increase by the same step, gaps are missing images; otherwise the images are
    evenly spaced. A missing or unreadable image leaves its place empty: the index jumps and the
    time goes on. Hidden files are ignored, because macOS writes one beside each image on a shared
    disk, with a similar name.
    """

    def __init__(self, spec: str, options: SourceOptions) -> None:
        """Raises `SourceError` without a rate, and if no image in the folder can be read."""
        super().__init__(options.rotate, options.start_s or -math.inf)
        folder = Path(spec)
        if not folder.is_dir():
            raise SourceError(f"{spec}: no such folder")
        try:
            names = sorted(os.listdir(folder), key=_number_key)
        except OSError as error:
            raise SourceError(f"{spec}: cannot be listed ({error.strerror})") from None
        names = [name for name in names if Path(name).suffix.lower() in SUFFIXES]
        paths = [folder / name for name in names if not name.startswith(".")]
        hidden = len(names) - len(paths)
        if not paths:
            raise SourceError(f"{spec}: no images in this folder ({', '.join(sorted(SUFFIXES))})")
        if options.fps is None:
            raise SourceError(f"{spec}: a folder of images has no rate of its own; give --fps")
        self._fps = options.fps
        places = place_images([path.stem for path in paths])
        missing = places[-1] + 1 - len(places)
        low = LowBits()
        self._begin = math.ceil(options.start_s * self._fps - 1e-6)
        listed = zip(places, paths, strict=True)
        # The first image says what the others are like; those before the start are not read.
        wanted = ((p, path) for n, (p, path) in enumerate(listed) if p >= self._begin or not n)
        pictures = ((place, _read(path, low)) for place, path in wanted)
        first = next(((place, image) for place, image in pictures if image is not None), None)
        if first is None:
            raise SourceError(f"{spec}: none of its {len(paths)} images can be read")
        self._pictures = chain([first], pictures)
        self._unreadable = set(places[: places.index(first[0])])
        height, width = first[1].shape[:2]
        notes = [low.note] if low.note else []
        if missing:
            notes.append(f"{missing} images are missing by the numbers in the names")
        if hidden:
            notes.append(f"{hidden} hidden files are ignored")
        self._info = SourceInfo(
            spec=spec,
            kind="folder",
            description=f"{folder.resolve().name or spec}: {len(paths)} images, {width}×{height}, "
            f"taken as {self._fps:.4g} fps",
            live=False,
            clock="file",
            width=width,
            height=height,
            fps_asked=options.fps,
            fps_nominal=options.fps,
            lossless=not any(path.suffix.lower() in {".jpg", ".jpeg"} for path in paths),
            duration_s=(places[-1] + 1) / self._fps,
            notes=tuple(notes),
        )

    def _run(self) -> Generator[Frame | None, None, None]:
        after = self._begin
        for place, image in self._pictures:
            if place < self._begin:
                continue
            unreadable = sum(after <= empty < place for empty in self._unreadable)
            if unreadable:
                self._gate.refuse(UNREADABLE_IMAGE, unreadable)
            if missing := place - after - unreadable:
                self._gate.drop(MISSING_IMAGE, missing)
            after = place + 1
            if image is None:
                self._gate.refuse(UNREADABLE_IMAGE)
            else:
                yield self._gate.admit(image, place / self._fps)


def place_images(stems: Sequence[str]) -> list[int]:
    """Return the place of each image in its recording, from 0, by the last number in its name;
    `stems` are in the order of these numbers. The numbers count if the names differ in nothing else
    and most go up by their common step: gaps are then missing images. Otherwise (times in names,
    say) places are simply counted."""
    parts = [_LAST_NUMBER.fullmatch(stem) for stem in stems]
    around = {(part[1], part[3]) if part else stem for part, stem in zip(parts, stems, strict=True)}
    if len(around) == 1:
        numbers = [int(part[2]) for part in parts if part]
        steps = [after - before for before, after in pairwise(numbers)]
        step = math.gcd(*steps)
        counts = step and steps.count(step) > len(steps) / 2
        if counts and (numbers[-1] - numbers[0]) // step < MAX_PLACES:
            return [(number - numbers[0]) // step for number in numbers]
    return list(range(len(stems)))


def _read(path: Path, low: LowBits) -> ImageU8 | None:
    try:
        return decode_picture(path.read_bytes(), low)
    except OSError:
        return None


def _number_key(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts `img2` before `img10`: digits by value, the rest by letter."""
    return [
        (int(part), part) if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", name.casefold())
        if part
    ]

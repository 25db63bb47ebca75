"""What files say of their pixels, honoured: shape, fields, matrix, range, HDR, bits."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from fakes import write_clip
from numpy.typing import NDArray

from model.records import Frame, ImageU8
from realtime.sources import Source, SourceOptions, open_source


def read(path: Path, options: SourceOptions | None = None) -> tuple[Source, list[Frame]]:
    source = open_source(str(path), options)
    frames = list(source)
    source.close()
    return source, frames


def write_planes(
    path: Path, planes: NDArray[np.generic], pix_fmt: str, times_ms: list[int], **tags: int
) -> Path:
    """A lossless clip of one picture, its planes as they are, with `tags` of its colours."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        made = av.VideoFrame.from_ndarray(planes, pix_fmt)  # type: ignore[arg-type]
        stream.width, stream.height, stream.pix_fmt = made.width, made.height, pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for time_ms in times_ms:
            frame = av.VideoFrame.from_ndarray(planes, pix_fmt)  # type: ignore[arg-type]
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def disc(width: int, height: int, squeeze: float = 1.0) -> ImageU8:
    """A bright disc, narrower by `squeeze`."""
    image = np.zeros((height, width, 3), np.uint8)
    axes = (round(60 / squeeze), 60)
    cv2.ellipse(image, (width // 2, height // 2), axes, 0, 0, 360, (255, 255, 255), -1)
    return image


def extent(image: ImageU8) -> tuple[int, int]:
    """Width and height of what is bright."""
    bright = image.mean(axis=2) > 128
    return int(bright.any(axis=0).sum()), int(bright.any(axis=1).sum())


@pytest.mark.parametrize(
    ("aspect", "size", "becomes"),
    [
        (Fraction(64, 45), (210, 300), (298, 300)),
        (Fraction(8, 9), (240, 160), (240, 180)),
        (Fraction(1, 50), (240, 160), (240, 160)),  # not believed
    ],
)
def test_pixels_become_square(
    aspect: Fraction, size: tuple[int, int], becomes: tuple[int, int], tmp_path: Path
) -> None:
    believed = becomes != size
    image = disc(*size, squeeze=float(aspect) if believed else 1.0)
    clip = write_clip(
        tmp_path / "c.mkv",
        [image] * 2,
        [0, 40],
        tune=lambda codec: setattr(codec, "sample_aspect_ratio", aspect),
    )
    source, frames = read(clip)
    assert frames[0].image.shape == (becomes[1], becomes[0], 3)
    assert (source.info.width, source.info.height) == becomes
    width, height = extent(frames[0].image)
    assert width == pytest.approx(height, rel=0.03)
    note = f"pixels of {aspect.numerator}:{aspect.denominator} made square"
    assert (note in source.info.notes) is believed
    assert (note in source.info.description) is believed


def moving(height: int, moments: int) -> list[ImageU8]:
    """A bar that moves 4 px from one moment to the next."""
    images = [np.zeros((height, 160, 3), np.uint8) for _ in range(moments)]
    for number, image in enumerate(images):
        image[:, 20 + 4 * number : 40 + 4 * number] = 220
    return images


def weave(moments: list[ImageU8], top_first: bool) -> list[ImageU8]:
    """Every two moments as the fields of one picture."""
    woven = [image.copy() for image in moments[::2]]
    for frame, later in zip(woven, moments[1::2], strict=True):
        frame[int(top_first) :: 2] = later[int(top_first) :: 2]
    return woven


INTERLACED = {"flags": "+ildct+ilme", "crf": "1"}


@pytest.mark.parametrize("top_first", [True, False])
def test_fields_become_pictures_at_their_own_times(top_first: bool, tmp_path: Path) -> None:
    """Whichever field the file says is the earlier one: swapped, the bar would jump back."""
    moments = moving(96, 20)
    woven, at_ms = weave(moments, top_first), [40 * i for i in range(10)]
    clip = write_clip(tmp_path / "c.mkv", woven, at_ms, rate=25, encoding=INTERLACED)
    source, frames = read(clip)
    assert [round(1000 * f.stamp.time_s) for f in frames] == [20 * i for i in range(20)]
    assert source.info.fps_nominal == pytest.approx(50)
    assert "interlaced: each field a picture" in source.info.description
    for frame, moment in zip(frames[2:-2], moments[2:-2], strict=True):
        assert np.abs(frame.image.astype(int) - moment).mean() < 4
        row_steps = np.abs(np.diff(frame.image[..., 0].astype(int), axis=0)).mean()
        assert row_steps < 2  # woven, it is 9


@pytest.mark.parametrize(("height", "found"), [(480, True), (490, False)])
def test_woven_pictures_of_broadcast_height_are_seen_though_nothing_says_so(
    height: int, found: bool, tmp_path: Path
) -> None:
    woven, at_ms = weave(moving(height, 24), True), [40 * i for i in range(12)]
    source, frames = read(write_clip(tmp_path / "c.mkv", woven, at_ms, encoding={"crf": "1"}))
    assert len(frames) == (24 if found else 12)
    assert ("interlaced: although it does not say so" in source.info.description) is found


@pytest.mark.parametrize("height", [96, 480])
def test_whole_pictures_stay_whole_though_the_file_says_that_they_are_woven(
    height: int, tmp_path: Path
) -> None:
    moments, at_ms = moving(height, 12), [40 * i for i in range(12)]
    for name, encoding in (("said", INTERLACED), ("plain", {"crf": "1"})):
        clip = write_clip(tmp_path / f"{name}.mkv", moments, at_ms, rate=25, encoding=encoding)
        source, frames = read(clip)
        assert len(frames) == 12
        assert ("used as they are" in source.info.description) is (name == "said")
        for frame, moment in zip(frames, moments, strict=True):
            assert np.abs(frame.image.astype(int) - moment).mean() < 2


def pq(nits: float) -> float:
    """Signal of a luminance (SMPTE ST 2084, equation 5.2)."""
    y = (nits / 10_000) ** (2610 / 16384)
    below, above = 3424 / 4096 + 2413 / 128 * y, 1 + 2392 / 128 * y
    return float((below / above) ** (2523 / 32))


def test_hdr_becomes_sdr(tmp_path: Path) -> None:
    """Paper white is 203 cd/m² (ITU-R BT.2408), and sRGB's scale ends there."""
    nits = np.repeat([1, 50, 100, 203, 600], 12)
    linear = np.minimum(nits / 203, 1)
    grey = 255 * np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    planes = np.full((72, 60), 512, np.uint16)
    planes[:48] = [round(64 + 876 * pq(value)) for value in nits]
    tags = {"color_trc": 16, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    clip = write_planes(tmp_path / "c.mkv", planes, "yuv420p10le", [0, 40], **tags)
    source, frames = read(clip)
    inner = np.arange(60) % 12 // 4 == 1  # away from the edges
    assert np.abs(frames[0].image[:, inner].astype(int) - grey[inner, None]).max() <= 4
    assert "HDR (PQ) brought to SDR" in source.info.description


@pytest.mark.parametrize(
    ("size", "tag", "matrix"),
    [
        ((64, 48), 2, 5),  # of SD nothing is said: BT.601
        ((1280, 720), 2, 1),  # of HD: BT.709
        ((64, 48), 1, 1),
        ((1280, 720), 5, 5),
    ],
)
def test_the_matrix_is_the_one_that_is_named_or_usual(
    size: tuple[int, int], tag: int, matrix: int, tmp_path: Path
) -> None:
    skin = np.full((size[1], size[0], 3), (224, 150, 110), np.uint8)
    kr, kb = {1: (0.2126, 0.0722), 5: (0.299, 0.114)}[matrix]
    r, g, b = (float(v) / 255 for v in skin[0, 0])
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 - 2 * kb), (r - y) / (2 - 2 * kr)
    planes = np.empty((3, size[1], size[0]), np.uint8)
    for plane, value in zip(planes, (16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr), strict=True):
        plane[:] = round(value)
    tags = {"colorspace": tag, "color_range": 1}
    clip = write_planes(tmp_path / "c.mkv", planes, "yuv444p", [0, 40], **tags)
    _, frames = read(clip)
    assert np.abs(frames[0].image.astype(int) - skin).max() <= 2


@pytest.mark.parametrize(("color_range", "grey"), [(1, 130), (2, 128)])
def test_the_range_is_the_one_that_is_named(color_range: int, grey: int, tmp_path: Path) -> None:
    planes = np.full((72, 64), 128, np.uint8)
    clip = write_planes(
        tmp_path / "c.mkv", planes, "yuv420p", [0, 40], color_range=color_range, colorspace=5
    )
    assert np.abs(read(clip)[1][0].image.astype(int) - grey).max() <= 1


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_bits_that_lie_low_in_16_are_brought_up(bits: int, tmp_path: Path) -> None:
    ramp = np.linspace(0, 2**bits - 1, 64).astype(np.uint16)
    deep = np.tile(ramp, (48, 1))
    right = (deep >> (bits - 8)).astype(int)
    clip = write_planes(tmp_path / "c.mkv", deep, "gray16le", [0, 40])
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), deep)
    cv2.imwrite(str(folder / "2.tiff"), np.dstack([deep] * 3))
    for path in (clip, folder):
        source, frames = read(path, SourceOptions(fps=25) if path is folder else None)
        for frame in frames:
            assert np.abs(frame.image[..., 1].astype(int) - right).max() <= 1
        assert any(f"{bits} of 16 bits" in note for note in source.info.notes) is (bits < 16)

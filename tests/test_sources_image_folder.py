"""Folders of images."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import picture

from model.errors import SourceError
from model.records import Frame
from realtime.sources import Source, SourceOptions, open_source
from realtime.sources.image_folder import place_images
from realtime.sources.picture_decoding import decode_picture


def write(folder: Path, *names: str) -> None:
    for value, name in enumerate(names):
        cv2.imwrite(str(folder / name), picture(40 + 10 * value))


def read(folder: Path, fps: float = 200) -> tuple[Source, list[Frame]]:
    source = open_source(str(folder), SourceOptions(fps=fps))
    frames = list(source)
    source.close()
    return source, frames


def test_images_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 1, 2, 100):
        cv2.imwrite(str(tmp_path / f"img{number}.png"), np.full((8, 8, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("not an image")
    source, frames = read(tmp_path)
    assert [int(f.image[0, 0, 0]) for f in frames] == [1, 2, 9, 10, 100]
    assert [f.stamp.time_s for f in frames] == pytest.approx([i / 200 for i in range(5)])
    assert source.info.lossless
    assert source.info.fps_nominal == 200
    assert source.info.clock == "file"


@pytest.mark.parametrize(
    ("stems", "places"),
    [
        (["img1", "img2", "img3"], [0, 1, 2]),
        (["img001", "img002", "img004", "img005", "img006"], [0, 1, 3, 4, 5]),
        (["f0", "f2", "f4", "f8", "f10"], [0, 1, 2, 4, 5]),  # every second of a film
        (["P1_T7_0008", "P1_T7_0009", "P1_T7_0011", "P1_T7_0012"], [0, 1, 3, 4]),
        (["1_a", "2_a", "4_a", "5_a"], [0, 1, 3, 4]),
        (["1690000000033", "1690000000066", "1690000000100", "1690000000133"], [0, 1, 2, 3]),
        (["1", "2", "3", "20260101120000"], [0, 1, 2, 3]),
        (["a1", "b2", "b4"], [0, 1, 2]),
        (["onset", "apex"], [0, 1]),
        (["img7"], [0]),
        (["img1", "img1"], [0, 1]),
    ],
)
def test_numbers_with_gaps_are_images_that_are_missing(stems: list[str], places: list[int]) -> None:
    assert place_images(stems) == places


def test_a_missing_image_leaves_its_place_empty_and_is_said(tmp_path: Path) -> None:
    write(tmp_path, *(f"img{n}.png" for n in (3, 4, 5, 8, 9)))
    (tmp_path / "img4.png").write_bytes(b"damaged")
    source, frames = read(tmp_path, fps=10)
    assert [f.stamp.index for f in frames] == [0, 2, 5, 6]
    assert [f.stamp.time_s for f in frames] == pytest.approx([0.0, 0.2, 0.5, 0.6])
    assert "; 2 images are missing by the numbers in the names" in source.info.description
    assert source.info.duration_s == pytest.approx(0.7)
    status = source.status()
    assert (status.dropped, status.unusable) == ({"missing image": 2}, {"unreadable image": 1})


def test_what_a_mac_leaves_beside_images_is_no_image(tmp_path: Path) -> None:
    write(tmp_path, "img1.png", "img2.png")
    for name in ("._img1.png", "._img2.png"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7" + bytes(40))
    (tmp_path / "Thumbs.db").write_bytes(b"")
    source, frames = read(tmp_path)
    assert [f.stamp.index for f in frames] == [0, 1]
    assert source.status().unusable == {}
    assert "; 2 hidden files are ignored" in source.info.description


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_and_deep_images_become_rgb(tmp_path: Path, dtype: type) -> None:
    scale = np.iinfo(dtype).max // 255
    cv2.imwrite(str(tmp_path / "1.png"), np.full((9, 7), 100 * scale, dtype))
    _, frames = read(tmp_path)
    assert frames[0].image.shape == (9, 7, 3)
    assert frames[0].image.dtype == np.uint8
    assert np.abs(frames[0].image.astype(int) - 100).max() <= 1


def test_colours_are_rgb(tmp_path: Path) -> None:
    blue_green_red = np.zeros((8, 8, 3), np.uint8)
    blue_green_red[..., 2] = 255
    cv2.imwrite(str(tmp_path / "1.png"), blue_green_red)
    assert read(tmp_path)[1][0].image[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tiff"])
def test_an_image_cut_short_leaves_its_place_empty(tmp_path: Path, suffix: str) -> None:
    data = cv2.imencode(suffix, picture(120))[1].tobytes()
    for i in range(5):
        whole = i not in (0, 3)
        (tmp_path / f"{i}{suffix}").write_bytes(data if whole else data[: len(data) * 2 // 3])
    source, frames = read(tmp_path, fps=10)
    assert [f.stamp.index for f in frames] == [1, 2, 4]
    assert [f.stamp.time_s for f in frames] == pytest.approx([0.1, 0.2, 0.4])
    assert source.status().unusable == {"unreadable image": 2}


def test_a_folder_without_images_rate_or_readable_images_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no images"):
        open_source(str(tmp_path), SourceOptions(fps=30))
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(SourceError, match="--fps"):
        open_source(str(tmp_path))
    with pytest.raises(SourceError, match="none of its 1 images"):
        open_source(str(tmp_path), SourceOptions(fps=30))
    with pytest.raises(SourceError, match="no such folder"):
        open_source(f"folder:{tmp_path}/nothing", SourceOptions(fps=30))


def test_a_jpeg_is_damaged_wherever_it_is_cut() -> None:
    """OpenCV would fill the rest with grey and call it read."""
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    assert decode_picture(data) is not None
    assert all(decode_picture(data[:cut]) is None for cut in range(0, len(data), 7))

"""Flow maps computed elsewhere: read as they are, or as far as 8 bits let them be read."""

import csv
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.datasets.flow_maps import read_maps, still_level
from model.errors import InputError

Array = NDArray[Any]


def a_flow(size: int = 28, strength: float = 1.0) -> Array:
    """(3, S, S) float32: u, v, strain of a bump on a still face."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    bump = np.exp(-((x - 0.3) ** 2 + (y - 0.7) ** 2) / 0.01)
    u, v = strength * bump, -0.5 * strength * bump
    return np.stack([u, v, np.abs(np.gradient(bump, axis=0))]).astype(np.float32)


def normalised(planes: Array) -> Array:
    low = planes.min(axis=(1, 2), keepdims=True)
    high = planes.max(axis=(1, 2), keepdims=True)
    return np.rint((planes - low) / np.maximum(high - low, 1e-9) * 255).astype(np.uint8)


def table(folder: Path, rows: Sequence[Mapping[str, object]], name: str = "maps.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return folder / name


def row(file: str, **more: object) -> dict[str, object]:
    return {"file": file, "subject": "01", "clip": "a", "label": "Disgust", **more}


def write_png(path: Path, rgb: Array) -> None:
    cv2.imwrite(str(path), np.ascontiguousarray(np.moveaxis(rgb, 0, 2)[..., ::-1]))


def test_both_phases_of_float_maps(tmp_path: Path) -> None:
    first, second = a_flow(), -a_flow()
    np.save(tmp_path / "a1.npy", first)
    np.save(tmp_path / "a2.npy", np.moveaxis(second[:2], 0, 2))
    np.savez(tmp_path / "b.npz", u=first[0], v=first[1])
    np.savez(tmp_path / "c.npz", flow=first)
    table(
        tmp_path,
        [
            row("a1.npy", phase="onset_apex", action_units="4+L7"),
            row("a2.npy", phase="apex_offset", action_units="4+L7"),
            row("b.npz", subject="02"),
            row("c.npz", subject="02", clip="c", label=" surprise"),
        ],
    )
    maps = read_maps(tmp_path)
    assert maps.flows.shape == (3, 2, 2, 28, 28)
    np.testing.assert_array_equal(maps.flows[0, 0], first[:2])
    np.testing.assert_array_equal(maps.flows[0, 1], second[:2])
    np.testing.assert_array_equal(maps.flows[1, 0], first[:2])
    np.testing.assert_array_equal(maps.flows[2, 0], first[:2])
    assert maps.both_phases.tolist() == [True, False, False]
    assert maps.subjects == ("01", "02", "02")
    assert maps.labels == ("disgust", "disgust", "surprise")
    assert maps.action_units[0] == ("AU4", "AU7")
    assert maps.unit == "px"


def test_a_stored_range_brings_8_bits_back(tmp_path: Path) -> None:
    flow = a_flow(strength=1.7)
    write_png(tmp_path / "a.png", normalised(flow))
    limits = {
        f"{name}_{end}": float(getattr(plane, end)())
        for name, plane in (("u", flow[0]), ("v", flow[1]))
        for end in ("min", "max")
    }
    table(tmp_path, [row("a.png", channels="RGB", **limits)])
    maps = read_maps(tmp_path)
    assert maps.unit == "px"
    np.testing.assert_allclose(maps.flows[0, 0], flow[:2], atol=1.7 / 255 / 2 + 1e-6)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_without_a_range_the_still_face_is_zero(order: str, tmp_path: Path) -> None:
    # u rests in the middle: the bump goes both ways, as maps of real faces do.
    flow = a_flow()
    flow[0] -= 1.2 * flow[0, :, ::-1]
    picture = normalised(flow)
    write_png(tmp_path / "a.png", picture if order == "rgb" else picture[::-1])
    table(tmp_path, [row("a.png", channels=order)])
    maps = read_maps(tmp_path)
    assert maps.unit == "relative"
    got = maps.flows[0, 0]
    span = flow[:2].max(axis=(1, 2), keepdims=True) - flow[:2].min(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(got, flow[:2] / span, atol=0.02)
    assert np.abs(got[:, 0, -1]).max() < 0.01


def test_bytes_in_an_array_are_in_its_own_order(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", normalised(a_flow()))
    table(tmp_path, [row("a.npy")])
    maps = read_maps(tmp_path)
    assert maps.unit == "relative"
    assert maps.flows[0, 0, 0].max() > 0.9
    assert maps.flows[0, 0, 1].min() < -0.9


def test_the_channels_of_a_picture_are_asked_for(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", normalised(a_flow()))
    table(tmp_path, [row("a.png")])
    with pytest.raises(InputError, match="add a column channels that says rgb or bgr"):
        read_maps(tmp_path)
    table(tmp_path, [row("a.png", channels="rgb")])
    assert len(read_maps(tmp_path)) == 1


def test_maps_brought_to_one_size_keep_their_motion(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((2, 64, 64), 2.0, np.float32))
    np.save(tmp_path / "b.npy", np.full((2, 32, 32), 1.0, np.float32))
    maps = read_maps(table(tmp_path, [row("a.npy"), row("b.npy", clip="b")]))
    assert maps.flows.shape[-1] == 64
    np.testing.assert_allclose(maps.flows[:, 0], 2.0)


@given(st.integers(0, 255), st.integers(0, 40), st.integers(0, 9))
def test_the_still_level_is_found_under_motion(level: int, moving: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = np.clip(np.rint(rng.normal(level, 1.5, 1000)), 0, 255).astype(np.uint8)
    levels[: 10 * moving] = rng.integers(0, 256, 10 * moving)
    assert abs(still_level(levels) - level) <= 3


BROKEN: dict[str, tuple[list[dict[str, object]], str]] = {
    "no file": ([row("gone.npy")], "no file"),
    "not square": ([row("wide.npy")], "square"),
    "not finite": ([row("nan.npy")], "finite"),
    "not a map": ([row("text.npy")], "not a map"),
    "pickled": ([row("pickle.npy")], "not a map"),
    "packed wrongly": ([row("packed.npz")], "not a map"),
    "too large": ([row("large.png")], "three channels"),
    "not three channels": ([row("grey.png")], "three channels"),
    "no label": ([row("a.npy", label=" ")], "label is empty"),
    "unknown phase": ([row("a.npy", phase="apex")], "phase is 'apex'"),
    "twice": ([row("a.npy"), row("a.npy")], "already listed"),
    "second phase alone": ([row("a.npy", phase="apex_offset")], "no onset_apex map"),
    "two labels": (
        [row("a.npy"), row("a.npy", phase="apex_offset", label="fear")],
        "before it was 'disgust'",
    ),
    "half a range": ([row("a.npy", u_min=0, u_max=1)], "four numbers"),
    "range back to front": ([row("a.npy", u_min=1, u_max=0, v_min=0, v_max=1)], "min to max"),
    "scales mixed": ([row("a.npy"), row("bytes.npy", clip="b")], "with and without a scale"),
    "empty": ([], "has no column"),
    "unknown channels": ([row("a.npy", channels="gbr")], "channels is 'gbr'"),
    "no column": ([{"file": "a.npy"}], "has no column 'subject'"),
}


def test_a_table_that_a_spreadsheet_program_saved_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", a_flow())
    path = table(tmp_path, [row("a.npy")])
    text = path.read_text(encoding="utf-8").replace(",", ";")
    path.write_text(text, encoding="utf-8-sig")
    assert read_maps(path).labels == ("disgust",)


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", a_flow())
    np.save(tmp_path / "bytes.npy", normalised(a_flow()))
    np.save(tmp_path / "wide.npy", np.zeros((2, 28, 30), np.float32))
    np.save(tmp_path / "nan.npy", np.full((2, 28, 28), np.nan, np.float32))
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("u v", encoding="utf-8")
    np.savez_compressed(tmp_path / "packed.npz", flow=a_flow())
    packed = bytearray((tmp_path / "packed.npz").read_bytes())
    packed[60:90] = bytes(30)
    (tmp_path / "packed.npz").write_bytes(packed)
    header = b"IHDR" + (2**20).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + header + zlib.crc32(header).to_bytes(4, "big")
    (tmp_path / "large.png").write_bytes(png)
    cv2.imwrite(str(tmp_path / "grey.png"), np.zeros((28, 28), np.uint8))
    rows, message = BROKEN[case]
    path = table(tmp_path, rows)
    with pytest.raises(InputError, match=message) as error:
        read_maps(path)
    assert "\n" not in str(error.value)


def test_the_check_says_what_maps_lost(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", normalised(a_flow()))
    command = [sys.executable, "-m", "model.datasets", "check", "maps"]
    command.append(str(table(tmp_path, [row("a.npy")])))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 clips of 1 subjects" in done.stdout
    assert "the scale is lost" in done.stdout
    (tmp_path / "a.npy").unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_folder_needs_one_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0 \.csv"):
        read_maps(tmp_path)
    with pytest.raises(InputError, match="cannot read"):
        read_maps(tmp_path / "maps.csv")

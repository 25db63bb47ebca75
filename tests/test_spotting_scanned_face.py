"""The table of how regions move, measured on a face model."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scanned_face import main

from model.errors import InputError
from realtime.spotting.expression_patterns import read_units
from realtime.spotting.motion import REGIONS


def made_model(path: Path) -> Path:
    """A flat sheet of skin whose left mouth corner goes up by one unit in a smile."""
    rng = np.random.default_rng(0)
    neutral = np.column_stack([rng.uniform(-8, 8, (4000, 2)), np.zeros(4000)])
    points = rng.uniform(-6, 6, (68, 2))
    points[[39, 42]] = (-2, 3), (2, 3)  # inner eye corners: 4 units are 32 px
    points[[48, 54]] = (-2.5, -4), (2.5, -4)
    landmarks = [int(np.argmin(((neutral[:, :2] - p) ** 2).sum(axis=1))) for p in points]
    smile = np.zeros((4000, 3))
    smile[:, 1] = np.exp(-((neutral[:, :2] - (2.5, -4)) ** 2).sum(axis=1) / 8)
    np.savez(
        path,
        neutral=neutral.astype(np.float32),
        expressions=np.array([smile], np.float16),
        expression_names=np.array(["mouthSmile_L"]),
        landmarks_68=np.array(landmarks, np.int32),
    )
    return path


def test_motion_is_measured_in_px_of_the_crop_with_v_down(tmp_path: Path) -> None:
    names = ("units.csv", "places.csv")
    main([str(made_model(tmp_path / "model.npz")), *(str(tmp_path / name) for name in names)])
    units = read_units(tmp_path / "units.csv")
    assert list(units) == [("AU12", "left")]
    motion = dict(zip(REGIONS, units["AU12", "left"].reshape(-1, 2), strict=True))
    assert -8.2 < motion["mouth_corner_left"][1] < -6.5
    assert abs(motion["mouth_corner_right"][1]) < 1
    with (tmp_path / "places.csv").open(encoding="utf-8", newline="") as file:
        places = {row["region"]: row for row in csv.DictReader(file)}
    assert tuple(places) == REGIONS
    assert abs(float(places["mouth_corner_left"]["x"]) - 84) < 5
    assert abs(float(places["mouth_corner_left"]["y"]) - 104) < 5
    assert abs(float(places["mouth_corner_left"]["z"])) < 0.1


def test_three_paths_are_needed() -> None:
    with pytest.raises(InputError, match="three paths"):
        main([])

"""Photographs that are brought to life."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from landmarks import find_landmarks

from model.errors import InputError
from model.face.aligner import find_faces
from model.synthetic import FaceNuisance, Schedule, SyntheticFace
from model.synthetic.photographs import list_photographs, photograph_portrait
from model.synthetic.portrait import read_photograph

SIZE = (640, 480)


def write(path: Path, *, turn_deg: float = 0.0, scale: float = 1.0) -> Path:
    picture = read_photograph()
    h, w = picture.shape[:2]
    turned = cv2.getRotationMatrix2D((225.0, 120.0), turn_deg, scale)
    picture = cv2.warpAffine(picture, turned, (w, h), borderMode=cv2.BORDER_REFLECT_101)
    assert cv2.imwrite(str(path), picture[..., ::-1])
    return path


@pytest.mark.parametrize("turn_deg", [0.0, 18.0])
def test_the_face_is_upright_in_the_frame_and_blinks(turn_deg: float, tmp_path: Path) -> None:
    portrait = photograph_portrait(write(tmp_path / "face.png", turn_deg=turn_deg), SIZE)
    schedule = Schedule(micro_per_min=0, macro_per_min=0, speech_per_min=0, blinks_per_min=30)
    face = SyntheticFace(
        seed=1,
        fps=30,
        schedule=schedule,
        nuisance=FaceNuisance(noise=0, sway=0),
        portrait=portrait,
        motion="scan",
    )
    blink = face.truth(30)[0]
    opened = find_landmarks(face.image(int(blink.onset_s * 30) - 2))
    closed = find_landmarks(face.image(round(blink.apex_s * 30)))
    assert opened is not None
    assert closed is not None
    across = opened[263] - opened[33]
    assert abs(np.degrees(np.arctan2(across[1], across[0]))) < 3
    # The mesh sees only part of the closing.
    assert (opened[145, 1] - opened[159, 1]) > 1.3 * (closed[145, 1] - closed[159, 1])
    away = np.linalg.norm(opened - portrait.landmarks_px, axis=1)
    assert np.median(away) < 4


def test_pictures_and_folders_are_listed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / "in" / name).write_bytes(b"")
    (tmp_path / "c.webp").write_bytes(b"")
    listed = list_photographs([tmp_path / "c.webp", tmp_path / "in"])
    assert [path.name for path in listed] == ["c.webp", "a.png", "b.JPG"]
    with pytest.raises(InputError, match=r"none\.jpg does not exist"):
        list_photographs([tmp_path / "none.jpg"])
    with pytest.raises(InputError, match=r"notes\.txt is no photograph"):
        list_photographs([tmp_path / "in" / "notes.txt"])


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read as a picture"):
        photograph_portrait(tmp_path / "text.jpg", SIZE)
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((300, 300, 3), 120, np.uint8))
    with pytest.raises(InputError, match="no face is found"):
        photograph_portrait(tmp_path / "grey.png", SIZE)
    with pytest.raises(InputError, match=r"px wide: at least 80"):
        photograph_portrait(write(tmp_path / "small.png", scale=0.6), SIZE)


def test_a_tight_photograph_shows_one_face_in_the_middle(tmp_path: Path) -> None:
    tight = read_photograph()[30:210, 140:310]
    assert cv2.imwrite(str(tmp_path / "tight.png"), tight[..., ::-1])
    portrait = photograph_portrait(tmp_path / "tight.png", SIZE)
    still = FaceNuisance(noise=0, sway=0)
    image = SyntheticFace(seed=1, fps=30, nuisance=still, portrait=portrait).image(0)
    (found,) = find_faces(image)
    assert np.median(np.linalg.norm(found - portrait.landmarks_px, axis=1)) < 4
    assert abs(found[:, 0].mean() - SIZE[0] / 2) < 15

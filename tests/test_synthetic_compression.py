"""Pictures as they come out of an encoder."""

import numpy as np
import pytest

from model.errors import InputError
from model.records import ImageU8
from model.synthetic import FaceNuisance, SyntheticFace
from model.synthetic.compression import compress, compress_jpeg


@pytest.fixture(scope="module")
def images() -> list[ImageU8]:
    face = SyntheticFace(seed=2, fps=30, size=(320, 240))
    return [face.image(k) for k in range(12)]


def test_as_many_come_out_in_order_and_a_little_worse(images: list[ImageU8]) -> None:
    out = list(compress(images, 30, 20))
    assert len(out) == len(images)
    assert all(image.shape == (240, 320, 3) and image.dtype == np.uint8 for image in out)
    errors = [[np.abs(a.astype(int) - b).mean() for b in images] for a in out]
    assert 0 < np.diag(errors).max() < 4


def test_more_compression_loses_more(images: list[ImageU8]) -> None:
    lost = [
        np.mean(
            [
                np.abs(a.astype(int) - b).mean()
                for a, b in zip(compress(images, 30, crf), images, strict=True)
            ]
        )
        for crf in (15, 28, 40)
    ]
    assert lost[0] < lost[1] < lost[2]


def test_it_repeats(images: list[ImageU8]) -> None:
    np.testing.assert_array_equal(
        list(compress(images[:4], 30, 30)), list(compress(images[:4], 30, 30))
    )


def test_a_call_skips_blocks_in_which_little_changes() -> None:
    still = SyntheticFace(seed=2, fps=30, size=(320, 240), nuisance=FaceNuisance(noise=2, sway=0))
    images = [still.image(k) for k in range(20)]
    called = list(compress(images, 30, bit_rate=300_000))
    assert len(called) == len(images)
    corner = np.array(called)[10:, :100, :60].astype(int)  # background: noise alone
    skipped = (np.diff(corner, axis=0) == 0).all(axis=-1).mean()
    assert skipped > 0.5
    plain = np.array(images)[10:, :100, :60].astype(int)
    assert (np.diff(plain, axis=0) == 0).all(axis=-1).mean() < 0.2


def test_a_webcam_s_jpeg_loses_more_at_a_lower_quality(images: list[ImageU8]) -> None:
    lost = [
        np.abs(next(compress_jpeg(images, quality)).astype(int) - images[0]).mean()
        for quality in (95, 70, 30)
    ]
    assert 0 < lost[0] < lost[1] < lost[2] < 8


def test_nothing_in_nothing_out() -> None:
    assert list(compress([], 30, 20)) == []


def test_what_cannot_be_encoded_is_refused(images: list[ImageU8]) -> None:
    with pytest.raises(InputError, match="crf 99"):
        list(compress(images, 30, 99))
    with pytest.raises(InputError, match="bit rate 10 must be"):
        list(compress(images, 30, bit_rate=10))
    with pytest.raises(InputError, match="give one of them"):
        list(compress(images, 30, 20, bit_rate=10**6))
    with pytest.raises(InputError, match="JPEG quality 0"):
        list(compress_jpeg(images, 0))
    with pytest.raises(InputError, match="even width"):
        list(compress([images[0][:, :319]], 30, 20))

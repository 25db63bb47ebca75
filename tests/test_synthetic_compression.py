"""Pictures as they come out of an encoder."""

import numpy as np
import pytest

from model.errors import InputError
from model.records import ImageU8
from model.synthetic import SyntheticFace
from model.synthetic.compression import compress


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


def test_nothing_in_nothing_out() -> None:
    assert list(compress([], 30, 20)) == []


def test_what_cannot_be_encoded_is_refused(images: list[ImageU8]) -> None:
    with pytest.raises(InputError, match="crf 99"):
        list(compress(images, 30, 99))
    with pytest.raises(InputError, match="even width"):
        list(compress([images[0][:, :319]], 30, 20))

"""A photograph of a face that is always available: Eileen Collins, by NASA (public domain), which
scikit-image contains."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from model.errors import InputError
from model.records import ImageU8


def portrait() -> ImageU8:
    """The photograph, (512, 512, 3) uint8 RGB."""
    from PIL import Image  # scikit-image requires it; OpenCV warns about this file

    # Read from the package's folder: importing the package takes half a second.
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise InputError("the portrait ships inside scikit-image: pip install scikit-image")
    path = Path(package.origin).parent / "data" / "astronaut.png"
    try:
        return np.array(Image.open(path).convert("RGB"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}): install scikit-image again") from None

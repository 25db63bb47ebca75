"""Pixels to label: face, optical flow of both phases, classification.

Knows no clock, thread, camera or page. Start with `model.records`.

    from model import load_classifier
    classifier = load_classifier("fmanet")
"""

import os
from typing import TYPE_CHECKING, Any

# OpenBLAS reads this when numpy is imported, so set it first. A frame's matrices are small: BLAS
# threads gain nothing on them and spin between calls, which cost half the processor time of a
# live run. A value the user has set stays. torch has threads of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# OpenCV reads this on import too: at most 8192 by 8192 pixels. By default a picture of a few
# kilobytes may claim 16 times as many, and decoding it fills gigabytes.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**26))

if TYPE_CHECKING:
    from model.inference.classifier import load_classifier

__all__ = ["load_classifier"]


def __getattr__(name: str) -> Any:
    # torch takes a second to import: only a caller that loads a classifier waits for it.
    if name == "load_classifier":
        from model.inference.classifier import load_classifier

        return load_classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

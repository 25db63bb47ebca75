"""Pixels to label: face, optical flow of both phases, classification.

Knows no clock, thread, camera or page. Start with `model.records`.

    from model import load_classifier
    classifier = load_classifier("fmanet")
"""

import os
from typing import TYPE_CHECKING, Any

# Before numpy is imported, which is when OpenBLAS reads it. The matrices of a frame are small:
# BLAS threads gain nothing on them and spin between calls, which cost half of all processor time
# of a live run. Whoever sets it decides; torch has threads of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Before OpenCV is: 8192 by 8192, no more. A picture of a few kilobytes may claim 16 times as many
# pixels otherwise, and gigabytes are filled with them.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**26))

if TYPE_CHECKING:
    from model.inference.checkpoint import load_classifier

__all__ = ["load_classifier"]


def __getattr__(name: str) -> Any:
    # torch takes a second to import: only who loads a classifier waits for it.
    if name == "load_classifier":
        from model.inference.checkpoint import load_classifier

        return load_classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

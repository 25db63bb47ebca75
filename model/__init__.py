"""Pixels to label: face, optical flow of both phases, classification.

Knows no clock, thread, camera or page. Start with `model.records`.

    from model import load_classifier
    classifier = load_classifier("fmanet")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.checkpoint import load_classifier

__all__ = ["load_classifier"]


def __getattr__(name: str) -> Any:
    # torch takes a second to import: only who loads a classifier waits for it.
    if name == "load_classifier":
        from model.checkpoint import load_classifier

        return load_classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

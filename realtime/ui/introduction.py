"""What the page says to someone who sees it for the first time: what it looks at, and what the
network that names is worth."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from model.errors import CheckpointError
from model.inference.checkpoint import checkpoint_path, describe_checkpoint
from realtime.sources import SourceInfo
from realtime.spotting.baseline_file import camera_name

WEAK_UNITS = 0.3
"""A network whose action units have a lower mean average precision gives hints, no findings."""
_NAMES = {
    "browser": "This device's camera",
    "demo": "Demo face",
    "network": "Network stream",
    "loop": "Loop",
}
_WITH_NAME = {"file": "File", "folder": "Folder", "session": "Session"}


@dataclass(frozen=True, slots=True)
class Worth:
    """What is known of the network that names."""

    trained: str
    """One sentence."""
    weak_units: bool
    """Whether its action units are no more than hints."""


def name_source(info: SourceInfo, asked: str) -> str:
    """Return a few words for the source that the spec `asked` has opened: "Demo face: no camera
    found"."""
    if info.kind == "demo" and asked == "auto":
        return "Demo face: no camera found"
    if info.kind == "camera":
        return f"Camera: {camera_name(info)}"
    if info.kind in _WITH_NAME:
        return f"{_WITH_NAME[info.kind]}: {Path(info.spec).name}"
    return _NAMES.get(info.kind, info.kind.capitalize())


@lru_cache(maxsize=4)
def judge_classifier(name_or_path: str) -> Worth:
    """Return what the checkpoint says of its training. Reads the file once."""
    try:
        checkpoint = describe_checkpoint(checkpoint_path(name_or_path))
    except CheckpointError:
        return Worth("", weak_units=True)
    sets = checkpoint.recipe.get("data", {}).get("sets", ())
    if not sets:
        trained = "Not trained: its names mean nothing"
    elif set(sets) == {"synthetic"}:
        trained = "Trained on synthetic faces; not validated on people"
    else:
        trained = f"Trained on {', '.join(sets)}"
    precision = checkpoint.metrics.get("action_unit_map", 0.0)
    return Worth(trained, weak_units=precision < WEAK_UNITS)

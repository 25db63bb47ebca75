"""Reads the published data sets in the layouts in which their owners ship them.

    dataset = open_dataset("casme2", Path("CASME2"))
    for clip in dataset:
        for frame in clip.frames():
            ...

None of them is freely available: ask the owners, and accept their licence.
"""

from collections.abc import Callable
from pathlib import Path

from model.datasets.clips import Clip, Dataset, Footage, LongVideo, Problem
from model.lazy_loading import load_entry

__all__ = ["DATASETS", "Clip", "Dataset", "Footage", "LongVideo", "Problem", "open_dataset"]

DATASETS = {
    "casme2": "model.datasets.casme2:LAYOUT.open",
    "samm": "model.datasets.samm:LAYOUT.open",
    "smic": "model.datasets.smic:LAYOUT.open",
    "mmew": "model.datasets.mmew:LAYOUT.open",
    "casme_sq": "model.datasets.casme_sq:LAYOUT.open",
    "casme3": "model.datasets.casme3:LAYOUT.open",
    "casme3_c": "model.datasets.casme3_c:LAYOUT.open",
    "samm_lv": "model.datasets.samm_lv:LAYOUT.open",
    "casme": "model.datasets.casme:LAYOUT.open",
    "4dme": "model.datasets.fourdme:LAYOUT.open",
    "csv": "model.datasets.clip_table:open_clip_table",
}


def open_dataset(name: str, root: Path) -> Dataset:
    """The data set `name` of `DATASETS` in the folder `root`; for "csv", a table or its folder.

    Pictures are listed but not read. Raises `InputError` for an unknown name, and if `root` does
    not hold the data set, with what was expected.
    """
    opened: Callable[[Path], Dataset] = load_entry(DATASETS, name, "data set")
    return opened(root)

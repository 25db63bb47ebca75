"""Reads the published data sets in the layouts in which their owners ship them.

    dataset = open_dataset("casme2", Path("CASME2"))
    for clip in dataset:
        for frame in clip.frames():
            ...

None of them is freely available: ask the owners, and accept their licence.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from model.datasets.clips import Clip, Dataset, Footage, LongVideo, Problem
from model.datasets.layout import Layout
from model.lazy_loading import load_entry

if TYPE_CHECKING:
    from model.datasets.clip_table import ClipTable

__all__ = ["DATASETS", "Clip", "Dataset", "Footage", "LongVideo", "Problem", "open_dataset"]

DATASETS = {
    "casme2": "model.datasets.casme2:LAYOUT",
    "samm": "model.datasets.samm:LAYOUT",
    "smic": "model.datasets.smic:LAYOUT",
    "mmew": "model.datasets.mmew:LAYOUT",
    "casme_sq": "model.datasets.casme_sq:LAYOUT",
    "casme3": "model.datasets.casme3:LAYOUT",
    "casme3_c": "model.datasets.casme3_c:LAYOUT",
    "samm_lv": "model.datasets.samm_lv:LAYOUT",
    "casme": "model.datasets.casme:LAYOUT",
    "4dme": "model.datasets.fourdme:LAYOUT",
    "csv": "model.datasets.clip_table:LAYOUT",
}


def open_dataset(name: str, root: Path) -> Dataset:
    """The data set `name` of `DATASETS` in the folder `root`; for "csv", a table or its folder.

    Pictures are listed but not read. Raises `InputError` for an unknown name, and if `root` does
    not hold the data set, with what was expected.
    """
    layout: Layout | ClipTable = load_entry(DATASETS, name, "data set")
    return layout.open(root)

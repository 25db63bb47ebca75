"""The synthetic pairs that a checkpoint's figures were measured on, and whether they are found
again."""

import math
from pathlib import Path

from model.inference.checkpoint import Checkpoint
from model.inference.samples import SampleSet
from model.metrics.checkpoint_scores import measure_checkpoint
from model.parallel import Workers
from model.synthetic.sample_variation import SAME_REPORT, View
from model.synthetic.scanned_face import SkinMotion
from model.training.training_samples import Opener, Sources

OTHER_GENERATOR = "the checkpoint's figures are of an earlier generator, so they are not compared"
DIFFERS = "differs: "
"""How a comparison begins that found other figures."""
REPRODUCED_WITHIN = 0.002
"""A figure counts as reproduced within this difference. Another number of threads rounds
differently, which changes the answer to about one sample in a thousand."""


def report_set(
    checkpoint: Checkpoint,
    cache: Path,
    workers: Workers,
    view: View | None = None,
    motion: SkinMotion | None = None,
) -> SampleSet:
    """The synthetic pairs that a checkpoint's figures were measured on, drawn by the present
    generator, or as many in another `view`, or with the skin of all faces moved in one way,
    `motion`."""
    data, metrics = checkpoint.recipe.get("data", {}), checkpoint.metrics
    known = {name: data[name] for name in ("view", "none_share") if name in data}
    if "samples_without_expression" in metrics:
        count = metrics["samples"] + metrics["samples_without_expression"]
        known["validation_pairs"] = round(count)
    if view is not None:
        known["view"] = view
    opener = Opener(Sources(**known), checkpoint.classifier, checkpoint.flow, cache, workers)
    return opener.report_pairs(motion)


def is_of_this_report(checkpoint: Checkpoint) -> bool:
    """Return whether the pairs that the checkpoint's figures were measured on can still be
    drawn."""
    return checkpoint.recipe.get("data", {}).get("generator", 1) in SAME_REPORT


def compare_report(path: Path, checkpoint: Checkpoint, samples: SampleSet, device: str) -> str:
    """`compare_metrics` of the figures in the file `path` and those found on `samples`, its
    `report_set`; `OTHER_GENERATOR` if those pairs can no longer be drawn."""
    if not is_of_this_report(checkpoint):
        return OTHER_GENERATOR
    return compare_metrics(dict(checkpoint.metrics), measure_checkpoint(path, samples, device))


def compare_metrics(stored: dict[str, float], found: dict[str, float]) -> str:
    """ "reproduced" if every stored figure agrees within `REPRODUCED_WITHIN`, otherwise `DIFFERS`
    and those that differ; empty if none is stored."""
    differing = [
        f"{name} is {found[name]:.3f}, the checkpoint says {value:.3f}"
        if name in found
        else f"{name} is in the checkpoint alone"
        for name, value in stored.items()
        if not (name in found and _agree(found[name], value))
    ]
    if differing:
        more = f"; {len(differing) - 3} more" if len(differing) > 3 else ""
        return f"{DIFFERS}{'; '.join(differing[:3])}{more}"
    return "reproduced" if stored else ""


def _agree(one: float, other: float) -> bool:
    """Whether both agree within `REPRODUCED_WITHIN`. NaN (a class without samples) equals NaN."""
    return abs(one - other) <= REPRODUCED_WITHIN or (math.isnan(one) and math.isnan(other))

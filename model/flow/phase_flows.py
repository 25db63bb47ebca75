"""The flow of both phases of an expression: onset → apex and apex → offset.

The phases are FMANet's (arXiv 2510.07810); averaging a few frames around each moment is ours: at
0.2 px every method errs by half, and less noise buys more than a better solver.
"""

from collections.abc import Sequence

import numpy as np

from model.errors import InputError
from model.flow import Flow
from model.flow.head import remove_head_motion
from model.records import ArrayF32, FlowPair, ImageU8


def phase_flows(
    flow: Flow,
    onset_crops: Sequence[ImageU8],
    apex_crops: Sequence[ImageU8],
    offset_crops: Sequence[ImageU8] | None = None,
) -> FlowPair:
    """Both phases' flow, the head's motion removed from each.

    Each argument holds one or more aligned grey crops (S, S) uint8 around that moment, which are
    averaged; `offset_crops` is None as long as the offset is not known, and so is then the second
    phase. Raises `InputError` on an empty sequence or on crops of different sizes.
    """
    moments = average_crops(
        [onset_crops, apex_crops, *([] if offset_crops is None else [offset_crops])]
    )
    maps = [
        remove_head_motion(each)[0] for each in flow(np.stack(moments[:-1]), np.stack(moments[1:]))
    ]
    return FlowPair(maps[0], maps[1] if len(maps) == 2 else None)


def average_crops(crops: Sequence[Sequence[ImageU8]]) -> list[ArrayF32]:
    """The mean crop (S, S) float32 around onset, apex and, if it is given, offset."""
    moments = [
        _average(name, each) for name, each in zip(("onset", "apex", "offset"), crops, strict=False)
    ]
    if len({each.shape for each in moments}) > 1:
        raise InputError(
            "onset, apex and offset crops need one size, got "
            f"{', '.join(str(each.shape) for each in moments)}"
        )
    return moments


def _average(moment: str, crops: Sequence[ImageU8]) -> ArrayF32:
    if len(crops) == 0:
        raise InputError(f"no crop around the {moment}: give one or more")
    if len({crop.shape for crop in crops}) > 1:
        raise InputError(f"the crops around the {moment} differ in size")
    average: ArrayF32 = np.mean(np.stack(crops), axis=0, dtype=np.float32)
    return average

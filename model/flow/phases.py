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
    onset = _average("onset", onset_crops)
    apex = _average("apex", apex_crops)
    if offset_crops is None:
        (onset_apex,) = flow(onset[None], apex[None])
        return FlowPair(remove_head_motion(onset_apex)[0], None)
    offset = _average("offset", offset_crops)
    if not onset.shape == apex.shape == offset.shape:
        raise InputError(
            "onset, apex and offset crops need one size, got "
            f"{onset.shape}, {apex.shape}, {offset.shape}"
        )
    onset_apex, apex_offset = flow(np.stack([onset, apex]), np.stack([apex, offset]))
    return FlowPair(remove_head_motion(onset_apex)[0], remove_head_motion(apex_offset)[0])


def _average(moment: str, crops: Sequence[ImageU8]) -> ArrayF32:
    if len(crops) == 0:
        raise InputError(f"no crop around the {moment}: give one or more")
    if len({crop.shape for crop in crops}) > 1:
        raise InputError(f"the crops around the {moment} differ in size")
    average: ArrayF32 = np.mean(np.stack(crops), axis=0, dtype=np.float32)
    return average

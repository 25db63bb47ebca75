"""What a phase is given as, and which phases a network looks at."""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.classifiers import Inputs, Phases
from model.classifiers.inputs import INPUT_PX, resized
from model.moments import PHASE_FRAMES

PHASE_SHAPES: dict[Inputs, tuple[int, ...]] = {
    "flows": (2,),
    "frames": (PHASE_FRAMES,),
    "long_flows": (PHASE_FRAMES - 1, 2),
}
"""A phase is (N, *PHASE_SHAPES[inputs], S, S)."""


def prepared(inputs: Inputs, phase: Tensor) -> Tensor:
    """A phase of any square crop → what a network takes: maps of 64 px, flows in px of the 128 px
    crop, grey levels 0 to 255 as 0 to 1."""
    if inputs == "flows":
        return resized(phase)
    if inputs == "long_flows":
        maps = resized(phase.flatten(0, 1))
        return maps.view(*phase.shape[:2], *maps.shape[1:])
    size = (INPUT_PX, INPUT_PX)
    small = F.interpolate(phase, size, mode="bilinear", antialias=True, align_corners=False)
    return small / 255


def seen(
    phases: Phases, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The three arguments of `forward`, for flows, with only `phases` left in them.

    A single phase stands where the first one does, pointing towards the apex, and the second is
    unknown. The returning phase alone, where it is unknown, is a face at rest.
    """
    if phases == "both":
        return onset_apex, apex_offset, has_offset
    nothing = torch.zeros_like(has_offset)
    if phases == "onset_apex":
        return onset_apex, torch.zeros_like(onset_apex), nothing
    known = has_offset.view(-1, 1, 1, 1) > 0
    still = torch.zeros_like(apex_offset)
    return torch.where(known, -apex_offset, still), still, nothing

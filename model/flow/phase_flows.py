"""Computes the flow of both phases of an expression: onset → apex and apex → offset.

The phases are FMANet's (arXiv 2510.07810). Averaging a few frames around each moment is ours: at
0.2 px every method errs by half, and less noise helps more than a better solver.
"""

from collections.abc import Sequence

import numpy as np

from model.flow import Flow
from model.flow.head_motion import remove_head_motion
from model.records import ArrayF32, FlowPair, FramePair, ImageU8


def phase_flows(flow: Flow, *crops: Sequence[ImageU8]) -> FlowPair:
    """The flow of both phases, without the head's motion.

    `crops` are one or more aligned grey crops (S, S) uint8 around each of onset, apex and, if
    known, offset; each group is averaged. Without an offset there is no second phase.
    """
    moments = average_crops(crops)
    maps = [
        remove_head_motion(each)[0] for each in flow(np.stack(moments[:-1]), np.stack(moments[1:]))
    ]
    return FlowPair(maps[0], maps[1] if len(maps) == 2 else None)


def long_flows(flow: Flow, frames: FramePair) -> tuple[ArrayF32, ArrayF32 | None]:
    """The flow from the onset to each later frame, without the head's motion, by phase: SLSTT's
    input (Zhang, Hong, Arandjelović, Zhao, IEEE TAC 13, 2022).

    Returns (F − 1, 2, S, S) float32 px of the crop for the first phase and, if known, for the
    second. The last map of the first phase is that phase's flow.
    """
    onset = frames.onset_apex[0]
    later = [frames.onset_apex[1:]]
    if frames.apex_offset is not None:
        later.append(frames.apex_offset[1:])
    reached = np.concatenate(later)
    maps = flow(np.broadcast_to(onset, reached.shape), reached)
    residual = np.stack([remove_head_motion(each)[0] for each in maps])
    count = len(later[0])
    return residual[:count], residual[count:] if len(later) == 2 else None


def average_crops(crops: Sequence[Sequence[ImageU8]]) -> list[ArrayF32]:
    """The mean crop (S, S) float32 around each moment."""
    return [np.mean(np.stack(each), axis=0, dtype=np.float32) for each in crops]

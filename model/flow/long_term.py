"""Long-term flows: how far the face is from its onset at each frame of both phases.

SLSTT's input (Zhang, Hong, Arandjelović, Zhao, IEEE TAC 13, 2022).
"""

import numpy as np

from model.flow import Flow
from model.flow.head import remove_head_motion
from model.records import ArrayF32, FramePair


def long_flows(flow: Flow, frames: FramePair) -> tuple[ArrayF32, ArrayF32 | None]:
    """The flow from the onset to each later frame, the head's motion removed, by phase.

    Returns (F − 1, 2, S, S) float32 px of the crop for the first phase and, if it is known, for
    the second; the last map of the first is the flow of that phase.
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

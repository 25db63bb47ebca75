"""DIS, dense inverse search: OpenCV's implementation, tuned for sub-pixel motion of faces.

T. Kroeger, R. Timofte, D. Dai, L. Van Gool: Fast optical flow using dense inverse search, ECCV
2016. OpenCV's presets stop at half or quarter resolution, where a micro-expression is invisible.
Here the search ends at full resolution, with dense patches and many steps. This flow keeps more of
a motion's amplitude than any other in the table, but is noisier than `lk` below half a pixel.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from model.errors import InputError
from model.flow import FlowParameters, Grey, check_pair
from model.records import ArrayF32

_PATCH_PX = 8  # OpenCV's default, and the least it accepts on the coarsest level


@dataclass(frozen=True)
class DIS(FlowParameters):
    """OpenCV's DISOpticalFlow; the parameters mean what they mean in OpenCV. All are whole
    numbers."""

    name = "dis"

    finest_scale: float = 0
    """Where the search ends; 0 is full resolution, and each step halves it."""
    patch_stride: float = 3
    """px between patches."""
    gradient_steps: float = 25
    """Per patch and scale."""
    refinements: float = 5
    """Variational iterations per scale."""

    def __post_init__(self) -> None:
        if min(self.finest_scale, self.refinements) < 0 or self.gradient_steps < 1:
            raise InputError(
                "flow 'dis' needs finest_scale and refinements >= 0 and gradient_steps >= 1, got "
                f"{self.finest_scale}, {self.refinements}, {self.gradient_steps}"
            )
        if not 1 <= self.patch_stride <= _PATCH_PX:
            raise InputError(
                f"flow 'dis' needs a patch_stride of 1 to {_PATCH_PX}, got {self.patch_stride}"
            )

    def __call__(self, first: Grey, second: Grey) -> ArrayF32:
        """See `model.flow.Flow`. OpenCV takes uint8 only, so grey levels are rounded."""
        first, second = check_pair(first, second)
        height, width = first.shape[1:]
        # OpenCV fails on pictures smaller than two patches, so repeat their edge.
        extra = [max(0, 2 * _PATCH_PX - side) for side in (height, width)]
        solver = cv2.DISOpticalFlow_create()  # type: ignore[attr-defined]
        solver.setFinestScale(int(self.finest_scale))
        solver.setPatchStride(int(self.patch_stride))
        solver.setPatchSize(_PATCH_PX)
        solver.setGradientDescentIterations(int(self.gradient_steps))
        solver.setVariationalRefinementIterations(int(self.refinements))
        flows = np.empty((len(first), 2, height, width), np.float32)
        for out, a, b in zip(flows, first, second, strict=True):
            pair = [np.rint(np.clip(p, 0, 255)).astype(np.uint8) for p in (a, b)]
            pair = [np.pad(p, ((0, extra[0]), (0, extra[1])), mode="edge") for p in pair]
            out[:] = solver.calc(*pair, None).transpose(2, 0, 1)[:, :height, :width]
        return flows

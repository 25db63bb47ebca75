"""TV-L1, the usual flow in the literature: OpenCV's implementation with its defaults.

C. Zach, T. Pock, H. Bischof: A duality based approach for realtime TV-L1 optical flow, DAGM 2007;
J. Sánchez, E. Meinhardt-Llopis, G. Facciolo: TV-L1 optical flow estimation, IPOL 2013.
For comparison with published work: of sub-pixel motion it loses about a third of the amplitude, and
it takes a hundred times as long as `lk`.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from model.errors import InputError
from model.flow import FlowParameters, Grey, check_pair
from model.records import ArrayF32


@dataclass(frozen=True)
class TVL1(FlowParameters):
    """OpenCV's DualTVL1; the parameters mean what they mean in OpenCV."""

    name = "tvl1"

    tau: float = 0.25
    """Time step."""
    lambda_: float = 0.15
    """Weight of the data against smoothness."""
    theta: float = 0.3
    """Tightness of their coupling."""
    scales: float = 5
    """Pyramid levels, each 0.8 of the last; a whole number, as `warps`."""
    warps: float = 5
    """Per level."""

    def __post_init__(self) -> None:
        if min(self.tau, self.lambda_, self.theta) <= 0 or min(self.scales, self.warps) < 1:
            raise InputError(
                "flow 'tvl1' needs tau, lambda_, theta > 0 and scales, warps >= 1, got "
                f"{self.tau}, {self.lambda_}, {self.theta}, {self.scales}, {self.warps}"
            )

    def __call__(self, first: Grey, second: Grey) -> ArrayF32:
        """See `model.flow.Flow`."""
        first, second = check_pair(first, second)
        # OpenCV expects float pictures from 0 to 1.
        first, second = first / np.float32(255), second / np.float32(255)
        flows = np.empty((len(first), 2, *first.shape[1:]), np.float32)
        for out, a, b in zip(flows, first, second, strict=True):
            # On a small picture a solver lowers its number of scales and never raises it again, so
            # each pair gets a new one.
            solver = cv2.optflow.DualTVL1OpticalFlow_create(  # type: ignore[attr-defined]
                tau=self.tau,
                lambda_=self.lambda_,
                theta=self.theta,
                nscales=int(self.scales),
                warps=int(self.warps),
            )
            out[:] = solver.calc(a, b, None).transpose(2, 0, 1)
        return flows

"""Dense Lucas–Kanade with a Gaussian window, iterated, coarse to fine.

B. D. Lucas, T. Kanade: An iterative image registration technique with an application to stereo
vision, IJCAI 1981. The structure tensor of the first picture is computed once, as in S. Baker,
I. Matthews: Lucas–Kanade 20 years on, IJCV 2004, section 3.2.

Brightness may change by a constant within each window, because a camera's exposure changes (Lucas
and Kanade solve for contrast and brightness too, in the paper's section on generalisations).

For micro-expressions, 0.1 to 2 px, it loses less of a motion than TV-L1 and takes a hundredth of
the time. Its weakness is motion finer than its window.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.face.aligned_crop import CROP_PX
from model.flow import FlowParameters, Grey, check_grey, check_pair, check_shapes
from model.records import ArrayF32

SUBPIXEL_STEPS = 32
"""`cv2.remap` rounds coordinates to 1/32 px."""

POOLED_FROM_PX = 4.0
"""From this sigma on, window means are computed on blocks of 2 × 2 pixels."""
COARSE_ITERATIONS = 2
"""Warps on each level except the finest."""
SMALLEST_HALVED_PX = 16
"""A level with a smaller side is not halved again."""


@dataclass(frozen=True)
class LucasKanade(FlowParameters):
    """Dense Lucas–Kanade flow; see the module's docstring. The defaults give the least error at 0.2
    to 2 px on noisy faces. More iterations sharpen the noise along with the motion."""

    name = "lk"

    sigma_px: float = 5.5
    """Gaussian window for a 128 px crop; scales with the picture's smaller side."""
    iterations: float = 2
    """Warps on the finest level, a whole number."""
    levels: float = 2
    """Pyramid levels, each half the size of the one before; a whole number."""
    ridge: float = 10.0
    """Added to the structure tensor's diagonal, (grey levels per px)². Texture weaker than this has
    little effect."""

    def __post_init__(self) -> None:
        if min(self.sigma_px, self.ridge) <= 0 or min(self.iterations, self.levels) < 1:
            raise InputError(
                "flow 'lk' needs sigma_px > 0, ridge > 0, iterations >= 1 and levels >= 1, got "
                f"{self.sigma_px}, {self.ridge}, {self.iterations}, {self.levels}"
            )

    def __call__(self, first: Grey, second: Grey) -> ArrayF32:
        """See `model.flow.Flow`."""
        first, second = check_pair(first, second)
        flows = np.empty((len(first), 2, *first.shape[1:]), np.float32)
        for out, reference, moved in zip(flows, first, second, strict=True):
            out[:] = self._solver(reference)(moved)
        return flows

    def against(self, reference: Grey) -> Callable[[Grey], ArrayF32]:
        """A function (H, W) → (2, H, W) float32 px: the flow from `reference` (H, W) to any picture
        of its shape, equal to `__call__`. What depends on the reference only is computed once."""
        checked = check_grey(reference[None])[0]
        solve = self._solver(checked)

        def flow_to(picture: Grey) -> ArrayF32:
            check_shapes(checked[None], picture[None])
            return solve(check_grey(picture[None])[0])

        return flow_to

    def _solver(self, reference: ArrayF32) -> Callable[[ArrayF32], ArrayF32]:
        """Prepare the levels of `reference`; return the coarse-to-fine solver over them."""
        sigma = self.sigma_px * min(reference.shape) / CROP_PX
        # The window has the same size in pixels on each level, so it is wider on a coarse level,
        # which finds the motion, and narrower on the fine one, which finds its shape.
        levels = [_ReferenceLevel(reference, sigma, self.ridge)]
        while len(levels) < int(self.levels) and min(levels[-1].shape) >= SMALLEST_HALVED_PX:
            levels.append(_ReferenceLevel(_halve(levels[-1].picture), sigma, self.ridge))

        def solve(moved: ArrayF32) -> ArrayF32:
            pyramid = [moved]
            for _ in levels[1:]:
                pyramid.append(_halve(pyramid[-1]))
            flow: ArrayF32 | None = None
            for level, picture in zip(reversed(levels), reversed(pyramid), strict=True):
                if flow is not None:
                    flow = _enlarge(flow, level.shape)
                for _ in range(int(self.iterations) if level is levels[0] else COARSE_ITERATIONS):
                    flow = level.refine(flow, picture)
            assert flow is not None  # there is a level
            return flow

        return solve


class _ReferenceLevel:
    """One pyramid level of the reference."""

    def __init__(self, picture: ArrayF32, sigma: float, ridge: float) -> None:
        self.picture = picture
        self.shape = picture.shape
        height, width = self.shape
        # With a wide window, every other pixel is enough.
        pooled = 2 if sigma >= POOLED_FROM_PX else 1
        self._pooled = (-(-width // pooled), -(-height // pooled)) if pooled > 1 else None
        sigma /= pooled
        # Odd, and three sigma to each side: a wider kernel takes longer and changes nothing.
        self._window = cv2.getGaussianKernel(2 * math.ceil(3 * sigma) + 1, sigma, cv2.CV_32F)
        self._grid = np.stack(
            np.meshgrid(*(np.arange(side, dtype=np.float32) for side in (width, height)))
        )
        self._gx = _f32(cv2.Scharr(picture, cv2.CV_32F, 1, 0, scale=1 / 32))
        self._gy = _f32(cv2.Scharr(picture, cv2.CV_32F, 0, 1, scale=1 / 32))
        # Subtract the window's means everywhere, which solves for a change of brightness too.
        # Otherwise a change of one percent would look like more than a micro-expression.
        self._mean_gx, self._mean_gy = self._window_means(self._gx), self._window_means(self._gy)
        xx = self._window_means(self._gx * self._gx) - self._mean_gx * self._mean_gx + ridge
        yy = self._window_means(self._gy * self._gy) - self._mean_gy * self._mean_gy + ridge
        xy = self._window_means(self._gx * self._gy) - self._mean_gx * self._mean_gy
        determinant: ArrayF32 = xx * yy - xy * xy
        self._inverse_xx = yy / determinant
        self._inverse_yy = xx / determinant
        self._inverse_xy = -xy / determinant

    def refine(self, flow: ArrayF32 | None, picture: ArrayF32) -> ArrayF32:
        """Warp `picture` by `flow` (2, H, W), and add the flow that explains the residual, in
        place. None stands for no flow, which needs no warp."""
        if flow is not None:
            # Round to the steps of `remap`, so that the residual belongs to exactly this flow.
            flow *= SUBPIXEL_STEPS
            np.rint(flow, out=flow)
            flow *= 1 / SUBPIXEL_STEPS
            at = self._grid + flow
            picture = _f32(
                cv2.remap(picture, at[0], at[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            )
        residual = self.picture - picture
        mean = self._window_means(residual)
        x = self._window_means(self._gx * residual) - self._mean_gx * mean
        y = self._window_means(self._gy * residual) - self._mean_gy * mean
        more_u = self._unpool(self._inverse_xx * x + self._inverse_xy * y)
        more_v = self._unpool(self._inverse_xy * x + self._inverse_yy * y)
        if flow is None:
            return np.array((more_u, more_v))
        flow[0] += more_u
        flow[1] += more_v
        return flow

    def _window_means(self, picture: ArrayF32) -> ArrayF32:
        """Gaussian means of `picture` (H, W), pooled."""
        if self._pooled is not None:
            picture = _f32(cv2.resize(picture, self._pooled, interpolation=cv2.INTER_AREA))
        return _f32(
            cv2.sepFilter2D(
                picture, cv2.CV_32F, self._window, self._window, borderType=cv2.BORDER_REFLECT_101
            )
        )

    def _unpool(self, means: ArrayF32) -> ArrayF32:
        if self._pooled is None:
            return means
        size = (self.shape[1], self.shape[0])
        return _f32(cv2.resize(means, size, interpolation=cv2.INTER_LINEAR))


def _f32(picture: NDArray[Any]) -> ArrayF32:
    """`picture` with its type: OpenCV keeps float32, but its annotations do not say so."""
    return cast(ArrayF32, picture)


def _halve(picture: ArrayF32) -> ArrayF32:
    return _f32(cv2.pyrDown(picture))


def _enlarge(flow: ArrayF32, shape: tuple[int, ...]) -> ArrayF32:
    """The `flow` of a coarser level, resampled to a finer one of `shape`, in px of the finer."""
    size = (shape[1], shape[0])
    u, v = (cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) for part in flow)
    return np.stack((u * (shape[1] / flow.shape[2]), v * (shape[0] / flow.shape[1])))

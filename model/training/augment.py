"""Varies samples and keeps them consistent: vectors turn with their picture.

Variations are mirroring, small rotations, scales and shifts; time reversal; a withheld second
phase; a gain per channel. They act on a batch of phases (N, 2, *inner, 64, 64), where `inner`
depends on the inputs (`model.classifiers`): (2,) flows, (F,) frames, (F − 1, 2) long flows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.classifiers import Inputs
from model.face.mesh_points import MIRRORED
from model.training.recipe import Variation


def augment(
    phases: Tensor,
    has_offset: Tensor,
    inputs: Inputs,
    variation: Variation,
    rng: torch.Generator,
    landmarks: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Vary each sample at random. Returns phases (N, 2, *inner, S, S), which second phases are
    known (N,), and where the landmarks (`model.inference.samples`) lie then. `rng` is on the CPU,
    so results are the same on any device."""
    count, device = len(phases), phases.device

    def chosen(share: float) -> Tensor:
        return (torch.rand(count, generator=rng) < share).to(device)

    def spread(half: float, *shape: int) -> Tensor:
        return (half * (2 * torch.rand(count, *shape, generator=rng) - 1)).to(device)

    mirror, reverse = chosen(variation.mirror), chosen(variation.reverse)
    dropped = chosen(variation.drop_phase)
    turn, scale = spread(variation.turn_rad), spread(variation.scale_log).exp()
    shift = spread(variation.shift_px, 2)
    backwards = reverse & (has_offset > 0)
    phases = _where(backwards, reverse_time(phases, inputs), phases)
    how = {"mirror": mirror, "turn_rad": turn, "scale": scale, "shift_px": shift}
    phases = move(phases, inputs, **how)
    if landmarks is not None:
        landmarks = _where(backwards, landmarks.flip(1, 2), landmarks)
        landmarks = move_landmarks(landmarks, phases.shape[-1], **how)
    if inputs == "flows":
        # No shift of the values, because networks subtract what most of a map shares.
        phases = phases * spread(variation.gain_log, 2, 2, 1, 1).exp()
    return phases, torch.where(dropped, torch.zeros_like(has_offset), has_offset), landmarks


def reverse_time(phases: Tensor, inputs: Inputs) -> Tensor:
    """Play expressions backwards: (N, 2, *inner, S, S) → the same shape.

    Flows are swapped and negated, which ignores that they belong to the pixels of another moment.
    Long flows then start from the former offset.
    """
    if inputs == "flows":
        return -phases.flip(1)
    if inputs == "frames":
        return phases.flip(1, 2)
    course = phases.flatten(1, 2)  # moments 1 to 2 K; moment 0, the onset, is zero
    onset = torch.zeros_like(course[:, :1])
    backwards = torch.cat([onset, course[:, :-1]], dim=1).flip(1) - course[:, -1:]
    return backwards.view(phases.shape)


def move(
    phases: Tensor,
    inputs: Inputs,
    *,
    mirror: Tensor,
    turn_rad: Tensor,
    scale: Tensor,
    shift_px: Tensor,
) -> Tensor:
    """Mirror pictures where `mirror` (N,) bool is set, turn them clockwise (y points down) by
    `turn_rad` (N,), scale them by `scale` (N,) about their middle, and shift them right and down by
    `shift_px` (N, 2). Vectors turn and scale with them. Edge pixels are repeated."""
    side = phases.shape[-1]
    sign = torch.where(mirror, -1.0, 1.0)
    cos, sin = turn_rad.cos(), turn_rad.sin()
    # Rows of: point of the old picture ← point of the new one, both from −1 to 1.
    towards = 2 * shift_px / side
    a, b = cos / scale, sin / scale
    x0 = -(a * towards[:, 0] + b * towards[:, 1])
    y0 = b * towards[:, 0] - a * towards[:, 1]
    rows = torch.stack([sign * a, sign * b, sign * x0, -b, a, y0], dim=1).view(-1, 2, 3)
    planes = phases.flatten(1, -3)
    grid = F.affine_grid(rows, list(planes.shape), align_corners=False)
    warped = F.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    if inputs == "frames":
        return warped.view(phases.shape)
    vectors = warped.view(len(phases), -1, 2, side * side)
    vectors = _vector_matrix(mirror, turn_rad, scale)[:, None] @ vectors
    return vectors.view(phases.shape)


def move_landmarks(
    landmarks: Tensor,
    side: int,
    *,
    mirror: Tensor,
    turn_rad: Tensor,
    scale: Tensor,
    shift_px: Tensor,
) -> Tensor:
    """Where landmarks (N, 2, F, L, 2) of pictures with `side` px lie after `move`. In a mirrored
    face, right and left change places."""
    mirrored = mirror.view(-1, 1, 1, 1, 1)
    landmarks = torch.where(mirrored, landmarks[..., list(MIRRORED), :], landmarks)
    matrix = _vector_matrix(mirror, turn_rad, scale)
    moved = landmarks.flatten(1, 3) @ matrix.transpose(1, 2) + 2 * shift_px[:, None] / side
    return moved.view(landmarks.shape)


def _vector_matrix(mirror: Tensor, turn_rad: Tensor, scale: Tensor) -> Tensor:
    """(N, 2, 2): new vector = scale · turn · mirror · old vector."""
    sign, cos, sin = torch.where(mirror, -1.0, 1.0), turn_rad.cos(), turn_rad.sin()
    turned = torch.stack([sign * cos, -sin, sign * sin, cos], dim=1).view(-1, 2, 2)
    return scale.view(-1, 1, 1) * turned


def _where(chosen: Tensor, these: Tensor, those: Tensor) -> Tensor:
    return torch.where(chosen.view(-1, *[1] * (these.dim() - 1)), these, those)

"""Everything that varies between synthetic samples beside the expression.

Two worlds: what networks are trained on, and a harder one that they are only measured on. For each
there are three views of the same faces: the aligned crop through the live flow, the maps that the
field exchanges, and a mix of both.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from model.errors import InputError
from model.synthetic.exchanged_maps import Exchange
from model.synthetic.stills import Looks, Optics, Range

View = Literal["crop", "maps", "mixed"]
World = Literal["training", "held_out"]
VIEWS: tuple[View, ...] = ("crop", "maps", "mixed")
WORLDS: tuple[World, ...] = ("training", "held_out")

MIXED_MAPS = 0.5
"""Share of exchanged maps in the mixed view."""


@dataclass(frozen=True)
class Nuisance:
    """Ranges are uniform, deviations those of a normal distribution, displacements px of the
    128 px crop."""

    looks: Looks = field(default_factory=Looks)
    optics: Optics = field(default_factory=Optics)
    amplitude_px: Range = (0.15, 2.8)
    """Greatest displacement at the true apex, log-uniform."""
    direction_rad: float = 0.3
    """Smooth deviation of the skin's direction from the catalogue's."""
    gain_log: float = 0.35
    """Smooth deviation of its amplitude: skin drags more here, less there."""
    extent_log: float = 0.3
    """How much further, or less far, the skin around is dragged along in one face."""
    landmark_px: float = 1.8
    """How far the muscles attach from where the landmarks say, smooth over the face."""
    onset_left: Range = (0.0, 0.3)
    """Share of the expression already there at the frame taken for the onset."""
    apex_reached: Range = (0.65, 1.0)
    offset_left: Range = (0.0, 0.6)
    """Share still there at the frame taken for the offset."""
    drift: float = 0.15
    """Deviation of single action units from their common time course, as a share."""
    shift_px: float = 0.6
    """Head motion between the moments, deviation per axis."""
    turn_rad: float = 0.008
    scale_log: float = 0.006
    nod_px: float = 0.3
    """Motion of the nose against the face's rim when the head nods or turns."""
    blink: float = 0.25
    """How often one of the three moments falls into a blink."""
    blink_strength: Range = (0.03, 0.4)
    rider: float = 0.4
    """How often another unit moves along: lids tightened, lips pressed, speech."""
    rider_share: Range = (0.1, 0.5)
    """Its amplitude against the expression's."""
    wobble: float = 0.07
    """Smooth motion of everything else, as a share of the expression's amplitude."""
    exchange: Exchange | None = None
    """How maps are exchanged; None for the aligned crop through the live flow."""


def nuisance_of(view: Literal["crop", "maps"], world: World) -> Nuisance:
    """The ranges of one view in one world."""
    nuisance = Nuisance() if world == "training" else _held_out()
    if view == "crop":
        return nuisance
    held = world == "held_out"
    return replace(
        nuisance,
        looks=replace(
            nuisance.looks,
            # A face detector's box or a hand's crop: looser than ours, the chin in it.
            framing=(0.66, 0.95) if held else (0.7, 1.1),
            lift_px=(-12, 4) if held else (-10, 6),
            misplaced_px=4.0,
            misplaced_turn=0.05,
        ),
        # High-speed cameras; no frames averaged.
        optics=replace(nuisance.optics, frames=(1, 1), shrinking=(0.75, 1.0)),
        exchange=Exchange(
            methods={"dis": 0.8, "tvl1-fine": 0.2}, sizes_px=(36, 56), pressed=0.7, centred=0.25
        )
        if held
        else Exchange(),
    )


def _held_out() -> Nuisance:
    """Outside the training's ranges in all that is not the expression: face, camera, compression,
    light, head motion. How skin follows its muscles is as in training, for that is what is to be
    recognised."""
    plain = Nuisance()
    looks, optics = plain.looks, plain.optics
    return replace(
        plain,
        looks=replace(looks, shape_px=(3.0, 4.5), texture_levels=(5.0, 12.0), yaw=(-0.25, 0.25)),
        optics=replace(
            optics, noise_levels=(3.0, 6.0), jpeg=0.8, jpeg_quality=(35, 60), flicker=0.012
        ),
        amplitude_px=(0.3, 2.5),
        apex_reached=(0.6, 0.95),
        shift_px=1.0,
        turn_rad=0.012,
        scale_log=0.009,
        nod_px=0.45,
        rider=0.5,
    )


def check_view(view: str, world: str) -> None:
    """`InputError` unless both are known."""
    if view not in VIEWS:
        raise InputError(f"view {view!r}: choose one of {', '.join(VIEWS)}")
    if world not in WORLDS:
        raise InputError(f"nuisance {world!r}: choose one of {', '.join(WORLDS)}")

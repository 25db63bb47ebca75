"""Everything but the expression that varies between synthetic samples.

There are two worlds: one for training, and a harder one for measuring only, whose faces and
cameras training does not have. Each has views of the same faces: the aligned crop through the live
flow, maps as the field exchanges them, a mix of both, and (`foreign`) exchanged maps that are cut
tighter or wider than any in training.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from model.synthetic.exchanged_maps import Exchange
from model.synthetic.still_faces import CameraRanges, FaceBox, FaceRanges, ValueRange

View = Literal["crop", "maps", "mixed", "foreign"]
World = Literal["training", "held_out"]
VIEWS: tuple[View, ...] = get_args(View)

GENERATOR = 4
"""Which generator drew a recipe's pairs; a recipe without this number is of the first. That one cut
exchanged maps by looser boxes, moved skin by the catalogue alone, and drew a picture for each. The
second trained on combinations of units as often as the catalogue has them, and on skin whose
direction varied by 0.3 rad. Up to the third, lids did not follow lowered brows, cheeks did not
widen, and no class had companions of its own."""
SAME_REPORT = (GENERATOR,)
"""Generators that draw the same pairs for reports."""
MIXED_MAPS = 0.5
"""Share of exchanged maps in the mixed view."""


@dataclass(frozen=True)
class Nuisance:
    """Ranges are sampled uniformly, and deviations are those of a normal distribution.
    Displacements are px of the 128 px crop."""

    face: FaceRanges = field(default_factory=FaceRanges)
    camera: CameraRanges = field(default_factory=CameraRanges)
    amplitude_px: ValueRange = (0.15, 2.8)
    """Greatest displacement at the true apex; sampled log-uniformly."""
    evenness: float = 0.7
    """How evenly a class's combinations of action units are drawn (`sample_expression`). A network
    that sees a lip stretcher once in a hundred pairs calls it a smile."""
    direction_rad: float = 0.2
    """Deviation of the skin's direction of motion from the catalogue's, smooth over the face."""
    gain_log: float = 0.35
    """Deviation of the log of the skin's gain: some places move more than others."""
    extent_log: float = 0.3
    """Deviation of the log of how far around a muscle the skin moves; one value per face."""
    scan_share: float = 0.5
    """Share of the faces whose skin moves as scanned; that of the others moves by the catalogue."""
    landmark_px: float = 1.8
    """Distance of the muscles from their landmarks, smooth over the face."""
    onset_share: ValueRange = (0.0, 0.3)
    """Share of the expression at the frame that counts as the onset."""
    apex_share: ValueRange = (0.65, 1.0)
    """The same for the apex."""
    offset_share: ValueRange = (0.0, 0.6)
    """The same for the offset."""
    drift: float = 0.15
    """Deviation of single action units from their common time course, as a share."""
    shift_px: float = 0.6
    """Head motion between the moments: deviation per axis."""
    turn_rad: float = 0.008
    scale_log: float = 0.006
    nod_px: float = 0.3
    """Motion of the nose relative to the face's edge when the head nods or turns."""
    blink: float = 0.25
    """Probability that one of the three moments falls into a blink."""
    blink_strength: ValueRange = (0.03, 0.4)
    companion: float = 0.4
    """Probability that one more unit acts: tight lids, pressed lips, speech."""
    companion_share: ValueRange = (0.1, 0.5)
    """Its amplitude as a share of the expression's."""
    class_companion: float = 0.6
    """Probability that a unit is drawn which often acts beside expressions of that class."""
    class_companion_share: ValueRange = (0.2, 0.8)
    """Its amplitude as a share of the expression's."""
    wobble: float = 0.07
    """Smooth motion of everything else, as a share of the expression's amplitude."""
    exchange: Exchange | None = None
    """How maps are exchanged; None for the aligned crop through the live flow."""


_BY_HAND = FaceBox((0.12, 0.46), (0.28, 0.58), (0.85, 1.15))
_TIGHT = FaceBox((0.12, 0.20), (0.58, 0.68), (1.15, 1.35))  # from the brows to below the mouth
_WIDE = FaceBox((0.40, 0.50), (0.20, 0.28), (0.75, 0.85))  # with hair and neck
_BOXES: Mapping[View, tuple[FaceBox, ...]] = {
    "maps": (FaceBox(), FaceBox(), _BY_HAND),
    "foreign": (_TIGHT, _WIDE),
}


def choose_nuisance(view: Literal["crop", "maps", "foreign"], world: World) -> Nuisance:
    """The ranges of one view in one world."""
    nuisance = Nuisance() if world == "training" else _held_out()
    if view == "crop":
        return nuisance
    return replace(
        nuisance,
        face=replace(nuisance.face, boxes=_BOXES[view], crop_turn_rad=0.05),
        # High-speed cameras, without averaging frames.
        camera=replace(nuisance.camera, frames=(1, 1), shrinking=(0.75, 1.0)),
        exchange=Exchange()
        if world == "training"
        else Exchange(methods={"dis": 0.8, "tvl1-fine": 0.2}, sizes_px=(36, 56), drawn_share=1.0),
    )


def _held_out() -> Nuisance:
    """Faces, cameras and compression outside the training's ranges, and stronger light and head
    motion. The skin follows its muscles as in training, because that is what a network has to
    recognise."""
    plain = Nuisance()
    face, camera = plain.face, plain.camera
    return replace(
        plain,
        evenness=0.0,
        direction_rad=0.3,
        face=replace(face, shape_px=(3.5, 4.5), texture_levels=(9.0, 12.0), yaw=(0.15, 0.25)),
        camera=replace(
            camera,
            noise_levels=(4.0, 6.0),
            jpeg=0.5,
            jpeg_quality=(30, 45),
            crf=(31, 33),
            flicker=0.012,
        ),
        amplitude_px=(0.3, 2.5),
        apex_share=(0.6, 0.95),
        shift_px=1.0,
        turn_rad=0.012,
        scale_log=0.009,
        nod_px=0.45,
        companion=0.5,
    )

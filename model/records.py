"""The values that flow through the program, in the order in which they arise.

All are frozen, so any thread may read them. Their arrays are read-only by convention, and flagged
read-only where threads share them. Times are seconds of the source's own monotonic clock; images
are RGB; displacements are px of the aligned crop, u right, v down.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ImageU8 = NDArray[np.uint8]
ArrayF32 = NDArray[np.float32]
ArrayF64 = NDArray[np.float64]

Kind = Literal["micro", "macro"]
"""A micro-expression (ME) lasts at most `MICRO_S`; a macro-expression lasts longer. Onset and
offset fall on frames, so one more frame is allowed."""
MICRO_S = 0.5

EventState = Literal["early", "confirmed", "withdrawn"]
"""`early`: named at the apex, from the first phase alone. `confirmed`: named from both phases,
final. `withdrawn`: was early, but turned out to be no expression (a blink, the head)."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A frame's number and its time."""

    index: int
    """0, 1, 2, …; a jump means that the source dropped the frames between."""
    time_s: float
    """Capture time on the source's monotonic clock (a file's own presentation time)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source."""

    stamp: Stamp
    image: ImageU8
    """(H, W, 3) uint8, RGB, not writeable."""
    received_s: float
    """When the frame became available to this program, by `realtime.stream.clock`; 0.0 offline.
    Used for latency and the ledger only, never by perception."""
    packed: bytes | None = field(default=None, compare=False, repr=False)
    """The JPEG that `image` was decoded from, for recordings that keep it. It is as the camera sent
    it, without the source's rotation. None if the frame came in another form or the JPEG was not
    asked for."""

    @property
    def nbytes(self) -> int:
        """Size in memory, in bytes."""
        return self.image.nbytes + len(self.packed or b"")


@dataclass(frozen=True, slots=True)
class AlignedFace:
    """The face of a frame, warped to a fixed geometry."""

    stamp: Stamp
    crop: ImageU8
    """(S, S) uint8 grey, S = `model.face.aligned_crop.CROP_PX`."""
    landmarks_px: ArrayF32
    """(468, 2) float32, FaceMesh points (x, y) in px of the frame."""
    crop_from_image: ArrayF64
    """(2, 3) float64, affine: crop px ← image px."""
    track: int
    """Number of this face's track. A face that is lost and found again gets a new number."""


@dataclass(frozen=True, slots=True)
class MotionSample:
    """How far each region of a face is from its neutral reference, head motion removed."""

    stamp: Stamp
    displacement: ArrayF32
    """(R, 2) float32, crop px, (u, v) per region, in the order of
    `realtime.spotting.motion.REGIONS`; continuous in time within a track."""
    field: ArrayF32
    """(2, S, S) float32, crop px: the dense residual flow reference → this frame."""
    head: ArrayF32
    """(4,) float32: the head motion since the last frame, which was removed: shift u, v in crop px,
    turn in rad, log of the scale."""
    eye_openness: ArrayF32
    """(2,) float32: eye aspect ratio of the face's right and left eye (image left, image right)."""
    resolution: float
    """Pixels of the picture for one of the crop: below 1, the face is small."""
    track: int
    """The face's track. After a change, earlier samples cannot be compared with later ones."""
    flags: frozenset[str]
    """Reasons to doubt this sample: `realtime.spotting.motion.FLAGS`."""


@dataclass(frozen=True, slots=True)
class Window:
    """An expression in time, annotated or spotted."""

    onset: Stamp
    apex: Stamp
    offset: Stamp | None
    """None after the apex, until the face has returned."""
    score: float
    """Strength over the noise floor (dimensionless); 1.0 is the threshold. inf if annotated."""
    kind: Kind = "micro"
    regions: tuple[str, ...] = ()
    """Names of the regions that moved, strongest first."""
    motion_px: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """How far every region moved from onset to apex, by its name, u right and v down, px of the
    crop; empty if that was not measured."""
    me_probability: float | None = None
    """Probability that a spotted ME is one at all, 0 to 1; None for macro-expressions, and if that
    is not known."""

    @property
    def end(self) -> Stamp:
        """The offset, or the apex as long as there is none."""
        return self.offset or self.apex


@dataclass(frozen=True, slots=True)
class SpotUpdate:
    """A new state of one of the spotter's candidates. `apex` comes first, at most once, and may be
    missing; `closed` or `rejected` comes last."""

    candidate: int
    """Number of the candidate, unique within a run."""
    state: Literal["apex", "closed", "rejected"]
    window: Window
    reason: str
    """Why the candidate was accepted or rejected, in words."""


@dataclass(frozen=True, slots=True)
class SpotSignal:
    """The spotter's view of one sample, for the plot and the motion table."""

    strength: ArrayF32
    """(R,) float32, crop px: motion of each region against its baseline."""
    threshold: ArrayF32
    """(R,) float32, crop px: `strength` must exceed this; inf while a region is silenced."""
    updates: tuple[SpotUpdate, ...]
    large: frozenset[str] = frozenset()
    """Regions further from their rest of the last seconds than the smallest macro-expression,
    whether or not it is one."""


@dataclass(frozen=True, slots=True)
class FlowPair:
    """The optical flow of both phases of a window, head motion removed."""

    onset_apex: ArrayF32
    """(2, S, S) float32, px of the crop, u right, v down."""
    apex_offset: ArrayF32 | None
    """The same for the second phase; None before the offset is known."""


@dataclass(frozen=True, slots=True)
class FramePair:
    """The aligned frames of both phases of a window, evenly spaced in time within each phase."""

    onset_apex: ArrayF32
    """(F, S, S) float32, grey 0 to 255, F = `model.flow.key_frames.PHASE_FRAMES`: from onset to
    apex."""
    apex_offset: ArrayF32 | None
    """The same from apex to offset; None before the offset is known."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A classifier's answer for one window."""

    label: str
    """The likeliest class, or `model.labels.UNCLEAR` if no class is likely enough."""
    probabilities: Mapping[str, float]
    """By label, in the classifier's order; sums to 1."""
    action_units: Mapping[str, float]
    """Probability by FACS action unit ("AU12"); empty if the classifier names no action units."""
    classifier: str


@dataclass(frozen=True, slots=True)
class Event:
    """A spotted and named expression. Each `number` comes as `early` first, then as `confirmed` or
    `withdrawn`. Only confirmed events are results."""

    number: int
    state: EventState
    window: Window
    prediction: Prediction | None
    """None when `withdrawn`."""
    reason: str
    known_at: Stamp
    """The frame at which the spotter decided."""
    emitted_s: float = 0.0
    """When the event left the pipeline, by `realtime.stream.clock`; 0.0 offline. Used for latency
    only."""
    flows: FlowPair | None = field(default=None, compare=False, repr=False)
    crops: tuple[ImageU8, ...] = field(default=(), compare=False, repr=False)
    """Aligned grey crops (S, S) of onset, apex and, once known, offset."""


@dataclass(frozen=True, slots=True)
class Step:
    """Everything the pipeline found in one frame."""

    frame: Frame
    face: AlignedFace | None
    motion: MotionSample | None
    signal: SpotSignal | None
    events: tuple[Event, ...]
    """Events that became known with this step, in order."""
    timings_ms: Mapping[str, float]
    """Milliseconds by stage: face, motion, spot; flow and classify too if they ran inline."""

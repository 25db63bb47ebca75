"""Draws still faces with displaced skin, and takes pictures of them with a model camera.

All lengths are px of the 128 px aligned crop. Every face is a warp of the same portrait. Shape,
resting expression, skin texture, light and camera vary widely; one person's features remain.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import cv2
import numpy as np

from model.face.aligned_crop import CROP_PX, crop_transform
from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.action_units import displacement_field
from model.synthetic.portrait import read_landmarks, read_photograph

ValueRange = tuple[float, float]
"""(low, high), sampled uniformly."""

_MARGIN_PX = 32  # the canvas extends this far beyond the crop
_FINENESS = 2  # canvas px per crop px: keeps OpenCV's rounding to 1/32 px far below the motion
_VIDEO_FPS = 30
_EYE_CORNERS = (33, 133, 362, 263)
_MOUTH_CORNERS = (61, 291)
_PAD_PX = 8  # skin may move into the crop from this far outside


@dataclass(frozen=True)
class FaceRanges:
    """How much a face may differ from the portrait."""

    shape_px: ValueRange = (0.0, 3.5)
    """Standard deviation of a smooth warp of the whole face."""
    stretch: ValueRange = (-0.1, 0.1)
    """Share by which the face is wider and shorter."""
    rest: Mapping[str, ValueRange] = field(
        default_factory=lambda: {
            "AU1": (-0.3, 0.3),
            "AU2": (-0.3, 0.3),
            "AU4": (-0.4, 0.4),
            "AU5": (-0.4, 0.4),
            "AU6": (-0.5, 0.2),
            "AU12": (-0.9, 0.1),
            "AU25": (-1.6, 0.2),
        }
    )
    """Strength of each action unit in the resting face. The portrait smiles; most faces do not."""
    texture_levels: ValueRange = (0.0, 9.0)
    """Contrast of the added skin texture, grey levels."""
    softness_px: ValueRange = (0.1, 1.4)
    """Blur of the portrait's own detail."""
    contrast: ValueRange = (0.55, 1.15)
    yaw: ValueRange = (0.0, 0.15)
    """Head turn to either side: how much wider the near half of the face is than the far half, as
    a share at the crop's edge."""
    pitch: ValueRange = (0.0, 0.12)
    """The same for the upper and lower half."""
    boxes: "tuple[FaceBox, ...]" = ()
    """The crop is cut by one of these, equally likely; if there are none, it has the geometry of
    `model.face.aligned_crop`."""
    crop_shift_px: float = 2.0
    """Standard deviation of the crop's placement error."""
    crop_turn_rad: float = 0.03
    """The same for its rotation."""
    crop_scale_log: float = 0.03
    """The same for the log of its scale."""


@dataclass(frozen=True)
class FaceBox:
    """Where a face lies in the box that it is cut out by, as shares of the box's height. The box is
    then scaled to a square. The defaults are those of a detector (dlib's, or the hull of 68
    points)."""

    eyes: ValueRange = (0.20, 0.34)
    """The eyes' line, from the upper edge."""
    eyes_to_mouth: ValueRange = (0.40, 0.54)
    """From there to the corners of the mouth."""
    aspect: ValueRange = (0.9, 1.1)
    """Width to height."""


class Still:
    """One face at rest; draws it with its skin displaced."""

    def __init__(
        self,
        rng: np.random.Generator,
        ranges: FaceRanges,
        person: np.random.Generator | None = None,
    ) -> None:
        """`person` samples what belongs to the face, `rng` how the camera sees it. Without a
        `person`, `rng` samples both."""
        person = person or rng
        points = _portrait()[1]
        self._ranges, self._texture = ranges, int(person.integers(2**63))
        extent = CROP_PX + 2 * _MARGIN_PX
        shape = _shape(person, ranges, points, extent) + _turn(rng, ranges, extent)
        points = points + _field_at(shape, points)
        self._shape = shape

        # Place the crop on the reshaped face as the live aligner would, with random errors.
        align = crop_transform(points)
        turn = rng.normal(0, ranges.crop_turn_rad)
        scale = np.exp(rng.normal(0, ranges.crop_scale_log))
        shift = rng.normal(0, ranges.crop_shift_px, 2)
        align = _similarity(shift, turn, scale, align)
        if ranges.boxes:
            box = ranges.boxes[int(rng.integers(len(ranges.boxes)))]
            align = _into_box(rng, box, points, align)
        self.landmarks_px = (points @ align[:, :2].T + align[:, 2]).astype(np.float32)
        """(468, 2) float32: FaceMesh points of the resting face in the crop."""
        self._align = align

    def locate(self, displacement: ArrayF32) -> ArrayF32:
        """Where the FaceMesh points (468, 2) px lie when the skin is displaced as in `draw`."""
        at = self.landmarks_px.T[:, None]
        moved = np.stack([_values_at(part, at, margin=0)[0] for part in displacement], axis=1)
        return np.asarray(self.landmarks_px + moved, np.float32)

    def draw(self, displacement: ArrayF32) -> ArrayF32:
        """The face, (S, S) float32 grey levels, with the skin at x moved to x +
        `displacement`[:, x]. `displacement` is (2, S, S) px, at most 8 px."""
        canvas, source, dx, dy = self._pixels
        back = inverse_displacement(displacement)
        # Taylor series to first order. Interpolating in the map would round the motion.
        x, y = (source + dx * back[0] + dy * back[1]).astype(np.float32)
        return np.asarray(
            cv2.remap(canvas, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32
        )

    @cached_property
    def _pixels(self) -> tuple[ArrayF32, ArrayF32, ArrayF32, ArrayF32]:
        """The picture that the face is drawn from, where in it each pixel of the crop lies, (2, S,
        S), and how that changes per px to the right and down. Made when it is first drawn, because
        motion alone needs none of it."""
        canvas = _retexture(_portrait()[0], np.random.default_rng(self._texture), self._ranges)
        inverse = inverse_displacement(self._shape)
        axis = np.arange(-_PAD_PX, CROP_PX + _PAD_PX, dtype=np.float32)
        crop = np.stack(np.broadcast_arrays(axis[None, :], axis[:, None])).astype(np.float32)
        back = cv2.invertAffineTransform(self._align)
        shaped = np.einsum("ij,jyx->iyx", back[:, :2], crop) + back[:, 2, None, None]
        shaped = shaped.astype(np.float32)
        source = shaped + np.stack([_values_at(part, shaped) for part in inverse])
        source = (source + _MARGIN_PX) * _FINENESS + (_FINENESS - 1) / 2
        inner = slice(_PAD_PX, -_PAD_PX)
        dx, dy = (np.gradient(source, axis=k)[:, inner, inner] for k in (2, 1))
        return canvas, source[:, inner, inner], dx, dy


@dataclass(frozen=True)
class CameraRanges:
    """How much cameras and light may differ."""

    blur_px: ValueRange = (0.0, 1.1)
    shrinking: ValueRange = (0.6, 1.0)
    """The picture is shrunk by this factor and enlarged again, as if the face were far away."""
    gamma: ValueRange = (0.7, 1.4)
    gradient: ValueRange = (-0.35, 0.35)
    """Share by which light falls off from one side to the other."""
    flicker: float = 0.008
    """Standard deviation of the gain between moments, and of its gradient."""
    noise_levels: ValueRange = (0.3, 4.0)
    """Sensor noise of one frame, grey levels."""
    jpeg: float = 0.4
    """How often each frame is compressed on its own."""
    jpeg_quality: ValueRange = (45, 95)
    h264: float = 0.25
    """How often the frames are compressed as a video."""
    crf: tuple[int, int] = (18, 30)
    """x264's rate factor, from least to most compression."""
    frames: tuple[int, int] = (1, 6)
    """Fewest and most frames averaged around each moment, as in `model.flow.phase_flows`."""


class CameraModel:
    """One camera in one light."""

    def __init__(self, rng: np.random.Generator, ranges: CameraRanges) -> None:
        self._rng = rng
        self._blur = rng.uniform(*ranges.blur_px)
        self._small = 2 * round(CROP_PX * rng.uniform(*ranges.shrinking) / 2)  # even, for H.264
        self._gamma = rng.uniform(*ranges.gamma)
        self._light = _ramp(rng.uniform(*ranges.gradient), rng.uniform(0, np.pi))
        self._flicker = ranges.flicker
        self._noise = rng.uniform(*ranges.noise_levels)
        codec = rng.random()
        self._quality = round(rng.uniform(*ranges.jpeg_quality)) if codec < ranges.jpeg else None
        as_video = ranges.jpeg <= codec < ranges.jpeg + ranges.h264
        self._crf = int(rng.integers(ranges.crf[0], ranges.crf[1] + 1)) if as_video else None
        self._frames = int(rng.integers(ranges.frames[0], ranges.frames[1] + 1))

    def capture(self, pictures: Sequence[ArrayF32]) -> list[list[ImageU8]]:
        """Take the frames, (S, S) uint8 each, of every moment, whose `pictures` are (S, S) float32,
        in the order of time."""
        taken = [frame for picture in pictures for frame in self._expose(picture)]
        if self._crf is not None:
            from model.synthetic.compression import compress  # needs PyAV, motion alone does not

            colour = (np.repeat(frame[..., None], 3, axis=2) for frame in taken)
            coded = compress(colour, _VIDEO_FPS, self._crf)
            taken = [np.ascontiguousarray(frame[..., 1]) for frame in coded]
        frames = [_enlarge(frame) for frame in taken]
        return [frames[k : k + self._frames] for k in range(0, len(frames), self._frames)]

    def _expose(self, picture: ArrayF32) -> Iterator[ImageU8]:
        """The frames of one moment, in the camera's own size."""
        rng = self._rng
        if self._blur > 0.3:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), self._blur), np.float32)
        light = self._light * _ramp(rng.normal(0, self._flicker), rng.uniform(0, np.pi))
        light *= 1 + rng.normal(0, self._flicker)
        lit = 255 * (np.clip(picture, 0, 255) / 255) ** self._gamma * light
        small = cv2.resize(lit, (self._small, self._small), interpolation=cv2.INTER_AREA)
        for _ in range(self._frames):
            noise = self._noise * rng.standard_normal(small.shape, np.float32)
            frame = np.clip(np.rint(small + noise), 0, 255).astype(np.uint8)
            if self._quality is not None:
                quality = [cv2.IMWRITE_JPEG_QUALITY, self._quality]
                coded = cv2.imencode(".jpg", frame, quality)[1]
                frame = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
            yield frame


def _enlarge(frame: ImageU8) -> ImageU8:
    size = (CROP_PX, CROP_PX)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def smooth_noise(rng: np.random.Generator, grain_px: float, size: int = CROP_PX) -> ArrayF32:
    """(size, size) float32 noise, smooth over `grain_px`, of mean about 0 and deviation about 1."""
    cells = max(2, round(size / grain_px) + 2)
    coarse = rng.standard_normal((cells, cells), np.float32)
    smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(1.3 * smooth, np.float32)


def inverse_displacement(displacement: ArrayF32) -> ArrayF32:
    """The field G (2, S, S) with y + G(y) = x wherever x + `displacement`(x) = y, by fixed-point
    iteration."""
    size = displacement.shape[1]
    axis = np.arange(size, dtype=np.float32)
    back = -displacement
    for _ in range(4):
        at = np.stack([axis[None, :] + back[0], axis[:, None] + back[1]])
        back = -np.stack([_values_at(part, at, margin=0) for part in displacement])
    return back


@cache
def _portrait() -> tuple[ArrayF32, ArrayF32]:
    """The photograph's crop with its margin, float32 grey, and the landmarks (468, 2) in crop
    px."""
    image = read_photograph()
    landmarks_px = read_landmarks("portrait_landmarks.csv")
    align = crop_transform(landmarks_px)
    points = landmarks_px @ align[:, :2].T + align[:, 2]
    onto_canvas = align * _FINENESS
    onto_canvas[:, 2] += _MARGIN_PX * _FINENESS + (_FINENESS - 1) / 2
    extent = (CROP_PX + 2 * _MARGIN_PX) * _FINENESS
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    canvas = cv2.warpAffine(
        grey, onto_canvas, (extent, extent), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return canvas.astype(np.float32), points.astype(np.float32)


def _retexture(canvas: ArrayF32, rng: np.random.Generator, ranges: FaceRanges) -> ArrayF32:
    """The portrait, its own texture softened and random texture added."""
    size = canvas.shape[0]
    softness = rng.uniform(*ranges.softness_px) * _FINENESS
    dressed = cv2.GaussianBlur(canvas, (0, 0), softness)
    dressed = 128 + rng.uniform(*ranges.contrast) * (dressed - 128)
    dressed += rng.uniform(-25, 25)
    for grain_px in (1.5, 3.0, 7.0, 16.0):
        levels = rng.uniform(*ranges.texture_levels) / 2
        dressed += levels * smooth_noise(rng, grain_px * _FINENESS, size)
    return np.asarray(dressed, np.float32)


def _shape(rng: np.random.Generator, ranges: FaceRanges, points: ArrayF32, extent: int) -> ArrayF32:
    """Displacement (2, E, E) from the portrait's face to another one, over crop and margin."""
    rest = {unit: (rng.uniform(*span),) * 2 for unit, span in ranges.rest.items()}
    shape = displacement_field(points + np.float32(_MARGIN_PX), rest, extent)
    sigma = rng.uniform(*ranges.shape_px)
    shape += sigma * np.stack([smooth_noise(rng, 45, extent) for _ in range(2)])
    axis = np.arange(extent, dtype=np.float32) - extent / 2
    stretch = np.float32(rng.uniform(*ranges.stretch))
    shape[0] += stretch * axis[None, :]
    shape[1] -= stretch * axis[:, None]
    return shape


def _turn(rng: np.random.Generator, ranges: FaceRanges, extent: int) -> ArrayF32:
    """Displacement (2, E, E) from a frontal face to one that is slightly turned and tilted."""
    axis = np.arange(extent, dtype=np.float32) - extent / 2
    bent = axis * axis / (CROP_PX / 2)
    yaw, pitch = (
        np.float32(rng.choice((-1, 1)) * rng.uniform(*span)) for span in (ranges.yaw, ranges.pitch)
    )
    field = np.zeros((2, extent, extent), np.float32)
    field[0] += yaw * bent[None, :]
    field[1] += pitch * bent[:, None]
    return field


def _values_at(plane: ArrayF32, at: ArrayF32, margin: int = _MARGIN_PX) -> ArrayF32:
    """The values of `plane` at crop px `at` (2, H, W). Pixel (margin, margin) of `plane` is the
    crop's first."""
    x, y = at[0] + margin, at[1] + margin
    found = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def _field_at(shape: ArrayF32, points: ArrayF32) -> ArrayF32:
    at = points.T[:, None, :].astype(np.float32)
    return np.stack([_values_at(part, at)[0] for part in shape], axis=1)


def _similarity(shift: ArrayF64, turn: float, scale: float, onto: ArrayF64) -> ArrayF64:
    """`onto` (2, 3) followed by a shift, turn and scale about the crop's centre."""
    centre = np.full(2, (CROP_PX - 1) / 2)
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[c, -s], [s, c]])
    return np.column_stack([linear @ onto[:, :2], linear @ (onto[:, 2] - centre) + centre + shift])


def _into_box(
    rng: np.random.Generator, box: FaceBox, points: ArrayF32, align: ArrayF64
) -> ArrayF64:
    """`align` (2, 3) followed by the scale and shift that place `points` (468, 2) in the box."""
    placed = points @ align[:, :2].T + align[:, 2]
    eyes, mouth = placed[[*_EYE_CORNERS]].mean(axis=0), placed[[*_MOUTH_CORNERS]].mean(axis=0)
    down = CROP_PX * rng.uniform(*box.eyes_to_mouth) / float(mouth[1] - eyes[1])
    across = down / rng.uniform(*box.aspect)
    scale = np.array([across, down])
    middle = np.array([CROP_PX / 2, CROP_PX * rng.uniform(*box.eyes)])
    centre = np.array([(eyes[0] + mouth[0]) / 2, eyes[1]])
    return np.column_stack([scale[:, None] * align[:, :2], scale * (align[:, 2] - centre) + middle])


def _ramp(strength: float, angle: float) -> ArrayF32:
    """(S, S) gain that changes by `strength` across the crop in the direction `angle`; 1 at the
    centre."""
    axis = (np.arange(CROP_PX, dtype=np.float32) + 0.5) / CROP_PX - 0.5
    ramp: ArrayF32 = 1 + np.float32(strength) * (
        np.float32(np.cos(angle)) * axis[None, :] + np.float32(np.sin(angle)) * axis[:, None]
    )
    return ramp

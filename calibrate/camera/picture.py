"""Measures the quality of a source's pictures: noise, compression, flicker of the light, exposure.

It uses the unchanged grey picture. Measures that do not need every frame run a few times a second,
so that a check takes about a millisecond per frame.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from model.records import ArrayF64, Frame, ImageU8

MAINS_HZ = (50.0, 60.0)
"""Mains frequencies; lamps flicker at twice these."""
ALIAS_WIDTH_HZ = 0.5
"""The alias is searched this far to each side, as a camera's rate is never exactly nominal."""
BLIND_BELOW_HZ = 1.0
"""A slower alias looks the same as a moving head or a drifting exposure."""
PEAK_OVER_FLOOR = 4.0
"""A spectral line counts if it is this many times the median of the spectrum around it."""

_NOISE_EVERY_S = 0.1
_BLOCK_PX = 16
_STILL_SHARE = 0.25  # the quarter of the blocks that changes least counts as still
_DARK, _BRIGHT = 8, 247  # blocks beyond these are clipped, which hides noise
_GRID_EVERY_S = 0.5
_GRID_PX = 8
_STRIPS = 12  # a rolling shutter turns flicker into bands, which a picture's mean would hide
_SPECTRUM_STEP_HZ = 0.05


@dataclass(frozen=True, slots=True)
class Flicker:
    """Mains hum in the light."""

    lamp_hz: float
    """100 or 120: twice the mains frequency."""
    alias_hz: float
    """Its alias at the measured frame rate."""
    amplitude: float
    """Amplitude of the brightness at that frequency, as a share of the mean; 0 if it does not stand
    out."""
    visible: bool
    """False if the alias is so slow that flicker looks like drift."""


@dataclass(frozen=True, slots=True)
class PictureQuality:
    """Findings on the pictures. Grey levels are 0–255."""

    noise: float
    """Standard deviation of the noise in still areas, grey levels."""
    frozen: float
    """Share of the blocks that do not change at all between two pictures, because a codec drops
    small changes."""
    blockiness: float
    """Grey steps across the borders of 8×8 blocks over those elsewhere; 1 without compression."""
    flicker: tuple[Flicker, ...]
    drift: float
    """Range of the whole picture's brightness, over half-second means, as a share of the mean: the
    exposure hunts, or the light changes."""
    level: float
    """Mean of the whole picture."""


class PictureMeasure:
    """Takes the pictures of one source in order."""

    def __init__(self) -> None:
        self._last: ImageU8 | None = None
        self._times_s: list[float] = []
        self._strips: list[ArrayF64] = []
        self._noise: list[float] = []
        self._frozen: list[float] = []
        self._blockiness: list[float] = []
        self._noise_s = self._grid_s = -np.inf

    def push(self, frame: Frame) -> bool:
        """Take in a picture. Returns whether it is identical to the last one."""
        time_s = frame.stamp.time_s
        grey = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), np.uint8)
        rows = np.array_split(grey[::2, ::4], _STRIPS)
        self._times_s.append(time_s)
        self._strips.append(np.array([row.mean() for row in rows]))
        last = self._last
        repeated = False
        if last is not None and last.shape == grey.shape:
            repeated = np.array_equal(last[::8], grey[::8]) and np.array_equal(last, grey)
            if not repeated and time_s - self._noise_s >= _NOISE_EVERY_S:
                self._noise_s = time_s
                noise, frozen = temporal_noise(last, grey)
                self._noise.append(noise)
                self._frozen.append(frozen)
        if time_s - self._grid_s >= _GRID_EVERY_S:
            self._grid_s = time_s
            self._blockiness.append(blockiness(grey))
        self._last = grey
        return repeated

    def quality(self) -> PictureQuality:
        """The quality over all pictures so far. Raises ValueError before there are two different
        ones."""
        if not self._noise:
            raise ValueError("picture quality needs two different pictures")
        times, strips = np.array(self._times_s), np.array(self._strips)
        level = float(strips.mean())
        halves = ((times - times[0]) / 0.5).astype(int)
        means = np.bincount(halves, strips.mean(axis=1)) / np.maximum(np.bincount(halves), 1)
        means = means[np.bincount(halves) > 0]
        return PictureQuality(
            noise=float(np.median(self._noise)),
            frozen=float(np.median(self._frozen)),
            blockiness=float(np.median(self._blockiness)),
            flicker=tuple(find_flicker(times, strips, 2 * hz) for hz in MAINS_HZ),
            drift=float(np.ptp(means)) / max(level, 1.0),
            level=level,
        )


def temporal_noise(before: ImageU8, after: ImageU8) -> tuple[float, float]:
    """Noise (standard deviation, grey levels) and the share of frozen blocks, from two successive
    grey pictures (H, W). The difference in the blocks that changed least is noise, counted
    twice."""
    height, width = (side // _BLOCK_PX * _BLOCK_PX for side in before.shape)
    shape = (height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX)
    blocks = before[:height, :width].reshape(shape).astype(np.float32)
    change = after[:height, :width].reshape(shape) - blocks
    level = blocks.mean(axis=(1, 3)).ravel()
    spread = change.std(axis=(1, 3)).ravel()
    usable = spread[(level > _DARK) & (level < _BRIGHT)]
    if not usable.size:
        return 0.0, 0.0
    frozen = float((usable == 0).mean())
    alive = usable[usable > 0]
    if not alive.size:
        return 0.0, frozen
    still = np.quantile(alive, _STILL_SHARE)
    return float(still / np.sqrt(2)), frozen


def blockiness(grey: ImageU8) -> float:
    """Mean grey step across the borders of the 8×8 grid that starts at the picture's corner, over
    that elsewhere, the larger of both directions; about 1 without block compression."""
    ratios = []
    for picture in (grey, grey.T):
        steps = np.abs(np.diff(picture.astype(np.int16), axis=1)).mean(axis=0)
        border = np.arange(len(steps)) % _GRID_PX == _GRID_PX - 1
        ratios.append(float(steps[border].mean() / max(steps[~border].mean(), 1e-6)))
    return max(ratios)


def alias_hz(hz: float, fps: float) -> float:
    """The alias of the frequency `hz` when it is sampled `fps` times a second."""
    return abs(hz - round(hz / fps) * fps)


def find_flicker(times_s: ArrayF64, strips: ArrayF64, lamp_hz: float) -> Flicker:
    """The spectral line of a lamp in the brightness (n, strips) of a picture's strips at `times_s`
    (n,), at the alias of `lamp_hz`; strips, because a rolling shutter shows it as bands."""
    fps = (len(times_s) - 1) / (times_s[-1] - times_s[0])
    alias = alias_hz(lamp_hz, fps)
    if alias < BLIND_BELOW_HZ or fps < 4 * BLIND_BELOW_HZ:
        return Flicker(lamp_hz, alias, 0.0, visible=False)
    # Remove drift and slow motion first, or they leak into the whole spectrum.
    centred = times_s - times_s.mean()
    trend = (centred[:, None] / np.ptp(times_s)) ** np.arange(4)
    rest = strips - trend @ np.linalg.lstsq(trend, strips, rcond=None)[0]
    window = np.hanning(len(times_s) + 2)[1:-1, None]
    hz = np.arange(BLIND_BELOW_HZ, fps / 2, _SPECTRUM_STEP_HZ)
    waves = np.exp(-2j * np.pi * hz[:, None] * centred)
    lines = np.abs(waves @ (rest * window)) * 2 / window.sum()
    spectrum = np.sqrt((lines**2).mean(axis=1)) / max(float(strips.mean()), 1.0)
    near = np.abs(hz - alias) <= ALIAS_WIDTH_HZ
    if not near.any():  # at half the rate the last line is the nearest
        near[-1] = True
    peak = float(spectrum[near].max())
    # Compare with nearby lines: the spectrum of a moving head falls with frequency.
    around = ~near & (np.abs(hz - alias) <= 6 * ALIAS_WIDTH_HZ)
    floor = float(np.median(spectrum[around])) if around.any() else 0.0
    return Flicker(lamp_hz, alias, peak if peak > PEAK_OVER_FLOOR * floor else 0.0, visible=True)

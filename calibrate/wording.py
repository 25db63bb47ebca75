"""Calibration results in words, for a terminal."""

import numpy as np

from calibrate.camera.check import CameraReport
from realtime.spotting.baseline import Baseline
from realtime.spotting.motion import LOWER, REGIONS, UPPER


def camera_text(report: CameraReport) -> str:
    """The verdict, what to change, and the figures behind it."""
    lines = [f"{report.light.upper()}: {report.verdict}"]
    lines += [f"  {f.light}: {f.what} → {f.remedy}" for f in report.findings]
    lines.append(report.source)
    lines += [f"  {name:<13}{value}" for name, value in camera_rows(report)]
    return "\n".join(lines)


def camera_rows(report: CameraReport) -> list[list[str]]:
    """The figures of a report, [name, value] each."""
    t, p = report.timing, report.picture
    rows = [
        ["Rate", f"{t.fps:.2f} fps over {t.seconds:.1f} s, {100 * t.repeated:.0f} % repeated"],
        [
            "Intervals",
            f"p50 {t.interval_p50_ms:.1f}, p95 {t.interval_p95_ms:.1f}, max "
            f"{t.interval_max_ms:.1f} ms; {t.missing} lost, {t.gaps} gaps",
        ],
    ]
    if t.delay_p50_ms is not None:
        delays = f"p50 {t.delay_p50_ms:.0f}, p95 {t.delay_p95_ms:.0f} ms to this program"
        rows.append(["Delay", delays])
    rows += [
        ["Flicker", flicker_words(report)],
        ["Noise", f"{p.noise:.1f} grey levels"],
        ["Brightness", f"{p.level:.0f}, varies by {100 * p.drift:.0f} %"],
        ["Compression", f"8×8 borders × {p.blockiness:.2f}, {100 * p.frozen:.0f} % frozen"],
    ]
    if report.face is not None:
        f = report.face
        rows += [
            [
                "Face",
                f"in {100 * f.share:.0f} % of the frames; level {f.level:.0f}, contrast "
                f"{f.contrast:.0f}",
            ],
            [
                "Size",
                f"{f.eye_distance_px:.0f} px between the inner eye corners, "
                f"{f.crop_px_per_image_px:.2f} crop px per px",
            ],
            ["Head", f"{f.head_px_s:.1f} px/s"],
            ["Threshold", f"{f.threshold_px:.2f} px, of nearly all regions"],
        ]
    return rows


def flicker_words(report: CameraReport) -> str:
    """The findings on flicker, with its frequencies."""
    words = []
    for flicker in report.picture.flicker:
        lamp = f"{flicker.lamp_hz:g} Hz at its alias of {flicker.alias_hz:.1f} Hz"
        if not flicker.visible:
            words.append(f"{lamp}: too slow to tell from drift")
        elif flicker.amplitude:
            words.append(f"{lamp}: {100 * flicker.amplitude:.1f} % of the brightness")
        else:
            words.append(f"{lamp}: none")
    return "; ".join(words)


def baseline_text(baseline: Baseline) -> str:
    """A summary of the baseline in a few lines."""
    measured = baseline.measured
    if measured is None:
        raise ValueError("the default baseline was not measured")
    noise = np.array([measured.noise_px[name] for name in REGIONS])
    floor = np.array([baseline.floor_px[name] for name in REGIONS])
    halves = (("brows and lids", UPPER), ("nose, cheeks, mouth", LOWER))
    lines = [
        f"{measured.seconds:g} s of rest; {measured.blinks_per_min:.0f} blinks a minute; head "
        f"{measured.head_px_s:.1f} px/s; for {measured.false_alarms_per_min:g} false alarms a "
        "minute:"
    ]
    for name, group in halves:
        rows = list(group)
        lines.append(
            f"  {name}: noise {np.median(noise[rows]):.2f} px, threshold "
            f"{floor[rows].min():.2f}–{floor[rows].max():.2f} px"
        )
    return "\n".join(lines)

"""Calibration results in words, for a terminal."""

import numpy as np

from calibrate.camera import CameraReport
from realtime.baseline import Baseline
from realtime.motion import REGIONS
from realtime.spotting import LOWER, UPPER


def camera_text(report: CameraReport) -> str:
    """The verdict, what to change, and the figures behind it."""
    t, p = report.timing, report.picture
    lines = [f"{report.light.upper()}: {report.verdict}"]
    lines += [f"  {f.light}: {f.what} → {f.remedy}" for f in report.findings]
    lines += [
        report.source,
        f"  rate       {t.fps:.2f} fps over {t.seconds:.1f} s; intervals p50 "
        f"{t.interval_p50_ms:.1f}, p95 {t.interval_p95_ms:.1f}, max {t.interval_max_ms:.1f} ms; "
        f"{t.missing} lost, {t.gaps} gaps, {100 * t.repeated:.0f} % repeated",
    ]
    if t.delay_p50_ms is not None:
        lines.append(
            f"  delay      p50 {t.delay_p50_ms:.0f}, p95 {t.delay_p95_ms:.0f} ms from capture to "
            "this program"
        )
    lines.append(f"  flicker    {flicker_words(report)}")
    lines.append(
        f"  picture    noise {p.noise:.1f} grey levels; brightness {p.level:.0f}, wanders by "
        f"{100 * p.drift:.0f} %; 8×8 borders × {p.blockiness:.2f}, {100 * p.frozen:.0f} % frozen"
    )
    if report.face is not None:
        f = report.face
        lines.append(
            f"  face       in {100 * f.share:.0f} % of the frames; {f.eye_distance_px:.0f} px "
            f"between the inner eye corners ({f.crop_px_per_image_px:.2f} crop px per px); "
            f"brightness {f.level:.0f}, contrast {f.contrast:.0f}; head {f.head_px_s:.1f} px/s"
        )
    return "\n".join(lines)


def flicker_words(report: CameraReport) -> str:
    """What was looked for, where, and what was seen."""
    words = []
    for flicker in report.picture.flicker:
        lamp = f"{flicker.lamp_hz:g} Hz at its alias of {flicker.alias_hz:.1f} Hz"
        if not flicker.visible:
            words.append(f"{lamp}: too slow to be told from drift")
        elif flicker.amplitude:
            words.append(f"{lamp}: {100 * flicker.amplitude:.1f} % of the brightness")
        else:
            words.append(f"{lamp}: none")
    return "; ".join(words)


def baseline_text(baseline: Baseline) -> str:
    """What the baseline holds, in a few lines."""
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

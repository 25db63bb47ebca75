"""Calibration results in words, for a terminal."""

from calibrate.camera.check import CameraReport
from realtime.spotting.baseline_file import Baseline


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
    """The figures of a measured baseline in a few lines."""
    return "\n".join(f"{name:<22}{value}" for name, value in baseline_rows(baseline))


def baseline_rows(baseline: Baseline) -> list[list[str]]:
    """The figures of a measured baseline, [name, value] each."""
    measured = baseline.measured
    if measured is None:
        raise ValueError("the default baseline was not measured")
    noise, floors = (list(each.values()) for each in (measured.noise_px, baseline.floor_px))
    return [
        ["Rest used", f"{measured.seconds:g} s"],
        ["Blinks", f"{measured.blinks_per_min:.0f} a minute"],
        ["Head", f"{measured.head_px_s:.1f} px/s"],
        ["Noise", f"{min(noise):.2f}–{max(noise):.2f} px"],
        ["Thresholds", f"{min(floors):.2f}–{max(floors):.2f} px"],
        ["False alarms at rest", f"{measured.false_alarms_per_min:g} a minute expected"],
    ]

"""The methods paragraph of a report: what was done, with what, in sentences for a paper."""

import math
from pathlib import Path
from typing import Any

from model.records import MICRO_S
from realtime.review.coding import coded_expressions
from realtime.review.quality import Quality
from realtime.sessions.reader import Session

_CLOCKS = {
    "driver": "by the camera's driver",
    "receipt": "as frames reached the program",
    "browser": "by the browser whose camera it was",
    "file": "from the file",
    "synthetic": "by the generator",
}
_HEARD = {
    "driver": " given by its driver",
    "receipt": " counted back from when they reached the program",
}


def methods(session: Session, quality: Quality) -> str:
    """Return some sentences; none claims more than the session says about itself."""
    parts = (_recording, _sound, _analysis, _weights, _coding)
    sentences = [part(session, quality) for part in parts]
    sentences.append(
        f"Expressions of at most {MICRO_S:g} s, one frame more allowed, count as "
        "micro-expressions. Rates are given with exact 95 % Poisson intervals (Garwood, 1936). The "
        "classes describe movements of the face; they are no measurement of what was felt."
    )
    return " ".join(sentence for sentence in sentences if sentence)


def _recording(session: Session, quality: Quality) -> str:
    document = session.document
    camera, video = document["camera"], document["video"]
    median, low, high = quality.interval_ms
    kind = "without loss" if video["lossless"] else "visually lossless"
    stored = f"{kind} ({video['encoder']})"
    if video["encoder"] is None:
        stored = "as the JPEG pictures that the source delivered"
    rate = (
        ""
        if math.isnan(median)
        else f" at {quality.fps:.1f} frames per second (median; 5th to 95th percentile of the "
        f"intervals {low:.1f} to {high:.1f} ms)"
    )
    clock = _CLOCKS.get(camera["clock"], f"by {camera['clock']}")
    return (
        f"Video of {camera['width']} × {camera['height']} px was captured{rate} for "
        f"{quality.seconds:.1f} s, with capture times given {clock}, and stored {stored}; "
        f"{sum(quality.lost.values())} frames ({quality.lost_share:.2%}) are not in it."
    )


def _sound(session: Session, quality: Quality) -> str:
    heard = session.document["video"].get("audio")
    if heard is None:
        return ""
    missing_s = sum((quality.silent_s or {}).values())
    told = _HEARD.get(heard.get("clock", ""), "")
    return (
        f"Sound was recorded beside it from the microphone {heard['microphone']} ({heard['hz']} "
        f"Hz, one channel of 16 bit, uncompressed), at times{told} on the clock of the frames; "
        f"{missing_s:.1f} s of it ({quality.silent_share:.2%}) are missing."
    )


def _analysis(session: Session, quality: Quality) -> str:
    document = session.document
    software, config = document["software"], document["config"]
    packages = ", ".join(
        f"{name} {software[key]}"
        for name, key in (
            ("Python", "python"),
            ("ONNX Runtime", "onnxruntime"),
            ("PyTorch", "torch"),
            # Sessions from before LiteRT ran MediaPipe's networks name the package that did.
            ("LiteRT", "ai-edge-litert")
            if "ai-edge-litert" in software
            else ("MediaPipe", "mediapipe"),
            ("OpenCV", "opencv-contrib-python"),
            ("OpenCV", "opencv-contrib-python-headless"),
        )
        if key in software
    )
    thresholds = _thresholds(config["baseline"], session.participant)
    seen = (
        ""
        if math.isnan(quality.face_share)
        else f"; a face was found in {quality.face_share:.1%} of {quality.analysed} analysed frames"
    )
    return (
        f"It was analysed live with FMANet Live {software.get('fmanet-live', '?')} ({packages}) on "
        f"{document['machine']}{seen}. Faces were aligned by MediaPipe's landmarks, the head's "
        f"motion was removed, and expressions were spotted in the motion of facial regions with "
        f"{thresholds}."
    )


def _thresholds(baseline: dict[str, Any] | None, participant: str) -> str:
    if baseline is None:
        return "default thresholds, not measured on this participant"
    measured = baseline.get("measured") or {}
    whose = measured.get("participant")
    if not whose:
        return "thresholds of which it is not said on whom they were measured"
    how = f"({measured['setting']['camera']}, {measured['date'][:10]})"
    if whose != participant:
        return f"thresholds measured on another participant, {whose} {how}"
    return f"thresholds measured on this participant at rest {how}"


def _weights(session: Session, quality: Quality) -> str:
    del quality
    document = session.document
    weights = document["weights"]
    return (
        f"They were named from the optical flow ({document['config']['flow']}) of onset to apex "
        f"and apex to offset by the network {Path(weights['classifier']).stem} (weights SHA-256 "
        f"{weights['sha256'][:12]}…)."
    )


def _coding(session: Session, quality: Quality) -> str:
    del quality
    if not session.coder:
        return "Nobody reviewed what the program found."
    said = coded_expressions(session, session.coder)
    accepted = sum(e.verdict == "accepted" and e.number >= 0 for e in said)
    added = sum(e.verdict == "accepted" and e.number < 0 for e in said)
    rejected = sum(e.verdict == "rejected" and e.number >= 0 for e in said)
    untold = sum(e.verdict == "open" for e in said)
    return (
        f"One person (coder {session.coder}) reviewed what the program found: {accepted} accepted, "
        f"{rejected} rejected, {added} added, {untold} left as found."
    )

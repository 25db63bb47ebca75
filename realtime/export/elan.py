"""ELAN annotations (EAF 3.0, https://www.mpi.nl/tools/elan/EAFv3.0.xsd), with links to video and
sound.

Tiers: micro- and macro-expressions (their labels), their phases, action units, questions, markers,
and missing video and sound. Times are whole ms, as in ELAN. Annotations in one tier must not
overlap; those that do go into a second tier.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from model.errors import InputError
from model.files import require_new
from model.text import clean_text
from realtime.export.mp4 import write_mp4
from realtime.export.wav import may_export_sound, wav_path, write_sound
from realtime.review.session_sound import SessionSound
from realtime.sessions.export_rows import (
    event_rows,
    find_questions,
    marker_rows,
    name_files,
    split_overlaps,
)
from realtime.sessions.reader import Session

POINT_MS = 40
"""A marker's length: ELAN has no annotations without length."""

TIERS = ("micro-expressions", "macro-expressions", "phases", "action units", "questions", "markers")

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TYPE = "free"

TierSpan = tuple[int, int, str]
"""Start and end (ms), value."""


def write_elan(session: Session, folder: Path) -> list[Path]:
    """Write `<code>_<start>.eaf` with links to two files beside it: the video as MP4, because ELAN
    plays no Matroska on a Mac, and the sound as WAV, for ELAN's waveform."""
    path = require_new(folder / f"{name_files(session)}.eaf")
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "FMANet Live",
            "DATE": session.document["started_utc"],
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _XSI,
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    files = [path]
    if session.folder.parts():
        with suppress(InputError):  # the annotations are useful without the video
            files.append(write_mp4(session, folder))
            _link(header, files[-1], "video/mp4")
    if may_export_sound(session):
        wav = wav_path(session, folder)
        if not wav.exists():
            files += write_sound(session, folder)
        _link(header, wav, "audio/x-wav")
    times = ET.SubElement(root, "TIME_ORDER")
    slots = annotations = 0
    for name, spans in _lanes(_tiers(session)):
        about = {"TIER_ID": name, "LINGUISTIC_TYPE_REF": _TYPE, "PARTICIPANT": session.participant}
        tier = ET.SubElement(root, "TIER", about)
        for start, end, value in spans:
            references = {}
            for number, ms in ((1, start), (2, end)):
                slots += 1
                slot = {"TIME_SLOT_ID": f"ts{slots}", "TIME_VALUE": str(ms)}
                ET.SubElement(times, "TIME_SLOT", slot)
                references[f"TIME_SLOT_REF{number}"] = f"ts{slots}"
            annotations += 1
            annotation = ET.SubElement(
                ET.SubElement(tier, "ANNOTATION"),
                "ALIGNABLE_ANNOTATION",
                {"ANNOTATION_ID": f"a{annotations}", **references},
            )
            ET.SubElement(annotation, "ANNOTATION_VALUE").text = clean_text(value)
    last = {"NAME": "lastUsedAnnotationId"}
    ET.SubElement(header, "PROPERTY", last).text = str(annotations)
    kind = {"LINGUISTIC_TYPE_ID": _TYPE, "TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"}
    ET.SubElement(root, "LINGUISTIC_TYPE", kind)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return files


def _link(header: ET.Element, media: Path, kind: str) -> None:
    """Link a file beside this one. Both begin at 0 s, so there is no TIME_ORIGIN. The path is not
    absolute, because folders often carry people's names."""
    link = {"MEDIA_URL": media.name, "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": media.name}
    ET.SubElement(header, "MEDIA_DESCRIPTOR", link)


def _tiers(session: Session) -> dict[str, list[TierSpan]]:
    tiers: dict[str, list[TierSpan]] = {name: [] for name in TIERS}
    for row in event_rows(session):
        onset, apex, offset = (_ms(row[f"{moment}_s"]) for moment in ("onset", "apex", "offset"))
        tiers[f"{row['kind']}-expressions"].append((onset, offset, row["label"]))
        tiers["phases"] += [(onset, apex, "onset to apex"), (apex, offset, "apex to offset")]
        if row["action_units"]:
            tiers["action units"].append((onset, offset, row["action_units"]))
    for question in find_questions(session):
        tiers["questions"].append((_ms(question.start_s), _ms(question.end_s), question.name))
    for row in marker_rows(session):
        if not row["kind"].startswith("question"):
            name = row["name"] or row["kind"]
            value = f"{name}: {row['note']}" if row["note"] else name
            start = _ms(row["time_s"])
            end = start + POINT_MS if row["until_s"] is None else _ms(row["until_s"])
            tiers["markers"].append((start, end, value))
    tiers["missing video"] = [
        (_ms(start_s - session.zero_s), _ms(end_s - session.zero_s), why)
        for start_s, end_s, why in session.gaps()
    ]
    if may_export_sound(session):
        tiers["missing sound"] = [
            (_ms(start_s), _ms(end_s), why)
            for start_s, end_s, why in SessionSound(session).find_gaps()
        ]
    return tiers


def _lanes(tiers: dict[str, list[TierSpan]]) -> Iterable[tuple[str, list[TierSpan]]]:
    """Yield each tier, split into as many as it takes so that nothing in one overlaps."""
    for name, spans in tiers.items():
        # An annotation may not begin before 0, and must have a length.
        valid = [(b := max(0, start), max(end, b + 1), value) for start, end, value in spans]
        for number, lane in enumerate(split_overlaps(valid) or [[]], 1):
            yield (name if number == 1 else f"{name} {number}"), lane


def _ms(seconds: float) -> int:
    return round(seconds * 1000)

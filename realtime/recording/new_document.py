"""The content of `session.json` at the start of a recording."""

import time
from dataclasses import asdict
from typing import Any

from model.inference.checkpoint import checkpoint_digest, checkpoint_path
from model.machine import machine
from realtime.config import LiveConfig
from realtime.recording.camera_check import Check
from realtime.recording.microphone import Microphone
from realtime.recording.plan import RecordPlan
from realtime.results.run_summary import config_record, list_versions
from realtime.sessions.clock_anchors import format_utc
from realtime.sessions.crash_safe_video import CODECS, SOUND_CODEC
from realtime.sessions.folder import FORMAT, VERSION
from realtime.sources import SourceInfo


def make_document(
    config: LiveConfig,
    plan: RecordPlan,
    info: SourceInfo,
    *,
    device: str,
    microphone: Microphone | None,
    checks: tuple[Check, ...],
    warnings: tuple[str, ...],
) -> dict[str, Any]:
    """Return the document: `format`, `version`; `participant`, `consent` (`scope`, `pictures`:
    whether reports may show the face, `voice`: whether sound may be recorded, `utc`; null if none),
    `protocol`; `labels_shown`: whether pages named expressions during the recording; `started_utc`;
    `config` with the `baseline` in it; `camera` (values asked for and reported; measured ones are
    added at the end); `video`, with its `encoder` (null: JPEGs are kept) and `audio` (null: no
    sound); `weights`; `software`, `machine`, `device`; `checks`, the check list, and `warnings`,
    its failures; `lsl`. The recorder adds `state`, `anchors`, `zero_s` (the source's time of the
    first frame) and, at the end, its counts."""
    now = format_utc(time.time())
    codec = CODECS[plan.codec]
    return {
        "format": FORMAT,
        "version": VERSION,
        "participant": plan.participant,
        "consent": {
            "scope": plan.consent,
            "pictures": plan.pictures,
            "voice": plan.voice,
            "utc": now,
        }
        if plan.consent
        else None,
        "protocol": plan.protocol.document(),
        "labels_shown": plan.show_labels,
        "started_utc": now,
        "config": config_record(config),
        "camera": {**asdict(info), "paced_by_stamps": not info.live},
        "video": {
            "codec": plan.codec,
            "encoder": None if codec.keeps_jpegs else codec.encoder,
            "options": dict(codec.options),
            "lossless": codec.lossless,
            "audio": microphone
            and {
                "microphone": microphone.name,
                "hz": microphone.rate,
                "channels_mixed": microphone.channels,
                "codec": SOUND_CODEC,
                "clock": microphone.clock,
            },
        },
        "weights": {
            "classifier": config.classifier,
            "sha256": checkpoint_digest(checkpoint_path(config.classifier)),
        },
        "software": list_versions(),
        "machine": machine(),
        "device": device,
        "checks": [asdict(check) for check in checks],
        "warnings": list(warnings),
        "lsl": {"told": plan.lsl, "markers_from": plan.lsl_markers},
    }

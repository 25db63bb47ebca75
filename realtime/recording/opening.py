"""Opens a recording: checks, folder, document, recorder."""

from collections.abc import Callable, Mapping

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.recording.checks import check_list, enforce, require_jpegs, require_room
from realtime.recording.document import describe
from realtime.recording.lsl import Streams, check_stream, library
from realtime.recording.microphone import Microphone
from realtime.recording.plan import RecordPlan
from realtime.recording.recorder import SessionRecorder
from realtime.recording.sound_track import SoundTrack
from realtime.sessions.folder import create_folder, disk_speed
from realtime.sources import Source


def open_recorder(
    config: LiveConfig,
    plan: RecordPlan,
    source: Source,
    device: str,
    losses: Callable[[], Mapping[str, int]],
    microphone: Microphone | None,
) -> SessionRecorder:
    """Return the recorder that `plan` asks for, in a folder of its own.

    Raises `InputError` if there is no room, if JPEGs should be kept but none come, if a check fails
    under `--strict`, or if the folder cannot be written to. `losses`: see `SessionRecorder`.
    """
    if plan.lsl or plan.lsl_markers:
        library()
    if plan.lsl_markers:
        check_stream(plan.lsl_markers)
    info = source.info
    require_jpegs(plan, info)
    require_room(plan, info, config.seconds)
    checks = check_list(plan, info, config.baseline, disk_speed(plan.folder))
    warnings = enforce(plan, checks)
    document = describe(
        config,
        plan,
        info,
        device=device,
        microphone=microphone,
        checks=checks,
        warnings=warnings,
    )
    folder = create_folder(plan.folder)
    streams = Streams(folder.path.name) if plan.lsl else None
    try:
        return SessionRecorder(
            folder,
            document,
            clock=lambda: source.info.clock,
            losses=losses,
            streams=streams,
            sound=None if microphone is None else SoundTrack(folder.sound, microphone.rate),
        )
    except OSError as error:
        raise InputError(f"--record {folder.path} cannot be written: {error.strerror}") from None

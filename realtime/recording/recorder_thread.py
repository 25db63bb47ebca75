"""Recording: a thread follows the ring of a run and records it.

A microphone and another program's markers have threads of their own.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from model.errors import InputError, describe_error
from realtime.config import LiveConfig
from realtime.recording.check_list import (
    make_check_list,
    require_jpegs,
    require_room,
    warn_or_refuse,
)
from realtime.recording.lsl import MarkerStream, Streams, check_stream, import_pylsl
from realtime.recording.microphone import Microphone
from realtime.recording.new_document import make_document
from realtime.recording.notebook import Notebook
from realtime.recording.recorder import SessionRecorder
from realtime.recording.sound_track import SoundBlock, SoundTrack
from realtime.recording.status import RecordingStatus
from realtime.results.snapshot import PAUSED
from realtime.sessions.folder import create_folder, disk_speed
from realtime.sources import Source
from realtime.stream.counters import CaptureCounter
from realtime.stream.pauses import Pauses
from realtime.stream.ring import FrameRing

BEAT_S = 0.2
"""How often the recorder writes notes when no frames come. A killed program loses no more."""
END_OF_SOURCE = "end of the source"


class Recording:
    """The recording of one run."""

    def __init__(
        self,
        recorder: SessionRecorder,
        microphone: Microphone | None,
        markers_from: str,
        source: Source,
        ring: FrameRing,
        captured: CaptureCounter,
        pauses: Pauses,
    ) -> None:
        """`markers_from`: see `RecordPlan.lsl_markers`. `ring` holds the frames of `source`, and
        `captured` counts them. Sound during `pauses` is left out."""
        self.recorder = recorder
        self.notebook = Notebook(recorder, ring, lambda: source.info.clock, pauses.running)
        """Writes markers into this recording."""
        self.faults: list[str] = []
        """Failures that did not end the recording, in words."""
        self._microphone = microphone
        self._marker_stream = MarkerStream(markers_from) if markers_from else None
        self._source = source
        self._captured = captured
        self._pauses = pauses
        self._follower = ring.follow()

    @property
    def backlog(self) -> float:
        """See `RingReader.backlog`."""
        return self._follower.backlog

    def status(self) -> RecordingStatus:
        """Return a snapshot, from any thread."""
        status = self.recorder.status()
        if self._marker_stream is not None:
            status = replace(status, markers=self._marker_stream.state)
        if self._microphone is not None:
            heard = self._microphone
            status = replace(status, sound=heard.state, level_db=heard.level_db)
        return status

    def write(self, finished: threading.Event, ended: Callable[[str], str]) -> None:
        """Write every frame, then notes until `finished`. The recorder thread runs this. `ended`
        turns the reason why the source ended into the reason why the recording ended."""
        reason = END_OF_SOURCE
        try:
            for taken in self._follower.beats(BEAT_S):
                if taken is None:
                    self.recorder.beat()
                else:
                    self.recorder.write(taken[0], self._follower.missed)
        except BaseException as error:  # a capture error, which the pipeline reports
            reason = describe_error(error)
        finally:
            while not finished.wait(BEAT_S):
                self.recorder.beat()
            captured = self._captured
            results: dict[str, Any] = {
                "measured": {"fps": captured.fps(), "seconds": captured.seconds()}
            }
            try:
                status = self._source.status()
                results["source"] = {
                    "frames": status.frames,
                    "dropped": dict(status.dropped),
                    "unusable": dict(status.unusable),
                    "message": status.message,
                }
            except Exception as error:
                self.faults.append(describe_error(error))
            self.recorder.close("; ".join([ended(reason), *self.faults]), **results)

    def listeners(
        self, finished: threading.Event, captured_all: threading.Event
    ) -> dict[str, Callable[[], None]]:
        """Return the function of each further thread, by thread name."""
        actions: dict[str, Callable[[], None]] = {}
        if self._marker_stream is not None:
            mark, tell = self.notebook.add_external, self.notebook.note_stream
            take = partial(self._marker_stream.listen, mark, tell, finished)
            actions["lsl"] = partial(self._listen, "markers from LSL", take)
        if self._microphone is not None:
            listen = partial(self._microphone.listen, self._hear, captured_all)
            actions["sound"] = partial(self._listen, "sound", listen)
        return actions

    def _listen(self, what: str, listen: Callable[[], None]) -> None:
        """Run `listen`. If it fails, the recording goes on without it."""
        try:
            listen()
        except Exception as error:
            self.faults.append(f"{what} failed: {describe_error(error)}")

    def _hear(self, block: SoundBlock) -> None:
        assert self._microphone is not None
        # A block may arrive some tenths of a second late; what counts is when it was spoken.
        end_s = block.time_s + block.count / self._microphone.rate
        self.recorder.take_sound(block, PAUSED if self._pauses.overlap(block.time_s, end_s) else "")


def open_recording(
    config: LiveConfig,
    device: str,
    source: Source,
    ring: FrameRing,
    captured: CaptureCounter,
    pauses: Pauses,
) -> Recording | None:
    """Create the folder for the recording that `config.record` asks for; return the recording, or
    None if it asks for none.

    Raises `InputError` if the microphone or LSL is missing, the disk has no room, JPEGs should be
    kept but the source delivers none, a check fails under `--strict`, or the folder cannot be
    written to.
    """
    plan, info = config.record, source.info
    if plan is None:
        return None
    microphone = Microphone(plan.audio) if plan.audio else None
    if plan.lsl or plan.lsl_markers:
        import_pylsl()
    if plan.lsl_markers:
        check_stream(plan.lsl_markers)
    require_jpegs(plan, info)
    require_room(plan, info, config.seconds)
    checks = make_check_list(plan, info, config.baseline, disk_speed(plan.folder))
    document = make_document(
        config,
        plan,
        info,
        device=device,
        microphone=microphone,
        checks=checks,
        warnings=warn_or_refuse(plan, checks),
    )
    folder = create_folder(plan.folder)
    streams = Streams(folder.path.name) if plan.lsl else None

    def losses() -> Mapping[str, int]:
        status = source.status()
        return {**status.dropped, **status.unusable, PAUSED: captured.pause_frames}

    try:
        recorder = SessionRecorder(
            folder,
            document,
            clock=lambda: source.info.clock,
            losses=losses,
            streams=streams,
            sound=None if microphone is None else SoundTrack(folder.sound, microphone.rate),
        )
    except OSError as error:
        raise InputError(f"--record {folder.path} cannot be written: {error.strerror}") from None
    return Recording(recorder, microphone, plan.lsl_markers, source, ring, captured, pauses)

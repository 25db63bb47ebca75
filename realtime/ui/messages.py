"""Messages between the page's script and this program. Any client may send anything, so everything
that comes in is checked.

Frames go out as binary messages, all others as JSON. A frame message is a little-endian uint32
(length of the header), the header as JSON, and the parts that the header lists in `parts` as
[[name, bytes], …]. The last part is the JPEG."""

import json
import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, FiniteFloat, ValidationError

from model.records import ArrayF32, Event, Prediction, SpotUpdate, Step
from model.synthetic.action_units import load_catalogue
from model.text import clean_text
from realtime.config import LiveConfig
from realtime.results.demo_tally import Tally
from realtime.results.overlay import describe_frame, draw_heat, finite, reduce_motion
from realtime.results.results import SignalAt
from realtime.results.sentences import describe_in_all
from realtime.results.snapshot import Snapshot
from realtime.results.unit_activity import UnitActivity, UnitMeasurement, activity_units
from realtime.review.motion_lanes import LANES, find_lane
from realtime.sessions.ledger import describe_cause
from realtime.sources import SEEKABLE, SourceInfo, hide_password
from realtime.sources.picture_decoding import add_huffman_tables
from realtime.spotting.me_probability import AT_BAR, HIGHEST, LOWEST
from realtime.spotting.motion import FLAGS, REGIONS
from realtime.stream.clock import monotonic_s
from realtime.stream.latency import LatencySummary
from realtime.stream.packed_frame import encode_jpeg
from realtime.ui.introduction import judge_classifier, name_source

VIEW_QUALITY = 85
MAX_VIEW_PX = 1280
"""Larger pictures are shown reduced. Analysis and recording use the full size."""
_STATUS = (
    *("run", "state", "source", "message", "width", "height", "rotate", "seconds", "captured"),
    *("analysed", "faces", "device", "flow", "engine"),
)
Text = Annotated[str, AfterValidator(clean_text)]
"""Text from a page, with lone surrogates and control characters replaced."""
MAX_CHARACTERS = 4096
"""The most characters of a message. Parsing millions takes a second in which nothing else runs."""


class ViewerMessage(BaseModel):
    """A message from a page. An empty one asks for nothing."""

    model_config = ConfigDict(strict=True)

    ack: int | None = None
    """Number of a frame message that the page is done with."""
    painted_s: FiniteFloat | None = None
    """When it was painted, on this program's monotonic clock; None if a newer one was instead."""
    ping: FiniteFloat | None = None
    """Time on the page's clock, which the answer repeats."""
    do: Literal["start", "pause", "stop", "switch", "rotate", "seek", "ask"] | None = None
    source: str = ""
    """Of `switch`."""
    rotate: int | None = None
    """Of `rotate`: degrees clockwise."""
    to_s: FiniteFloat | None = None
    """Of `seek`: s from the beginning of the recording."""
    probability: FiniteFloat | None = None
    """Of `ask`: the least probability with which a micro-expression is one."""
    sure: bool = False
    """The person has confirmed the command."""


def parse_message(text: str) -> ViewerMessage | None:
    """Return the message in `text`: an empty one if it is not valid, None if it is longer than
    `MAX_CHARACTERS`."""
    if len(text) > MAX_CHARACTERS:
        return None
    try:
        return ViewerMessage.model_validate_json(text)
    except ValidationError:
        return ViewerMessage()


def answer_ping(message: ViewerMessage) -> dict[str, Any]:
    """Return the answer to a ping, from which the page computes how its clock differs from this
    program's."""
    return {"type": "pong", "ping": message.ping, "server_s": monotonic_s()}


class FrameEncoder:
    """Encodes the newest frame once for all viewers. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._step: Step | None = None
        self._parts: dict[str, bytes] = {}
        self._activity = UnitActivity()
        self._units: UnitMeasurement | None = None
        self._measured = (-1, -math.inf)  # the run, and the time of the newest step in it

    def measure_units(self, step: Step, run: int) -> UnitMeasurement | None:
        """Return the newest measurement of the action units in `run`, of `step` or of one before;
        None before there is one."""
        time_s = step.frame.stamp.time_s
        with self._lock:
            before, last_s = self._measured
            if run != before:
                self._activity, self._units = UnitActivity(), None
            if run != before or time_s > last_s:  # not for every viewer
                self._measured = run, time_s
                self._units = self._activity.measure(step.motion) or self._units
            return self._units

    def parts(self, step: Step, rotate: int = 0) -> dict[str, bytes]:
        """Return heat map, motion field, landmarks (float32 x, y in px of the frame) and JPEG: the
        camera's own JPEG if there is one, and the source does not turn it by `rotate` degrees."""
        with self._lock:
            if self._step is not step:
                self._parts = _parts(step, rotate)
                self._step = step
            return self._parts


def make_frame_message(
    number: int,
    step: Step,
    event: Event | None,
    signals: Iterable[SignalAt],
    parts: Mapping[str, bytes],
    captured_s: float,
    *,
    large: Prediction | None = None,
    units: UnitMeasurement | None = None,
) -> bytes:
    """Return the binary message of one frame.

    The header is that of `realtime.results.overlay.describe_frame` plus `message` (the `number`
    with which the viewer acknowledges it), `captured_s` (`realtime.stream.clock`) and `signals`:
    every sample since the last message, [time_s, strengths, thresholds, rejected], so that the plot
    is complete even if frames were skipped. `rejected` are the candidates rejected at that sample:
    [onset_s, apex_s, end_s, kind, reason]. `large`: what a large movement in progress is named so
    far, `label` and `probability`; None if there is none. `units`: how far each unit moves the
    face, [time_s, px of each], if there is a new measurement."""
    header = describe_frame(step, event)
    header["large"] = large and {
        "label": large.label,
        "probability": large.probabilities.get(large.label),
    }
    if units is not None:
        header["units"] = [units.time_s, [round(float(px), 2) for px in units.px]]
    header["message"] = number
    header["captured_s"] = captured_s
    header["signals"] = [
        [
            entry.stamp.time_s,
            _list_px(entry.signal.strength),
            _list_px(entry.signal.threshold),
            [_rejection(update) for update in entry.signal.updates if update.state == "rejected"],
        ]
        for entry in signals
    ]
    header["parts"] = [[name, len(data)] for name, data in parts.items()]
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    return b"".join((len(text).to_bytes(4, "little"), text, *parts.values()))


def make_hello(*, may_control: bool, shared: bool) -> dict[str, Any]:
    """Return the first message: what never changes, whether this viewer may control, and whether
    people at other machines can reach the page."""
    regions = [{"name": _words(name), "lane": find_lane(name)} for name in REGIONS]
    return {
        "type": "hello",
        "may_control": may_control,
        "shared": shared,
        "me_probabilities": {"lowest": LOWEST, "usual": AT_BAR, "highest": HIGHEST},
        "lanes": list(LANES),
        "regions": regions,
        "flags": dict(FLAGS),
        "units": {name: unit.name for name, unit in load_catalogue().units.items()},
        "activity_units": list(activity_units()),
    }


def make_status(
    snapshot: Snapshot,
    config: LiveConfig,
    *,
    badge: str,
    info: SourceInfo | None,
    restless: Mapping[str, float],
    tally: Tally | None,
    start_s: float,
    painted: LatencySummary,
    labels_hidden: bool,
) -> dict[str, Any]:
    """Return the status. `config`: the run's, with the values to ask of a browser's camera; `info`:
    its source, if one is open; `restless`: the regions in constant motion, with their thresholds;
    `tally`: of a demo; `start_s`: the source's time at which the run began; `painted`: this
    viewer's delay from capture to paint; `labels_hidden`: events come without names."""
    worth = judge_classifier(config.classifier)
    return {
        "type": "status",
        **{name: getattr(snapshot, name) for name in _STATUS},
        "badge": badge,
        "kind": "" if info is None else info.kind,
        "length_s": None if info is None or info.kind not in SEEKABLE else info.duration_s,
        "chip": "" if info is None else name_source(info, config.source),
        "spec": hide_password(config.source),
        "trained": worth.trained,
        "weak_units": worth.weak_units,
        "restless": _restless_lanes(restless),
        "tally": None if tally is None else asdict(tally),
        "labels_hidden": labels_hidden,
        "least_me_probability": config.least_me_probability,
        "start_s": start_s,
        "asked": {"width": config.width, "height": config.height, "fps": config.fps},
        "fps": snapshot.fps_measured,
        "dropped": {describe_cause(cause): n for cause, n in snapshot.dropped.items()},
        "frame_to_result": asdict(snapshot.frame_to_result),
        "decision": asdict(snapshot.decision),
        "painted": asdict(painted),
        "classifier": Path(snapshot.classifier).stem,
    }


def make_event_message(event: Event, *, hide_label: bool = False) -> dict[str, Any]:
    """Return one line of the event list, times in s of the source. With `hide_label`, nothing in it
    says how the expression was named."""
    window, prediction = event.window, None if hide_label else event.prediction
    gone = event.state == "withdrawn"
    return {
        "type": "event",
        "number": event.number,
        "state": event.state,
        "kind": window.kind,
        "onset_s": window.onset.time_s,
        "apex_s": window.apex.time_s,
        "offset_s": None if window.offset is None else window.offset.time_s,
        "score": finite(window.score),
        "me_probability": window.me_probability,
        "label": None if prediction is None else prediction.label,
        "label_hidden": hide_label,
        "probabilities": {} if prediction is None else dict(prediction.probabilities),
        "action_units": {} if prediction is None else dict(prediction.action_units),
        "reason": event.reason,
        "sentences": {} if gone else describe_in_all(event, named=not hide_label),
        "pictures": len(event.crops),
    }


def make_forgotten(numbers: Iterable[int], spans: Iterable[tuple[float, float]]) -> dict[str, Any]:
    """Return what the page must no longer show: events by number, and motion by the forgotten spans
    (start and end in s of the source)."""
    return {"type": "forgotten", "numbers": sorted(numbers), "spans": list(spans)}


def _restless_lanes(restless: Mapping[str, float]) -> dict[str, float]:
    """Return the lanes of which all regions are in constant motion, each with its lowest
    threshold, crop px."""
    by_lane = {lane: [r for r in REGIONS if find_lane(r) == lane] for lane in LANES}
    return {
        lane: min(restless[region] for region in regions)
        for lane, regions in by_lane.items()
        if all(region in restless for region in regions)
    }


def _list_px(values: ArrayF32) -> list[float | None]:
    """Return motion in px for JSON, to four digits; None where a threshold is infinite."""
    return [finite(value) for value in values.astype(np.float64).round(4).tolist()]


def _rejection(update: SpotUpdate) -> list[float | str]:
    window = update.window
    moments = [window.onset.time_s, window.apex.time_s, window.end.time_s]
    return [*moments, window.kind, update.reason]


def _parts(step: Step, rotate: int) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    grid = draw_heat(step)
    if grid is not None:
        parts["heat"] = grid.tobytes()
    field = reduce_motion(step)
    if field is not None:
        parts["field"] = field.tobytes()
    if step.face is not None:
        parts["landmarks"] = step.face.landmarks_px.astype("<f4").tobytes()
    image = step.frame.image
    longest = max(image.shape[:2])
    if step.frame.packed is not None and not rotate and longest <= MAX_VIEW_PX:
        return {**parts, "jpeg": add_huffman_tables(step.frame.packed)}
    if longest > MAX_VIEW_PX:
        scale = MAX_VIEW_PX / longest
        image = np.asarray(
            cv2.resize(image, (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    parts["jpeg"] = encode_jpeg(image, VIEW_QUALITY)
    return parts


def _words(region: str) -> str:
    """Return a region in words: `brow_inner_right` → `right inner brow`."""
    words = region.split("_")
    side = [words.pop()] if words[-1] in ("right", "left") else []
    if words[-1] in ("inner", "middle", "outer", "upper", "lower"):
        words.reverse()
    return " ".join(side + words)

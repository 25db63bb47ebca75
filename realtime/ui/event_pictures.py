"""Pictures of one event, made on request: its moments, the flow of both phases, its replay."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import cv2
import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, HTTPException, Query, Request, Response
from numpy.typing import NDArray

from model.errors import InputError
from model.records import Event, Frame, ImageU8, Window
from realtime.live import LiveSession
from realtime.results.flow_colour import colour_flow, draw_wheel, find_full_scale_px
from realtime.results.replay import (
    LARGEST_FACTOR,
    MAX_FRAMES,
    REPLAY_PX,
    Replay,
    magnify,
    open_replay,
)
from realtime.results.replay_film import encode_gif, encode_replay
from realtime.stream.packed_frame import encode_jpeg
from realtime.ui.access import get_person
from realtime.ui.failures import error_as_404, error_as_answer

KEPT_REPLAYS = 2
"""Opened replays that are kept, for the slider of the factor: up to 45 MB each."""
MOST_WAITING = 16
"""The most requests for replays that may wait."""
SHEET_COLUMNS = 8
REPLAY_QUALITY = 90
SAVED_FACTOR = 10.0
"""Magnification of a saved replay."""
WHEEL_PX = 192
Factor = Annotated[float, Query(ge=1, le=LARGEST_FACTOR)]
Most = Annotated[int, Query(ge=8, le=MAX_FRAMES)]
"""How many pictures a replay has at the most; a thinned one takes as much less work."""

Moment = Literal["onset", "apex", "offset"]
Phase = Literal["onset_apex", "apex_offset"]
Film = Literal["mp4", "gif"]
T = TypeVar("T")
_FILMS: dict[Film, tuple[Callable[[Replay, float], bytes], str]] = {
    "mp4": (encode_replay, "video/mp4"),
    "gif": (encode_gif, "image/gif"),
}
_MOMENTS: tuple[Moment, ...] = ("onset", "apex", "offset")


def build_picture_routes(session: LiveSession) -> APIRouter:
    """Return the routes under `/live/events/{run}/{number}/`; what is not kept is a 404."""
    router = APIRouter(prefix="/live")
    replays = Replays()
    session.on_forget(replays.clear)

    def open_event_replay(run: int, event: Event, most: int = MAX_FRAMES) -> Replay:
        # The state is in the key, because an early event's clip ends before the offset, and so are
        # the forgotten spans, because they may shorten the clip.
        forgotten = session.results.forgotten_spans()
        key = (run, event.number, event.state, forgotten, most)
        face = session.config.face
        replay = replays.open(key, lambda: session.clip(event.number), event.window, face, most)
        if session.results.forgotten_spans() != forgotten:
            raise InputError("part of it was deleted meanwhile: open it again")
        return replay

    def find_event(run: int, number: int) -> Event:
        if session.snapshot().run == run:
            for event in session.results.events():
                if event.number == number:
                    return event
        raise HTTPException(404, "this event belongs to an earlier run")

    @router.get("/wheel.png")
    def flow_wheel() -> Response:
        return _png(draw_wheel(WHEEL_PX))

    @router.get("/events/{run}/{number}/crop/{moment}.png")
    def crop(run: int, number: int, moment: Moment) -> Response:
        crops = find_event(run, number).crops
        position = _MOMENTS.index(moment)
        if position >= len(crops):
            raise HTTPException(404, f"no crop of the {moment} is kept")
        return _png(crops[position])

    @router.get("/events/{run}/{number}/flow/{phase}.png")
    def flow(run: int, number: int, phase: Phase) -> Response:
        event = find_event(run, number)
        flow = None if event.flows is None else getattr(event.flows, phase)
        full_px = _full_px(event)
        if flow is None or full_px is None:
            raise HTTPException(404, f"no flow of the phase {phase} is kept")
        crop = event.crops[0 if phase == "onset_apex" else 1]
        return _png(colour_flow(flow, full_px, crop))

    requests: Counter[bool] = Counter()
    turns = {may_control: CapacityLimiter(1) for may_control in (True, False)}

    async def wait_turn(request: Request, make: Callable[[], T]) -> T:
        """Run `make` in a thread and return its result, one request after the other: all at once
        would use up the threads and delay commands. Viewers never delay those who may control."""
        may_control = get_person(request).may_control
        if requests[may_control] > MOST_WAITING:
            raise HTTPException(503, "too many replays are waiting: try again")
        requests[may_control] += 1
        try:
            return await to_thread.run_sync(make, limiter=turns[may_control])
        finally:
            requests[may_control] -= 1

    @router.get("/events/{run}/{number}/replay.json")
    async def replay(
        request: Request, run: int, number: int, most: Most = MAX_FRAMES
    ) -> dict[str, Any]:
        @error_as_answer
        def facts() -> dict[str, Any]:
            event = find_event(run, number)
            facts = describe_replay(open_event_replay(run, event, most), event.window)
            return facts | {"full_scale_px": _full_px(event)}

        return await wait_turn(request, facts)

    @router.get("/events/{run}/{number}/replay.jpg")
    async def replay_sheet(
        request: Request, run: int, number: int, factor: Factor = 1.0, most: Most = MAX_FRAMES
    ) -> Response:
        @error_as_404
        def picture() -> Response:
            return answer_replay(open_event_replay(run, find_event(run, number), most), factor)

        return await wait_turn(request, picture)

    @router.get("/events/{run}/{number}/replay.{form}")
    async def film(request: Request, run: int, number: int, form: Film) -> Response:
        if not get_person(request).may_control:
            raise HTTPException(403, "this password only lets you look, not save")

        @error_as_404
        def clip() -> Response:
            event = find_event(run, number)
            replay = open_event_replay(run, event)
            named = None if session.hides_labels else event.prediction
            label = "expression" if named is None else named.label
            name = f"{label}-{event.window.apex.time_s:.2f}s.{form}"
            saved = {"Content-Disposition": f'attachment; filename="{name}"'}
            encode, media_type = _FILMS[form]
            return _answer(encode(replay, SAVED_FACTOR), media_type, saved)

        return await wait_turn(request, clip)

    return router


def describe_replay(replay: Replay, window: Window) -> dict[str, Any]:
    """Return what the page needs to show the replay of `window`."""
    return {
        "times_s": replay.times_s.tolist(),
        "size_px": REPLAY_PX,
        "columns": SHEET_COLUMNS,
        "largest_factor": LARGEST_FACTOR,
        "onset_s": window.onset.time_s,
        "apex_s": window.apex.time_s,
        "offset_s": None if window.offset is None else window.offset.time_s,
    }


def answer_replay(replay: Replay, factor: float) -> Response:
    """Return all pictures of a replay in one JPEG."""
    pictures = replay.pictures if factor == 1 else magnify(replay, factor)
    return answer_jpeg(_sheet(pictures), REPLAY_QUALITY)


class Replays:
    """The last opened replays. Opening one takes a face mesh and half a second: one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: OrderedDict[Hashable, Replay] = OrderedDict()

    def open(
        self,
        key: Hashable,
        clip: Callable[[], Sequence[Frame]],
        window: Window,
        face: str,
        most: int = MAX_FRAMES,
    ) -> Replay:
        """Return the replay of `window` from the frames of `clip`, kept under `key`; for `face` and
        `most` see `open_replay`. Raises `InputError` if there are no frames, or no face in them."""
        with self._lock:
            replay = self._opened.get(key)
            if replay is None:
                replay = open_replay(clip(), window, face, most)
                self._opened[key] = replay
                while len(self._opened) > KEPT_REPLAYS:
                    self._opened.popitem(last=False)
            self._opened.move_to_end(key)
            return replay

    def clear(self) -> None:
        """Drop all replays."""
        with self._lock:
            self._opened.clear()


def _full_px(event: Event) -> float | None:
    """Return one scale for both phases, so that their colours can be compared."""
    if event.flows is None:
        return None
    first, second = event.flows.onset_apex, event.flows.apex_offset
    return find_full_scale_px(first) if second is None else find_full_scale_px(first, second)


def _sheet(pictures: ImageU8) -> ImageU8:
    """Return pictures (N, S, S, 3) as one, in rows of `SHEET_COLUMNS`, the last filled up with
    black."""
    missing = -len(pictures) % SHEET_COLUMNS
    filled = np.concatenate([pictures, np.zeros((missing, *pictures.shape[1:]), np.uint8)])
    rows = filled.reshape(-1, SHEET_COLUMNS, *pictures.shape[1:])
    side = pictures.shape[1]
    sheet: ImageU8 = rows.transpose(0, 2, 1, 3, 4).reshape(
        len(rows) * side, SHEET_COLUMNS * side, 3
    )
    return sheet


def answer_jpeg(picture: ImageU8, quality: int) -> Response:
    """Return (H, W, 3) uint8 RGB as an answer that stays out of the browser's cache on disk."""
    return _answer(encode_jpeg(picture, quality), "image/jpeg")


def _png(picture: NDArray[np.uint8]) -> Response:
    if picture.ndim == 3:
        order = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        picture = np.asarray(cv2.cvtColor(picture, order), np.uint8)
    _, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return _answer(data.tobytes(), "image/png")


def _answer(data: bytes, media: str, also: Mapping[str, str] = MappingProxyType({})) -> Response:
    # Faces stay out of the browser's disk cache.
    return Response(data, media_type=media, headers={"Cache-Control": "no-store", **also})

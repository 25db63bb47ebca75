"""The results of a run so far: newest step, events, the plot's history, latencies."""

from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from threading import Condition, Lock
from types import MappingProxyType

from model.flow.key_frames import MAX_AVERAGE_S
from model.records import Event, SpotSignal, Stamp, Step
from realtime.results.event_lines import overlaps
from realtime.stream.clock import monotonic_s
from realtime.stream.latency import LatencySummary, Percentiles

HISTORY_S = 30.0
"""How far back the plot's history goes, in time of the source."""
DETAILED_EVENTS = 50
"""The last events keep their flows and crops (about 0.3 MB each); older events keep only
results."""
_RECEIVED_FRAMES = 4096  # longer than any expression, at any rate


@dataclass(frozen=True, slots=True)
class SignalAt:
    """The spotter's view of one frame, for the plot."""

    stamp: Stamp
    signal: SpotSignal


@dataclass(frozen=True, slots=True)
class Counts:
    """A copy of the numbers of a run."""

    analysed: int
    dropped: Mapping[str, int]
    """By cause: frames that were captured but not analysed."""
    faces: int
    """Analysed frames with a face."""
    frame_to_result: LatencySummary
    """From the frame's (scheduled) arrival to the end of its step."""
    decision: LatencySummary
    """From the arrival of the expression's last frame to its confirmed event."""
    painted: LatencySummary
    """From the frame's (scheduled) arrival to a viewer's screen, over all viewers."""
    stages: Mapping[str, LatencySummary]


class Results:
    """The pipeline thread adds, any thread reads or forgets. Readers hold the lock only to copy
    bounded data; a reader that waits for a step sleeps on the condition. The page's event loop,
    which records what was painted, never waits for the pipeline: these figures have a lock of their
    own."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._painting = Lock()
        self._news = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything: a new run begins."""
        with self._changed:
            self._latest: Step | None = None
            self._events: OrderedDict[int, Event] = OrderedDict()
            self._history: deque[SignalAt] = deque()
            self._received_s: deque[tuple[int, float]] = deque(maxlen=_RECEIVED_FRAMES)
            self._forgotten: list[tuple[float, float]] = []
            self._analysed = 0
            self._faces = 0
            self._dropped: Counter[str] = Counter()
            self._frame_to_result = Percentiles()
            self._decision = Percentiles()
            self._stages: dict[str, Percentiles] = {}
        with self._painting:
            self._painted = Percentiles()
            self._page_stages: dict[str, Percentiles] = {}

    def add(self, step: Step, *, waited_ms: float) -> Step:
        """Take a finished step. Returns it with the time at which its events became known, and
        without forgotten data. `waited_ms`: how long its frame waited in the ring."""
        now_s = monotonic_s()
        with self._changed:
            step = replace(step, events=self._without_forgotten(step.events, now_s))
            self._analysed += 1
            self._faces += step.face is not None
            self._received_s.append((step.frame.stamp.index, step.frame.received_s))
            forgotten = self.is_forgotten(step.frame.stamp)
            if step.signal is not None and not forgotten:
                self._history.append(SignalAt(step.frame.stamp, step.signal))
            oldest_s = step.frame.stamp.time_s - HISTORY_S
            while self._history and self._history[0].stamp.time_s < oldest_s:
                self._history.popleft()
            self._frame_to_result.add((now_s - step.frame.received_s) * 1e3)
            for stage, ms in {"wait": waited_ms, **step.timings_ms}.items():
                self._stages.setdefault(stage, Percentiles()).add(ms)
            self._take(step.events)
            if not forgotten:
                self._latest = step
            self._changed.notify_all()
        return step

    def add_named(
        self, events: tuple[Event, ...], timings_ms: Mapping[str, float]
    ) -> tuple[Event, ...]:
        """Take events that were named between two steps, and how long that took by stage; return
        them as `add` does."""
        with self._changed:
            for stage, ms in timings_ms.items():
                self._stages.setdefault(stage, Percentiles()).add(ms)
            return self.add_last(events)

    def add_last(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """Take the events decided at the end of the source; return them as `add` does."""
        with self._changed:
            events = self._without_forgotten(events, monotonic_s())
            self._take(events)
            self._changed.notify_all()
        return events

    def drop(self, cause: str, frames: int, stamps: tuple[Stamp, ...] = ()) -> None:
        """Count captured frames that will not be analysed; `stamps` are theirs, if known."""
        if frames:
            with self._changed:
                self._dropped[cause] += frames

    def add_painted(
        self, index: int, *, painted_ms: float, timings_ms: Mapping[str, float]
    ) -> None:
        """Record the delay from the (scheduled) arrival of frame `index` until a viewer saw it, and
        the times of the stages between its result and the screen."""
        with self._painting:
            self._painted.add(painted_ms)
            for stage, ms in timings_ms.items():
                self._page_stages.setdefault(stage, Percentiles()).add(ms)

    def forget(self, start_s: float, end_s: float) -> tuple[int, ...]:
        """Delete what lies between these times of the source, and what arrives later for them.
        Returns the numbers of the deleted events."""
        with self._changed:
            self._forgotten.append((start_s, end_s))
            if self._latest is not None and self.is_forgotten(self._latest.frame.stamp):
                self._latest = None
            self._history = deque(
                entry for entry in self._history if not start_s <= entry.stamp.time_s <= end_s
            )
            gone = tuple(n for n, event in self._events.items() if overlaps(event, start_s, end_s))
            for number in gone:
                del self._events[number]
            self._events.update(
                (n, self._hide_pictures(event)) for n, event in self._events.items()
            )
            return gone

    def forgotten_spans(self) -> tuple[tuple[float, float], ...]:
        """Return the forgotten spans (start, end), in times of the source."""
        with self._changed:
            return tuple(self._forgotten)

    def is_forgotten(self, stamp: Stamp) -> bool:
        """Return whether the frame of `stamp` is forgotten."""
        with self._changed:
            return any(start_s <= stamp.time_s <= end_s for start_s, end_s in self._forgotten)

    def latest_step(self, after: int | None, timeout_s: float) -> Step | None:
        """Wait until the newest step is not that of frame `after`, and return it; None if that
        takes longer than `timeout_s` or the step is forgotten. A slow viewer skips steps."""

        def is_new() -> bool:
            # Not ">", because numbers start again after a change of source.
            return self._latest is not None and self._latest.frame.stamp.index != after

        with self._changed:
            return self._latest if self._changed.wait_for(is_new, timeout_s) else None

    def events(self, newest: int | None = None) -> tuple[Event, ...]:
        """Return each event in its current state, in the order in which events were first known;
        `newest`: only so many of the last ones, because a day has thousands. Withdrawn events
        disappear once they are older than the last 50."""
        with self._changed:
            found = islice(reversed(self._events.values()), newest)
            return tuple(reversed([*found]))

    def deleted(self, numbers: Collection[int]) -> set[int]:
        """Return those of `numbers` of which there is no event any more."""
        with self._changed:
            return {number for number in numbers if number not in self._events}

    def history(self, since_s: float) -> tuple[SignalAt, ...]:
        """Return the signals of frames later than `since_s` (time of the source), at most 30 s
        back."""
        with self._changed:
            newer = takewhile(lambda entry: entry.stamp.time_s > since_s, reversed(self._history))
            return tuple(reversed([*newer]))

    def counts(self) -> Counts:
        """Return the numbers so far."""
        with self._changed:
            analysed, faces, dropped = self._analysed, self._faces, dict(self._dropped)
            frame_to_result, decision = self._frame_to_result.copy(), self._decision.copy()
            stages = {name: each.copy() for name, each in self._stages.items()}
        with self._painting:
            painted = self._painted.copy()
            stages |= {name: each.copy() for name, each in self._page_stages.items()}
        return Counts(
            analysed=analysed,
            dropped=MappingProxyType(dropped),
            faces=faces,
            frame_to_result=frame_to_result.summary(),
            decision=decision.summary(),
            painted=painted.summary(),
            stages=MappingProxyType({name: each.summary() for name, each in stages.items()}),
        )

    def _without_forgotten(self, events: tuple[Event, ...], now_s: float) -> tuple[Event, ...]:
        return tuple(
            replace(self._hide_pictures(event), emitted_s=now_s)
            for event in events
            if not any(overlaps(event, *span) for span in self._forgotten)
        )

    def _hide_pictures(self, event: Event) -> Event:
        """Return `event`, without its pictures if they may show something forgotten. Each of them
        is made from several frames around a moment."""
        window = event.window
        begin_s = window.onset.time_s - MAX_AVERAGE_S
        last_s = (window.offset or event.known_at).time_s + MAX_AVERAGE_S
        if any(start_s <= last_s and begin_s <= end_s for start_s, end_s in self._forgotten):
            return replace(event, flows=None, crops=())
        return event

    @property
    def news(self) -> int:
        """How many changes of events there were: it says whether to look at `events` again."""
        return self._news

    def _take(self, events: tuple[Event, ...]) -> None:
        self._news += len(events)
        for event in events:
            self._events[event.number] = event
            if event.state == "confirmed" and event.window.offset is not None:
                for index, received_s in reversed(self._received_s):
                    if index == event.window.offset.index:
                        self._decision.add((event.emitted_s - received_s) * 1e3)
                        break
        if not events:
            return
        older = islice(reversed(self._events), DETAILED_EVENTS, DETAILED_EVENTS + len(events))
        for number in [*older]:
            old = self._events[number]
            if old.state == "withdrawn":
                del self._events[number]
            else:
                self._events[number] = replace(old, flows=None, crops=())

"""The whole perception path as one synchronous function: `Pipeline.step(frame) -> Step`.

Live threads, offline analysis, the benchmark and the tests all call this function. So a recording
that is analysed again gives the events that were seen live. Only classification is slow; it goes to
an executor: inline by default, a worker thread live. Events come out in the order in which the
spotter decided, with any executor. Only the step that carries an event can differ.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np

from model import load_classifier
from model.face.aligned_crop import CROP_PX
from model.face.aligner import FaceAligner
from model.flow import Flow, load_flow
from model.flow.gpu import flow_on
from model.flow.key_frames import PHASE_FRAMES, crops_around, frames_between
from model.inference.checkpoint import check_fit, checkpoint_path
from model.inference.classifier import Classifier
from model.inference.engine_choice import Serving
from model.inference.naming import NamedExpression, Naming, suits_one_graph
from model.records import (
    AlignedFace,
    Event,
    Frame,
    FramePair,
    ImageU8,
    Prediction,
    SpotUpdate,
    Stamp,
    Step,
)
from realtime.perception.large_movement import LargeMovement
from realtime.perception.spotting_steps import Aligned, Aligner, Perception
from realtime.sources import SourceInfo
from realtime.spotting.baseline_file import fit_to_source
from realtime.spotting.motion import Motion
from realtime.spotting.spotter import Spotter, SpotterConfig
from realtime.stream.worker import Worker

if TYPE_CHECKING:
    from realtime.config import LiveConfig

T = TypeVar("T")

OPENCV_THREADS = 1
"""OpenCV's threads in this process."""
JOIN_S = 5.0
HISTORY_SLACK_S = 1.0
"""How much longer than the longest expression aligned faces are kept; the decision needs them."""


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """The parts of a pipeline and their options."""

    flow: str = "lk"
    """Name in `model.flow.FLOWS`: the flow of both phases."""
    classifier: str = "fmanet"
    """Name in `model.classifiers.CLASSIFIERS`, or a path to a checkpoint."""
    device: str = "cpu"
    """The torch device that the classifier runs on."""
    engine: str = "auto"
    """What runs the classifier: a name in `model.engine.ENGINES`, or `auto`."""
    spotter: SpotterConfig = field(default_factory=SpotterConfig)
    face: str = "largest"
    """Which of several faces is followed, see `model.face.choice.check_face_choice`."""


@dataclass(frozen=True, slots=True)
class _PendingEvent:
    update: SpotUpdate
    known_at: Stamp
    result: Future[NamedExpression] | None
    """None for a withdrawal: it needs no classifier, but waits for its turn."""
    crops: tuple[ImageU8, ...] = ()


class InlineExecutor(Executor):
    """Runs each submitted call at once, in the caller's thread."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Return `fn(*args, **kwargs)` as a finished future. Raises what `fn` raises."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Pipeline:
    """Turns the frames of one source, in order, into steps. Not thread-safe: use one thread."""

    def __init__(
        self,
        *,
        spotter: SpotterConfig,
        flow: Flow,
        classifier: Classifier,
        executor: Executor | None = None,
        engine: Serving | None = None,
        naming: Naming | None = None,
        motion: Motion | None = None,
        aligner: Aligner | None = None,
    ) -> None:
        """`executor` runs classification; the caller shuts it down. Default: inline. `engine` runs
        the classifier; give it if the pipeline should report on it and close it. `naming` and
        `motion` run on the CPU by default. Without `aligner`, the face mesh finds the faces."""
        self._spotter = Spotter(spotter)
        self._perception = Perception(self._spotter, motion, aligner)
        self._classifier = classifier
        self._naming = naming or Naming(flow, classifier)
        self._executor = executor or InlineExecutor()
        self._engine = engine
        self._face_worker = Worker("face", 1)
        self._ahead: tuple[Frame, Future[Aligned]] | None = None
        self._history: deque[AlignedFace] = deque()
        self._history_s = spotter.longest_s + HISTORY_SLACK_S
        self._pending: deque[_PendingEvent] = deque()
        self._named: set[int] = set()
        self._large = LargeMovement(self._name_large)

    def step(self, frame: Frame, following: Frame | None = None) -> Step:
        """Return everything that `frame` adds. Frames come in the order of their stamps. A frame
        may lack a face, or differ in size from the last.

        `following` is the frame of the next call, if it is there already. A second thread finds its
        face while this thread does motion and spotting of `frame`. That clears a backlog faster and
        does not change the steps. If another frame comes next, that face is lost."""
        ahead, self._ahead = self._ahead, None
        aligned = None if ahead is None else ahead[1].result()
        if ahead is None or aligned is None or ahead[0] is not frame:
            aligned = self._perception.align(frame)
        if following is not None:
            self._ahead = following, self._face_worker.submit(self._perception.align, following)
        return self._step(frame, aligned)

    def steps(self, frames: Iterable[Frame]) -> Iterator[Step]:
        """Yield the step of each of `frames`, as `step` does, one frame behind the input. If
        `frames` raises, the error is raised after the last step before it."""
        iterator = iter(frames)
        frame = next(iterator, None)
        while frame is not None:
            following, error = None, None
            try:
                following = next(iterator, None)
            except Exception as caught:
                error = caught
            yield self.step(frame, following)
            if error is not None:
                raise error
            frame = following

    def _step(self, frame: Frame, aligned: Aligned) -> Step:
        step = self._perception.follow(frame, aligned)
        if step.face is not None:
            self._remember(step.face)
        if step.signal is not None:
            self._submit(step.signal.updates, frame.stamp)
        self._large.push(step.motion, step.signal)
        _, timings_ms = aligned  # naming adds its times to this step's own
        return replace(step, events=tuple(self._collect(timings_ms, wait=False)))

    @property
    def large(self) -> Prediction | None:
        """The name so far of a large movement in progress; None if there is none. It is named only
        while this is read. Any thread may read it."""
        return self._large.prediction

    def track_at(self, moment: Stamp) -> int | None:
        """Return the track of the face at `moment`; None if there was none, or it is forgotten: as
        an event is found, that of its apex is still known."""
        return next((face.track for face in self._history if face.stamp == moment), None)

    def ask_for(self, least_me_probability: float) -> None:
        """From now on, find micro-expressions that are ones with at least this probability. Any
        thread may call it."""
        self._spotter.ask_for(least_me_probability)

    @property
    def is_naming(self) -> bool:
        """Whether an expression is being named."""
        return bool(self._pending)

    def take_named(self) -> tuple[tuple[Event, ...], dict[str, float]]:
        """Return the events that are named by now, and how long that took, ms by stage: they need
        not wait for the next step."""
        timings_ms: dict[str, float] = {}
        return tuple(self._collect(timings_ms, wait=False)), timings_ms

    def finish(self, last: Stamp) -> tuple[Event, ...]:
        """Return the last events, at the end of the source: decide what is still open and wait for
        every classification. `last` is the stamp of the last frame."""
        self._submit(self._perception.finish(), last)
        return tuple(self._collect({}, wait=True))

    @property
    def classifier(self) -> Classifier:
        """The network that names the expressions."""
        return self._classifier

    @property
    def engine(self) -> str:
        """What runs the classifier, and which engine is being built for it; empty if unknown."""
        return "" if self._engine is None else self._engine.describe()

    @property
    def trouble(self) -> str:
        """What failed and was replaced in engine, naming or motion; empty if nothing failed."""
        engine = "" if self._engine is None else self._engine.trouble
        return engine or self._naming.trouble or self._perception.trouble

    def warm_up(self) -> None:
        """Run every network once, so that the first frames need not wait."""
        blank: list[ImageU8] = [np.zeros((CROP_PX, CROP_PX), np.uint8)]
        still = np.zeros((PHASE_FRAMES, CROP_PX, CROP_PX), np.float32)
        frames = FramePair(still, still)
        for moments in (2, 3):
            self._naming([blank] * moments, frames)
        self._perception.warm_up()

    def close(self) -> None:
        """Stop the face thread and any engine build, each even if the other fails. The pipeline
        cannot be used afterwards. Raises `RuntimeError` if the face thread still runs after
        `JOIN_S`."""
        with ExitStack() as closing:
            closing.callback(self.close_engine)
            if not self._face_worker.stop(JOIN_S):
                raise RuntimeError(f"the thread {self._face_worker.name} does not end")

    def close_engine(self) -> None:
        """Stop building engines. Any thread may call it. It is all one can do if a step hangs."""
        if self._engine is not None:
            self._engine.close()

    def _remember(self, face: AlignedFace) -> None:
        history = self._history
        # Seen from the last face, not from this one: what was open before a gap is named after it.
        while history and history[-1].stamp.time_s - history[0].stamp.time_s > self._history_s:
            history.popleft()
        history.append(face)

    def _submit(self, updates: Sequence[SpotUpdate], known_at: Stamp) -> None:
        for update in updates:
            if update.state == "rejected":
                # Only a named expression needs to be taken back; other rejections are in the
                # signal.
                if update.candidate in self._named:
                    self._pending.append(_PendingEvent(update, known_at, None))
                continue
            self._named.add(update.candidate)
            window = update.window
            moments = [window.onset, window.apex]
            if window.offset is not None:
                moments.append(window.offset)
            crops = [self._crops_around(moment) for moment in moments]
            frames = None if self._classifier.inputs == "flows" else self._frames(moments)
            future = self._executor.submit(self._naming, crops, frames)
            shown = tuple(phase[0] for phase in crops)
            self._pending.append(_PendingEvent(update, known_at, future, shown))

    def _name_large(self, onset: Stamp, peak: Stamp) -> Future[NamedExpression] | None:
        crops = [crops_around(self._history, moment) for moment in (onset, peak)]
        if self._pending or not all(crops):  # expressions come first
            return None
        frames = None if self._classifier.inputs == "flows" else self._frames([onset, peak])
        return self._executor.submit(self._naming, crops, frames)

    def _crops_around(self, moment: Stamp) -> list[ImageU8]:
        crops = crops_around(self._history, moment)
        if not crops:
            raise RuntimeError(f"no aligned face is kept for the spotted moment {moment}")
        return crops

    def _frames(self, moments: Sequence[Stamp]) -> FramePair:
        phases = [frames_between(self._history, *ends) for ends in pairwise(moments)]
        return FramePair(phases[0], phases[1] if len(phases) == 2 else None)

    def _collect(self, timings_ms: dict[str, float], *, wait: bool) -> Iterator[Event]:
        """Yield the events that are ready, in order: a later one never overtakes an earlier one."""
        while self._pending:
            pending = self._pending[0]
            if pending.result is not None and not pending.result.done() and not wait:
                return
            self._pending.popleft()
            yield _event(pending, timings_ms)
            if pending.update.state != "apex":
                self._named.discard(pending.update.candidate)


def pipeline_config(
    config: "LiveConfig", device: str, info: SourceInfo
) -> tuple[PipelineConfig, str]:
    """Return the pipeline that `config` asks for, for an open source, and a warning (or empty).

    Raises `InputError` if the baseline does not suit that source.
    """
    spotter = SpotterConfig(least_me_probability=config.least_me_probability)
    warning = ""
    if config.baseline is not None:
        baseline, warning = fit_to_source(config.baseline, info)
        spotter = replace(spotter, baseline=baseline)
    wanted = PipelineConfig(
        config.flow, config.classifier, device, config.engine, spotter, config.face
    )
    return wanted, warning


def open_pipeline(
    config: PipelineConfig,
    executor: Executor | None = None,
    aligner: Aligner | None = None,
    *,
    settled: bool = True,
) -> Pipeline:
    """Return a pipeline with its networks loaded and warm; for the other arguments see `Pipeline`.
    If `settled`, wait until all engines are built: then no engine is replaced during the run, and
    the same frames give the same answers.

    Raises `InputError` for an unknown flow or classifier, or if the engine asked for by name is
    absent; `CheckpointError` if the classifier was trained on another flow.
    """
    classifier, engine, naming = open_naming(config)
    try:
        if settled:
            engine.wait()
        pipeline = Pipeline(
            spotter=config.spotter,
            flow=load_flow(config.flow),
            classifier=classifier,
            executor=executor,
            engine=engine,
            naming=naming,
            motion=Motion(config.device),
            aligner=aligner or FaceAligner(config.face),
        )
    except BaseException:
        engine.close()
        raise
    try:
        pipeline.warm_up()
    except BaseException:
        with suppress(Exception):  # a graph that has failed fails again when it is closed
            pipeline.close()
        raise
    return pipeline


def open_naming(config: PipelineConfig) -> tuple[Classifier, Serving, Naming]:
    """Return the networks of `config` without a pipeline: the classifier, the engine that runs it,
    and the naming that joins the flow of both phases and the classifier. The caller closes the
    engine. Raises what `open_pipeline` raises."""
    # More threads gain nothing on pictures this small. At 1280×720 they use half as much processor
    # time again; the median stays the same and the 99th percentile grows by half.
    cv2.setNumThreads(OPENCV_THREADS)
    flow = load_flow(config.flow)
    path = checkpoint_path(config.classifier)
    check_fit(path, flow=flow)  # refuses before anything is built
    engine = Serving(path, device=config.device, engine=config.engine)
    classifier = load_classifier(path, flow=flow, forward=engine)
    one_graph = None
    if suits_one_graph(flow, classifier, config.device):
        from model.inference.one_graph import OneGraph  # with PyTorch

        one_graph = OneGraph(flow, classifier, engine)
    return classifier, engine, Naming(flow_on(flow, config.device), classifier, one_graph)


def _event(pending: _PendingEvent, timings_ms: dict[str, float]) -> Event:
    update, known_at = pending.update, pending.known_at
    if pending.result is None:
        return Event(update.candidate, "withdrawn", update.window, None, update.reason, known_at)
    named = pending.result.result()
    for stage, ms in named.timings_ms.items():
        timings_ms[stage] = timings_ms.get(stage, 0.0) + ms
    return Event(
        number=update.candidate,
        state="early" if update.state == "apex" else "confirmed",
        window=update.window,
        prediction=named.prediction,
        reason=update.reason,
        known_at=known_at,
        flows=named.flows,
        crops=pending.crops,
    )

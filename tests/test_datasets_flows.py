"""Flows of clips: the same as live, computed once, left out with a reason without a face."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import layouts
import numpy as np
import pytest
from layouts import WRITERS, Made, usual

import model
from model.classifiers import Inputs
from model.datasets import DATASETS, Clip, Dataset, Footage, open_dataset
from model.datasets.cache import _DEPENDS_ON, compute_clips
from model.datasets.clip_samples import open_samples
from model.datasets.flows import collect_frames, compute_flows, find_apex, follow_clip
from model.errors import InputError
from model.face.aligned_crop import CROP_PX
from model.flow import FLOWS, Flow, load_flow
from model.flow.key_frames import crops_around
from model.inference.samples import SampleSet
from model.metrics.subject_folds import leave_one_subject_out
from model.records import (
    AlignedFace,
    Event,
    FlowPair,
    Frame,
    FramePair,
    ImageU8,
    Prediction,
    Stamp,
)
from model.synthetic.animated_face import FaceNuisance, SyntheticFace
from realtime.perception.pipeline import Pipeline
from realtime.spotting.spotter import SpotterConfig

FPS = 60.0


@lru_cache(maxsize=1)
def face() -> SyntheticFace:
    return SyntheticFace(
        seed=2, fps=FPS, size=(320, 240), nuisance=FaceNuisance(noise=0.5, sway=0.5)
    )


@lru_cache(maxsize=400)
def image(index: int) -> ImageU8:
    return face().image(index)


def portrait(made: Made, number: int) -> ImageU8:
    """Frame `number` of the animated portrait, a different stretch for each clip."""
    return image(number + 12 * (len(made.name + made.emotion) % 3))


@dataclass(frozen=True)
class Even:
    """A classifier that knows nothing: parity is about what it is given."""

    name: str = "even"
    labels: tuple[str, ...] = ("one",)
    action_units: tuple[str, ...] = ()
    inputs: Inputs = "flows"

    def classify(self, flows: FlowPair, frames: FramePair | None) -> Prediction:
        return Prediction("one", {"one": 1.0}, {}, self.name)


def live_events(images: Sequence[ImageU8]) -> list[Event]:
    pipeline = Pipeline(spotter=SpotterConfig(), flow=load_flow("lk"), classifier=Even())  # type: ignore[arg-type]
    frames = [Frame(Stamp(i, i / FPS), picture, 0.0) for i, picture in enumerate(images)]
    events = [event for frame in frames for event in pipeline.step(frame).events]
    events += pipeline.finish(frames[-1].stamp)
    pipeline.close()
    return [event for event in events if event.state == "confirmed"]


def write_pictures(folder: Path, images: Sequence[ImageU8], first: int = 1) -> Footage:
    for number, picture in enumerate(images, start=first):
        layouts.save(folder / f"img{number}.png", picture)
    return Footage.in_folder(folder, FPS)


def a_clip(footage: Footage, onset: int, apex: int | None, offset: int | None) -> Clip:
    return Clip("casme2", "01", "EP01", onset, apex, offset, "disgust", ("AU4",), "micro", footage)


@dataclass(frozen=True)
class Recording:
    """The portrait around its first micro-expression, whose frames are counted from 0."""

    images: list[ImageU8]
    onset: int
    apex: int
    offset: int


@pytest.fixture(scope="module")
def recording() -> Recording:
    truth = next(e for e in face().truth(30.0) if e.kind == "micro")
    times_s = (truth.onset_s, truth.apex_s, truth.offset_s)
    first = max(0, round((truth.onset_s - 2.0) * FPS))
    onset, apex, offset = (round(time_s * FPS) - first for time_s in times_s)
    images = [image(first + index) for index in range(offset + round(0.8 * FPS))]
    return Recording(images, onset, apex, offset)


def test_a_clip_gets_the_flows_that_the_same_frames_get_live(
    recording: Recording, tmp_path: Path
) -> None:
    footage = write_pictures(tmp_path, recording.images)
    events = live_events(recording.images)
    assert events
    for event in events:
        window, live = event.window, event.flows
        assert window.offset is not None
        assert live is not None
        numbers = [1 + moment.index for moment in (window.onset, window.apex, window.offset)]
        # Live may decide on the offset frame itself: what comes later is not averaged then.
        known = footage.between(1, 1 + event.known_at.index)
        flows = compute_flows(a_clip(known, *numbers), load_flow("lk"))
        np.testing.assert_array_equal(flows.onset_apex, live.onset_apex)
        np.testing.assert_array_equal(flows.apex_offset, live.apex_offset)


def faces_at(times_s: Sequence[float], tracks: Sequence[int]) -> list[AlignedFace]:
    return [
        AlignedFace(
            Stamp(i, time_s),
            np.full((CROP_PX, CROP_PX), i, np.uint8),
            np.zeros((468, 2), np.float32),
            np.eye(2, 3),
            track,
        )
        for i, (time_s, track) in enumerate(zip(times_s, tracks, strict=True))
    ]


def test_crops_around_a_moment_are_near_and_of_its_track() -> None:
    faces = faces_at([0.0, 0.01, 0.02, 0.03, 0.06], [0, 0, 1, 1, 1])
    assert [c[0, 0] for c in crops_around(faces, faces[2].stamp)] == [2, 3]
    assert [c[0, 0] for c in crops_around(faces, faces[0].stamp)] == [0, 1]
    assert crops_around(faces, Stamp(9, 0.045)) == []


def test_an_apex_is_found_where_the_motion_is_largest(recording: Recording, tmp_path: Path) -> None:
    footage = write_pictures(tmp_path, recording.images, first=0)
    clip = a_clip(footage, recording.onset, None, recording.offset)
    assert abs(follow_clip(clip, load_flow("lk"))[1]["apex"].index - recording.apex) <= 0.06 * FPS


@pytest.mark.parametrize(("gone", "moment"), [(1, "onset"), (6, "apex"), (9, "offset")])
@pytest.mark.parametrize("take", [compute_flows, collect_frames])
def test_a_moment_without_a_face_leaves_the_clip_out(
    take: Callable[[Clip, Flow], object], gone: int, moment: str, tmp_path: Path
) -> None:
    # Networks on flows and those on frames are compared on the same clips.
    pictures = [portrait(usual("casme2")[0], number) for number in range(1, 13)]
    pictures[gone - 1] = np.zeros_like(pictures[0])
    clip = a_clip(write_pictures(tmp_path, pictures), 1, 6, 9)
    with pytest.raises(InputError, match=f"no face found at the {moment}, frame {gone}$"):
        take(clip, load_flow("lk"))


def test_an_apex_needs_faces() -> None:
    for tracks in ([0, 1, 1], [0, 0, 1]):
        with pytest.raises(InputError, match="after it"):
            find_apex(faces_at([0.0, 0.1, 0.2], tracks), load_flow("lk"))


def test_an_apex_lies_inside_the_clip(recording: Recording, tmp_path: Path) -> None:
    """Also if the clip ends while the face still moves: at its last frame nothing would be left of
    the return."""
    footage = write_pictures(tmp_path, recording.images, first=0)
    last = (recording.onset + recording.apex) // 2
    moments = follow_clip(a_clip(footage, recording.onset, None, last), load_flow("lk"))[1]
    assert moments["onset"].index < moments["apex"].index < moments["offset"].index == last


def made(name: str, root: Path, count: int = 3) -> Dataset:
    clips = [replace(c, offset=c.offset and 12) for c in usual(name)[:: 9 // count][:count]]
    WRITERS[name](root, clips, portrait, suffix="png")
    return open_dataset(name, root)


def samples(dataset: Dataset, cache: Path, workers: int = 1) -> SampleSet:
    name = dataset.name if dataset.name in DATASETS else "csv"
    spec = f"{name}:{dataset.root}"
    return open_samples(spec, inputs="flows", flow=load_flow("lk"), cache=cache, workers=workers)


@pytest.mark.parametrize("name", DATASETS)
def test_every_layout_goes_from_check_to_flows(name: str, tmp_path: Path) -> None:
    dataset = made(name, tmp_path / "data")
    pairs = samples(dataset, tmp_path / "cache")
    assert pairs.problems == ()
    assert len(pairs) == 3
    assert np.isfinite(pairs.phases).all()
    assert pairs.subjects == tuple(f"{dataset.name}/{clip.subject}" for clip in dataset)
    assert [pairs.classes[label] for label in pairs.labels] == ["negative"] * 3
    searched = f"{dataset.name}: the apex was found by motion in 3 of 3 clips"
    assert pairs.notes == ((searched,) if name in ("smic", "casme3_c") else ())
    assert len(list(leave_one_subject_out(pairs.subjects))) == 3


def test_flows_are_computed_once(tmp_path: Path) -> None:
    dataset, cache = made("casme2", tmp_path / "data"), tmp_path / "cache"
    lk = load_flow("lk")
    part = replace(dataset, clips=dataset.clips[:2])
    list(compute_clips(part, compute_flows, lk, cache, workers=1))  # what an interrupted run leaves
    kept = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")}
    assert len(kept) == 2
    (cache / "casme2" / "torn.123.part").write_bytes(b"half a file")
    assert len(samples(dataset, cache)) == 3
    assert kept.items() <= {p: p.stat().st_mtime_ns for p in cache.rglob("*.npz")}.items()

    picture = dataset.clips[0].footage.paths[3]
    os.utime(picture, ns=(1, 1))
    samples(dataset, cache)
    assert len(list(cache.rglob("*.npz"))) == 4
    list(compute_clips(part, compute_flows, load_flow("lk", iterations=1), cache, workers=1))
    assert len(list(cache.rglob("*.npz"))) == 6


def test_flows_are_computed_again_where_what_computes_them_has_changed() -> None:
    folder = Path(model.__file__).parent
    hashed = {path for pattern in _DEPENDS_ON for path in folder.glob(pattern)}
    assert hashed > {folder / "flow" / f"{name}.py" for name in FLOWS}
    assert hashed > {*folder.glob("face/*.py")}


def test_processes_give_what_one_gives(tmp_path: Path) -> None:
    dataset = made("smic", tmp_path / "data")
    one = samples(dataset, tmp_path / "one")
    two = samples(dataset, tmp_path / "two", workers=2)
    np.testing.assert_array_equal(one.phases, two.phases)
    assert one.clips == two.clips


def test_a_clip_without_a_face_is_left_out_and_said(tmp_path: Path) -> None:
    clips = usual("casme2")[:2]
    blank = clips[1].name

    def picture(made: Made, number: int) -> ImageU8:
        return layouts.grey(made, number) if made.name == blank else portrait(made, number)

    WRITERS["casme2"](tmp_path, clips, picture, suffix="png")
    dataset = open_dataset("casme2", tmp_path)
    for _ in range(2):  # computed, then from the cache
        pairs = samples(dataset, tmp_path / "cache")
        assert len(pairs) == 1
        (problem,) = pairs.problems
        assert problem.endswith("no face found at the onset, frame 3")
        assert blank in problem


def test_no_flow_at_all_is_an_error(tmp_path: Path) -> None:
    WRITERS["samm"](tmp_path, usual("samm")[:1])
    dataset = open_dataset("samm", tmp_path)
    with pytest.raises(InputError, match="no face found at the onset"):
        samples(dataset, tmp_path / "cache")
    with pytest.raises(InputError, match="--jobs 0"):
        samples(dataset, tmp_path / "cache", workers=0)


def test_a_damaged_cache_is_said(tmp_path: Path) -> None:
    dataset, cache = made("samm", tmp_path / "data", count=1), tmp_path / "cache"
    samples(dataset, cache)
    (file,) = cache.rglob("*.npz")
    whole = file.read_bytes()
    npy = whole[whole.find(b"\x93NUMPY") :]
    for damaged in (whole[:1000], b"", npy, whole.replace(b"PK\1\2", b"PK\1\3"), b"\x80pickle"):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="delete it"):
            samples(dataset, cache)


def test_data_is_named_by_a_word_and_a_path(tmp_path: Path) -> None:
    def opened(spec: str) -> SampleSet:
        return open_samples(spec, inputs="flows", flow=load_flow("lk"), cache=tmp_path, workers=1)

    with pytest.raises(InputError, match="NAME:PATH"):
        opened("casme2")
    with pytest.raises(InputError, match="unknown data set"):
        opened("casme9:there")
    with pytest.raises(InputError, match="cannot read"):
        opened(f"maps:{tmp_path / 'maps.csv'}")

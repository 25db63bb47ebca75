"""Data sets as samples for networks; each published layout from check to scores."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from easy import easy_samples
from layouts import WRITERS, Made, usual

from model import train
from model.classifiers.phase_inputs import prepare_phase
from model.datasets import DATASETS, open_dataset
from model.datasets import __main__ as datasets_command
from model.datasets.clip_samples import RELATIVE_STRENGTH_PX, open_samples
from model.datasets.flows import collect_frames, compute_flows
from model.errors import InputError
from model.flow import load_flow
from model.flow.phase_flows import long_flows
from model.inference.samples import SampleSet, join_samples
from model.labels import ACTION_UNITS
from model.records import ImageU8
from model.synthetic.animated_face import FaceNuisance, SyntheticFace

LK = load_flow("lk")


@lru_cache(maxsize=1)
def face() -> SyntheticFace:
    return SyntheticFace(seed=1, fps=60.0, size=(320, 240), nuisance=FaceNuisance(noise=0, sway=0))


@lru_cache(maxsize=100)
def image(index: int) -> ImageU8:
    return face().image(index)


def portrait(made: Made, number: int) -> ImageU8:
    return image(number + 12 * (len(made.name + made.emotion) % 3))


def chosen(name: str) -> list[Made]:
    """Four clips of three subjects and all three classes."""
    clips = usual(name)
    return [clips[0], clips[2], clips[4], clips[6]]


def run(main: object, arguments: Sequence[str | Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["command", *map(str, arguments)])
    assert callable(main)
    main()


@pytest.mark.parametrize("name", DATASETS)
def test_every_layout_goes_from_check_to_scores(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, cache, out = tmp_path / "data", tmp_path / "cache", tmp_path / "loso"
    WRITERS[name](root, chosen(name), portrait, suffix="png")
    run(datasets_command.main, ["check", f"{name}:{root}"], monkeypatch)
    assert "4 expressions of 3 subjects" in capsys.readouterr().out
    flows = ["flows", f"{name}:{root}", "--cache", cache, "--jobs", "1"]
    run(datasets_command.main, flows, monkeypatch)
    assert f"4 clips in {cache / 'clips'}" in capsys.readouterr().out
    computed = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")}
    assert len(computed) == 4
    options = ["--data", f"{name}:{root}", "--loso", "--epochs", "1", "--cache", cache]
    threads = ["--jobs", "1", "--threads", "1"]
    run(train.main, ["ststnet", "--out", out, *options, *threads], monkeypatch)
    assert "4 clips of 3 subjects, pooled over folds" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")} == computed
    report = json.loads((out / "report.json").read_text())
    assert np.sum(report["confusion"]) == 4
    assert report["left_out"] == []
    assert 0 <= report["uf1"]["value"] <= 1
    assert len(list(out.glob("*.safetensors"))) == 3


def casme2(root: Path, clips: Sequence[Made]) -> str:
    WRITERS["casme2"](root, clips, portrait, suffix="png")
    return f"casme2:{root}"


def test_the_clips_of_megc_2019_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = chosen("casme2")
    fear = replace(clips[0], name="EP09_01f", emotion="fear")
    spec, out = casme2(tmp_path / "data", [*clips, fear]), tmp_path / "loso"
    common = ["--loso", "--steps", "2", "--cache", tmp_path / "cache", "--jobs", "1"]
    options = ["ststnet", "--data", spec, "--megc2019", "--out", out, *common, "--threads", "1"]
    run(train.main, options, monkeypatch)
    said = "MEGC 2019's list of casme2: clips 4, published 145"
    assert said in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert report["clips"] == 4
    assert report["notes"][0].startswith(said)
    assert report["recipe"]["data"] == {"sets": ["casme2"], "classes": 3, "megc2019": True}
    assert (report["recipe"]["steps"], report["recipe"]["epochs"]) == (2, 2)
    with pytest.raises(InputError, match="casme2, samm, smic in 3 classes, got casme2 in 4"):
        run(train.main, [*options, "--classes", "4"], monkeypatch)


def test_a_clip_is_the_same_sample_for_each_kind_of_network(tmp_path: Path) -> None:
    spec = casme2(tmp_path / "data", usual("casme2")[:1])
    (clip,) = open_dataset("casme2", tmp_path / "data")
    frames, flows = collect_frames(clip, LK), compute_flows(clip, LK)
    expected = {
        "flows": (flows.onset_apex, flows.apex_offset),
        "frames": (frames.onset_apex, frames.apex_offset),
        "long_flows": long_flows(LK, frames),
    }
    for inputs, phases in expected.items():
        for _ in range(2):  # computed, then from the cache
            samples = open_samples(
                spec,
                inputs=inputs,  # type: ignore[arg-type]
                flow=LK,
                cache=tmp_path / "cache",
                workers=1,
            )
            for n, phase in enumerate(phases):
                assert phase is not None
                wanted = prepare_phase(inputs, phase[None])[0]  # type: ignore[arg-type]
                np.testing.assert_allclose(samples.phases[0, n], wanted, atol=2e-3)
            assert samples.inputs == inputs
            assert samples.both_phases.tolist() == [True]
            assert samples.subjects == ("casme2/01",)
            coded = dict(zip(ACTION_UNITS, samples.action_units[0], strict=True))
            assert {unit for unit, there in coded.items() if there} == {"AU4", "AU12"}


def test_classes_are_merged_and_uncoded_units_are_unknown(tmp_path: Path) -> None:
    clips = [
        Made("01", "EP01", "disgust", units="4"),
        Made("02", "EP02", "others", units=""),
        Made("17", "EP03", "repression", offset=0),
    ]
    spec = casme2(tmp_path / "data", clips)

    def opened(classes: int) -> SampleSet:
        return open_samples(
            spec, inputs="flows", flow=LK, cache=tmp_path / "c", workers=1, classes=classes
        )

    three, five = opened(3), opened(5)
    assert three.labels.tolist() == [0, 0]
    assert three.both_phases.tolist() == [True, False]
    assert not three.phases[1, 1].any()
    assert [five.classes[n] for n in five.labels] == ["disgust", "others", "repression"]
    assert np.isnan(five.action_units[1]).all()
    assert np.isfinite(five.action_units[0]).all()
    with pytest.raises(InputError, match="no merge"):
        opened(6)


@pytest.mark.parametrize("inputs", ["flows", "frames"])
def test_what_is_left_out_is_said_with_the_samples(inputs: str, tmp_path: Path) -> None:
    def shown(made: Made, number: int) -> ImageU8:
        picture = portrait(made, number)
        return np.zeros_like(picture) if made.name == "EP02" and number > 3 else picture

    clips = [Made("01", "EP01", "disgust"), Made("01", "EP02", "fear"), Made("02", "EP03", "bored")]
    WRITERS["casme2"](tmp_path / "data", clips, shown, suffix="png")
    samples = open_samples(
        f"casme2:{tmp_path / 'data'}",
        inputs=inputs,  # type: ignore[arg-type]
        flow=LK,
        cache=tmp_path / "cache",
        workers=1,
    )
    assert len(samples) == 1
    unknown, faceless = join_samples([samples]).problems
    assert unknown.startswith("2/EP03: unknown emotion 'bored'")
    assert faceless == "casme2/01/EP02@3: no face found at the apex, frame 6"
    assert samples.summary() == f"casme2: 1 clips of 1 subjects; 2 left out, the first: {unknown}"


def write_maps(folder: Path, map_: object, labels: Sequence[str] = ("positive",)) -> str:
    folder.mkdir()
    lines = ["file,subject,clip,label"]
    for n, label in enumerate(labels):
        np.save(folder / f"{n}.npy", map_)  # type: ignore[arg-type]
        lines.append(f"{n}.npy,s{n},c{n},{label}")
    (folder / "maps.csv").write_text("\n".join(lines))
    return f"maps:{folder}"


def test_maps_are_samples_in_px_of_the_crop(tmp_path: Path) -> None:
    flow = np.full((2, 28, 28), 0.25, np.float32)
    spec = write_maps(tmp_path / "maps", flow, ["positive", "disgust", "others"])
    samples = open_samples(spec, inputs="flows", flow=LK, cache=tmp_path, workers=1)
    assert samples.labels.tolist() == [1, 0]
    assert samples.both_phases.tolist() == [False, False]
    np.testing.assert_allclose(samples.phases[:, 0], 0.25 * 128 / 28, rtol=1e-3)
    assert np.isnan(samples.action_units).all()
    with pytest.raises(InputError, match="needs the pictures"):
        open_samples(spec, inputs="frames", flow=LK, cache=tmp_path, workers=1)


def test_maps_that_lost_their_scale_get_a_usual_one(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(100, 160, (3, 28, 28)).astype(np.uint8)
    for name, array in (("one", levels), ("two", (2 * (levels.astype(int) - 130) + 130))):
        spec = write_maps(tmp_path / name, array.clip(0, 255).astype(np.uint8))
        samples = open_samples(spec, inputs="flows", flow=LK, cache=tmp_path, workers=1)
        (first,) = samples.phases[:, 0].astype(np.float32)
        inner = first[:, 4:, 8:-8]
        assert np.sqrt(2 * (inner**2).mean()) == pytest.approx(RELATIVE_STRENGTH_PX, rel=0.01)


def test_sets_are_joined_if_they_fit() -> None:
    one = easy_samples(3, 0)
    other = easy_samples(3, 1).take([0, 2])
    joined = join_samples([one, other])
    assert joined.clips == (*one.clips, *other.clips)
    np.testing.assert_array_equal(joined.phases[3:], other.phases)
    with pytest.raises(InputError, match="classes"):
        join_samples([one, replace(other, classes=("a", "b", "c"))])
    with pytest.raises(InputError, match="inputs"):
        join_samples([one, replace(other, inputs="frames")])

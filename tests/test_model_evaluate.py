"""Evaluation: what is measured, written, and refused."""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from easy import easy_samples
from layouts import WRITERS, usual

from model import evaluate
from model.cli import exit_code
from model.errors import InputError
from model.evaluation.result import Evaluation, evaluate_answers, format_evaluations, format_table
from model.inference.checkpoint import Checkpoint, read_checkpoint
from model.inference.predictions import run_network
from model.inference.samples import SampleSet
from model.labels import ACTION_UNITS
from model.metrics.checkpoint_scores import measure_checkpoint
from model.records import ImageU8
from model.synthetic.animated_face import FaceNuisance, SyntheticFace
from model.training.leakage import list_training_sets
from model.training.loop import fit
from model.training.recipe import Recipe
from model.training.training_samples import Sources

SAMPLES = easy_samples(60, 0, none_share=0.2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learnt its samples, for the units that data sets have."""
    path = tmp_path_factory.mktemp("net") / "easy.safetensors"
    recipe = Recipe(
        "mmcof-cnn", epochs=6, batch=24, learning_rate=8e-3, data={"sets": ["synthetic", "samm"]}
    )
    fit(recipe, coded(easy_samples(144, 1, none_share=0.2)), coded(SAMPLES), path)
    return path


def coded(samples: SampleSet) -> SampleSet:
    units = np.full((len(samples), len(ACTION_UNITS)), np.nan, np.float32)
    units[:, :4] = samples.action_units
    return replace(samples, action_units=units, action_unit_names=ACTION_UNITS)


def maps(folder: Path, count: int = 18, subjects: int = 3) -> str:
    """Those samples as maps of 64 px that someone exchanged."""
    samples = easy_samples(count, 3, subjects=subjects)
    folder.mkdir()
    rows = []
    for n in range(count):
        label = {0: "disgust", 1: "happiness", 2: "surprise"}[int(samples.labels[n])]
        for phase, flow in zip(("onset_apex", "apex_offset"), samples.phases[n], strict=True):
            np.save(folder / f"{n}-{phase}.npy", flow.astype(np.float32) / 2)  # px of the map
            rows.append([f"{n}-{phase}.npy", samples.subjects[n], n, label, phase])
    with (folder / "maps.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "subject", "clip", "label", "phase"])
        writer.writerows(rows)
    return f"maps:{folder}"


def run(arguments: Sequence[object], monkeypatch: pytest.MonkeyPatch, cache: Path) -> int:
    common = ["--cache", cache, "--jobs", "1", "--threads", "1"]
    monkeypatch.setattr("sys.argv", ["evaluate", *map(str, [*arguments, *common])])
    return exit_code(evaluate.main)


def one(samples: SampleSet, path: Path) -> Evaluation:
    return evaluate_answers("easy", run_network(path, samples), samples, protocol="holdout")


def test_figures_are_those_of_the_samples_with_an_expression(trained: Path) -> None:
    samples = coded(SAMPLES)
    found = measure_checkpoint(trained, samples)
    named = np.flatnonzero(samples.labels >= 0)
    assert found["samples"] == len(named)
    assert found["samples_without_expression"] == 60 - len(named)
    said = run_network(trained, samples).probabilities
    right = said[named].argmax(axis=1) == samples.labels[named]
    assert found["accuracy"] == pytest.approx(right.mean())
    assert found["accuracy"] > 0.9
    assert found["uf1_low"] <= found["uf1"] <= found["uf1_high"]
    least = read_checkpoint(trained)[0].least_confidence
    assert least > 1 / 3
    rest = said[samples.labels < 0].max(axis=1)
    assert found["refused_without_expression"] == pytest.approx((rest < least).mean())
    assert (rest < least).mean() > 0.5
    assert found["refused"] < 0.2
    only = run_network(trained, samples, first_phase_only=True).probabilities[named]
    expected = (only.argmax(axis=1) == samples.labels[named]).mean()
    assert found["first_phase_accuracy"] == pytest.approx(expected)


def test_what_weights_have_seen_includes_where_they_started(trained: Path, tmp_path: Path) -> None:
    assert list_training_sets(read_checkpoint(trained)[0]) == {"synthetic", "samm"}
    tuned = Recipe("mmcof-cnn", epochs=1, batch=12, data={"sets": ["casme2"]})
    out = tmp_path / "tuned.safetensors"
    fit(tuned, coded(easy_samples(12, 2)), None, out, init=trained)
    assert list_training_sets(read_checkpoint(out)[0]) == {"casme2", "synthetic", "samm"}
    assert list_training_sets(Checkpoint("fmanet", ("a",), (), "lk", {})) == frozenset()


def test_maps_of_one_data_set_may_test_what_maps_of_another_taught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = maps(tmp_path / "one"), maps(tmp_path / "other", 6, 2)
    out = tmp_path / "net.safetensors"
    said = Sources(specs=(one,)).summary()
    assert said["sets"] == ["one"]
    recipe = Recipe("mmcof-cnn", options={"width": 4}, epochs=1, batch=12, data=said)
    fit(recipe, coded(easy_samples(12, 2)), None, out)
    assert run([out, "--data", other], monkeypatch, tmp_path) == 0
    capsys.readouterr()
    assert run([out, "--data", f"{one}/maps.csv"], monkeypatch, tmp_path) == 2
    assert "was trained on one: it would be tested on faces" in capsys.readouterr().err


def test_a_hold_out_is_measured_and_written(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, spec = tmp_path / "out", maps(tmp_path / "maps")
    assert run([trained, "--data", spec, "--out", out], monkeypatch, tmp_path) == 0
    shown = capsys.readouterr().out
    assert re.search(r"easy +maps +18 +1\.000 \(1\.000–1\.000\)", shown)
    (said,) = json.loads((out / "evaluation.json").read_text())["evaluations"]
    assert np.sum(said["confusion"]) == said["figures"]["samples"] == 18
    assert [each["subject"] for each in said["subjects"]] == [f"maps/easy/0{n}" for n in range(3)]
    assert sum(each["clips"] for each in said["bins"]) == 18
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert run([trained, "--data", spec, "--out", out], monkeypatch, tmp_path) == 2
    assert "evaluation.json exists, and results are never overwritten" in capsys.readouterr().err
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}
    assert run([trained, "--data", spec, "--first-phase"], monkeypatch, tmp_path) == 0
    assert "onset → apex alone" in capsys.readouterr().out


def test_fmanet_is_measured_unless_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for typed, names in (([], ["fmanet"]), (["all"], ["all"]), (["a", "b"], ["a", "b"])):
        monkeypatch.setattr("sys.argv", ["evaluate", *typed])
        assert evaluate._arguments().networks == names
        assert evaluate._arguments().view is None  # as in the network's training


@pytest.mark.parametrize("start", ["checkpoint", "nothing"])
def test_each_subject_is_left_out(
    start: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = trained if start == "checkpoint" else "ststnet"
    out, spec = tmp_path / "out", maps(tmp_path / "maps")
    options = ["--protocol", "loso", "--epochs", "1", "--data", spec, "--out", out]
    assert run([name, *options], monkeypatch, tmp_path) == 0
    folds = [line for line in capsys.readouterr().out.splitlines() if "named right" in line]
    assert len(folds) > 2
    for line, left in zip(folds[:-1], range(len(folds) - 1, 0, -1), strict=True):
        assert re.search(rf"; about \d+ min for the {left} left$", line)
    assert folds[-1].endswith("named right")
    (said,) = json.loads((out / "evaluation.json").read_text())["evaluations"]
    report = json.loads((out / Path(name).stem / "report.json").read_text())
    assert said["confusion"] == report["confusion"]
    assert said["figures"]["uf1"] == pytest.approx(report["uf1"]["value"])
    assert said["figures"]["uar_high"] == pytest.approx(report["uar"]["high"])


def test_answers_for_classes_of_other_shares(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nearly certain shares leave one answer; those of the data are said where they are used."""
    spec, named = maps(tmp_path / "maps"), {}
    for prior in ("equal", "data", "1e60,1,1"):
        out = tmp_path / prior
        options = [trained, "--data", spec, "--prior", prior, "--out", out]
        assert run(options, monkeypatch, tmp_path) == 0
        (named[prior],) = json.loads((out / "evaluation.json").read_text())["evaluations"]
    assert named["equal"]["remark"] == ""
    assert "those of the other subjects' clips" in named["data"]["remark"]
    counts = np.array(named["1e60,1,1"]["confusion"])
    assert counts[:, 0].sum() == counts.sum() == np.sum(named["equal"]["confusion"])
    capsys.readouterr()
    for prior in ("1,1", "often", "0,1,1", "nan,1,1"):
        assert run([trained, "--data", spec, "--prior", prior], monkeypatch, tmp_path) == 2
        assert "a number above 0 for each of negative" in capsys.readouterr().err


@pytest.fixture(scope="module")
def pictures() -> list[ImageU8]:
    face = SyntheticFace(seed=1, fps=60.0, size=(320, 240), nuisance=FaceNuisance(noise=0, sway=0))
    return [face.image(number) for number in range(9)]


@pytest.mark.parametrize("name", WRITERS)
def test_every_layout_goes_from_its_folder_to_scores(
    name: str, pictures: list[ImageU8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [replace(clip, offset=clip.offset and 12) for clip in usual(name)[::2]]
    root, out = tmp_path / "data", tmp_path / "out"
    WRITERS[name](root, clips, lambda made, number: pictures[number % 9], suffix="png")
    options = ["--protocol", "loso", "--epochs", "1", "--data", f"{name}:{root}", "--out", out]
    assert run(["ststnet", *options], monkeypatch, tmp_path / "cache") == 0
    (said,) = json.loads((out / "evaluation.json").read_text())["evaluations"]
    assert said["figures"]["subjects"] == len({clip.subject for clip in clips}) == 3
    assert np.sum(said["confusion"]) == len(clips)
    assert sum(each["clips"] for each in said["subjects"]) == len(clips)


def test_each_data_set_is_tested_by_networks_of_the_others(
    trained: Path, pictures: list[ImageU8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = usual("casme2")
    root, out = tmp_path / "casme2", tmp_path / "out"
    WRITERS["casme2"](
        root, [clips[0], clips[2]], lambda made, number: pictures[number % 9], suffix="png"
    )
    data = f"casme2:{root},{maps(tmp_path / 'maps', 6, 2)}"
    options = ["--protocol", "cross", "--epochs", "1", "--data", data, "--out", out]
    assert run([trained, *options], monkeypatch, tmp_path) == 0
    first, second = json.loads((out / "evaluation.json").read_text())["evaluations"]
    assert (first["network"], first["data"]) == ("easy on casme2", "maps")
    assert (second["network"], second["data"]) == ("easy on maps", "casme2")
    assert (np.sum(first["confusion"]), np.sum(second["confusion"])) == (6, 2)
    tuned = read_checkpoint(out / "easy-on-casme2.safetensors")[0]
    assert list_training_sets(tuned) == {"casme2", "synthetic", "samm"}
    twice = [*options[:-3], f"maps:{tmp_path / 'maps'},maps:{root}/../maps", *options[-2:]]
    assert run([trained, *twice], monkeypatch, tmp_path) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "synthetic,maps:here"], "use synthetic pairs alone"),
        (["--data", "synthetic", "--protocol", "loso", "--out", "here"], "pairs alone"),
        (["--data", "maps:here", "--view", "crop"], "--view crop"),
        (["--data", "synthetic", "--prior", "data"], "synthetic classes are equal"),
        (["--data", "maps:here", "--protocol", "loso"], "--out"),
        (["--data", "maps:here", "--protocol", "cross", "--out", "here"], "two data sets"),
        (["--data", "samm:here"], "was trained on samm"),
        (["--data", "samm:here", "--protocol", "loso", "--out", "here"], "was trained on samm"),
        (["--data", "samm_lv:here"], "was trained on samm"),
        (["--data", "samm_lv:a,samm:b", "--protocol", "cross", "--out", "c"], "faces of samm"),
        (["--data", "maps:/no/such/folder"], "no/such/folder"),
        (["--device", "cuda:99"], "--device cuda:99"),
        (["--device", "gpu"], "choose auto, cpu"),
    ],
)
def test_what_would_mislead_is_refused(
    options: list[str],
    message: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([trained, *options], monkeypatch, tmp_path) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_nothing_with_an_expression_is_refused(trained: Path) -> None:
    samples = coded(SAMPLES)
    with pytest.raises(InputError, match=r"calibration|bootstrap"):
        one(samples.take(np.flatnonzero(samples.labels < 0)), trained)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.links += [name for name, _ in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_is_whole_and_asks_for_nothing(trained: Path) -> None:
    found = replace(one(coded(SAMPLES), trained), network="<net & co>", remark="reproduced")
    tags = Tags()
    tags.feed(format_evaluations([found, found]))
    assert not tags.open
    assert not tags.links
    assert "<net & co>" in tags.texts
    assert any("reproduced" in text for text in tags.texts)
    assert "named negative" in format_table([found])


def test_what_is_no_number_is_none(trained: Path) -> None:
    samples = coded(SAMPLES).take(np.flatnonzero(SAMPLES.labels == 0))
    plain = one(replace(samples, amplitude_px=samples.amplitude_px * np.nan), trained).plain()
    text = json.dumps(plain, allow_nan=False)
    assert "uf1_from" not in text
    assert None in [each["accuracy"] for each in plain["bins"]]

"""Training learns, goes on where it stopped, and ends in a checkpoint that works."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from easy import easy_samples

from model.classifiers import CLASSIFIERS
from model.classifiers.phase_inputs import PHASE_SHAPES
from model.cli import exit_code
from model.errors import InputError
from model.flow import load_flow
from model.inference.checkpoint import read_checkpoint, save_checkpoint
from model.inference.classifier import load_classifier
from model.inference.samples import SampleSet
from model.lazy_loading import load_entry
from model.train import main
from model.training.loop import _Epochs, fit
from model.training.recipe import CLIP_BATCH, CLIP_ROUNDS, CLIP_STEPS, Recipe, fill_recipe

RECIPE = Recipe("mmcof-cnn", options={"width": 4}, epochs=3, batch=16)
"""The cheapest network; what is tested here knows nothing of networks."""
TRAINING = easy_samples(48, 0)
VALIDATION = easy_samples(24, 1)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path)[1]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_training_learns_and_says_how(tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    recipe = replace(RECIPE, options={}, epochs=10, learning_rate=8e-3)
    lines: list[Mapping[str, float]] = []
    training = easy_samples(96, 0, none_share=0.2)
    fit(recipe, training, VALIDATION, out, after_epoch=lines.append)
    checkpoint, _ = read_checkpoint(out)
    assert checkpoint.recipe["epochs"] == 10
    assert checkpoint.labels == TRAINING.classes
    assert lines[-1]["uf1"] > 0.9
    assert lines[-1]["action_unit_map"] > 0.9
    assert len((tmp_path / "net.log.csv").read_text().splitlines()) == 11
    classifier = load_classifier(out, flow=load_flow("lk"))
    unseen = easy_samples(60, 5, none_share=0.5)
    flows = unseen.phases.astype(np.float32) / 2  # px of maps of 64 px
    said = classifier.predict(flows[:, 0], flows[:, 1])
    named = unseen.labels >= 0
    assert (said.argmax(axis=1) == unseen.labels)[named].mean() > 0.9
    # Where no expression is, the answer is spread over the classes.
    assert said[~named].max(axis=1).mean() < said[named].max(axis=1).mean() - 0.2


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_network_of_the_table_is_trained(name: str, tmp_path: Path) -> None:
    inputs = load_entry(CLASSIFIERS, name, "classifier").inputs
    rng = np.random.default_rng(0)
    phases = rng.uniform(0, 1, (4, 2, *PHASE_SHAPES[inputs], 64, 64)).astype(np.float16)
    labels = np.array([0, 1, 2, -1])
    training = replace(easy_samples(4, 0), inputs=inputs, phases=phases, labels=labels)
    out = tmp_path / "net.safetensors"
    options = {} if name == "ststnet" else {"width": 16 if name in ("fdp", "slstt") else 4}
    recipe = Recipe(name, options=options, epochs=1, batch=4, loss="focal")
    checkpoint = fit(replace(recipe, class_weights="balanced"), training, None, out)
    torch.manual_seed(recipe.seed)
    fresh = checkpoint.network().state_dict()
    assert all(tensor.isfinite().all() for tensor in weights(out).values())
    assert not same(fresh, weights(out))


def test_the_same_recipe_gives_the_same_weights(tmp_path: Path) -> None:
    for name in ("one", "two"):
        fit(RECIPE, TRAINING, None, tmp_path / f"{name}.safetensors")
    assert same(weights(tmp_path / "one.safetensors"), weights(tmp_path / "two.safetensors"))


def test_the_best_epoch_on_the_validation_samples_can_be_kept(tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    lines: list[Mapping[str, float]] = []
    recipe = replace(RECIPE, keep="best", epochs=4)
    fit(recipe, TRAINING, VALIDATION, out, after_epoch=lines.append)
    best = max(range(4), key=lambda i: lines[i]["uf1"])
    classifier = load_classifier(out)
    flows = VALIDATION.phases.astype(np.float32) / 2  # px of maps of 64 px
    said = np.array(
        [
            classifier.predict(f[None, 0], f[None, 1] if both else None)[0].argmax()
            for f, both in zip(flows, VALIDATION.both_phases, strict=True)
        ]
    )
    f1 = [
        2 * ((said == c) & (VALIDATION.labels == c)).sum()
        / ((said == c).sum() + (VALIDATION.labels == c).sum())
        for c in range(3)
    ]  # fmt: skip
    assert np.mean(f1) == pytest.approx(lines[best]["uf1"])


def test_steps_are_as_many_as_asked_for_whatever_the_samples(tmp_path: Path) -> None:
    """And each pass sees every sample once before any is seen again."""
    recipe = replace(RECIPE, epochs=3, steps=10, batch=32)
    drawn: list[list[int]] = []
    lines: list[Mapping[str, float]] = []
    training = easy_samples(48, 0)
    whole = _Epochs.loss

    def loss(self: _Epochs, batch: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        drawn.append(batch.tolist())
        return whole(self, batch, rng)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_Epochs, "loss", loss)
        fit(recipe, training, None, tmp_path / "net.safetensors", after_epoch=lines.append)
    assert len(lines) == 3
    assert [len(batch) for batch in drawn] == [32] * 10
    first = [number for batch in drawn[:3] for number in batch]
    assert sorted(first[:48]) == sorted(first[48:96]) == list(range(48))
    with pytest.raises(InputError, match="2 steps are too few for 3 epochs"):
        replace(RECIPE, epochs=3, steps=2)


def test_data_sets_alone_train_for_a_fixed_number_of_steps() -> None:
    clips = partial(fill_recipe, synthetic=False)
    usual = {"batch": CLIP_BATCH, "class_weights": "balanced"}
    assert clips({}) == {**usual, "epochs": CLIP_ROUNDS, "steps": CLIP_STEPS}
    assert CLIP_STEPS >= 1500
    assert clips({"epochs": 4}) == {**usual, "epochs": 4}
    assert clips({"steps": 6, "batch": 8}) == {**usual, "batch": 8, "steps": 6, "epochs": 6}
    given = {"batch": 2, "steps": 60, "epochs": 4, "class_weights": "none"}
    assert clips(given) == given


def test_steps_on_synthetic_pairs_make_epochs_that_fit() -> None:
    pairs = partial(fill_recipe, synthetic=True)
    assert pairs({}) == {}
    assert pairs({"steps": 6}) == {"steps": 6, "epochs": 6}
    assert pairs({"steps": 6000}) == {"steps": 6000, "epochs": Recipe.epochs}
    assert pairs({"steps": 6000, "epochs": 3}) == {"steps": 6000, "epochs": 3}


def test_weights_to_start_from_are_used_where_they_fit(tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    fit(RECIPE, TRAINING, None, first)
    still = replace(RECIPE, epochs=1, learning_rate=1e-12)
    fit(still, TRAINING, None, second, init=first)
    torch.testing.assert_close(
        weights(first)["features.0.0.weight"], weights(second)["features.0.0.weight"]
    )
    four = replace(TRAINING, classes=(*TRAINING.classes, "others"))
    fit(still, four, None, second, init=first)
    assert weights(second)["classes.weight"].shape[0] == 4
    torch.testing.assert_close(
        weights(first)["action_units.weight"], weights(second)["action_units.weight"]
    )
    with pytest.raises(InputError, match="options"):
        fit(replace(still, options={}), TRAINING, None, second, init=first)


def test_weights_of_another_version_are_no_start(tmp_path: Path) -> None:
    """Nor are parts of them: the rest would be left to chance."""
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    fit(replace(RECIPE, epochs=1), TRAINING, None, first)
    checkpoint, tensors = read_checkpoint(first)
    name = "features.0.0.weight"
    for other in ({**tensors, name: tensors[name][:, :1]}, {**tensors, "more": tensors[name]}):
        save_checkpoint(first, checkpoint, other)
        with pytest.raises(InputError, match=r"first\.safetensors .*train it again"):
            fit(replace(RECIPE, epochs=1), TRAINING, None, second, init=first)
    assert not second.exists()


@pytest.mark.parametrize(
    ("recipe", "training", "validation", "message"),
    [
        (replace(RECIPE, classifier="fdp", options={}), TRAINING, None, "takes frames"),
        (RECIPE, TRAINING.take([0]), None, "two"),
        (RECIPE, replace(TRAINING, labels=np.full(48, -1)), None, "two"),
        (replace(RECIPE, keep="best"), TRAINING, None, "validation"),
        (RECIPE, TRAINING, replace(VALIDATION, classes=("a", "b", "c")), "classes"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    recipe: Recipe, training: SampleSet, validation: SampleSet, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        fit(recipe, training, validation, tmp_path / "net.safetensors")


def test_answers_are_learnt_anew_for_other_classes_of_the_same_number(tmp_path: Path) -> None:
    # TSTSAN names classes after each of its blocks, not at its end alone.
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    recipe = Recipe("tstsan", options={"width": 4}, epochs=1, batch=16)
    fit(recipe, TRAINING, None, first)
    others = replace(TRAINING, classes=("anger", "happiness", "other"))
    fit(replace(recipe, learning_rate=1e-12), others, None, second, init=first)
    torch.manual_seed(recipe.seed)
    fresh = read_checkpoint(second)[0].network().state_dict()
    for name, tensor in weights(second).items():
        if tensor.is_floating_point() and "running" not in name:
            own = fresh if "classes" in name.split(".") else weights(first)
            torch.testing.assert_close(tensor, own[name])
    assert sum("classes" in name.split(".") for name in fresh) == 6


@pytest.mark.parametrize(
    "options",
    [
        ["--pairs", "1"],
        ["--epochs", "0"],
        ["--jobs", "0"],
        ["--none-share", "1"],
        ["--out", "README.md/x.safetensors"],
        ["--seed", "999"],
        ["--device", "cuda:99"],
        ["--data", "casme2"],
        ["--data", "synthetic,synthetic"],
        ["--data", "nothing:here"],
        ["--data", "casme2:/no/such/folder"],
        ["--classes", "5"],
        ["--loso"],
        ["--validation", "0.2"],
        ["--validation", "1.5"],
        ["--init", "no.safetensors"],
        ["--init", "ststnet"],
        ["--out", "tests"],
        ["--loso", "--out", "README.md"],
    ],
)
def test_unusable_options_are_one_line(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if options[0] == "--device" and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    monkeypatch.setattr("sys.argv", ["train", "fmanet", "--out", "x.safetensors", *options])
    assert exit_code(main) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not Path("x.safetensors").exists()


@pytest.mark.parametrize(("asked", "flow"), [([], "dis"), (["--flow", "tvl1"], "tvl1")])
def test_training_goes_on_with_the_network_that_is_given(
    asked: list[str], flow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks are those of its checkpoint: no option builds a network otherwise. So is the flow,
    unless another is asked for."""
    given, out = tmp_path / "given.safetensors", tmp_path / "out.safetensors"
    fit(replace(RECIPE, epochs=1, flow="dis"), TRAINING, None, given)
    rows = ["file,subject,clip,label"]
    for n, label in enumerate(TRAINING.classes):
        np.save(tmp_path / f"{n}.npy", np.full((2, 28, 28), n, np.float32))
        rows.append(f"{n}.npy,s{n},c{n},{label}")
    (tmp_path / "maps.csv").write_text("\n".join(rows))
    data = ["--data", f"maps:{tmp_path / 'maps.csv'}", "--epochs", "1", "--threads", "1"]
    init = ["--init", str(given), "--out", str(out), *asked]
    monkeypatch.setattr("sys.argv", ["train", "mmcof-cnn", *data, *init])
    main()
    made = read_checkpoint(out)[0]
    assert (made.options, made.flow, made.recipe["flow"]) == ({"width": 4}, flow, flow)


@pytest.mark.parametrize("options", [["--loso"], ["--validation", "0.2"]])
def test_what_weights_have_seen_is_not_held_out(
    options: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is told before anything is computed: there is no such folder."""
    tuned = tmp_path / "tuned.safetensors"
    fit(replace(RECIPE, epochs=1, data={"sets": ["casme2"]}), TRAINING, None, tuned)
    data = ["--data", "casme2:/no/such/folder", "--init", str(tuned)]
    out = ["--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["train", "mmcof-cnn", *data, *out, *options])
    assert exit_code(main) == 2
    assert "tuned.safetensors was trained on casme2: it would be" in capsys.readouterr().err

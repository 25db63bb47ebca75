"""Model cards say what checkpoints say."""

from dataclasses import replace
from pathlib import Path

import pytest
from easy import easy_samples

from model.cli import exit_code
from model.errors import InputError
from model.evaluation import model_card as card
from model.inference.checkpoint import Checkpoint, checkpoint_path, read_checkpoint, save_checkpoint
from model.inference.shipped_weights import shipped_names
from model.metrics.checkpoint_scores import measure_checkpoint
from model.synthetic.sample_variation import GENERATOR
from model.training.loop import fit
from model.training.recipe import Recipe

DATA = {"sets": ["synthetic"], "classes": 3, "pairs": 48, "view": "mixed", "none_share": 0.2}
RECIPE = Recipe("mmcof-cnn", options={"width": 4}, epochs=2, batch=16, data={**DATA, "seed": 7})
COMMAND = "python -m model.train mmcof-cnn --out easy.safetensors --epochs 2"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "easy.safetensors"
    validation = easy_samples(24, 1, none_share=0.3)
    checkpoint = fit(RECIPE, easy_samples(48, 0, none_share=0.2), validation, path)
    metrics = measure_checkpoint(path, validation)
    save_checkpoint(
        path, replace(checkpoint, metrics=metrics, command=COMMAND), read_checkpoint(path)[1]
    )
    return path


def written(checkpoint: Checkpoint) -> str:
    return card.render_card("easy", checkpoint, 1234, 5678)


def test_a_card_is_written_beside_its_weights(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["card", str(trained)])
    assert exit_code(card.main) == 0
    text = trained.with_suffix(".md").read_text(encoding="utf-8")
    checkpoint, weights = read_checkpoint(trained)
    metrics = checkpoint.metrics
    assert f"    {COMMAND}\n" in text
    assert f"{sum(w.numel() for w in weights.values()):,} numbers" in text
    interval = f"{metrics['uf1']:.3f} ({metrics['uf1_low']:.3f} to {metrics['uf1_high']:.3f})"
    assert f"| UF1 | {interval} | {metrics['first_phase_uf1']:.3f} (" in text
    assert f"Temperature {checkpoint.temperature:.3f}" in text
    for words in (
        "Synthetic only", "48 synthetic pairs of set 7", "24 of set 2000", "Seed 7; 2 epochs",
        "sigma_px 5.5", "width = 4", "hiring, education, lie detection", "any other decision",
    ):  # fmt: skip
        assert words in " ".join(text.split())


def test_data_sets_bind_weights_and_starts_are_named(trained: Path) -> None:
    checkpoint = read_checkpoint(trained)[0]
    recipe = {
        **checkpoint.recipe,
        "data": {"sets": ["casme2"], "classes": 3},
        "init": {"data": {"sets": ["synthetic"]}},
    }
    text = written(replace(checkpoint, recipe=recipe))
    assert "The licences of casme2 apply to these weights too" in text
    assert "Started from weights that were trained on synthetic." in text
    assert "Synthetic only" not in text
    recipe["init"] = {"data": {"sets": ["synthetic"]}, "flow": "dis"}
    text = " ".join(written(replace(checkpoint, recipe=recipe)).split())
    assert "trained on synthetic, with the flow `dis`." in text


def test_what_watched_is_named(trained: Path) -> None:
    checkpoint = read_checkpoint(trained)[0]
    data = {"sets": ["synthetic", "casme2"], "pairs": 300, "seed": 7}
    for keep, watched in (
        ("last", "of set 8 for validation"),
        ("best", "held out of the data sets for"),
    ):
        text = written(
            replace(checkpoint, recipe={**checkpoint.recipe, "data": data, "keep": keep})
        )
        assert watched in text.replace("\n", " ")


def test_what_all_samples_are_is_not_said_twice(trained: Path) -> None:
    checkpoint = read_checkpoint(trained)[0]
    bands = {f"uf1_{band}_px": 0.5 for band in ("from_0.3", "0.3_to_0.6", "0.6_to_1.2")}
    above = {k: v for k, v in checkpoint.metrics.items() if not k.startswith("uf1_0.1")} | bands
    assert "0.3 px and above" not in written(replace(checkpoint, metrics=above))
    below = {**above, "uf1_0.1_to_0.3_px": 0.2}
    assert "0.3 px and above" in written(replace(checkpoint, metrics=below))


def test_weak_action_units_are_called_so(trained: Path) -> None:
    checkpoint = read_checkpoint(trained)[0]
    for precision, weak in ((0.3, True), (0.8, False)):
        metrics = {**checkpoint.metrics, "action_unit_map": precision}
        assert ("Read its units as hints" in written(replace(checkpoint, metrics=metrics))) == weak


def test_a_checkpoint_without_figures_gets_no_card(trained: Path) -> None:
    with pytest.raises(InputError, match="no figures"):
        written(replace(read_checkpoint(trained)[0], metrics={}))


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_cards_say_what_their_weights_say(name: str) -> None:
    path = checkpoint_path(name)
    checkpoint, weights = read_checkpoint(path)
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    if checkpoint.command:
        numbers = sum(tensor.numel() for tensor in weights.values())
        assert text == card.render_card(path.stem, checkpoint, numbers, path.stat().st_size)
    for words in ("Synthetic only", "Ruled out", "lie detection", "hiring", "education"):
        assert words in text


def test_figures_that_cannot_be_measured_again_are_not_said_to_be(trained: Path) -> None:
    checkpoint = read_checkpoint(trained)[0]
    for generator, again in ((GENERATOR - 1, False), (GENERATOR, True)):
        data = {**checkpoint.recipe["data"], "generator": generator}
        text = written(replace(checkpoint, recipe={**checkpoint.recipe, "data": data}))
        assert ("measures them again" in " ".join(text.split())) == again

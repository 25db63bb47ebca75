"""What a network's errors come from."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.errors import InputError
from model.evaluation.sensitivity import accuracies, changes, table
from model.inference.checkpoint import checkpoint_path, read_checkpoint, save_checkpoint


def test_each_change_changes_something() -> None:
    wanted = changes()
    assert len(set(map(repr, wanted.values()))) == len(wanted)
    assert {nuisance.amplitude_px for nuisance in wanted.values()} == {(0.3, 2.5)}
    assert all(nuisance.exchange is None for nuisance in wanted.values())


def test_accuracies_are_shares_of_the_same_pairs() -> None:
    usual = changes()["as in training"]
    found = accuracies("ststnet", {"once": usual, "again": usual}, 6, workers=1)
    assert found["once"] == found["again"]
    assert found["once"] * 6 == pytest.approx(round(found["once"] * 6))


def test_a_network_with_other_classes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    checkpoint, weights = read_checkpoint(checkpoint_path("ststnet"))
    save_checkpoint(path, replace(checkpoint, labels=("this", "that", "other")), weights)
    with pytest.raises(InputError, match="answers this, that, other"):
        accuracies(str(path), changes(), 6, workers=1)


def test_the_table_says_how_sure_it_is() -> None:
    assert table({"head still": 0.8}, 400).splitlines()[-1] == "| head still | 0.800 ± 0.020 |"

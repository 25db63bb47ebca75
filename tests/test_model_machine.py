"""What is computed on is there, or is an error in one line."""

import pytest
import torch

from model import evaluate, train
from model.cli import exit_code
from model.errors import InputError
from model.machine import choose_device, machine, use_threads


def test_auto_takes_cuda_where_there_is_one() -> None:
    assert choose_device("auto") == ("cuda:0" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == "cpu"
    assert machine().endswith("no GPU") == (choose_device("auto") == "cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:3", "tpu", ""])
def test_an_unknown_device_is_refused(device: str) -> None:
    with pytest.raises(InputError, match="choose auto, cpu, cuda or cuda:N"):
        choose_device(device)


def test_a_device_that_is_absent_is_refused_with_the_remedy() -> None:
    with pytest.raises(InputError, match="--device cuda:99") as caught:
        choose_device("cuda:99")
    assert "cpu" in str(caught.value) or "cuda:0 to" in str(caught.value)


@pytest.mark.parametrize("number", [0, -1])
def test_no_threads_are_refused(number: int) -> None:
    with pytest.raises(InputError, match=f"--threads {number}: choose 1 or more"):
        use_threads(number)


def test_commands_say_so_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for main, words in ((train.main, ["fmanet", "--out", "x"]), (evaluate.main, [])):
        monkeypatch.setattr("sys.argv", ["command", *words, "--threads", "0"])
        assert exit_code(main) == 2
        assert capsys.readouterr().err.startswith("error: --threads 0: choose 1 or more")

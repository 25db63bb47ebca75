"""What the page says at first glance, from what was opened and loaded."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.inference.checkpoint import describe_checkpoint, read_checkpoint, save_checkpoint
from realtime.sources import SourceInfo, open_source
from realtime.ui.introduction import judge_classifier, name_source


def info(kind: str, spec: str, description: str = "") -> SourceInfo:
    return SourceInfo(spec, kind, description, True, "driver", 640, 480, None, 30.0, True)


@pytest.mark.parametrize(
    ("source", "asked", "said"),
    [
        (info("demo", "auto"), "auto", "Demo face: no camera found"),
        (info("demo", "demo"), "demo", "Demo face"),
        (
            info("camera", "0", "/dev/video0 (HD Webcam): asked 640×480"),
            "auto",
            "Camera: /dev/video0 (HD Webcam)",
        ),
        (info("file", "/home/ana/clips/smile.mp4"), "clips/smile.mp4", "File: smile.mp4"),
        (info("browser", "browser"), "browser", "This device's camera"),
    ],
)
def test_the_source_is_named_in_a_few_words(source: SourceInfo, asked: str, said: str) -> None:
    assert name_source(source, asked) == said


def test_a_demo_that_was_opened_says_so() -> None:
    assert name_source(open_source("demo").info, "demo") == "Demo face"


def test_what_the_network_was_trained_on_is_said(untrained: Path, tmp_path: Path) -> None:
    worth = judge_classifier(str(untrained))
    assert worth.trained == "Trained on synthetic faces; not validated on people"
    assert worth.weak_units == (describe_checkpoint(untrained).metrics["action_unit_map"] < 0.3)
    checkpoint, weights = read_checkpoint(untrained)
    other = tmp_path / "other.safetensors"
    recipe = {"data": {"sets": ["casme2", "samm"]}}
    metrics = {"action_unit_map": 0.5}
    save_checkpoint(other, replace(checkpoint, recipe=recipe, metrics=metrics), weights)
    worth = judge_classifier(str(other))
    assert (worth.trained, worth.weak_units) == ("Trained on casme2, samm", False)
    assert judge_classifier(str(tmp_path / "gone")).trained == ""

"""`python -m calibrate …`, and the guide that the page uses, from start to end."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fakes import write_clip

from calibrate.__main__ import main
from calibrate.guide import DEMO_AT_REST, INTERRUPTED, Guide
from model.errors import InputError
from model.records import Frame, Stamp, Step
from model.synthetic import Schedule, SyntheticFace
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.perception.spotting_steps import Perception
from realtime.spotting.baseline_file import load_baseline

SMALL = ["--width", "200", "--height", "150", "--fps", "12"]


def test_the_camera_command_gives_its_verdict_and_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "camera.json"
    command = ["camera", "--source", "demo", *SMALL, "--seconds", "3.5", "--out", str(out)]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "shows micro-expressions from 250 ms and" in text
    assert "come nearer" in text
    document = json.loads(out.read_text())
    assert (document["format"], document["version"]) == ("fmanet-live camera", 1)
    assert document["light"] == "amber"
    assert document["timing"]["fps"] == pytest.approx(12)
    assert main(command) == 2
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("camera", "--seconds", "3600"), "choose more than 0 and less than 3600"),
        (("camera", "--seconds", "0"), "--seconds 0: choose"),
        (
            ("baseline", "--participant", "Ann Lee", "--out", "b.json"),
            "e.g. P07 (no names)",
        ),
    ],
)
def test_what_cannot_be_measured_is_told_before_it_begins(
    command: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [str(tmp_path / o) if o == "b.json" else o for o in command]
    assert main([*options, "--source", "demo"]) == 2
    assert words in capsys.readouterr().err


def test_a_camera_without_a_face_is_red(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    wall = tmp_path / "wall.mkv"
    pictures = [rng.integers(90, 110, (120, 160, 3), np.uint8) for _ in range(40)]
    times = [100 * k for k in range(40)]
    write_clip(wall, pictures, times, codec="ffv1", pix_fmt="bgr0")
    assert main(["camera", "--source", str(wall), "--seconds", "5"]) == 1
    assert capsys.readouterr().out.startswith("RED: this camera can't show micro-expressions here")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "choose one of camera, baseline, spotting"),
        (["camera", "--source", "nowhere.mp4"], "nowhere.mp4"),
        (["camera", "--source", "browser"], "measured on its page"),
        (["camera", "--source", "demo", "--seconds", "0"], "--seconds 0"),
        (["camera", "--source", "demo", *SMALL, "--seconds", "1"], "too few to judge"),
        (["baseline", "--source", "demo", "--out", "{}/no/b.json"], "no/b.json"),
        (
            ["baseline", "--source", "demo", "--out", "{}/b.json", "--false-alarms-per-min", "0"],
            "--false-alarms-per-min 0",
        ),
        (  # as earlier versions spelled it
            ["baseline", "--source", "demo", "--out", "{}/b.json", "--false-alarms-per-minute=0"],
            "--false-alarms-per-min 0",
        ),
        (
            ["baseline", "--source", "demo:rest", *SMALL, "--seconds", "6", "--out", "{}/b.json"],
            "too short: at least 10 s",
        ),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main([argument.format(tmp_path) for argument in arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in error.replace(str(tmp_path) + "/", "").replace("\r", "")
    assert not (tmp_path / "b.json").exists()


def test_the_baseline_command_saves_what_live_runs_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "P07.json"
    command = ["baseline", "--source", "demo:rest", *SMALL, "--seconds", "13", "--out", str(out)]
    assert main([*command, "--participant", "P07"]) == 0
    assert f"use it with fmanet live --baseline {out}" in capsys.readouterr().out
    measured = load_baseline(out).measured
    assert measured is not None
    assert measured.participant == "P07"
    assert measured.setting.fps == pytest.approx(12)


@pytest.fixture(scope="module")
def session(untrained: Path) -> Iterator[LiveSession]:
    """The demo face, whose own steps no guide takes: the tests hand them theirs, without waiting
    for real time to pass."""
    config = LiveConfig(source="demo", width=160, height=120, fps=5, classifier=str(untrained))
    with LiveSession(config) as running:
        yield running


@cache
def rest() -> tuple[Step, ...]:
    schedule = Schedule(micro_per_min=0, macro_per_min=0, speech_per_min=0)
    face = SyntheticFace(seed=1330, fps=12, size=(200, 150), schedule=schedule)
    perception = Perception()
    steps = [perception.step(Frame(Stamp(k, k / 12), face.image(k), 0.0)) for k in range(160)]
    return tuple(steps)


def guide_of(session: LiveSession) -> Guide:
    guide = Guide(camera_s=4, baseline_s=12, now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    guide.attach(session)
    return guide


def begin(guide: Guide, what: str, participant: str = "") -> None:
    guide.begin(what, participant=participant, false_alarms_per_min=0.5)


def test_the_guide_measures_camera_and_face_and_uses_the_baseline(session: LiveSession) -> None:
    guide = guide_of(session)
    source = session.config.source
    for step in rest()[:5]:
        guide.take(step)  # nothing was begun
    assert guide.state()["doing"] is None
    with pytest.raises(InputError, match="no baseline was measured"):
        guide.use()

    begin(guide, "camera")
    for step in rest()[:30]:
        guide.take(step)
    state = guide.state()
    assert (state["doing"], state["of"]) == ("camera", 4)
    assert state["seconds"] == pytest.approx(29 / 12)
    for step in rest()[30:60]:
        guide.take(step)
    assert guide.state()["camera"]["light"] == "amber"

    with pytest.raises(InputError, match="'Ann Lee' is not a valid participant code"):
        begin(guide, "baseline", participant="Ann Lee")
    begin(guide, "baseline", participant=" P-07 ")
    assert session.config.source == DEMO_AT_REST  # the demo face is asked to rest
    for step in rest():
        guide.take(step)
    state = guide.state()
    assert (state["doing"], state["baseline_error"], state["used"]) == (None, "", False)
    assert len(state["baseline"]["regions"]) == 17
    json.dumps(state, allow_nan=False)
    name, text = guide.file()
    assert name == "P-07.json"
    assert json.loads(text)["measured"]["date"] == "2026-01-02T00:00:00+00:00"

    guide.use()
    assert guide.state()["used"]
    assert session.config.source == source
    assert session.config.baseline is not None
    assert session.config.baseline.measured is not None


def test_a_measurement_that_is_interrupted_or_cancelled_is_not_kept(session: LiveSession) -> None:
    guide = guide_of(session)
    begin(guide, "baseline")
    guide.take(rest()[100])
    guide.take(rest()[0])  # another source's time
    assert guide.state()["baseline_error"] == INTERRUPTED
    begin(guide, "camera")
    guide.take(rest()[0])
    guide.take(rest()[50])  # after a pause
    assert guide.state()["camera_error"] == INTERRUPTED
    begin(guide, "camera")
    guide.take(rest()[0])
    guide.cancel()
    state = guide.state()
    assert (state["doing"], state["camera"], state["camera_error"]) == (None, None, "")
    begin(guide, "camera")
    session.pause()
    assert guide.state()["camera_error"] == INTERRUPTED
    session.resume()
    with pytest.raises(InputError, match="choose camera or baseline"):
        begin(guide, "mood")


def test_a_baseline_that_is_none_is_told_and_there_is_nothing_to_save(
    session: LiveSession,
) -> None:
    guide = guide_of(session)
    begin(guide, "baseline")
    for step in rest()[:60]:
        guide.take(step)
    for k in range(100):
        blank = Frame(Stamp(200 + k, 5 + k / 12), rest()[0].frame.image, 0.0)
        guide.take(Step(blank, None, None, None, (), {}))
    assert "a face in only" in guide.state()["baseline_error"]
    with pytest.raises(InputError, match="no baseline was measured"):
        guide.file()

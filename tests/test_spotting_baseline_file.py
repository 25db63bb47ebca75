"""A baseline's file, and what it holds for."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.perception.pipeline import pipeline_config
from realtime.sources import SourceInfo
from realtime.spotting.baseline_file import (
    Baseline,
    Measurement,
    Setting,
    camera_name,
    fit_to_source,
    load_baseline,
    rate_warning,
    save_baseline,
    to_json,
)
from realtime.spotting.motion import REGIONS
from realtime.spotting.spotter import SpotterConfig

INFO = SourceInfo(
    spec="0",
    kind="camera",
    description="/dev/video0 (Fake): asked 640×480 at 60 fps MJPG, gives 640×480 at 30 fps",
    live=True,
    clock="driver",
    width=640,
    height=480,
    fps_asked=60.0,
    fps_nominal=30.0,
    lossless=False,
)
FILE = replace(INFO, spec="a.mp4", kind="file", description="a.mp4: 640×480", live=False)


def measured(floor_px: float = 0.2, **setting: object) -> Baseline:
    values: dict[str, object] = {
        "kind": "camera",
        "camera": "/dev/video0 (Fake)",
        "fps_nominal": 30.0,
        "fps": 29.97,
        "width": 640,
        "height": 480,
        "crop_px_per_image_px": 0.6,
    }
    return Baseline(
        MappingProxyType(dict.fromkeys(REGIONS, floor_px)),
        Measurement(
            setting=Setting(**{**values, **setting}),  # type: ignore[arg-type]
            date="2026-01-02T03:04:05+00:00",
            participant="P07",
            seconds=18.5,
            noise_px=MappingProxyType(dict.fromkeys(REGIONS, 0.05)),
            false_alarms_per_min=0.5,
            blinks_per_min=12.0,
            head_px_s=1.5,
            software=MappingProxyType({"numpy": "1.26.4"}),
        ),
    )


def measured_on(participant: str) -> Baseline:
    baseline = measured()
    assert baseline.measured is not None
    return replace(baseline, measured=replace(baseline.measured, participant=participant))


@given(st.floats(1e-3, 50), st.text(max_size=20), st.one_of(st.none(), st.floats(1, 500)))
def test_what_is_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, floor_px: float, camera: str, fps: float | None
) -> None:
    path = tmp_path_factory.mktemp("baseline") / "b.json"
    baseline = measured(floor_px, camera=camera, fps_nominal=fps)
    save_baseline(path, baseline)
    assert load_baseline(path) == baseline
    assert json.loads(path.read_text(encoding="utf-8"))["version"] == 1


def test_a_baseline_that_no_one_measured_is_saved_without_a_measurement(tmp_path: Path) -> None:
    save_baseline(tmp_path / "b.json", Baseline.default())
    assert load_baseline(tmp_path / "b.json") == Baseline.default()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text("mine")
    with pytest.raises(InputError, match=r"b\.json exists"):
        save_baseline(path, measured())
    assert path.read_text() == "mine"
    with pytest.raises(InputError, match="cannot be written"):
        save_baseline(tmp_path / "no" / "b.json", measured())


DOCUMENT = json.loads(to_json(measured()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[1]", "no baseline"),
        (json.dumps({"format": "other"}), "no baseline"),
        (json.dumps(DOCUMENT | {"version": 2}), "version 2.*version 1"),
        (json.dumps(DOCUMENT | {"floor_px": {}}), "damaged.*each region"),
        (json.dumps(DOCUMENT | {"floor_px": {"chin": "x"}}), "damaged"),
        (json.dumps(DOCUMENT | {"measured": {}}), "damaged.*setting"),
        (json.dumps(DOCUMENT | {"measured": [1]}), "damaged"),
    ],
)
def test_what_is_no_baseline_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as told:
        load_baseline(path)
    assert "\n" not in str(told.value)
    assert str(path) in str(told.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_that_an_editor_saved_anew_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(to_json(measured()), encoding)
    assert load_baseline(path) == measured()


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=4))
def test_damage_is_an_input_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    path = tmp_path_factory.mktemp("baseline") / "b.json"
    for place in ("setting", "noise_px", "software", "seconds"):
        document = json.loads(to_json(measured()))
        document["measured"][place] = value
        path.write_text(json.dumps(document))
        with suppress(InputError):  # a number written as text, for one, is no damage
            load_baseline(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--baseline .*none\.json cannot be read"):
        load_baseline(tmp_path / "none.json")


def test_the_same_camera_gets_it_as_it_is() -> None:
    assert camera_name(INFO) == "/dev/video0 (Fake)"
    assert fit_to_source(measured(), INFO) == (measured(), "")
    assert fit_to_source(Baseline.default(), FILE) == (Baseline.default(), "")


def test_another_camera_or_rate_is_refused() -> None:
    other = replace(INFO, description="/dev/video2 (Other): asked 640×480")
    with pytest.raises(InputError, match=r"measured with /dev/video0 \(Fake\), not with /dev/vid"):
        fit_to_source(measured(), other)
    with pytest.raises(InputError, match=r"at 30 fps.*60.*again"):
        fit_to_source(measured(), replace(INFO, fps_nominal=60.0))
    with pytest.raises(InputError, match="not with demo"):
        fit_to_source(measured(), replace(INFO, kind="demo"))
    assert fit_to_source(measured(), replace(INFO, fps_nominal=None))[1] == ""


def test_a_recording_is_trusted_with_a_warning() -> None:
    baseline, warning = fit_to_source(measured(), FILE)
    assert baseline == measured()
    assert "a.mp4 does not say which camera" in warning
    assert fit_to_source(measured(kind="file", camera="a.mp4"), FILE)[1] == ""
    baseline, warning = fit_to_source(measured(kind="file", camera="a.mp4"), INFO)
    assert baseline == measured(kind="file", camera="a.mp4")
    assert "a.mp4, which does not say which camera" in warning
    assert "/dev/video0 (Fake)" in warning


def test_another_size_scales_up_to_twofold() -> None:
    baseline, warning = fit_to_source(measured(0.2), replace(INFO, width=320, height=240))
    assert dict(baseline.floor_px) == pytest.approx(dict.fromkeys(REGIONS, 0.4))
    assert "640×480 px, /dev/video0 (Fake) has 320×240: its floors are × 2.00" in warning
    with pytest.raises(InputError, match="160×120"):
        fit_to_source(measured(), replace(INFO, width=160, height=120))


def test_a_rate_that_turns_out_different_is_warned_of() -> None:
    assert rate_warning(measured(), 30.0) == ""
    assert rate_warning(measured(), None) == ""
    assert "29.97 fps, now it is 15" in rate_warning(measured(), 15.0)
    assert rate_warning(Baseline.default(), 15.0) == ""


def test_without_a_baseline_the_spotter_is_as_it_was() -> None:
    config, warning = pipeline_config(LiveConfig(source="demo"), "cpu", INFO)
    assert (config.spotter, warning) == (SpotterConfig(), "")
    assert set(Baseline.default().floor_px.values()) == {0.25}
    config, _ = pipeline_config(LiveConfig(source="demo", baseline=measured(0.3)), "cpu", INFO)
    assert set(config.spotter.baseline.floor_px.values()) == {0.3}

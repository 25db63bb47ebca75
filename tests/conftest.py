"""What several tests need."""

import model  # noqa: F401  # before numpy is, for whose BLAS it sets the number of threads

# isort: split
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest
from fakes import write_clip
from hypothesis import settings

from model.errors import InputError, explain_missing
from model.face.network_files import NETWORKS, network_file, networks_cache
from model.inference.engine_building import onnx_file_beside
from model.inference.shipped_weights import WEIGHTS
from model.machine import has_driver
from model.synthetic import Schedule, SyntheticFace
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.recording.plan import RecordPlan

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

# The same examples on every run, and no deadline: machines are shared.
settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")

# A pool of threads as large as the machine stalls as soon as something else runs on it, and
# OpenCV's waits in a spin. Live runs have one thread each, too.
cv2.setNumThreads(1)
TORCH = find_spec("torch") is not None
if TORCH:
    import torch

    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not (TORCH and has_driver() and torch.cuda.is_available()):
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device is available here"))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores: a test in a browser waits for the demo's face, in real time."""
    return (os.cpu_count() or 1) + 1


# Where PyTorch is not installed, what needs it is skipped, file by file and test by test.
@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    if not TORCH and report.failed and _is_for_torch(str(report.longrepr)):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: {explain_missing('torch')}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    return (yield from _skipped_without_torch())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    return (yield from _skipped_without_torch())


def _skipped_without_torch() -> Iterator[None]:
    try:
        return (yield)
    except (ModuleNotFoundError, InputError) as error:
        if TORCH or not _is_for_torch(str(error)):
            raise
        pytest.skip(explain_missing("torch"))


def _is_for_torch(error: str) -> bool:
    return "No module named 'torch" in error or "PyTorch" in error


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What programs under test build and keep, they keep here. The face networks alone are this
    user's."""
    try:
        places = {network_file(name).parent for name in NETWORKS}
    except InputError as error:
        pytest.exit(str(error), returncode=2)
    with pytest.MonkeyPatch.context() as patch:
        if places == {networks_cache()}:
            patch.setenv("FMANET_FACE_NETWORKS", str(networks_cache()))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that is not chosen by its name, its ONNX file beside it: for tests in which what
    it says does not matter."""
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    for suffix in (".safetensors", ".onnx", ".json"):
        shutil.copyfile(WEIGHTS / f"fmanet{suffix}", path.with_suffix(suffix))
    assert not onnx_file_beside(path).check(), "write it anew: python -m model.engine export"
    return path


@pytest.fixture(scope="session")
def expression_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lossless video of 3.5 s at 25 fps, `expression.mkv`: a face with one strong
    micro-expression after two seconds, and no blink."""
    strong = Schedule(
        micro_per_min=20,
        macro_per_min=0,
        blinks_per_min=0,
        speech_per_min=0,
        amplitude_px=(1.8, 2.0),
        first_micro_s=(2.0, 2.2),
    )
    face = SyntheticFace(seed=5, fps=25, size=(320, 240), schedule=strong)
    frames = range(87)
    path = tmp_path_factory.mktemp("footage") / "expression.mkv"
    write_clip(
        path,
        [face.image(index) for index in frames],
        [40 * index for index in frames],
        codec="ffv1",
        pix_fmt="bgr0",
    )
    return path


@pytest.fixture(scope="session")
def recorded(
    untrained: Path, expression_clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A lossless session, `P07`, of a clip with one expression, marked on the way. Not to be
    changed: `fakes.copied`."""
    folder = tmp_path_factory.mktemp("sessions") / "P07"
    plan = RecordPlan(folder, "P07", codec="ffv1", consent="analysis")
    config = LiveConfig(source=str(expression_clip), classifier=str(untrained), record=plan)
    with LiveSession(config) as session:
        session.mark("stimulus", "a picture of a dog")
        session.mark("q1", kind="question_start")
        assert session.wait(60)
    return folder


@pytest.fixture(scope="module")
def playwright() -> "Iterator[Playwright]":
    """Playwright, for tests that drive a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def chromium(playwright: "Playwright") -> "Iterator[Browser]":
    """A browser without pages."""
    from browsing import CHROMIUM, FLAGS

    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()

"""What several tests need."""

import model  # noqa: F401  # before numpy is, for whose BLAS it sets the number of threads

# isort: split
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch
from fakes import write_clip
from hypothesis import settings

from model.checkpoint import Checkpoint, save_checkpoint
from model.engine import ORDER
from model.errors import InputError
from model.face.networks import NETWORKS, network_file, networks_cache
from model.flow import load_flow
from model.synthetic import Schedule, SyntheticFace
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.session.plan import RecordPlan

# The same examples on every run, and no deadline: machines are shared.
settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")

# Sessions of seconds would each begin to build an engine, beside what is tested.
ORDER["cpu"] = ("eager",)

# A pool of threads as large as the machine stalls as soon as something else runs on it, and
# OpenCV's waits in a spin. Live runs have one thread each, too.
torch.set_num_threads(1)
cv2.setNumThreads(1)

ACTION_UNITS = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU12", "AU14", "AU15")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device is available here"))


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
    """A checkpoint of FMANet with random weights: for tests in which names do not matter."""
    flow = load_flow("lk")
    checkpoint = Checkpoint(
        classifier="fmanet",
        labels=("negative", "positive", "surprise"),
        action_units=ACTION_UNITS,
        flow=flow.name,
        flow_parameters=dict(flow.parameters),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = checkpoint.network().state_dict()
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_checkpoint(path, checkpoint, weights)
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

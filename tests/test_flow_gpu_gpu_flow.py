"""Flows on tensors are the flows on the CPU: the same numbers, on any device."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from test_flow_algorithms import bump, moved, shift, texture

from model.errors import InputError
from model.flow import TENSOR_FLOWS, Flow, load_flow
from model.flow.gpu import flow_on, separable
from model.flow.gpu.gpu_flow import DeviceFlow, tensor_flow
from model.flow.gpu.head_tensor import TensorHeadMotion
from model.flow.gpu.lk_tensor import TensorLucasKanade
from model.flow.gpu.tvl1_tensor import EPSILON_PX
from model.flow.gpu.warp import warp_bilinear
from model.flow.head_motion import remove_head_motion
from model.inference.checkpoint import checkpoint_path
from model.inference.classifier import load_classifier
from model.inference.engine_choice import Serving
from model.inference.naming import Naming
from model.inference.one_graph import OneGraph
from model.records import ArrayF32

DEVICES = ["cpu", pytest.param("cuda:0", marks=pytest.mark.gpu)]


def pairs(shape: tuple[int, int], count: int, noise: float = 2.0) -> tuple[ArrayF32, ArrayF32]:
    """Pictures in whole grey levels, moved by a bump and in noise."""
    rng = np.random.default_rng(shape[0] + count)
    first = np.stack([texture(shape, seed) for seed in range(count)])
    second = np.stack([moved(each, bump(1.5, 9.0)) for each in first])
    noisy = [each + rng.normal(0, noise, each.shape) for each in (first, second)]
    a, b = (np.clip(np.rint(each), 0, 255).astype(np.float32) for each in noisy)
    return a, b


def solved(flow: Flow, first: ArrayF32, second: ArrayF32, device: str = "cpu") -> ArrayF32:
    solve = tensor_flow(flow, first.shape[1:], len(first), device)
    given = (torch.from_numpy(each.astype(np.float32)).to(device) for each in (first, second))
    with torch.inference_mode():
        found: ArrayF32 = solve(*given).cpu().numpy()
    return found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("shape", "count"),
    [((28, 28), 16), ((8, 9), 1), ((33, 47), 3), ((127, 129), 1), ((224, 224), 2), ((512, 512), 1)],
)
def test_lucas_kanade_has_the_same_numbers(shape: tuple[int, int], count: int, device: str) -> None:
    flow = load_flow("lk")
    first, second = pairs(shape, count)
    away = np.abs(solved(flow, first, second, device) - flow(first, second))
    # A coordinate on the edge of 1/32 px may fall to the other side: few pixels, that much.
    assert away.mean() < 1e-5
    assert (away > 1e-4).mean() < 5e-3
    assert away.max() < 2 / 32


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "parameters", [{"levels": 1}, {"levels": 4, "iterations": 3}, {"sigma_px": 12, "ridge": 1}]
)
def test_lucas_kanade_has_the_same_numbers_with_other_parameters(
    parameters: dict[str, float], device: str
) -> None:
    flow = load_flow("lk", **parameters)
    first, second = pairs((64, 72), 2)
    away = np.abs(solved(flow, first, second, device) - flow(first, second))
    assert away.mean() < 1e-5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("shape", "parameters", "mean_px"),
    [
        ((64, 64), {"scales": 1, "warps": 1}, 1e-5),
        ((33, 47), {"scales": 5, "warps": 1}, 1e-5),
        ((28, 28), {"scales": 1, "warps": 5}, 1e-3),
        # Rounding decides when iterations end and where 1/32 px fall: it grows from warp to warp.
        ((128, 128), {}, 0.02),
    ],
)
def test_tvl1_has_the_same_numbers(
    shape: tuple[int, int], parameters: dict[str, float], mean_px: float, device: str
) -> None:
    flow = load_flow("tvl1", **parameters)
    first, second = pairs(shape, 2)
    if device != "cpu":
        # Whether a pair has converged is a sum in whatever order a GPU adds: on the edge there is
        # an iteration more or less, which moves the flow by as much.
        mean_px += EPSILON_PX
    assert np.abs(solved(flow, first, second, device) - flow(first, second)).mean() < mean_px


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", TENSOR_FLOWS)
def test_flat_saturated_and_noisy_pictures_give_finite_flow(name: str, device: str) -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (2, 40, 44)).astype(np.float32)
    flat, white = np.full_like(noise, 0), np.full_like(noise, 255)
    burnt = np.where(noise > 128, 255, 0).astype(np.float32)
    flow = load_flow(name, **({"scales": 2, "warps": 2} if name == "tvl1" else {}))
    for first, second in ((flat, flat), (flat, white), (noise, flat), (burnt, noise)):
        found = solved(flow, first, second, device)
        assert np.isfinite(found).all()
        if not first.any() and not (second - second[:, :1, :1]).any():
            assert np.abs(found).max() < 1e-3


@pytest.mark.parametrize("name", TENSOR_FLOWS)
def test_a_batch_of_tensors_equals_its_members(name: str) -> None:
    flow = load_flow(name, **({"scales": 2, "warps": 2} if name == "tvl1" else {}))
    first, second = pairs((40, 40), 3)
    second[1] = first[1]  # has nothing to find and is done before the others
    together = solved(flow, first, second)
    for number in range(3):
        alone = solved(flow, first[number : number + 1], second[number : number + 1])
        np.testing.assert_allclose(together[number], alone[0], atol=2e-5)


@pytest.mark.parametrize("size", [16, 17, 33, 64, 129])
def test_filters_as_matrices_are_opencvs(size: int) -> None:
    import cv2

    picture = np.random.default_rng(size).random((size, size)).astype(np.float32)
    half = -(-size // 2)
    blur = separable.gaussian(size, 5.5)
    for matrix, expected in (
        (blur, cv2.GaussianBlur(picture, (35, 35), 5.5, borderType=cv2.BORDER_REFLECT_101)),
        (separable.halving_matrix(size), cv2.pyrDown(picture)),
        (
            separable.area(size, half),
            cv2.resize(picture, (half,) * 2, interpolation=cv2.INTER_AREA),
        ),
        (separable.linear(size, 50), cv2.resize(picture, (50, 50))),
    ):
        np.testing.assert_allclose(matrix @ picture @ matrix.T, expected, atol=2e-6)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("size", [16, 28, 63, 128])
def test_head_motion_on_tensors_is_the_same(size: int, exact: bool) -> None:
    rng = np.random.default_rng(size)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    turning = np.stack([0.7 + 0.01 * x - 0.02 * y, -0.4 + 0.02 * x + 0.01 * y])
    flows = (turning + rng.normal(0, 0.3, (3, 2, size, size))).astype(np.float32)
    expected = np.stack([remove_head_motion(each)[0] for each in flows])
    found = TensorHeadMotion(size, "cpu", exact=exact)(torch.from_numpy(flows)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_face_at_rest_has_a_gradient() -> None:
    """A network may have the fit as a part."""
    flow = torch.zeros(1, 2, 16, 16, requires_grad=True)
    TensorHeadMotion(16, "cpu", exact=False)(flow).square().sum().backward()  # type: ignore[no-untyped-call]
    assert flow.grad is not None
    assert flow.grad.isfinite().all()


def test_a_bilinear_warp_is_opencvs() -> None:
    """But for OpenCV's rounding to 1/32 px."""
    rng = np.random.default_rng(0)
    picture = texture((33, 47))
    flow = rng.integers(-96, 96, (2, 33, 47)).astype(np.float32) / 32
    y, x = np.mgrid[:33, :47].astype(np.float32)
    expected = cv2.remap(
        picture, x + flow[0], y + flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    given = torch.from_numpy(picture)[None, None], torch.from_numpy(flow)[None]
    np.testing.assert_allclose(warp_bilinear(*given)[0, 0], expected, atol=1e-2)


def test_bilinear_warps_find_about_the_same_flow() -> None:
    """Also from one picture to several. These have more fine detail than a face has."""
    flow = load_flow("lk")
    first, second = (torch.from_numpy(each) for each in pairs((64, 64), 3, noise=0.5))
    plain = TensorLucasKanade(flow.parameters, (64, 64), "cpu", exact=False)
    exact = TensorLucasKanade(flow.parameters, (64, 64), "cpu")
    for references, pictures in (
        (first, second),
        (first[:1], second),
        (first[:, None], second[:, None]),
    ):
        expected = exact(references.expand_as(pictures).flatten(0, -3), pictures.flatten(0, -3))
        found = plain(references, pictures)
        assert found.shape == (*pictures.shape[:-2], 2, 64, 64)
        away = (found.flatten(0, -4) - expected).abs().mean()
        assert away < 0.25 * expected.abs().mean()


def test_a_flow_of_a_device_is_the_flow() -> None:
    flow = load_flow("lk")
    device = DeviceFlow(flow, "cpu")
    first, second = pairs((48, 48), 2)
    assert (device.name, device.parameters) == (flow.name, flow.parameters)
    np.testing.assert_allclose(device(first, second), flow(first, second), atol=1e-4)
    whole = second.astype(np.uint8)
    to = device.against(first[0])
    np.testing.assert_allclose(to(whole[0]), flow(first[:1], whole[:1])[0], atol=1e-4)
    with pytest.raises(InputError):
        device(first, second[:1])
    assert flow_on(flow, "cpu") is flow
    assert flow_on(load_flow("dis"), "cuda:0").name == "dis"


def test_a_device_that_fails_is_left() -> None:
    flow = load_flow("lk")
    device = DeviceFlow(flow, "cuda:99")  # there is none
    first, second = pairs((32, 32), 1)
    np.testing.assert_array_equal(device(first, second), flow(first, second))
    assert device.trouble.startswith("lk failed on cuda:99: ")
    assert "\n" not in device.trouble
    measured = DeviceFlow(flow, "cuda:99", falls_back=False)
    with pytest.raises(InputError, match="lk failed on cuda:99: "):
        measured(first, second)


def test_crops_to_name_in_one_graph_are_the_two_steps() -> None:
    flow, path = load_flow("lk"), checkpoint_path("fmanet")
    serving = Serving(path, engine="eager")
    classifier = load_classifier(path, flow=flow, forward=serving)
    onset = texture(128)
    moments = [onset, moved(onset, bump(1.2, 9.0)), moved(onset, shift(0.3, 0.1))]
    crops = [[np.rint(each).astype(np.uint8)] for each in moments]
    for count in (3, 2):
        two = Naming(flow, classifier)(crops[:count], None)
        one = Naming(flow, classifier, OneGraph(flow, classifier, serving))(crops[:count], None)
        assert one.prediction.label == two.prediction.label
        assert one.prediction.probabilities == pytest.approx(two.prediction.probabilities, abs=1e-4)
        np.testing.assert_allclose(one.flows.onset_apex, two.flows.onset_apex, atol=1e-4)
        assert (one.flows.apex_offset is None) == (count == 2)
        assert set(one.timings_ms) == {"classify"}


def test_a_graph_that_fails_is_left() -> None:
    flow, path = load_flow("lk"), checkpoint_path("fmanet")
    serving = Serving(path, engine="eager")
    classifier = load_classifier(path, flow=flow, forward=serving)

    class Lost(OneGraph):
        def __call__(self, crops: object) -> object:  # type: ignore[override]
            raise RuntimeError("CUDA error: device lost\nand how to debug it")

    naming = Naming(flow, classifier, Lost(flow, classifier, serving))
    crops = [[np.rint(texture(64, seed)).astype(np.uint8)] for seed in range(3)]
    for _ in range(2):
        assert naming(crops, None).prediction.probabilities
    assert naming.trouble.startswith(
        "the CUDA graph failed: RuntimeError: CUDA error: device lost; "
    )


_KERNELS = Path(__file__).with_name("kernels.py")


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed (Linux only)")
@pytest.mark.parametrize("part", ["interpret", "fused", "odd", "compile 75 120", "launches 64"])
def test_kernels_have_the_same_numbers_and_compile_for_gpus(part: str) -> None:
    # In a process of its own: Triton decides at its import whether it interprets.
    interpreted = part in ("interpret", "fused", "odd")
    environment = {**os.environ, "TRITON_INTERPRET": str(int(interpreted))}
    # What Triton would decide for itself, and otherwise in its next version, it warns of.
    command = [sys.executable, "-W", "error::UserWarning", str(_KERNELS), *part.split()]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr

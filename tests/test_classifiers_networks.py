"""What every network of the table promises, through the checkpoint that it is saved in."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.classifiers import CLASSIFIERS, CustomLoss, Inputs, PhaseChoice, inputs_of
from model.classifiers.mmcof import mmcof
from model.classifiers.normalisation import normalise, resize_flow
from model.classifiers.phase_inputs import INPUT_PX, PHASE_SHAPES, prepare_phase
from model.errors import CheckpointError, InputError
from model.face.mesh_points import TAUGHT_POINTS
from model.flow import load_flow
from model.flow.key_frames import PHASE_FRAMES
from model.inference.checkpoint import Checkpoint, save_checkpoint
from model.inference.classifier import Classifier, load_classifier
from model.labels import CLASSES
from model.lazy_loading import load_entry
from model.records import ArrayF32, FlowPair, FramePair

UNITS = ("AU4", "AU12")


@pytest.fixture(scope="module", params=CLASSIFIERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def checkpoint(name: str, labels: tuple[str, ...] = CLASSES) -> Checkpoint:
    flow = load_flow("lk")
    return Checkpoint(name, labels, UNITS, flow.name, dict(flow.parameters))


def network(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return checkpoint(name).network()


@pytest.fixture(scope="module")
def inputs(name: str) -> Inputs:
    given: Inputs = load_entry(CLASSIFIERS, name, "classifier").inputs
    assert inputs_of(name) == given
    return given


@pytest.fixture(scope="module")
def classifier(name: str, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    path = tmp_path_factory.mktemp(name) / "untrained.safetensors"
    save_checkpoint(path, checkpoint(name), network(name).state_dict())
    return load_classifier(path)


def phase(inputs: Inputs, count: int, size: int = 64, seed: int = 0) -> ArrayF32:
    """Smooth flows of about 1 px, or smooth pictures that change a little."""
    rng = np.random.default_rng(seed)
    inner = PHASE_SHAPES[inputs]
    maps = rng.normal(size=(count, int(np.prod(inner)), 6, 6)).astype(np.float32)
    if inputs == "frames":
        maps = 128 + 10 * maps + 40 * maps[:, :1]
    coarse = torch.from_numpy(maps)
    fine = F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False).numpy()
    return fine.reshape(count, *inner, size, size)


def flows(count: int, size: int = 64, seed: int = 0) -> ArrayF32:
    return phase("flows", count, size, seed)


def as_taken(inputs: Inputs, count: int, seed: int = 0) -> Tensor:
    """A phase as a network's `forward` takes it."""
    scale = 255 if inputs == "frames" else 1
    return torch.from_numpy(phase(inputs, count, INPUT_PX, seed) / scale)


def as_told(count: int, second: float = 0.0) -> Tensor:
    """Landmarks of faces that move a little; those of the second phase differ by `second`."""
    rng = torch.Generator().manual_seed(4)
    rest = 1.6 * torch.rand((count, 1, 1, len(TAUGHT_POINTS), 2), generator=rng) - 0.8
    motion = 0.02 * torch.randn((count, 2, PHASE_FRAMES, 1, 2), generator=rng)
    moved = rest + motion
    return torch.stack([moved[:, 0], moved[:, 1] + second], dim=1)


def answered(
    net: nn.Module, first: Tensor, second: Tensor, known: Tensor, truth: Tensor, told: Tensor
) -> tuple[Tensor, Tensor]:
    """Class logits, and the loss of everything that the network learns from."""
    own: Tensor | float = 0.0
    if isinstance(net, CustomLoss):
        classes, units, own = net.learn(first, second, known, truth, told)
    else:
        classes, units = net(first, second, known)
    return classes, F.cross_entropy(classes, truth) + units.square().mean() + own


def test_answers_are_probabilities(classifier: Classifier, inputs: Inputs) -> None:
    first, second = phase(inputs, 3), phase(inputs, 3, seed=1)
    classes = classifier.predict(first, second)
    assert classes.shape == (3, len(CLASSES))
    assert classes.dtype == np.float32
    np.testing.assert_allclose(classes.sum(axis=1), 1, rtol=1e-5)
    units = classifier.predict_action_units(first, second)
    assert units.shape == (3, len(UNITS))
    assert ((units >= 0) & (units <= 1)).all()


@pytest.mark.parametrize("count", [3, 7])
def test_any_set_of_classes_is_served(
    name: str, inputs: Inputs, count: int, tmp_path: Path
) -> None:
    labels = tuple(f"class {number}" for number in range(count))
    path = tmp_path / "classes.safetensors"
    described = checkpoint(name, labels)
    save_checkpoint(path, described, described.network().state_dict())
    classifier = load_classifier(path)
    assert classifier.labels == labels
    assert classifier.predict(phase(inputs, 2)).shape == (2, count)


def test_a_checkpoint_gives_the_same_network(name: str, inputs: Inputs, tmp_path: Path) -> None:
    net = network(name).eval()
    path = tmp_path / "some.safetensors"
    save_checkpoint(path, checkpoint(name), net.state_dict())
    first, second = phase(inputs, 2, INPUT_PX), phase(inputs, 2, INPUT_PX, seed=1)
    scale = 1 / 255 if inputs == "frames" else 2.0  # px of the 64 px map in px of 128
    with torch.inference_mode():
        logits, _ = net(
            torch.from_numpy(scale * first).float(),
            torch.from_numpy(scale * second).float(),
            torch.ones(2),
        )
    expected = logits.softmax(dim=1).numpy()
    np.testing.assert_allclose(load_classifier(path).predict(first, second), expected, atol=1e-5)
    assert path.stat().st_size < 8e6


def test_nothing_to_answer_gives_no_answers(classifier: Classifier, inputs: Inputs) -> None:
    assert classifier.predict(phase(inputs, 0)).shape == (0, len(CLASSES))
    assert classifier.predict_action_units(phase(inputs, 0)).shape == (0, len(UNITS))


def test_the_same_question_gets_the_same_answer(classifier: Classifier, inputs: Inputs) -> None:
    first, second = phase(inputs, 2), phase(inputs, 2, seed=1)
    np.testing.assert_array_equal(
        classifier.predict(first, second), classifier.predict(first, second)
    )


def test_a_batch_of_one_equals_a_batch_of_many(classifier: Classifier, inputs: Inputs) -> None:
    first, second = phase(inputs, 4), phase(inputs, 4, seed=1)
    alone = [classifier.predict(first[i : i + 1], second[i : i + 1]) for i in range(4)]
    np.testing.assert_allclose(classifier.predict(first, second), np.concatenate(alone), atol=1e-5)


def test_a_network_says_which_phases_it_looks_at(name: str, inputs: Inputs) -> None:
    net = network(name).eval()
    phases: PhaseChoice = net.phases  # type: ignore[assignment]
    first, second = as_taken(inputs, 2), as_taken(inputs, 2, seed=1)
    other, known = as_taken(inputs, 2, seed=2), torch.ones(2)
    usual = net(first, second, known)[0]
    assert torch.equal(usual, net(other, second, known)[0]) == (phases == "apex_offset")
    assert torch.equal(usual, net(first, other, known)[0]) == (phases == "onset_apex")
    alone = net(first, second, torch.zeros(2))[0]
    assert torch.equal(usual, alone) == (phases == "onset_apex")


def test_an_unknown_phase_cannot_be_seen(name: str, inputs: Inputs) -> None:
    net = network(name).eval()
    first, known = as_taken(inputs, 2), torch.zeros(2)
    answers = [
        net(first, torch.full_like(first, hidden), known) for hidden in (0.0, 5.0, float("nan"))
    ]
    for classes, units in answers[1:]:
        torch.testing.assert_close(classes, answers[0][0])
        torch.testing.assert_close(units, answers[0][1])


def test_an_unknown_phase_teaches_nothing(name: str, inputs: Inputs) -> None:
    net, truth = network(name), torch.tensor([0, 1])
    first = as_taken(inputs, 2)
    losses = []
    for hidden in (0.0, float("nan")):
        torch.manual_seed(0)  # dropout
        net.zero_grad()
        _, loss = answered(
            net, first, torch.full_like(first, hidden), torch.zeros(2), truth, as_told(2, hidden)
        )
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss)
        assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())
    torch.testing.assert_close(losses[0], losses[1])


@pytest.mark.parametrize("size", [16, 28, 97, 128, 224])
def test_any_crop_size_is_taken(classifier: Classifier, inputs: Inputs, size: int) -> None:
    maps = phase(inputs, 1, size)
    assert classifier.predict(maps, maps).shape == (1, len(CLASSES))


def test_px_scale_with_the_crop(classifier: Classifier, inputs: Inputs) -> None:
    small = phase(inputs, 2, 64)
    large = np.repeat(np.repeat(small, 2, axis=-2), 2, axis=-1)
    if inputs != "frames":
        large *= 2
    np.testing.assert_allclose(classifier.predict(small), classifier.predict(large), atol=0.03)


def test_classify_names_the_likeliest(classifier: Classifier, inputs: Inputs) -> None:
    uv = flows(2, 128)
    frames = phase("frames", 2, 128)
    both, shown = FlowPair(uv[0], uv[1]), FramePair(frames[0], frames[1])
    prediction = classifier.classify(both, shown)
    assert list(prediction.probabilities) == list(classifier.labels)
    assert prediction.label == max(
        prediction.probabilities, key=lambda label: prediction.probabilities[label]
    )
    assert list(prediction.action_units) == list(UNITS)
    assert prediction.classifier == classifier.name
    early = classifier.classify(FlowPair(uv[0], None), FramePair(frames[0], None))
    assert sum(early.probabilities.values()) == pytest.approx(1, abs=1e-5)
    if inputs == "long_flows":
        return
    one = (uv if inputs == "flows" else frames)[:1]
    np.testing.assert_allclose(
        list(early.probabilities.values()), classifier.predict(one)[0], atol=1e-6
    )


def test_frames_are_asked_for_where_they_are_needed(classifier: Classifier, inputs: Inputs) -> None:
    pair = FlowPair(flows(1)[0], None)
    if inputs == "flows":
        assert classifier.classify(pair) == classifier.classify(pair, None)
    else:
        with pytest.raises(InputError, match="frames"):
            classifier.classify(pair)


def test_what_is_read_only_may_be_given(classifier: Classifier, inputs: Inputs) -> None:
    first = phase(inputs, 1)
    first.setflags(write=False)
    assert classifier.predict(first).shape == (1, len(CLASSES))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good[0],
        lambda good: np.concatenate([good, good], axis=1),
        lambda good: good[..., :48],
        lambda good: good[..., :8, :8],
        lambda good: good.astype(np.float64),
        lambda good: np.full_like(good, np.inf),
        lambda good: good.tolist(),
    ],
)
def test_unusable_input_is_refused(
    classifier: Classifier, inputs: Inputs, spoil: Callable[[ArrayF32], ArrayF32]
) -> None:
    with pytest.raises(InputError, match="onset_apex"):
        classifier.predict(spoil(phase(inputs, 1)))


def test_phases_of_two_sizes_are_refused(classifier: Classifier, inputs: Inputs) -> None:
    with pytest.raises(InputError, match="one shape"):
        classifier.predict(phase(inputs, 1, 64), phase(inputs, 1, 128))


def test_still_faces_get_finite_answers(classifier: Classifier, inputs: Inputs) -> None:
    still = np.zeros((1, *PHASE_SHAPES[inputs], 64, 64), np.float32)
    assert np.isfinite(classifier.predict(still, still)).all()
    assert np.isfinite(classifier.predict(still)).all()


def test_gradients_reach_every_parameter(name: str, inputs: Inputs) -> None:
    net = network(name)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    first, second = as_taken(inputs, 8), as_taken(inputs, 8, seed=1)
    truth = torch.arange(8) % len(CLASSES)
    # Blocks that start as the identity pass gradients on from the second step.
    for _ in range(2):
        optimizer.zero_grad()
        _, loss = answered(net, first, second, torch.ones(8), truth, as_told(8))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    still = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_eight_samples_are_learnt_by_heart(name: str, inputs: Inputs) -> None:
    torch.manual_seed(0)
    net = checkpoint(name).network()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    first, second = as_taken(inputs, 8), as_taken(inputs, 8, seed=1)
    truth = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    known = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    if net.phases == "apex_offset":
        known = torch.ones(8)
    for _ in range(120):
        optimizer.zero_grad()
        classes, loss = answered(net, first, second, known, truth, as_told(8))
        if classes.argmax(dim=1).equal(truth):
            return
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    pytest.fail(f"after 120 steps the answers are {classes.argmax(dim=1).tolist()}")


# torch's own: it looks for the attribute in a way that it warns of itself
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_networks_can_be_exported(name: str, inputs: Inputs) -> None:
    net = network(name).eval()
    given = (as_taken(inputs, 2), as_taken(inputs, 2, seed=1), torch.tensor([1.0, 0.0]))
    exported = torch.export.export(net, given).module()
    for ours, theirs in zip(net(*given), exported(*given), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    "left_out",
    [
        {"modulation": False},
        {"fusion": False},
        {"attention": False},
        {"phases": "onset_apex"},
        {"phases": "apex_offset"},
        {"modulation": False, "fusion": False, "attention": False},
    ],
)
def test_blocks_of_fmanet_can_be_left_out(left_out: dict[str, bool | str], tmp_path: Path) -> None:
    part = replace(checkpoint("fmanet"), options=left_out)
    net, whole = part.network(), checkpoint("fmanet").network()
    assert net.state_dict().keys() < whole.state_dict().keys()
    path = tmp_path / "part.safetensors"
    save_checkpoint(path, part, net.state_dict())
    assert load_classifier(path).predict(flows(2), flows(2, seed=1)).shape == (2, len(CLASSES))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for _ in range(2):
        optimizer.zero_grad()
        classes, units = net(torch.from_numpy(flows(4)), torch.from_numpy(flows(4)), torch.ones(4))
        (classes.square().sum() + units.square().sum()).backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


def test_the_mean_over_the_face_is_a_case_of_keeping_places() -> None:
    mean = checkpoint("fmanet").network().eval()
    kept = replace(checkpoint("fmanet"), options={"places": True}).network().eval()
    weights = mean.state_dict()
    for head in ("classes", "action_units"):
        features, balance = weights[f"{head}.weight"].split([64, 1], dim=1)
        spread = features.repeat_interleave(16, dim=1) / 16  # each feature at its 4 × 4 places
        weights[f"{head}.weight"] = torch.cat([spread, balance], dim=1)
    kept.load_state_dict(weights)
    phases = torch.from_numpy(flows(2)), torch.from_numpy(flows(2, seed=1)), torch.ones(2)
    for ours, theirs in zip(kept(*phases), mean(*phases), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_options_that_a_network_has_not_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    odd = replace(checkpoint("fmanet"), options={"colour": True})
    save_checkpoint(path, odd, network("fmanet").state_dict())
    with pytest.raises(CheckpointError, match=r"'fmanet' has no such options.*colour"):
        load_classifier(path)


def test_normalisation_forgets_the_unit_and_keeps_how_the_phases_compare() -> None:
    first, second = torch.from_numpy(flows(1)), torch.from_numpy(flows(1, seed=1))
    known = torch.ones(1)
    weak = normalise(0.5 * first, 0.5 * second, known)
    strong = normalise(2 * first, 2 * second, known)
    torch.testing.assert_close(weak[0], strong[0], atol=0.12, rtol=0)
    torch.testing.assert_close(weak[2], strong[2], atol=0.12, rtol=0)
    longer = normalise(first, 3 * second, known)
    assert (longer[2] > strong[2] + 0.8).all()


@pytest.mark.parametrize("zero", [(0.5, -0.2), (-40.0, 128.0)])
def test_normalisation_finds_the_zero_that_a_map_lost(zero: tuple[float, float]) -> None:
    flow = torch.zeros(1, 2, 64, 64)
    flow[:, 1, 10:25, 12:30] = -1.0
    moved = flow + torch.tensor(zero).view(1, 2, 1, 1)
    nothing = torch.zeros(1)
    expected, _, _ = normalise(flow, flow, nothing)
    found, _, _ = normalise(moved, flow, nothing)
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0)
    assert expected[0, :, 40:, 40:].abs().max() < 0.05


def test_resized_flow_is_in_px_of_the_reference_crop() -> None:
    flow = torch.ones(1, 2, 224, 224)
    small = resize_flow(flow)
    assert small.shape == (1, 2, INPUT_PX, INPUT_PX)
    torch.testing.assert_close(small, torch.full_like(small, 128 / 224))


@pytest.mark.parametrize("side", [16, 64, 100, 128, 224])
def test_phases_are_resized_as_pytorch_does(side: int) -> None:
    rng = np.random.default_rng(side)
    flow = rng.normal(size=(3, 2, side, side)).astype(np.float32)
    found = prepare_phase("flows", flow)
    np.testing.assert_allclose(found, resize_flow(torch.from_numpy(flow)), atol=1e-5)
    frames = rng.uniform(0, 255, (2, 5, side, side)).astype(np.float32)
    small = F.interpolate(
        torch.from_numpy(frames), (64, 64), mode="bilinear", antialias=True, align_corners=False
    )
    np.testing.assert_allclose(prepare_phase("frames", frames), small / 255, atol=1e-5)


def test_mmcof_adds_phases_that_return() -> None:
    motion = torch.zeros(1, 2, 32, 32)
    motion[:, 1, 8:16, 8:16] = -2.0
    both = mmcof(motion, motion, torch.ones(1))
    first = mmcof(motion, torch.zeros_like(motion), torch.zeros(1))
    torch.testing.assert_close(both, first)
    assert both[0, 1, 12, 12] < -0.9
    assert both[0, :, 24, 24].abs().max() < 0.1

"""What every network of the table promises, through the checkpoint that it is saved in."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model.checkpoint import Checkpoint, load_classifier, save_checkpoint
from model.classifiers import CLASSIFIERS, Classifier
from model.classifiers.inputs import INPUT_PX, normalised, resized
from model.classifiers.mmcof import mmcof
from model.errors import InputError
from model.flow import load_flow
from model.labels import CLASSES
from model.records import ArrayF32, FlowPair

UNITS = ("AU4", "AU12")


@pytest.fixture(params=CLASSIFIERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def checkpoint(name: str) -> Checkpoint:
    flow = load_flow("lk")
    return Checkpoint(name, CLASSES, UNITS, flow.name, dict(flow.parameters))


def network(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return checkpoint(name).network()


@pytest.fixture
def classifier(name: str, tmp_path: Path) -> Classifier:
    path = tmp_path / "untrained.safetensors"
    save_checkpoint(path, checkpoint(name), network(name).state_dict())
    return load_classifier(path)


def flows(count: int, size: int = 64, seed: int = 0) -> ArrayF32:
    """Smooth flows of about 1 px."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(size=(count, 2, 6, 6)).astype(np.float32))
    return F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False).numpy()


def test_answers_are_probabilities(classifier: Classifier) -> None:
    classes = classifier.predict(flows(3), flows(3, seed=1))
    assert classes.shape == (3, len(CLASSES))
    assert classes.dtype == np.float32
    np.testing.assert_allclose(classes.sum(axis=1), 1, rtol=1e-5)
    units = classifier.predict_action_units(flows(3), flows(3, seed=1))
    assert units.shape == (3, len(UNITS))
    assert ((units >= 0) & (units <= 1)).all()


def test_no_flows_give_no_answers(classifier: Classifier) -> None:
    assert classifier.predict(flows(0)).shape == (0, len(CLASSES))
    assert classifier.predict_action_units(flows(0)).shape == (0, len(UNITS))


def test_the_same_question_gets_the_same_answer(classifier: Classifier) -> None:
    first, second = flows(2), flows(2, seed=1)
    np.testing.assert_array_equal(
        classifier.predict(first, second), classifier.predict(first, second)
    )


def test_a_batch_of_one_equals_a_batch_of_many(classifier: Classifier) -> None:
    first, second = flows(4), flows(4, seed=1)
    alone = [classifier.predict(first[i : i + 1], second[i : i + 1]) for i in range(4)]
    np.testing.assert_allclose(classifier.predict(first, second), np.concatenate(alone), atol=1e-5)


def test_one_phase_gets_an_answer_of_its_own(classifier: Classifier) -> None:
    first = flows(3)
    alone = classifier.predict(first)
    assert alone.shape == (3, len(CLASSES))
    assert not np.array_equal(alone, classifier.predict(first, flows(3, seed=1)))


def test_an_unknown_phase_cannot_be_seen(name: str) -> None:
    net = network(name).eval()
    first, known = torch.from_numpy(flows(2)), torch.zeros(2)
    answers = [
        net(first, torch.full_like(first, hidden), known) for hidden in (0.0, 5.0, float("nan"))
    ]
    for classes, units in answers[1:]:
        torch.testing.assert_close(classes, answers[0][0])
        torch.testing.assert_close(units, answers[0][1])


@pytest.mark.parametrize("size", [16, 28, 97, 128, 224])
def test_any_crop_size_is_taken(classifier: Classifier, size: int) -> None:
    assert classifier.predict(flows(1, size), flows(1, size)).shape == (1, len(CLASSES))


def test_px_scale_with_the_crop(classifier: Classifier) -> None:
    small = flows(2, 64)
    large = 2 * np.repeat(np.repeat(small, 2, axis=2), 2, axis=3)
    np.testing.assert_allclose(classifier.predict(small), classifier.predict(large), atol=0.03)


def test_classify_names_the_likeliest(classifier: Classifier) -> None:
    first, second = flows(1)[0], flows(1, seed=1)[0]
    prediction = classifier.classify(FlowPair(first, second))
    assert list(prediction.probabilities) == list(classifier.labels)
    assert prediction.label == max(
        prediction.probabilities, key=lambda label: prediction.probabilities[label]
    )
    assert list(prediction.action_units) == list(UNITS)
    assert prediction.classifier == classifier.name
    early = classifier.classify(FlowPair(first, None))
    np.testing.assert_allclose(
        list(early.probabilities.values()), classifier.predict(first[None])[0]
    )


def test_what_is_read_only_may_be_given(classifier: Classifier) -> None:
    first = flows(1)
    first.setflags(write=False)
    assert classifier.predict(first).shape == (1, len(CLASSES))


@pytest.mark.parametrize(
    "onset_apex",
    [
        np.zeros((2, 64, 64), np.float32),
        np.zeros((1, 3, 64, 64), np.float32),
        np.zeros((1, 2, 64, 48), np.float32),
        np.zeros((1, 2, 8, 8), np.float32),
        np.zeros((1, 2, 64, 64), np.float64),
        np.full((1, 2, 64, 64), np.inf, np.float32),
        [[0.0]],
    ],
)
def test_unusable_flows_are_refused(classifier: Classifier, onset_apex: ArrayF32) -> None:
    with pytest.raises(InputError, match="onset_apex"):
        classifier.predict(onset_apex)


def test_phases_of_two_sizes_are_refused(classifier: Classifier) -> None:
    with pytest.raises(InputError, match="one shape"):
        classifier.predict(flows(1, 64), flows(1, 128))


def test_still_faces_get_finite_answers(classifier: Classifier) -> None:
    still = np.zeros((1, 2, 64, 64), np.float32)
    assert np.isfinite(classifier.predict(still, still)).all()
    assert np.isfinite(classifier.predict(still)).all()


def test_gradients_reach_every_parameter(name: str) -> None:
    net = network(name)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    first, second = torch.from_numpy(flows(8)), torch.from_numpy(flows(8, seed=1))
    # Blocks that start as the identity pass gradients on from the second step.
    for _ in range(2):
        optimizer.zero_grad()
        classes, units = net(first, second, torch.ones(8))
        (classes.square().sum() + units.square().sum()).backward()
        optimizer.step()
    still = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_eight_samples_are_learnt_by_heart(name: str) -> None:
    torch.manual_seed(0)
    net = checkpoint(name).network()
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    first, second = torch.from_numpy(flows(8)), torch.from_numpy(flows(8, seed=1))
    truth = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    known = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    for _ in range(60):
        optimizer.zero_grad()
        classes, _ = net(first, second, known)
        F.cross_entropy(classes, truth).backward()
        optimizer.step()
        if F.cross_entropy(classes, truth) < 0.02:
            break
    assert classes.argmax(dim=1).tolist() == truth.tolist()


def test_normalisation_forgets_the_amplitude_but_for_one_number() -> None:
    first, second = torch.from_numpy(flows(1)), torch.from_numpy(flows(1, seed=1))
    known = torch.ones(1)
    weak = normalised(0.5 * first, 0.5 * second, known)
    strong = normalised(2 * first, 2 * second, known)
    torch.testing.assert_close(weak[0], strong[0], atol=0.12, rtol=0)
    assert (strong[2] > weak[2]).all()


def test_resized_flow_is_in_px_of_the_reference_crop() -> None:
    flow = torch.ones(1, 2, 224, 224)
    small = resized(flow)
    assert small.shape == (1, 2, INPUT_PX, INPUT_PX)
    torch.testing.assert_close(small, torch.full_like(small, 128 / 224))


def test_mmcof_adds_phases_that_return() -> None:
    motion = torch.zeros(1, 2, 32, 32)
    motion[:, 1, 8:16, 8:16] = -2.0
    both = mmcof(motion, motion, torch.ones(1))
    first = mmcof(motion, torch.zeros_like(motion), torch.zeros(1))
    torch.testing.assert_close(both, first)
    assert both[0, 1, 12, 12] < -0.9
    assert both[0, :, 24, 24].abs().max() < 0.1

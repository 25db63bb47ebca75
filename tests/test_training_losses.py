"""Losses against their formulas; samples without expression; units that nobody coded."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from easy import easy_samples

from model.labels import NO_EXPRESSION
from model.training.losses import class_loss, class_weights, unit_loss, unit_weights

ONES = torch.ones(3)
LOGITS = torch.randn((6, 3), generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 2, 1, 0])


def test_without_options_it_is_cross_entropy() -> None:
    for smoothing in (0.0, 0.1):
        found = class_loss(LOGITS, LABELS, weights=ONES, smoothing=smoothing)
        expected = F.cross_entropy(LOGITS, LABELS, label_smoothing=smoothing)
        torch.testing.assert_close(found, expected)


def test_focal_loss_is_as_in_its_paper() -> None:
    share = LOGITS.softmax(dim=1)[torch.arange(6), LABELS]
    expected = (-((1 - share) ** 2) * share.log()).mean()
    torch.testing.assert_close(class_loss(LOGITS, LABELS, weights=ONES, focusing=2.0), expected)


def test_no_expression_is_least_lost_by_equal_probabilities() -> None:
    none = torch.full((1,), NO_EXPRESSION)
    equal = class_loss(torch.full((1, 3), 0.7), none, weights=ONES)
    assert equal.item() == pytest.approx(0, abs=1e-6)
    sure = class_loss(torch.tensor([[4.0, 0.0, 0.0]]), none, weights=ONES)
    assert sure.item() > 1
    half = class_loss(torch.tensor([[4.0, 0.0, 0.0]]), none, weights=ONES, none_weight=0.5)
    assert half.item() == pytest.approx(sure.item() / 2)


def test_units_that_nobody_coded_do_not_count() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    present = torch.tensor([[1.0, math.nan], [0.0, math.nan]])
    expected = F.binary_cross_entropy_with_logits(logits[:, 0], present[:, 0])
    torch.testing.assert_close(unit_loss(logits, present, torch.ones(2)), expected)
    assert unit_loss(logits, torch.full((2, 2), math.nan), torch.ones(2)).item() == 0


def test_rare_classes_and_units_weigh_more() -> None:
    labels = np.array([0] * 6 + [1] * 2 + [NO_EXPRESSION] * 4)
    samples = replace(easy_samples(12, 0), labels=labels)
    weights = class_weights(samples)
    assert weights[0] * 6 == pytest.approx(weights[1] * 2)
    assert (weights[labels[:8]]).mean() == pytest.approx(1)
    units = np.zeros((12, 4), np.float32)
    units[:6, 0] = 1
    units[0, 1] = 1
    units[:, 3] = np.nan
    coded = replace(samples, action_units=units)
    assert unit_weights(coded, 1.0).tolist() == pytest.approx([1, 11, 12, 1])
    assert unit_weights(coded, 0.0).tolist() == [1, 1, 1, 1]

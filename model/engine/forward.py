"""The function an engine makes of a network: its `forward` for arrays of one fixed shape."""

from collections.abc import Callable

import numpy as np

from model.records import ArrayF32

Arrays = tuple[ArrayF32, ArrayF32, ArrayF32]
"""What a network's `forward` takes (`model.classifiers`)."""

INPUT_NAMES = ("onset_apex", "apex_offset", "has_offset")
"""Their names in a built file. A network that uses only one phase has no input for the other."""

Forward = Callable[[ArrayF32, ArrayF32, ArrayF32], tuple[ArrayF32, ArrayF32]]
"""A network's `forward` for contiguous float32 arrays. The caller may keep the answers."""


def in_batches(forward: Forward, batch: int, given: Arrays) -> tuple[ArrayF32, ArrayF32]:
    """Run `forward`, which takes `batch` inputs, on any number of inputs, at least one. The last
    batch is filled up with zeros."""
    count = len(given[0])
    if count == batch:
        return forward(*given)
    classes, units = [], []
    for start in range(0, count, batch):
        part = [each[start : start + batch] for each in given]
        there = len(part[0])
        if there < batch:
            part = [
                np.concatenate([each, np.zeros((batch - there, *each.shape[1:]), np.float32)])
                for each in part
            ]
        found = forward(part[0], part[1], part[2])
        classes.append(found[0][:there])
        units.append(found[1][:there])
    return np.concatenate(classes), np.concatenate(units)


def softmax(logits: ArrayF32) -> ArrayF32:
    """Probabilities (N, C) of class logits (N, C); rows sum to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: ArrayF32 = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def sigmoid(logits: ArrayF32) -> ArrayF32:
    """Independent probabilities of logits, of the same shape."""
    # tanh does not overflow.
    chances: ArrayF32 = (0.5 + 0.5 * np.tanh(0.5 * logits)).astype(np.float32)
    return chances

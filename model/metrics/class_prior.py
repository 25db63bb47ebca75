"""How frequent the classes are, and what that changes in an answer.

Networks answer as if all classes were equally frequent: they are trained on equal classes, or with
weights that make them equal. In recorded data they are not; most expressions are negative. By
Bayes' rule an answer for other shares follows from the one for equal shares (M. Saerens,
P. Latinne, C. Decaestecker, Neural Computation 14, 2002, equation 2.4).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.errors import InputError
from model.labels import NO_EXPRESSION
from model.records import ArrayF32


def apply_prior(probabilities: ArrayF32, prior: ArrayLike) -> ArrayF32:
    """Probabilities (N, C) for equal classes, as they are for classes of the shares `prior`, (C,)
    or (N, C), all above 0."""
    weighted = probabilities * np.asarray(prior, np.float64)
    shares: ArrayF32 = (weighted / weighted.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def shares_of_others(
    labels: ArrayLike, subjects: Sequence[str], classes: int
) -> NDArray[np.float64]:
    """The share of each class among the clips of all other subjects, (N, C): what is known of a
    data set before its subject is seen. Each class counts one clip more, so that none has share 0.
    Clips without expression do not count."""
    numbers = np.asarray(labels)
    counts = np.eye(classes)[np.maximum(numbers, 0)] * (numbers != NO_EXPRESSION)[:, None]
    distinct, owner = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    own = np.zeros((len(distinct), classes))
    np.add.at(own, owner, counts)
    others = counts.sum(axis=0) - own + 1
    shares: NDArray[np.float64] = (others / others.sum(axis=1, keepdims=True))[owner]
    return shares


def parse_prior(
    text: str, labels: ArrayLike, subjects: Sequence[str], classes: Sequence[str]
) -> NDArray[np.float64]:
    """The shares of the classes that `text` says: "data" for `shares_of_others`, (N, C), or a
    number above 0 for each class, with commas, (C,), which are scaled to sum to 1. Raises
    `InputError` for other text."""
    if text == "data":
        return shares_of_others(labels, subjects, len(classes))
    try:
        shares = np.array([float(part) for part in text.split(",")])
    except ValueError:
        shares = np.zeros(0)
    if len(shares) != len(classes) or not (np.isfinite(shares).all() and (shares > 0).all()):
        raise InputError(
            f"--prior {text!r} has to be equal, data, or a number above 0 for each of "
            f"{', '.join(classes)}"
        )
    scaled: NDArray[np.float64] = shares / shares.sum()
    return scaled

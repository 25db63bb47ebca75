"""Reads held-out predictions with their labels from CSV.

The table has a header and a row per clip. `label` is the true class, `p_<class>` the probability of
each class, and `subject`, which is optional, the clip's subject. The `predictions.csv` of a
leave-one-subject-out training works too: `truth`, `predicted`, then a column for each class.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.datasets.delimited import read_table
from model.errors import InputError
from model.records import ArrayF64

_PREFIX = "p_"
_SUM_TOLERANCE = 0.02  # probabilities are rounded when written


@dataclass(frozen=True, slots=True)
class Predictions:
    """A classifier's answers to clips that it was not trained on."""

    labels: tuple[str, ...]
    probabilities: ArrayF64
    """(N, C), rows sum to 1, in the order of `labels`."""
    truth: NDArray[np.int64]
    """(N,) class numbers."""
    subjects: tuple[str, ...] | None
    """(N) the subject of each clip; None if unknown."""


def read_predictions(path: Path) -> Predictions:
    """The predictions in the file `path`. Raises `InputError`, in one line, if it is no such
    table."""
    try:
        return _predictions(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"{path} holds no predictions: {why}; needed are label, p_<class> and perhaps subject"
        ) from None


def _predictions(path: Path) -> Predictions:
    table = read_table(path)
    columns, rows = table.columns, [row.cells for row in table.rows]
    if "predicted" in columns:
        column, prefix = "truth", ""
        labels = list(columns[columns.index("predicted") + 1 :])
    else:
        # Tables of events also have columns for action units, which are not classes.
        column, prefix = "label", _PREFIX
        named = [name.removeprefix(_PREFIX) for name in columns if name.startswith(_PREFIX)]
        labels = [name for name in named if not name.startswith("AU")]
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise ValueError(f"its classes are {labels}")
    truth = [row[column] for row in rows]
    if not truth:
        raise ValueError("it has no rows")
    unknown = sorted(set(truth) - set(labels))
    if unknown:
        raise ValueError(f"the labels {unknown} are none of {labels}")
    shares = np.array([[float(row[prefix + label]) for label in labels] for row in rows])
    if not (np.isfinite(shares).all() and shares.min() >= 0):
        raise ValueError("a probability is negative or no number")
    sums = shares.sum(axis=1)
    if np.abs(sums - 1).max() > _SUM_TOLERANCE:
        raise ValueError(f"probabilities sum to {sums.min():.3g} … {sums.max():.3g}, not to 1")
    numbers = np.array([labels.index(name) for name in truth], np.int64)
    subjects = tuple(row["subject"] for row in rows) if "subject" in columns else None
    return Predictions(tuple(labels), shares / sums[:, None], numbers, subjects)

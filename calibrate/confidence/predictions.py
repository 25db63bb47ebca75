"""Held-out predictions with their labels, read from CSV or JSON.

CSV: a header and a row per clip. `label` is the true class, `p_<class>` the probability of each
class, and `subject`, which is optional, the clip's subject. The `predictions.csv` of a
leave-one-subject-out training works too: `truth`, `predicted`, then a column for each class.
JSON: `labels` (the classes), `probabilities` (N, C), `truth` (N names or numbers) and, if known,
`subjects` (N).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.datasets.delimited import TextTable, read_table
from model.errors import InputError
from model.records import ArrayF64
from model.text import parse_json, read_text

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
        if path.suffix.lower() == ".json":
            return _checked(*_from_json(parse_json(read_text(path))))
        return _checked(*_from_csv(read_table(path)))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"{path} holds no predictions: {why}; needed are label, p_<class> and perhaps subject"
        ) from None


_Table = tuple[list[str], list[list[float]], list[Any], list[str] | None]


def _from_csv(table: TextTable) -> _Table:
    columns, rows = table.columns, [row.cells for row in table.rows]
    if "predicted" in columns:
        truth, prefix = "truth", ""
        labels = list(columns[columns.index("predicted") + 1 :])
    else:
        # Tables of events also have columns for action units, which are not classes.
        truth, prefix = "label", _PREFIX
        named = [name.removeprefix(_PREFIX) for name in columns if name.startswith(_PREFIX)]
        labels = [name for name in named if not name.startswith("AU")]
    probabilities = [[float(row[prefix + label]) for label in labels] for row in rows]
    subjects = [row["subject"] for row in rows] if "subject" in columns else None
    return labels, probabilities, [row[truth] for row in rows], subjects


def _from_json(document: Any) -> _Table:
    if not isinstance(document, dict):
        raise ValueError("it is no object")
    subjects = document.get("subjects")
    return (
        [str(label) for label in document["labels"]],
        document["probabilities"],
        list(document["truth"]),
        None if subjects is None else [str(subject) for subject in subjects],
    )


def _checked(
    labels: list[str], probabilities: list[list[float]], truth: list[Any], subjects: Any
) -> Predictions:
    shares = np.array(probabilities, np.float64)
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise ValueError(f"its classes are {labels}")
    if shares.shape != (len(truth), len(labels)) or not len(truth):
        raise ValueError(f"{len(truth)} labels, probabilities of shape {shares.shape}")
    if not (np.isfinite(shares).all() and shares.min() >= 0):
        raise ValueError("a probability is negative or no number")
    sums = shares.sum(axis=1)
    if np.abs(sums - 1).max() > _SUM_TOLERANCE:
        raise ValueError(f"probabilities sum to {sums.min():.3g} … {sums.max():.3g}, not to 1")
    unknown = sorted({str(name) for name in truth if _number(name, labels) is None})
    if unknown:
        raise ValueError(f"the labels {unknown} are none of {labels}")
    if subjects is not None and len(subjects) != len(truth):
        raise ValueError(f"{len(subjects)} subjects for {len(truth)} labels")
    numbers = np.array([_number(name, labels) for name in truth], np.int64)
    whose = None if subjects is None else tuple(subjects)
    return Predictions(tuple(labels), shares / sums[:, None], numbers, whose)


def _number(name: Any, labels: list[str]) -> int | None:
    if isinstance(name, int) and not isinstance(name, bool):
        return name if 0 <= name < len(labels) else None
    return labels.index(name) if name in labels else None

"""Whether micro-expressions (MEs) are true as often as their probability says, and which constants
of `realtime.spotting.me_probability` would fit the footage."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.spotting.outcomes import Outcome
from model.cli import format_columns
from model.metrics.recognition import bin_confidence, expected_error
from model.records import ArrayF64
from realtime.spotting.me_probability import margin_of
from realtime.spotting.spotting_scores import score

BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Edges of the probabilities that are compared together."""
_PRIOR = 1e-3  # of both parameters: keeps a fit finite if a margin parts true from false
_STEPS = 50
_FARTHEST = 15.0


@dataclass(frozen=True)
class Reliability:
    """N MEs that a spotter claimed."""

    probability: ArrayF64
    """(N,) that each is a true one, as claimed; 0 to 1."""
    true: NDArray[np.bool_]
    """(N,) whether it hit an annotated ME."""

    @staticmethod
    def of(outcomes: Iterable[Outcome]) -> "Reliability":
        """The MEs of all `outcomes` whose probability is known."""
        claims: list[tuple[float, bool]] = []
        for each in outcomes:
            hits = {said for said, _ in score([(tuple(each.found), each.truth)], "micro").pairs}
            claims += [(p, said in hits) for said, p in each.probability.items()]
        return Reliability(
            np.array([p for p, _ in claims]), np.array([hit for _, hit in claims], bool)
        )

    def rows(self) -> list[tuple[float, float, int, float, float]]:
        """(above, up to, MEs, mean probability, share of true ones) of each bin with an ME."""
        bins = bin_confidence(self.probability, self.true, BINS)
        return [astuple(each) for each in bins if each.clips]

    @property
    def expected_error(self) -> float:
        """Expected calibration error: how far probability and share of true ones are apart in a
        bin, in the mean over all MEs; NaN without any."""
        return expected_error(bin_confidence(self.probability, self.true, BINS))

    def fit(self) -> tuple[float, float] | None:
        """The probability at the bar and the steepness that make these MEs likeliest (logistic
        regression on the logarithm of the margin); None unless there are true and false ones."""
        if len(set(self.true.tolist())) < 2:
            return None
        margin = np.log([max(margin_of(p), 1e-3) for p in np.clip(self.probability, 0, 1 - 1e-9)])
        inputs = np.column_stack([np.ones(len(margin)), margin])
        weights = np.zeros(2)
        for _ in range(_STEPS):  # Newton's method
            p = _logistic(inputs @ weights)
            slope = inputs.T @ (self.true - p) - _PRIOR * weights
            curve = (inputs.T * (p * (1 - p))) @ inputs + _PRIOR * np.eye(2)
            weights += np.linalg.solve(curve, slope)
        return float(_logistic(weights[:1])[0]), float(weights[1])

    def plain(self) -> dict[str, Any]:
        """The figures as plain values for JSON; None if unknown."""
        names = ("from", "to", "claimed", "mean_probability", "true_share")
        fitted = self.fit()
        return {
            "rows": [dict(zip(names, row, strict=True)) for row in self.rows()],
            "expected_error": self.expected_error if len(self.true) else None,
            "fit": fitted and {"at_bar": fitted[0], "steepness": fitted[1]},
        }


def format_reliability(found: Reliability) -> str:
    """The figures as a text table; empty without MEs."""
    if not len(found.true):
        return ""
    cells = [
        [f"{low:g} to {high:g}", f"{n}", f"{mean:.2f}", f"{share:.2f}"]
        for low, high, n, mean, share in found.rows()
    ]
    table = format_columns([("probability", "MEs", "mean", "true"), *cells])
    words = f"expected calibration error {found.expected_error:.3f} over {len(found.true)} MEs"
    if (fitted := found.fit()) is not None:
        words += "; fitted to these: {:.3f} at the bar, steepness {:.2f}".format(*fitted)
    return f"{table}\n{words}"


def _logistic(value: ArrayF64) -> ArrayF64:
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -_FARTHEST, _FARTHEST))), np.float64)

"""Several estimators on one sample, each with a number or the reason why it has none."""

import itertools
from collections.abc import Callable, Mapping

import numpy as np

from desgd_fast.tails.fit.results import TailComparison
from desgd_fast.tails.results import TailEstimate


def collect(attempts: Mapping[str, Callable[[], TailEstimate]]) -> TailComparison:
    """Run them all; a sample that one of them cannot answer for says so in its row, none at all raises."""
    estimates: dict[str, TailEstimate] = {}
    reasons: dict[str, str] = {}
    refusals: list[ValueError] = []
    for name, attempt in attempts.items():
        try:
            found = attempt()
        except ValueError as error:
            reasons[name] = str(error)
            refusals.append(error)
            continue
        if np.isnan(found.alpha):
            reasons[name] = "; ".join(found.warnings)
        else:
            estimates[name] = found
    if not estimates and refusals:
        raise refusals[0]
    disagreements = tuple(
        (first, second)
        for first, second in itertools.combinations(estimates, 2)
        if max(estimates[first].ci_low, estimates[second].ci_low)
        > min(estimates[first].ci_high, estimates[second].ci_high)
    )
    return TailComparison(estimates, disagreements, reasons)

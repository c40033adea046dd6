"""Tail estimators beside their peers, run as their documentation says; ours do the whole public call."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator

import numpy as np

from bench._measure import Case, Timed
from desgd_fast import tails

# powerlaw 2 by default refuses exponents above 3; ours has no such limit, so it is lifted.
ANY_EXPONENT = {"alpha": [0, None]}


def silent(call: Callable[[], object]) -> Callable[[], object]:
    """Return the same call without what it prints and warns of."""

    def run() -> object:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call()

    return run


def comparison(
    name: str,
    peer: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    turns: int = 5,
    share: float = 1.0,
    note: str = "",
    difference: Callable[[], float] | None = None,
) -> Case:
    """The peer's time over ours, but ours over the peer's where ``at_most`` is set.

    The peer does this ``share`` of our work, where all of it would take hours.
    """
    us, them = Timed(silent(ours)), Timed(silent(theirs), share)
    swap = at_most is not None
    return Case(
        f"tails: {name}, {peer}",
        name if swap else peer,
        peer if swap else name,
        lambda: (us, them) if swap else (them, us),
        f"≤ {at_most:g}" if swap else f"≥ {at_least:g}",
        unit="call",
        clock="wall",
        seconds=2.0,
        least_repeats=turns,
        note=note,
        difference=difference,
    )


def hill_path_case(n: int) -> Case:
    x = np.random.default_rng(0).pareto(2, n)

    def difference() -> float:
        ordered = np.sort(x)[::-1]
        k = n // 10
        return abs(tails.hill_path(x).alpha[k - 1] * np.log(ordered[:k] / ordered[k]).mean() - 1)

    return comparison(
        f"hill_path, {n:.0e} values, k and alpha",
        "numpy.sort of the same array",
        lambda: tuple(tails.hill_path(x)),
        lambda: np.sort(x),
        at_most=1.5,
        difference=difference,
    )


def bulk_numpy_case(n_samples: int) -> Case:
    x = np.random.default_rng(0).pareto(2, (n_samples, 1000))

    def theirs() -> np.ndarray:
        top = np.log(np.partition(x, 949, axis=1)[:, 949:])
        return top[:, 1:].mean(axis=1) - top[:, 0]

    return comparison(
        f"hill, {n_samples:.0e} samples of 1000, k = 50",
        "numpy.partition and log",
        lambda: tails.hill(x, 50, axis=1),
        theirs,
        at_least=5,
        difference=lambda: float(np.max(np.abs(tails.hill(x, 50, axis=1).xi / theirs() - 1))),
    )


def bulk_memory_case(n_samples: int) -> Case:
    """What no selection can beat: reading the samples once."""
    x = np.random.default_rng(0).pareto(2, (n_samples, 1000))
    return Case(
        f"tails: hill, {n_samples:.0e} samples of 1000, k = 50, reading them",
        f"hill, {n_samples:.0e} samples of 1000, k = 50",
        "numpy.max of the same array",
        lambda: (Timed(lambda: tails.hill(x, 50, axis=1)), Timed(x.max)),
        unit="call",
        clock="wall",
        seconds=2.0,
        note="numpy reads on one thread",
    )


def bulk_powerlaw_case(n_samples: int) -> Case:
    import powerlaw

    x = np.random.default_rng(0).pareto(2, (n_samples, 1000))
    threshold = np.sort(x, axis=1)[:, 949]
    n_loop = 20

    def theirs() -> list[float]:
        return [
            powerlaw.Fit(row, xmin=xmin, verbose=0, parameter_ranges=ANY_EXPONENT).power_law.alpha - 1
            for row, xmin in zip(x[:n_loop], threshold, strict=False)
        ]

    return comparison(
        f"hill, {n_samples:.0e} samples of 1000, k = 50",
        "loop over powerlaw.Fit(xmin=)",
        lambda: tails.hill(x, 50, axis=1),
        theirs,
        at_least=100,
        share=n_loop / n_samples,
        note=f"the loop is over {n_loop} samples and scaled up",
        # powerlaw counts the threshold among the values: (k + 1)/k.
        difference=lambda: float(
            np.max(np.abs(tails.hill(x[:n_loop], 50, axis=1).alpha * 51 / 50 / np.array(theirs()) - 1))
        ),
    )


def double_bootstrap_case(n: int) -> Case:
    from tailestim import HillEstimator

    x = np.abs(np.random.default_rng(0).standard_t(3, n))
    return comparison(
        f"double-bootstrap, {n:.0e} values, 500 resamples",
        "tailestim.HillEstimator, its defaults",
        lambda: tails.double_bootstrap(x, n_resamples=500, ratio=0.5, rng=0),
        lambda: HillEstimator(base_seed=0).fit(x),
        turns=3,
        at_least=20,
    )


def ks_case(n: int) -> Case:
    import powerlaw

    x = np.random.default_rng(0).pareto(1.5, n) + 1
    # powerlaw tries every value at a cost of its whole tail: the largest size it finishes, scaled by n².
    small = 4000
    return comparison(
        f"ks_threshold, {n:.0e} values",
        "powerlaw.Fit",
        lambda: tails.ks_threshold(x),
        lambda: powerlaw.Fit(x[:small], verbose=0),
        turns=3,
        at_least=50,
        share=(small / n) ** 2,
        note=f"powerlaw at {small} values, scaled by the square of the size",
    )


def ks_data_case(name: str) -> Case:
    import powerlaw

    x = powerlaw.load_test_dataset(name)
    x = x[x > 0]
    # powerlaw 2 by default refuses exponents above 3; ours has no such limit, so it is lifted.

    def theirs() -> "powerlaw.Fit":
        return powerlaw.Fit(x, verbose=0, parameter_ranges=ANY_EXPONENT)

    def difference() -> float:
        fit, ours = theirs(), tails.ks_threshold(x)
        return float(max(abs(ours.threshold / fit.xmin - 1), abs(ours.exponent / fit.alpha - 1)))

    return comparison(
        f"ks_threshold, powerlaw's {name} ({x.size})",
        "powerlaw.Fit",
        lambda: tails.ks_threshold(x),
        theirs,
        turns=3,
        at_least=50,
        difference=difference,
    )


def if_installed(make: Callable[..., Case], *arguments: object) -> Iterator[Case]:
    """Yield the case, or say which package it lacks."""
    try:
        yield make(*arguments)
    except ImportError as error:
        print(f"  (skipped: {make.__name__}, {error.name} is not installed)")


def cases(quick: bool = False) -> Iterator[Case]:
    """Every comparison; the quick ones are smaller, and no figure to quote."""
    scale = 10 if quick else 1
    yield hill_path_case(10**7 // scale)
    yield bulk_numpy_case(10**5 // scale)
    yield bulk_memory_case(10**5 // scale)
    yield from if_installed(bulk_powerlaw_case, 10**5 // scale)
    yield from if_installed(double_bootstrap_case, 10**5 // scale)
    yield from if_installed(ks_case, 10**6 // scale)
    for name in ("blackouts", "surnames", *(() if quick else ("terrorism", "flares", "words", "cities"))):
        yield from if_installed(ks_data_case, name)

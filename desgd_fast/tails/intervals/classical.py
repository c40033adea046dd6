"""Confidence intervals for tail indices, each from the law of its estimator."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

Interval = tuple[NDArray[np.float64], NDArray[np.float64]]

# Relative error of the expansion below at this shape: 2e-12 (tests/test_tails.py).
LARGE_SHAPE = 3000.0


def gamma_quantile_ratio(shape: NDArray[np.float64], z: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """q/shape for the quantile q of the Gamma(shape, 1) law at probability Φ(z), for many shapes at once.

    Large shapes by the Cornish–Fisher expansion, since inverting the incomplete gamma function costs
    microseconds each; small ones once per distinct shape.
    """
    shape, z = np.broadcast_arrays(np.asarray(shape, np.float64), np.asarray(z, np.float64))
    if shape.size > 1 and (shape == shape.flat[0]).all() and (z == z.flat[0]).all():
        return np.full(shape.shape, gamma_quantile_ratio(shape.flat[:1], z.flat[:1])[0])
    small = (shape > 0) & (shape < LARGE_SHAPE)
    ratio = np.full(shape.shape, np.nan)
    if small.any():
        distinct, which = np.unique(shape[small] + 1j * z[small], return_inverse=True)
        quantile = special.gammaincinv(distinct.real, special.ndtr(distinct.imag))
        ratio[small] = (quantile / distinct.real)[which]
    large = shape >= LARGE_SHAPE
    ratio[large] = _cornish_fisher(1 / np.sqrt(shape[large]), z[large])
    return ratio


def _cornish_fisher(root: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The expansion of the gamma quantile over its shape, in powers of root = 1/sqrt(shape)."""
    terms = (
        (9 * z**5 + 256 * z**3 - 433 * z) / 38880,
        -(3 * z**4 + 7 * z**2 - 16) / 810,
        (z**3 - 7 * z) / 36,
        (z**2 - 1) / 3,
        z,
    )
    total = np.zeros_like(root)
    for term in terms:
        total = (total + term) * root
    return 1 + total


def chi_square_interval(
    xi: NDArray[np.float64], n_exponentials: NDArray[np.float64], z: NDArray[np.float64] | float
) -> Interval:
    """For alpha, where xi-hat·n/xi ~ Gamma(n, 1): exact for Hill on Pareto data (Hill 1975).

    z is the normal quantile of the upper end of the interval.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            gamma_quantile_ratio(n_exponentials, -np.asarray(z)) / xi,
            gamma_quantile_ratio(n_exponentials, z) / xi,
        )


def logarithmic_interval(
    xi: NDArray[np.float64], n_exponentials: NDArray[np.float64], t: NDArray[np.float64]
) -> Interval:
    """For alpha, from log xi ± t/√n: finite however few the blocks that t was estimated from."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factor = np.exp(np.asarray(t) / np.sqrt(n_exponentials))
        return 1 / (xi * factor), factor / xi


def normal_interval(
    xi: NDArray[np.float64], xi_stderr: NDArray[np.float64], z: NDArray[np.float64] | float
) -> Interval:
    """For alpha, from xi ± z·stderr; an xi ≤ 0 inside the interval leaves alpha unbounded above."""
    reach = z * xi_stderr
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(xi + reach > 0, 1 / (xi + reach), np.inf)
        high = np.where(xi - reach > 0, 1 / (xi - reach), np.inf)
    unknown = np.isnan(xi) | np.isnan(xi_stderr)
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)


def moment_variance(xi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Asymptotic variance, times k, of the moment estimator (Dekkers, Einmahl & de Haan 1989)."""
    x = np.minimum(xi, 0.0)
    negative = (1 - x) ** 2 * (1 - 2 * x) * (1 - x + 6 * x**2) / ((1 - 3 * x) * (1 - 4 * x))
    return np.where(xi >= 0, 1 + xi**2, negative)


def pickands_variance(xi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Asymptotic variance, times k, of Pickands' estimator (Dekkers & de Haan 1989, Theorem 2.3)."""
    small: NDArray[np.bool_] = np.abs(xi) < 1e-6
    x = np.where(small, 1.0, xi)
    # Both powers over the larger one, which would overflow.
    up, down = np.exp2(np.minimum(x, 0.0)), np.exp2(np.minimum(-x, 0.0))
    variance: NDArray[np.float64] = x**2 * (2 * up**2 + down**2) / (2 * (up - down) * np.log(2)) ** 2
    return np.where(small, 3 / (4 * np.log(2) ** 4), variance)


def path_interval(
    alpha: NDArray[np.float64],
    signed_xi: NDArray[np.float64] | None,
    k: NDArray[np.int64],
    n_censored: int,
    level: float,
) -> Interval:
    """Pointwise interval along a path: alpha, and xi where the estimator signs it, at every k."""
    z = special.ndtri((1 + level) / 2)
    if signed_xi is None:
        return chi_square_interval(1 / alpha[k - 1], (k - n_censored).astype(np.float64), z)
    xi = signed_xi[k - 1]
    return normal_interval(xi, np.sqrt(moment_variance(xi) / k), z)

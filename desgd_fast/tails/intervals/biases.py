"""The bias of Hill's estimator for known laws: what spacings may look like beside a constant.

U(x) = P(X > x) and a(x) = −d log U/d log x, the index that is seen at x. Each function gives the bias
f(u) = log(alpha/a(x)), u = U(x), of laws whose index is alpha: weighted log spacings at rank n·u have
mean exp(f(u))/alpha. A power of X and a factor change no f.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from desgd_fast.tails.intervals import sums

Array = NDArray[np.float64]


def beta_prime(u: Array, p: float, q: float) -> Array:
    """X = G_p/G_q of independent Gamma variates, alpha = q (McDonald's GB2).

    Student-t (p = ½, q = nu/2), F, Burr (p = 1), Lomax, Dagum (q = 1); Fréchet and inverse gamma for p → ∞.
    """
    w = special.betaincinv(q, p, u)
    return np.asarray(np.log(q * u) + special.betaln(q, p) - q * np.log(w) - p * np.log1p(-w))


def log_gamma(u: Array, shape: float) -> Array:
    """Log X a Gamma(shape, 1) variate: a power of log x beside the power of x, rho = 0."""
    y = special.gammainccinv(shape, u)
    return np.asarray(np.log(u) + special.gammaln(shape) - (shape - 1) * np.log(y) + y)


def mixture(u: Array, ratio: float, share: float) -> Array:
    """P(X > x) = share/x + (1 − share)/x^ratio, ratio > 1."""
    y = np.linspace(0.0, -np.log(u.min()) + 1, 4000)
    slow, fast = share * np.exp(-y), (1 - share) * np.exp(-ratio * y)
    bias = -np.log((slow + ratio * fast) / (slow + fast))
    return np.asarray(np.interp(-np.log(u), -np.log(slow + fast), bias))


def stable(u: Array, alpha: float) -> Array:
    """Symmetric stable laws, alpha > 1, by the integral of Nolan (1997, Theorem 1).

    P(|X| > x) = (2/π)∫₀^{π/2} e^(−g) dθ with g = x^(α/(α − 1))·V(θ), so that a/α = ∫g·e^(−g)/(α − 1)∫e^(−g).
    """
    turn = np.pi / 2 * np.exp(np.linspace(-25.0, -1e-9, 1500))
    theta, width = np.pi / 2 - turn, np.gradient(turn)
    power = alpha / (alpha - 1)
    log_v = power * np.log(np.sin(turn) / np.sin(alpha * theta)) + np.log(
        np.cos((alpha - 1) * theta) / np.sin(turn)
    )
    g = np.exp(np.clip(power * np.linspace(-3.0, 25.0, 300)[:, np.newaxis] + log_v, -700.0, 6.5))
    kept = np.exp(-g) * width
    survival = kept.sum(axis=1) * 2 / np.pi
    index = (g * kept).sum(axis=1) / kept.sum(axis=1) / (alpha - 1)
    seen = survival > 1e-11
    return np.asarray(np.interp(-np.log(u), -np.log(survival[seen]), -np.log(index[seen])))


def shifted(u: Array, alpha: float, shift: float) -> Array:
    """X = u^(−1/alpha) + shift, the far tail of a sum of positive values; a Lomax law has shift −1."""
    return np.asarray(-np.log1p(shift * u ** (1 / alpha)))


def student_mixture(u: Array, share: float, nu: float, body: float) -> Array:
    """Student-t(nu) with probability ``share``, else Student-t(body), nu < body; normal for body = ∞."""
    x = np.exp(np.linspace(-6.0, 40.0, 2000))
    slow, fast = stats.t(nu), stats.norm if math.isinf(body) else stats.t(body)
    survival = 2 * (share * slow.sf(x) + (1 - share) * fast.sf(x))
    density = 2 * (share * slow.pdf(x) + (1 - share) * fast.pdf(x))
    return np.asarray(np.interp(-np.log(u), -np.log(survival), np.log(nu * survival / (x * density))))


def lomax_sum(u: Array, alpha: float, doublings: int) -> Array:
    """The sum of 2**doublings values with P(X > x) = (1 + x)^−alpha."""
    return sums.bias(u, sums.added(lambda x: -(alpha + 1) * np.log1p(x), doublings, False), alpha)


def inverse_gamma_sum(u: Array, alpha: float, doublings: int) -> Array:
    """The sum of 2**doublings inverse gamma values."""
    return sums.bias(u, sums.added(lambda x: -(alpha + 1) * np.log(x) - 1 / x, doublings, False), alpha)


def student_sum(u: Array, nu: float, doublings: int) -> Array:
    """The sum of 2**doublings Student-t values."""
    density = stats.t(nu).logpdf
    return sums.bias(u, sums.added(density, doublings, True), nu)


@dataclass(frozen=True)
class Family:
    """Biases of some laws.

    ``shares`` is their prior probability, up to a factor, with each of the scales of what they leave
    unexplained (:data:`second_order.SCALES`); ``parameters`` the values of each with their weights.
    """

    bias: Callable[..., Array]
    shares: tuple[float, float, float]
    parameters: tuple[Mapping[float, float], ...] = ()


def _alike(*values: float) -> dict[float, float]:
    return dict.fromkeys(values, 1.0)


# Chosen so that intervals hold the alpha of all laws of the first group of bench/calibration.py nearly alike.
# Stable laws, mixtures of Student's and their sums stand for bodies of any kind, and are known only roughly.
FAMILIES = (
    Family(np.zeros_like, (0.02, 0.02, 0.02)),
    Family(
        beta_prime,
        (0.10, 0.07, 0.06),
        (
            _alike(0.5, 1, 2, 4, 50),
            dict(zip(np.geomspace(0.25, 6, 11), (1, 1, 1, 3, 3, 3, 3, 2, 1, 0.7, 0.3), strict=True)),
        ),
    ),
    Family(log_gamma, (0.05, 0.03, 0.08), ({1.5: 1, 2: 2, 2.5: 1, 3: 2, 4: 1},)),
    Family(
        mixture, (0.03, 0.09, 0.01), ({1.5: 1, 2: 4, 3: 2, 4: 1}, {0.1: 2, 0.2: 2, 0.3: 1.5, 0.45: 1, 0.6: 1})
    ),
    Family(
        stable,
        (0.02, 0, 0.28),
        ({1.1: 1, 1.3: 1, 1.5: 1, 1.6: 0.5, 1.7: 0.5, 1.8: 0.5, 1.85: 0.5, 1.9: 0.5, 1.95: 1},),
    ),
    Family(shifted, (0.02, 0, 0), (_alike(1, 1.5, 2, 3, 4, 6), _alike(0.5, 1, 3))),
    Family(lomax_sum, (0.04, 0, 0), (_alike(1.5, 2, 3, 4), _alike(1, 2, 3))),
    Family(inverse_gamma_sum, (0.04, 0, 0), (_alike(1.5, 2.5, 4), _alike(1, 2, 3))),
    Family(student_sum, (0, 0, 0.05), (_alike(2, 3, 4), _alike(2, 3))),
    Family(student_mixture, (0, 0, 0.15), (_alike(0.1, 0.3), _alike(2, 3, 4), _alike(6, math.inf))),
)
# −log u where the biases are kept: linear in between.
DEPTHS = np.linspace(0.02, 24.0, 700)


@lru_cache(maxsize=1)
def _table() -> tuple[Array, Array]:
    """Biases at ``DEPTHS``, (shapes, depths), and their prior with each scale, (scales, shapes)."""
    biases, shares = [], []
    for family in FAMILIES:
        members = list(itertools.product(*family.parameters))
        weights = [
            math.prod(of[v] for of, v in zip(family.parameters, values, strict=True)) for values in members
        ]
        biases += [family.bias(np.exp(-DEPTHS), *values) for values in members]
        shares += [np.multiply(family.shares, weight / sum(weights)) for weight in weights]
    prior = np.array(shares).T
    return np.array(biases), prior / prior.sum()


@lru_cache(maxsize=64)
def known(places: tuple[float, ...]) -> tuple[Array, Array]:
    """Biases at some P(X > x), (shapes, places), and the prior of each with each scale, (scales, shapes)."""
    biases, prior = _table()
    depth = -np.log(np.array(places))
    return np.array([np.interp(depth, DEPTHS, bias) for bias in biases]), prior

"""The bias of Hill's estimator for known laws: what spacings may look like beside a constant.

U(x) = P(X > x) and a(x) = −d log U/d log x, the index that is seen at x. Each function gives the bias
f(u) = log(alpha/a(x)), u = U(x), of laws whose index is alpha: weighted log spacings at rank n·u have
mean exp(f(u))/alpha. A power of X and a factor change no f.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

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


# Members of the families and the prior weights of each parameter's values, chosen so that intervals hold the
# alpha of all laws of bench/calibration.py nearly alike.
SHARES = {"none": 0.05, "beta_prime": 0.37, "log_gamma": 0.13, "mixture": 0.24, "stable": 0.21}
P, Q = (
    {0.5: 1, 1.0: 1, 2.0: 1, 4.0: 1, 50.0: 1},
    dict(zip(np.geomspace(0.25, 4, 6), (2, 2, 6, 6, 3, 1), strict=True)),
)
SHAPE = {2.0: 1, 3.0: 1}
RATIO, SHARE = {1.5: 1, 2.0: 4, 4.0: 1}, {0.1: 3, 0.3: 2, 0.6: 1}
ALPHA = {1.1: 1, 1.3: 1, 1.5: 1, 1.7: 1, 1.85: 1, 1.95: 1}


@lru_cache(maxsize=64)
def known(places: tuple[float, ...]) -> tuple[Array, Array]:
    """Biases at some P(X > x), (shapes, places), and the prior probability of each."""
    u = np.array(places)
    families: dict[str, tuple[Callable[..., Array], tuple[Mapping[float, int], ...]]] = {
        "none": (np.zeros_like, ()),
        "beta_prime": (beta_prime, (P, Q)),
        "log_gamma": (log_gamma, (SHAPE,)),
        "mixture": (mixture, (RATIO, SHARE)),
        "stable": (stable, (ALPHA,)),
    }
    biases, priors = [], []
    for name, (bias, parameters) in families.items():
        members = list(itertools.product(*parameters))
        weights = [math.prod(of[v] for of, v in zip(parameters, values, strict=True)) for values in members]
        biases += [bias(u, *values) for values in members]
        priors.append(SHARES[name] * np.array(weights) / sum(weights))
    return np.array(biases), np.concatenate(priors)

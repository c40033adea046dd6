r"""Start them: what a product of random layers does to the length of its input, and the scale that keeps it.

Layer l maps x to φ(w x) with w of shape (n_l, n_(l−1)), its entries independent N(0, σ²/n_(l−1)), and
φ(z) = z for z > 0, slope·z below. Given x, the entries of w x are independent N(0, σ²‖x‖²/n_(l−1)) whatever
the direction of x, so that ‖φ(w x)‖/‖x‖ does not depend on x at all, and with g ~ N(0, I_n), n = n_l,

    E(‖φ(w x)‖/‖x‖)^s = (σ²/n_(l−1))^(s/2) · M_n(s),    M_n(s) = E(Σ_i φ(g_i)²)^(s/2).

Moments of the length factorise exactly, layer by layer. Of the sum of squares Σ g_i² ~ χ²_n the
K ~ Binomial(n, ½) positive coordinates make up a share 1 − U with U ~ Beta((n − K)/2, K/2), independent of
the sum, hence

    M_n(s) = 2^(s/2) Γ((n+s)/2)/Γ(n/2) · Σ_k 2^(−n) C(n, k) · E(1 − (1 − slope²) U)^(s/2)

and the last factor is Gauss' ₂F₁(−s/2, (n − k)/2; n/2; 1 − slope²): 1 for a linear layer, and
Γ(n/2) Γ((k+s)/2)/(Γ((n+s)/2) Γ(k/2)) for ReLU, which leaves Σ_k 2^(−n) C(n, k) 2^(s/2) Γ((k+s)/2)/Γ(k/2).

Scales that preserve a moment of a given order s are the subject of M. Gürbüzbalaban and Y. Hu, "Fractional
moment-preserving initialization schemes for training deep neural networks", AISTATS 2021; the formulas are
derived here.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from desgd_fast.common import check
from desgd_fast.common.memory import told
from desgd_fast.problems import checks as problems_checks
from desgd_fast.theory import checks

ACTIVATIONS = ("linear", "relu", "leaky-relu")

# Orders at which the cumulant function is read off for its derivatives at zero.
_REACH = 0.1
_NODES = _REACH * np.cos(np.pi * (np.arange(9) + 0.5) / 9)


class LogNorm(NamedTuple):
    """The law of log(‖x_L‖/‖x_0‖), a sum over layers of independent terms; normal in the limit of many.

    Attributes
    ----------
    mean, variance : float
        Of the sum, given that no layer is dead: that not all its units are below zero under ReLU.
    alive : float
        Probability of that; 1 for every other activation.

    Examples
    --------
    >>> from desgd_fast import initialisation
    >>> law = initialisation.log_norm([100] * 11, scale=1.4142)
    >>> round(law.mean, 2), round(law.variance, 2), law.alive
    (-0.13, 0.13, 1.0)
    """

    mean: float
    variance: float
    alive: float


def log_moment(
    s: float,
    widths: int | Sequence[int],
    *,
    scale: float,
    activation: str = "relu",
    slope: float | None = None,
) -> float:
    """Compute log E(‖x_L‖/‖x_0‖)^s of a product of random layers: the growth log h(s), summed over layers.

    Parameters
    ----------
    s : float
        Order of the moment, from 1e-6 to 1e6.
    widths : int or sequence of int
        n_0, …, n_L; an integer n is one square layer, (n, n).
    scale : float
        σ, the weights being N(0, σ²/n_(l−1)).
    activation : {"relu", "leaky-relu", "linear"}
        φ, after every layer.
    slope : float, optional
        Of "leaky-relu" below zero; 0.01 by default.

    Returns
    -------
    float

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    He's scale preserves second moments:

    >>> import desgd_fast as dsf
    >>> round(dsf.initialisation.log_moment(2, (64, 64, 64), scale=2**0.5), 12)
    0.0
    """
    s = checks.order_of_a_moment("s", s)
    before, after = _layers(widths)
    sigma = check.positive_number("scale", scale)
    bend = _slope(activation, slope)
    gains = s * np.log(sigma) - s / 2 * np.log(before)
    return float(gains.sum() + sum(_log_length_moment(np.array([s]), n, bend)[0] for n in after))


def moment_preserving_scale(
    s: float,
    widths: int | Sequence[int],
    *,
    activation: str = "relu",
    slope: float | None = None,
) -> float:
    """The σ for which E‖x_L‖^s = E‖x_0‖^s, weights N(0, σ²/n_(l−1)).

    For s = 2 and equal widths that is √2 for ReLU (He et al. 2015), √(2/(1 + slope²)) for leaky ReLU, 1 for
    linear layers. A smaller order needs a larger σ, and lets every moment beyond s grow with the depth.

    Parameters
    ----------
    s, widths, activation, slope
        As for :func:`log_moment`.

    Returns
    -------
    float
        What :func:`desgd_fast.train` takes as ``initial``.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> round(dsf.initialisation.moment_preserving_scale(2, 128), 6)
    1.414214
    >>> round(dsf.initialisation.moment_preserving_scale(0.5, 128), 6)
    1.424702
    """
    s = checks.order_of_a_moment("s", s)
    before, after = _layers(widths)
    bend = _slope(activation, slope)
    moments = np.array([_log_length_moment(np.array([s]), n, bend)[0] for n in after])
    log_scale = float(np.mean(np.log(before) / 2 - moments / s))
    check.number("s", s, "large enough for a scale below 1e300", lambda _: abs(log_scale) < 690)
    return math.exp(log_scale)


def log_norm(
    widths: int | Sequence[int],
    *,
    scale: float,
    activation: str = "relu",
    slope: float | None = None,
) -> LogNorm:
    """Mean and variance of log(‖x_L‖/‖x_0‖), whose limit for many layers is normal.

    They are the first two derivatives of Σ_l log E(‖x_l‖/‖x_(l−1)‖)^s at s = 0, for ReLU given that at least
    one unit is positive. The length is a product of independent factors, its logarithm a sum: the central
    limit theorem makes it log-normal, so that where the mean is negative lengths vanish almost surely even
    though a moment may be preserved.

    Parameters
    ----------
    widths, scale, activation, slope
        As for :func:`log_moment`.

    Returns
    -------
    LogNorm

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> law = dsf.initialisation.log_norm([100] * 51, scale=1.0, activation="linear")
    >>> round(law.mean, 4), round(law.variance, 4), law.alive
    (-0.2508, 0.2525, 1.0)
    """
    before, after = _layers(widths)
    sigma = check.positive_number("scale", scale)
    bend = _slope(activation, slope)
    mean, variance, alive = float(np.sum(np.log(sigma) - np.log(before) / 2)), 0.0, 1.0
    for n in after:
        cumulants = np.polynomial.Chebyshev.fit(
            _NODES, _log_length_moment(_NODES, n, bend, alive=True), _NODES.size - 1
        )
        mean += float(cumulants.deriv(1)(0.0))
        variance += float(cumulants.deriv(2)(0.0))
        alive *= 1.0 - 0.5**n if bend == 0.0 else 1.0
    return LogNorm(mean, variance, alive)


def _layers(widths: int | Sequence[int]) -> tuple[NDArray[np.int64], list[int]]:
    """n_(l−1) and n_l of every layer."""
    sizes = problems_checks.layer_widths("widths", widths)
    told(f"widths of up to {max(sizes):,}", 100 * max(sizes))
    return np.array(sizes[:-1]), list(sizes[1:])


def _slope(activation: str, slope: float | None) -> float:
    return problems_checks.slope_of("slope", slope, check.choice("activation", activation, ACTIVATIONS))


def _log_length_moment(
    orders: NDArray[np.float64], n: int, slope: float, *, alive: bool = False
) -> NDArray[np.float64]:
    """Evaluate log M_n(s) at every order; for ReLU, if ``alive``, given that a coordinate is positive."""
    s = orders[:, np.newaxis]
    k = np.arange(n + 1)
    log_ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    log_share = log_ways - n * math.log(2)
    log_chi = s / 2 * math.log(2) + special.gammaln((n + s) / 2) - special.gammaln(n / 2)
    if slope == 1.0:
        return np.asarray(log_chi[:, 0])
    if slope == 0.0:
        positive, log_share = k[1:], log_share[1:]
        log_terms = special.gammaln((positive + s) / 2) - special.gammaln(positive / 2)
        total = special.logsumexp(log_share + log_terms + s / 2 * math.log(2), axis=1)
        return np.asarray(total - (math.log1p(-(0.5**n)) if alive else 0.0))
    log_terms = np.stack([_log_share_moment(orders, n, int(positive), slope) for positive in k], axis=1)
    return np.asarray(log_chi[:, 0] + special.logsumexp(log_share + log_terms, axis=1))


def _log_share_moment(
    orders: NDArray[np.float64], n: int, positive: int, slope: float
) -> NDArray[np.float64]:
    """Evaluate log E(1 − (1 − slope²)B)^(s/2), B the share of ‖x‖² in coordinates below zero.

    ₂F₁(−s/2, (n − k)/2; n/2; 1 − slope²), which SciPy loses for n above some hundred or large s; here the
    trapezoidal rule over log(B / (1 − B)), whose error is below rounding where steps are as short as these.
    """
    if positive == n:
        return np.zeros_like(orders)
    if positive == 0:
        return orders * math.log(slope)
    p, q, half = (n - positive) / 2, positive / 2, max(float(orders.max()), 0.0) / 2
    step = min(0.4, 1.2 / math.sqrt(p + q + half))
    left = math.log(p / (q + half)) - 40 / p - 9 * math.sqrt(1 / p + 1 / (q + half))
    right = math.log(p / q) + 40 / q + 9 * math.sqrt(1 / p + 1 / q)
    t = np.arange(left, right, step)
    density = p * -np.logaddexp(0.0, -t) + q * -np.logaddexp(0.0, t) - special.betaln(p, q)
    lengths = np.logaddexp(0.0, t + 2 * math.log(slope)) - np.logaddexp(0.0, t)
    return np.asarray(
        special.logsumexp(density + orders[:, np.newaxis] / 2 * lengths, axis=1) + math.log(step)
    )

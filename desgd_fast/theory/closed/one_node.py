"""One node with isotropic features: h(s), rho, alpha and both critical steps by quadrature.

With c = η s² λ / b, independent X ~ χ²(b) and Y ~ χ²(d−1): ‖Me‖²/‖e‖² = (1 − cX)² + c²XY. The integrals run
over t = √X and u = √Y, whose densities have no singularity at 0, on Gauss–Legendre panels graded
geometrically towards t = 1/√c and u = 0, where the base of the power vanishes.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from desgd_fast.theory.closed.factors import Factor

Array = NDArray[np.float64]

# Points of a panel, and panels graded by this factor towards a singular point: the last at about 1e-10.
_POINTS = 20
_GRADING = 0.15
_LEVELS = 12
# A node that rounds onto the singular point itself carries next to no weight, but must stay finite.
_TINY = 1e-200
# Width of a full panel; the densities vary over lengths of about 1.
_WIDTH = 2.0
# Densities are cut where they fall to exp(−_CUT) of their peak.
_CUT = 50.0


def _log_chi_density(t: Array, degrees: float) -> Array:
    """Log of the chi(k) density up to a constant, (k−1)log t − t²/2, written around its mode √(k−1)."""
    if degrees <= 1:
        return np.asarray(-(t**2) / 2)
    delta = t / math.sqrt(degrees - 1) - 1
    with np.errstate(divide="ignore"):
        return np.asarray((degrees - 1) * (np.log1p(delta) - delta - delta**2 / 2))


def _support(degrees: float, tilt: float) -> tuple[float, float]:
    """Where t^a f(t) exceeds exp(−50) of its peak for some a from 0 to ``tilt``."""
    heavy = degrees + tilt
    high = math.sqrt(max(heavy - 1, 0)) + math.sqrt(2 * _CUT)
    low = math.sqrt(max(degrees - 1, 0)) - math.sqrt(2 * _CUT)
    return max(low, 0.0), high


def _panels(low: float, high: float, singular: float | None, levels: int) -> Array:
    """Edges from low to high: full panels, graded geometrically towards ``singular``."""
    edges = {low, high}
    edges.update(np.linspace(low, high, 2 + int((high - low) / _WIDTH)).tolist())
    if singular is not None and low <= singular <= high:
        edges.add(singular)
        steps = _WIDTH * _GRADING ** np.arange(levels)
        edges.update(
            x for x in np.concatenate((singular - steps, singular + steps)).tolist() if low < x < high
        )
    return np.array(sorted(edges))


_gauss_legendre = cache(np.polynomial.legendre.leggauss)


def chi_rule(
    degrees: float, tilt: float, singular: float | None, levels: int = _LEVELS, n_points: int = _POINTS
) -> tuple[Array, Array]:
    """Points and probabilities for averages over a chi variable of what grows no faster than t^tilt.

    ``n_points`` on each panel, and ``levels`` panels towards a point where the integrand is singular.
    """
    edges = _panels(*_support(degrees, tilt), singular, levels)
    points, weights = _gauss_legendre(n_points)
    half, centre = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    nodes = (centre + half * points).ravel()
    density = (half * weights).ravel() * np.exp(_log_chi_density(nodes, degrees))
    return nodes, density / density.sum()


@dataclass(frozen=True)
class OneNode(Factor):
    """One node of d coordinates with minibatch b; ``contraction`` is η s² λ."""

    dim: int
    batch_size: int
    contraction: float

    method = "quadrature"

    def log_growth(self, s: float) -> float:
        """Log h(s)."""
        log_base, weight = self._rule_for(s)
        exponent = s / 2 * log_base
        peak = float(exponent[weight > 0].max())
        if peak < 30:
            return math.log1p(float(weight @ np.expm1(exponent)))
        return peak + math.log(float(weight @ np.exp(exponent - peak)))

    def lyapunov_exponent(self) -> float:
        """The slope rho = ½ E log((1 − cX)² + c²XY)."""
        log_base, weight = self._rule_for(0.0)
        return 0.5 * float(weight @ log_base)

    def _rule_for(self, s: float) -> tuple[Array, Array]:
        """Log base and probability of every node of the rule that integrates base^{s/2}."""
        c = self.contraction / self.batch_size
        t, t_weight = chi_rule(self.batch_size, 2 * s, 1 / math.sqrt(c))
        if self.dim == 1:
            u, u_weight = np.zeros(1), np.ones(1)
        else:
            u, u_weight = chi_rule(self.dim - 1, s, 0.0 if self.dim <= 40 else None)
        across = (c * np.outer(t, u)) ** 2
        along = ((1 - math.sqrt(c) * t) * (1 + math.sqrt(c) * t))[:, None]
        # Two forms of one base: relative accuracy near 0, absolute accuracy of its log near 1.
        near_one = (c * t**2 * (c * t**2 - 2))[:, None] + across
        base = along**2 + across
        log_base = np.where(base > 0.5, np.log1p(np.maximum(near_one, -0.6)), np.log(np.maximum(base, _TINY)))
        return log_base.ravel(), np.outer(t_weight, u_weight).ravel()


def critical_contraction(dim: int, batch_size: int) -> float:
    """η s² λ at which rho = 0; it lies above 2b/(b + d + 1), where h(2) = 1."""

    def exponent(contraction: float) -> float:
        return OneNode(dim, batch_size, contraction).lyapunov_exponent()

    low = 2 * batch_size / (batch_size + dim + 1)
    high = 2 * low
    while exponent(high) < 0:
        low, high = high, 2 * high
    return float(optimize.toms748(exponent, low, high, xtol=1e-300, rtol=1e-14))

"""What nodes do between the events of Poisson clocks: all their vectors flow, each node on its own."""

import math

import numpy as np

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.algorithm import Algorithm, Part, chain
from desgd_fast.algorithms.time.participation import woken
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined

# Points of Gauss–Laguerre quadrature, exact to rounding for what flows do in a waiting time.
_POINTS = 12


@inlined
def _flow(place: Reals, iterate: Reals, memory: Matrix, uniforms: Reals, parameters: Reals) -> None:
    # Memory: s = y + z as it was after the last step, which links mix, then x̃, y, ỹ, z, z̃.
    rate, nu, eta, theta, alpha, alpha_z, beta, beta_z = parameters[:8]
    waited = -math.log(uniforms[0]) / rate
    # The series of the exponential, over pieces of the time that are short for the flow, to rounding.
    speed = 2.0 * (eta + alpha + alpha_z) + theta * (2.0 + nu)
    pieces = 1 + int(waited * speed)
    short, terms, left = waited / pieces, 0, 1.0
    while left > 1e-17:
        terms += 1
        left *= short * speed / terms
    for t in range(iterate.size):
        x, x_, y, y_, z, z_ = iterate[t], memory[1, t], memory[2, t], memory[3, t], memory[4, t], memory[5, t]
        apart = 2.0 * (y + z - memory[0, t])
        z, z_ = z - beta * apart, z_ - beta_z * apart
        for _ in range(pieces):
            a, a_, b, b_, c, c_ = x, x_, y, y_, z, z_
            for order in range(1, terms + 1):
                h = short / order
                a, a_, b, b_, c, c_ = (
                    h * eta * (a_ - a),
                    h * eta * (a - a_),
                    h * alpha * (b_ - b),
                    -h * theta * (b + c + nu * a_),
                    h * alpha * (c_ - c),
                    h * alpha_z * (c - c_),
                )
                x, x_, y, y_, z, z_ = x + a, x_ + a_, y + b, y_ + b_, z + c, z_ + c_
        place[t] = iterate[t] = x
        memory[0, t], memory[1, t], memory[2, t], memory[3, t] = y + z, x_, y, y_
        memory[4, t], memory[5, t] = z, z_


@inlined
def _jump(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    nu, gamma_, delta = parameters[1], parameters[8], parameters[9]
    for t in range(direction.size):
        direction[t] -= nu * iterate[t] + memory[3, t]
        memory[1, t] -= gamma_ * direction[t]
        memory[3, t] += delta * direction[t]


def _waits(dim: int, *parameters: float) -> list[tuple[float, list[float]]]:
    """Exponential waiting times, as the uniforms that bring them about."""
    points, chances = np.polynomial.laguerre.laggauss(_POINTS)
    return [(float(chance), [math.exp(-point)]) for chance, point in zip(chances, points, strict=True)]


def dadao(
    smoothness: float, strong_convexity: float, *, event_rate: float, spectral_gap: float, **constants: float
) -> Algorithm:
    """DADAO: an accelerated flow between the events of Poisson clocks, gradients and gossip apart.

    Nabli & Oyallon (ICML 2023, algorithm 1): every node keeps x, x̃, y, ỹ, z, z̃, which flow by

        x' = η (x̃ − x),  x̃' = η (x − x̃),  y' = α (ỹ − y),  ỹ' = −θ (y + z + ν x̃),
        z' = α (z̃ − z),  z̃' = α̃ (z − z̃).

    A node that ticks takes r = g(x) − ν x − ỹ, and x −= γ r, x̃ −= γ̃ r, ỹ += (δ + δ̃) r; a link i–j that ticks
    takes m = (y + z)_i − (y + z)_j, and z_i −= β m, z̃_i −= β̃ m, z_j += β m, z̃_j += β̃ m. Under
    ``W=dsf.mixing.poisson_clocks(graph)``; γ is the ``step_size``, 1/(4L) as published. A step is one event,
    seen after it; what a link changes is seen one event later, when it has changed no x yet.

    Everything but x starts at zero, as in the authors' code. There a node's vectors flow when it is next
    woken, so that curves are drawn through x of different times; here all flow at every event. With
    stochastic gradients L has to count their noise: with L = σ² the second moments of d = 100, b = 5 grow.

    Parameters
    ----------
    smoothness, strong_convexity : float
        L ≥ μ > 0 of the nodes' losses.
    event_rate : float
        Of the clocks, ``W.event_rate``.
    spectral_gap : float
        Of E[W], ``dsf.mixing_report(W).spectral_gap``: χ₁ = 1 / (2 · event_rate · spectral_gap).
    **constants : float
        In place of ``nu`` = μ/2, ``eta`` = √(ν/L)/8, ``theta`` = √(L/ν)/2, ``alpha`` = √(ν/L)/4,
        ``alpha_tilde`` = √(ν/L)/8, ``beta`` = 1/2, ``beta_tilde`` = 2 χ₁ √(L/ν),
        ``gamma_tilde`` = 1/(4 √(L ν)), ``delta`` = 1 + √(ν/L)/4, the sum of δ and δ̃.

    Raises
    ------
    ValueError, TypeError
        If L < μ, a number is not positive, or a constant is unknown.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> clocks = dsf.mixing.poisson_clocks(nx.path_graph(3))
    >>> gap = dsf.mixing_report(clocks).spectral_gap
    >>> algorithm = dsf.algorithms.dadao(2.0, 1.0, event_rate=clocks.event_rate, spectral_gap=gap)
    >>> problem = dsf.DatasetRegression([[1.0], [1.4], [1.2]], [1.0, 2.0, 3.0])
    >>> asked = {"step_size": 1 / 8, "batch_size": 1, "n_steps": 2000, "algorithm": algorithm, "rng": 0}
    >>> bool(dsf.simulate(problem, clocks, **asked).norms().max() < 1e-3)
    True
    """
    L = check.positive_number("smoothness", smoothness)
    mu = check.number(
        "strong_convexity", strong_convexity, f"a positive number up to {L:g}", lambda value: 0 < value <= L
    )
    rate = check.positive_number("event_rate", event_rate)
    gap = check.number(
        "spectral_gap", spectral_gap, "a number above 0 and at most 1", lambda value: 0 < value <= 1
    )
    nu = check.positive_number("nu", constants.get("nu", mu / 2))
    root = math.sqrt(nu / L)
    spread = check.number(
        "event_rate · spectral_gap · √(nu / smoothness)",
        rate * gap * root,
        "a number of at least 1e-300",
        lambda value: value >= 1e-300,
    )
    published = {
        "nu": nu,
        "eta": root / 8,
        "theta": 0.5 / root,
        "alpha": root / 4,
        "alpha_tilde": root / 8,
        "beta": 0.5,
        "beta_tilde": 1 / spread,
        "gamma_tilde": 0.25 / (math.sqrt(L) * math.sqrt(nu)),
        "delta": 1 + root / 4,
    }
    part = Part(
        "dadao",
        _jump,
        (rate, *checks.replaced(published, constants).values()),
        memory=6,
        mixed=1,
        uniforms=1,
        shared=True,
        look=_flow,
        flows=True,
        outcomes=_waits,
        role="direction",
    )
    order = Algorithm(order="adapt-then-combine", consensus_step=0.0)
    return chain(woken(), Algorithm((part,)), order)

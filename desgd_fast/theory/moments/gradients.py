"""Mean and variance of a node's minibatch gradient, at a random point of which two moments are known."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from desgd_fast.problems.protocols import ClosedLaw, OwnRows
from desgd_fast.theory.moments import checks

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


class Gradients(Protocol):
    """Gradients g = H e + r of all nodes at deviations e from the optimum.

    Coordinates are in ``groups`` of which any one stands for all, or all in one group of ``size``.
    """

    @property
    def size(self) -> int:
        """Coordinates that are described together."""

    @property
    def multiplicities(self) -> Array:
        """Coordinates of every group, (groups,)."""

    @property
    def optimum(self) -> Array:
        """Where deviations are measured from, (groups, size); of a group its length."""

    @property
    def slopes(self) -> Array:
        """E H, (groups, nodes or 1, size, size)."""

    @property
    def drift(self) -> Array:
        """E r, (groups, nodes or 1, size)."""

    @property
    def independent_coordinates(self) -> bool:
        """Whether a group's second moments are those of its coordinates, one by one."""

    @property
    def alike(self) -> bool:
        """Whether all nodes draw from one law."""

    def variance(self, weight: float, mean: Array, raw: Array) -> Array:
        """E[(g − E[g | e])(g − E[g | e])ᵀ; Z] where e has these moments, all (groups, nodes, size, size)."""


@dataclass(frozen=True, eq=False)
class GaussianGradients:
    """Of least squares on Gaussian features: one group for every eigenvalue λ of their covariance.

    The variance is s⁴/b · (λ_p² G_p + λ_p Σ_q λ_q G_q) and s²σ²λ_p/b from the noise in the targets.
    """

    eigenvalues: Array
    multiplicities: Array
    optimum: Array
    power: Array
    noise: Array
    batch_size: Counts
    independent_coordinates: bool

    size = 1

    @classmethod
    def of(
        cls, problem: ClosedLaw, n_nodes: int, batch_sizes: Counts, at_infinity: bool
    ) -> "GaussianGradients":
        """The gradients of a problem with a closed law; at infinity noise counts no more."""
        feature_std, noise_std = problem.stds(n_nodes)
        eigenvalues, group, counts = np.unique(problem.eigenvalues, return_inverse=True, return_counts=True)
        optimum = np.asarray(problem.optimum, np.float64)
        optimum = optimum if problem.basis is None else optimum @ problem.basis
        scale = max(float(np.abs(optimum).max()), 1e-300)
        lengths = scale * np.sqrt(np.bincount(group, np.square(optimum / scale)))
        with np.errstate(over="ignore"):
            power, noise = feature_std**2, 0.0 * noise_std if at_infinity else noise_std**2
        return cls(
            eigenvalues,
            counts.astype(float),
            lengths[:, None],
            power,
            noise,
            batch_sizes,
            problem.basis is None or problem.isotropic,
        )

    @cached_property
    def slopes(self) -> Array:
        return np.multiply.outer(self.eigenvalues, self.power)[..., None, None]

    @property
    def drift(self) -> Array:
        return np.zeros((self.eigenvalues.size, 1, 1))

    @property
    def alike(self) -> bool:
        return all(np.ptp(own) == 0 for own in (self.power, self.noise, self.batch_size))

    def variance(self, weight: float, mean: Array, raw: Array) -> Array:
        values, counts = self.eigenvalues[:, None], self.multiplicities[:, None]
        square = raw[..., 0, 0]
        multiplicative = self.power**2 * (
            values**2 * square + counts * values * (values * square).sum(axis=0)
        )
        additive = weight * self.power * self.noise * values * counts
        return np.asarray((multiplicative + additive) / self.batch_size)[..., None, None]


@dataclass(frozen=True, eq=False)
class RowGradients:
    """Of a data set whose loss is quadratic, node i holding some rows and drawing b_i of them at a time.

    With s_r = E[(a_rᵀe − ε_r)²], ε_r the residual of row r at the optimum, the variance is
    f (c² mean_r s_r a_r a_rᵀ − E[g | e] E[g | e]ᵀ), f = 1/b, or (n − b)/(b (n − 1)) without replacement.
    """

    features: tuple[Array, ...]
    residuals: tuple[Array, ...]
    curvature: float
    ridge: float
    optimum: Array
    factor: Array

    @classmethod
    def of(
        cls, problem: OwnRows, n_nodes: int, batch_sizes: Counts, curvature: float, ridge: float
    ) -> "RowGradients":
        """The gradients of a problem on rows whose loss has this curvature and ridge."""
        checks.independent_batches("problem", problem.sampling)
        parts = problem.partition(n_nodes, batch_sizes)
        optimum = np.asarray(problem.optimum, np.float64)
        spans = [slice(first, last) for first, last in zip(parts.offsets, parts.offsets[1:], strict=False)]
        shares = np.asarray(parts.shares, np.float64)
        factor = 1.0 / batch_sizes
        if problem.sampling == "without-replacement":
            factor = factor * (shares - batch_sizes) / np.maximum(shares - 1, 1)
        return cls(
            tuple(parts.features[span] for span in spans),
            tuple(parts.targets[span] - parts.features[span] @ optimum for span in spans),
            curvature,
            ridge,
            optimum[None],
            factor,
        )

    multiplicities = np.ones(1)
    independent_coordinates = False
    alike = False

    @property
    def size(self) -> int:
        return int(self.optimum.shape[1])

    @cached_property
    def slopes(self) -> Array:
        seen = np.stack([self.curvature * a.T @ a / len(a) for a in self.features])
        return np.asarray(seen + self.ridge * np.eye(self.size))[None]

    @cached_property
    def drift(self) -> Array:
        pairs = zip(self.features, self.residuals, strict=True)
        pulled = np.stack([-self.curvature * e @ a / len(a) for a, e in pairs])
        return np.asarray(pulled + self.ridge * self.optimum)[None]

    def variance(self, weight: float, mean: Array, raw: Array) -> Array:
        result = np.empty_like(raw)
        for i, (a, e) in enumerate(zip(self.features, self.residuals, strict=True)):
            square = np.einsum("rt,rt->r", a @ raw[0, i], a) - 2 * e * (a @ mean[0, i]) + weight * e**2
            # Of the ridge's part nothing varies.
            steep, pulled = self._data[0][i], self._data[1][i]
            cross = np.outer(steep @ mean[0, i], pulled)
            expected = steep @ raw[0, i] @ steep + cross + cross.T + weight * np.outer(pulled, pulled)
            spread = self.curvature**2 * (a.T * square) @ a / len(a)
            result[0, i] = self.factor[i] * (spread - expected)
        return result

    @cached_property
    def _data(self) -> tuple[Array, Array]:
        """Slopes and drift without the ridge's."""
        return (
            self.slopes[0] - self.ridge * np.eye(self.size),
            self.drift[0] - self.ridge * self.optimum,
        )


@dataclass(frozen=True, eq=False)
class StreamGradients:
    """Of a quadratic loss on d independent features of one law, as one group, in which only lengths count.

    A sample a has E a aᵀ = m₂ I and E‖a aᵀe‖² = (m₂² (d − 1) + m₄) ‖e‖²: what it adds to a variance is
    c² (m₂² (d − 2) + m₄) ‖e‖² / b, ``spread`` times ‖e‖² / b, and ``added`` / b from the noise of targets.
    """

    slope: float
    ridge: float
    spread: float
    added: float
    optimum: Array
    multiplicities: Array
    batch_size: Counts

    size = 1
    independent_coordinates = True

    @classmethod
    def of(
        cls, problem: Any, batch_sizes: Counts, curvature: float, ridge: float, at_infinity: bool
    ) -> "StreamGradients":
        """Of a loss with this curvature and ridge; without curvature nothing is left of the features."""
        dim, noise, second, fourth = problem.dim, 0.0, 0.0, 0.0
        if curvature > 0:
            second, fourth = checks.known_moments("problem", problem)
        if not at_infinity:
            noise = checks.known_noise("problem", problem)
        return cls(
            curvature * second + ridge,
            ridge,
            curvature**2 * (second**2 * (dim - 2) + fourth),
            curvature**2 * noise * second * dim,
            np.array([[np.linalg.norm(problem.optimum)]]),
            np.array([float(dim)]),
            batch_sizes,
        )

    @property
    def slopes(self) -> Array:
        return np.full((1, 1, 1, 1), self.slope)

    @property
    def drift(self) -> Array:
        return self.ridge * self.optimum[:, None]

    @property
    def alike(self) -> bool:
        return bool(np.ptp(self.batch_size) == 0)

    def variance(self, weight: float, mean: Array, raw: Array) -> Array:
        return np.asarray((self.spread * raw + weight * self.added) / self.batch_size[:, None, None])


def gradients_of(problem: Any, n_nodes: int, batch_sizes: Counts, *, at_infinity: bool) -> Gradients:
    """The moments of a problem's gradients, or a refusal; at infinity of what is left of its loss there."""
    if isinstance(problem, ClosedLaw):
        return GaussianGradients.of(problem, n_nodes, batch_sizes, at_infinity)
    checks.known_law("problem", problem)
    look = checks.grows_at_infinity if at_infinity else checks.quadratic
    curvature, ridge = look("problem", problem.loss)
    if isinstance(problem, OwnRows) and curvature > 0:
        return RowGradients.of(problem, n_nodes, batch_sizes, curvature, ridge)
    return StreamGradients.of(problem, batch_sizes, curvature, ridge, at_infinity)

"""Exact second moments: P_ij = E⟨e_i, e_j⟩ obeys a linear recursion on N×N matrices, one per eigenvalue of Σ.

With c_i = η_i s_i², B_p = W − λ_p diag(c) and κ_i = c_i²/b_i, combine-then-adapt gives

    G_p⁺ = B_p G_p B_pᵀ + diag(κ_i (λ_p² G_p,ii + λ_p Σ_q m_q λ_q G_q,ii) + c_i² σ_i² λ_p / (s_i² b_i))

for each of the m_p coordinates that share λ_p; adapt-then-combine moves W to the outside.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.sparse import linalg as sparse_linalg

from desgd_fast.theory import checks
from desgd_fast.theory.question import Setting

Array = NDArray[np.float64]

# Below this many unknowns a dense eigenvalue problem beats an iteration.
_DENSE_UNKNOWNS = 100
# Below this many nodes a dense product beats a sparse one.
_DENSE_NODES = 128
# Quadratic convergence needs some five.
_MOST_NEWTON_STEPS = 30
# Above this many nodes the full spectrum of W costs more than the iteration it would save.
_SPECTRUM_NODES = 2048


@dataclass(frozen=True, eq=False)
class SecondMoments:
    """The recursion of a setting as a linear operator, never as an N²×N² array."""

    setting: Setting

    @cached_property
    def _contraction(self) -> Array:
        """λ_p c_i, shape (n_groups, n_nodes)."""
        s = self.setting
        return np.asarray(s.eigenvalues[:, None] * (s.step_size * s.power))

    @cached_property
    def _kappa(self) -> Array:
        s = self.setting
        return np.asarray((s.step_size * s.power) ** 2 / s.batch_size)

    @cached_property
    def _left(self) -> list[Any]:
        """The matrices that multiply from both sides: B_p, or W alone when adapting first."""
        s = self.setting
        dense = s.n_nodes <= _DENSE_NODES
        weights: Any = s.weights.toarray() if dense else s.weights
        if s.adapt_first:
            return [weights] * len(self._contraction)
        return [
            weights - (np.diag(row) if dense else sparse.diags_array(row, format="csr"))
            for row in self._contraction
        ]

    @cached_property
    def _root_multiplicity(self) -> Array:
        return np.sqrt(self.setting.multiplicities)

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.setting.eigenvalues.size, self.setting.n_nodes, self.setting.n_nodes)

    def _gradient_spread(self, moments: Array) -> Array:
        """Variance of the gradients: reaches the diagonal only, and couples the coordinates there."""
        values, root = self.setting.eigenvalues, self._root_multiplicity
        diagonal = np.einsum("pii->pi", moments)
        shared = (root * values) @ diagonal
        return np.asarray(self._kappa * (values[:, None] ** 2 * diagonal + (root * values)[:, None] * shared))

    @staticmethod
    def _between(left: Any, moment: Array) -> Array:
        return np.asarray(left @ (left @ moment.T).T)

    def _adapt(self, moments: Array) -> Array:
        """Adapting first: the moments after the gradient step and before mixing."""
        shrink = 1 - self._contraction
        result = shrink[:, :, None] * moments * shrink[:, None, :]
        np.einsum("pii->pi", result)[...] += self._gradient_spread(moments)
        return np.asarray(result)

    def apply(self, moments: Array) -> Array:
        """One noise-free step; G_p enters as √m_p G_p, which makes the coupling symmetric."""
        if self.setting.adapt_first:
            adapted = self._adapt(moments)
            return np.stack([self._between(a, m) for a, m in zip(self._left, adapted, strict=True)])
        result = np.stack([self._between(a, m) for a, m in zip(self._left, moments, strict=True)])
        np.einsum("pii->pi", result)[...] += self._gradient_spread(moments)
        return result

    def apply_adjoint(self, forms: Array) -> Array:
        """The adjoint step, which moves quadratic forms instead of moments."""
        pulled = np.stack([self._between(a.T, m) for a, m in zip(self._left, forms, strict=True)])
        if self.setting.adapt_first:
            return self._adapt(pulled)
        np.einsum("pii->pi", pulled)[...] += self._gradient_spread(forms)
        return pulled

    def noise(self) -> Array:
        """What one step adds, scaled like ``apply``'s argument."""
        s = self.setting
        added = (s.step_size**2 * s.power * s.noise / s.batch_size)[None] * s.eigenvalues[:, None]
        added = added * self._root_multiplicity[:, None]
        if not s.adapt_first:
            return added[:, :, None] * np.eye(s.n_nodes)
        dense = s.weights.toarray()
        return np.stack([(dense * row) @ dense.T for row in added])

    @property
    def self_adjoint(self) -> bool:
        return self.setting.symmetric and not self.setting.adapt_first

    # Closed form -----------------------------------------------------------------------------------------

    @property
    def _diagonalisable(self) -> bool:
        """Whether every node follows one law on a symmetric W, so that W's eigenvectors serve all B_p."""
        s = self.setting
        return s.symmetric and s.uniform and s.n_nodes <= _SPECTRUM_NODES

    @property
    def _values(self) -> Array:
        return self.setting.spectrum[0]

    @property
    def _vectors(self) -> Array:
        return self.setting.spectrum[1]

    def _gains(self, growth: float) -> Array:
        """Spectrum of noise ↦ moments at growth θ: μ-wise 1/(θ − β²), shape (n_groups, n_nodes)."""
        values, contraction = self._values, self._contraction[:, :1]
        with np.errstate(divide="ignore"):
            if self.setting.adapt_first:
                return np.asarray(values**2 / (growth - (1 - contraction) ** 2 * values**2))
            return np.asarray(1 / (growth - (values - contraction) ** 2))

    def _diagonal_is_constant(self, growth: float) -> bool:
        diagonal = self._gains(growth) @ (self._vectors**2).T
        spread = np.ptp(diagonal, axis=1)
        return bool((spread <= 1e-11 * np.abs(diagonal).mean(axis=1)).all())

    def _coupling(self, growth: float) -> float:
        """Σ_p m_p κλ_p²t_p/(1 − κλ_p²t_p), decreasing in θ: 1 at θ = h(2), infinite below its pole."""
        gains = self._gains(growth)
        if not np.isfinite(gains).all() or (gains < 0).any():
            return math.inf
        own = self._kappa[0] * self.setting.eigenvalues**2 * gains.mean(axis=1)
        if (own >= 1).any():
            return math.inf
        return float((self.setting.multiplicities * own / (1 - own)).sum())

    def _mean_growth_squared(self) -> float:
        values, contraction = self._values, self._contraction[:, :1]
        beta = (1 - contraction) * values if self.setting.adapt_first else values - contraction
        return float((beta**2).max())

    def _coupled_growth(self) -> float:
        """The root θ of the coupling: h(2) where its eigenmatrix has a constant diagonal, else less."""
        low = self._mean_growth_squared()
        high = 2 * low + 2
        while self._coupling(high) > 1:
            high *= 2

        def excess(growth: float) -> float:
            return 1 - min(self._coupling(growth), 1e6)

        return float(optimize.toms748(excess, low, high, xtol=1e-300, rtol=1e-15, maxiter=300))

    def _closed_growth(self) -> float | None:
        """The value h(2) where its eigenmatrix has a constant diagonal, as on vertex-transitive graphs."""
        if not self._diagonalisable:
            return None
        growth = self._coupled_growth()
        return growth if self._diagonal_is_constant(growth) else None

    def _closed_covariance(self) -> Array | None:
        noise = self.setting.noise
        if not self._diagonalisable or (noise != noise[0]).any() or not self._diagonal_is_constant(1.0):
            return None
        s, vectors, gains = self.setting, self._vectors, self._gains(1.0)
        t, values = gains.mean(axis=1), s.eigenvalues
        added = s.step_size[0] ** 2 * s.power[0] * noise[0] / s.batch_size[0] * values
        # The diagonal g_p = t_p f_p, f_p = added_p + κ(λ_p² g_p + λ_p R), R = Σ m_q λ_q g_q; R first.
        own = self._kappa[0] * values**2 * t
        shared = (s.multiplicities * values * t * added / (1 - own)).sum() / (1 - self._coupling(1.0))
        driven = s.multiplicities * (added + self._kappa[0] * values * shared) / (1 - own)
        return np.asarray((vectors * (driven @ gains)) @ vectors.T)

    # Diagonal alone --------------------------------------------------------------------------------------

    @property
    def acts_on_diagonal(self) -> bool:
        """Whether the N diagonal entries can be asked instead: too many unknowns else, one law, one λ."""
        return math.prod(self.shape) > _DENSE_UNKNOWNS and self.setting.isotropic and self._diagonalisable

    def _sustained(self, spread: Array, growth: float, power: int = 1) -> Array:
        """V((Vᵀ diag(f) V) ∘ R)Vᵀ, the moments that variances f entering the diagonal keep up at growth θ.

        R_ab = 1/(θ − β_a β_b) with the spectrum β of the step without gradient variance: the sum over all
        steps is one division. ``power=2`` squares the divisor, minus the derivative in θ.
        """
        vectors = self._vectors
        response = self._response(growth, power)
        return np.asarray(vectors @ (((vectors.T * spread.ravel()) @ vectors) * response))

    def _response(self, growth: float, power: int = 1) -> Array:
        """The matrix R."""
        values, shrink = self._values, 1 - float(self._contraction[0, 0])
        if self.setting.adapt_first:
            products = np.outer(values, values)
            return np.asarray(products / (growth - shrink**2 * products) ** power)
        beta = values - 1 + shrink
        return np.asarray(1 / (growth - np.outer(beta, beta)) ** power)

    def _sustained_diagonal(self, spread: Array, growth: float, power: int = 1) -> Array:
        half = self._sustained(spread, growth, power)
        return np.asarray(np.einsum("ik,ik->i", half, self._vectors))

    @property
    def _gain(self) -> float:
        """Variance that gradients add to the diagonal for a unit there."""
        return float(self._kappa[0] * self.setting.eigenvalues[0] ** 2 * (self.setting.dim + 1))

    def _top_diagonal(self, growth: float, start: Array) -> tuple[float, Array]:
        """How far gradients multiply, at growth θ, the diagonal that they alone sustain; and that diagonal.

        The top eigenvalue of f ↦ κλ²(d+1) diag Σ_k θ^{−k−1} A^k(diag f), A the step without gradient
        variance: 1 exactly where θ = h(2), convex and decreasing in θ.
        """
        n = self.setting.n_nodes
        operator = sparse_linalg.LinearOperator(
            (n, n), matvec=lambda f: self._sustained_diagonal(f, growth), dtype=np.float64
        )
        # The eigenvalue errs by the square of the residual.
        top, vectors = sparse_linalg.eigsh(operator, k=1, which="LA", v0=start, ncv=min(n, 8), tol=1e-7)
        return float(self._gain * top[0]), np.asarray(vectors[:, 0])

    def top_diagonal(self, start: Array) -> Array:
        """The diagonal of :meth:`_top_diagonal` at growth 1, where the mean contracts."""
        return self._top_diagonal(1.0, start)[1]

    def pairs(self, diagonal: Array) -> Array:
        """(Vᵀ diag(f) V)², entry by entry: how strongly a diagonal f drives pairs of eigenvectors of W."""
        return np.asarray(np.square((self._vectors.T * diagonal) @ self._vectors))

    def instability(self, pairs: Array) -> float:
        """How far gradients multiply the diagonal of these pairs, as a quadratic form, at growth 1.

        At the top diagonal it is 1 where h(2) = 1, and stationary: a diagonal's error counts squared.
        """
        return self._gain * float((pairs * self._response(1.0)).sum())

    def _diagonal_growth(self) -> float:
        """h(2) by Newton's method from below, which convexity makes monotone."""
        growth = self._coupled_growth()
        diagonal: Array = np.ones(self.setting.n_nodes)
        for _ in range(_MOST_NEWTON_STEPS):
            factor, diagonal = self._top_diagonal(growth, diagonal)
            steepness = self._gain * float(diagonal @ self._sustained_diagonal(diagonal, growth, power=2))
            step = (factor - 1) / steepness
            growth += step
            if step <= 1e-13 * growth:
                break
        return float(growth)

    def _diagonal_covariance(self) -> Array:
        """The fixed point: g = diag of what the gain·g + noise sustain, a system of N unknowns."""
        s, n = self.setting, self.setting.n_nodes
        noise = s.dim * s.eigenvalues[0] * s.step_size**2 * s.power * s.noise / s.batch_size
        remainder = sparse_linalg.LinearOperator(
            (n, n), matvec=lambda g: g - self._gain * self._sustained_diagonal(g, 1.0), dtype=np.float64
        )
        diagonal, _ = sparse_linalg.cg(remainder, self._sustained_diagonal(noise, 1.0), rtol=1e-13, atol=0.0)
        return np.asarray(self._sustained(self._gain * diagonal + noise, 1.0) @ self._vectors.T)

    # Iteration -------------------------------------------------------------------------------------------

    def _operator(self, function: Any) -> Any:
        size = math.prod(self.shape)
        return sparse_linalg.LinearOperator(
            (size, size), matvec=lambda x: function(x.reshape(self.shape)).ravel(), dtype=np.float64
        )

    def _dense(self, function: Any) -> Array:
        size = math.prod(self.shape)
        columns = [function(row.reshape(self.shape)).ravel() for row in np.eye(size)]
        return np.stack(columns, axis=1)

    def _start(self) -> Array:
        return np.tile(np.eye(self.setting.n_nodes), (self.shape[0], 1, 1)).ravel()

    def _leading(self, function: Any) -> tuple[float, Array]:
        """Largest eigenvalue and its eigenmatrix; both are those of a positive map, so real."""
        if math.prod(self.shape) <= _DENSE_UNKNOWNS:
            dense = self._dense(function)
            if self.self_adjoint:
                values, vectors = np.linalg.eigh((dense + dense.T) / 2)
            else:
                values, vectors = np.linalg.eig(dense)
            top = int(np.argmax(values.real))
            return float(values[top].real), np.asarray(vectors[:, top].real).reshape(self.shape)
        operator, start = self._operator(function), self._start()
        if self.self_adjoint:
            # The eigenvalue errs by the square of the residual.
            values, vectors = sparse_linalg.eigsh(operator, k=1, which="LA", v0=start, tol=1e-8)
        else:
            values, vectors = sparse_linalg.eigs(operator, k=1, which="LR", v0=start, tol=1e-12)
        return float(values[0].real), np.asarray(vectors[:, 0].real).reshape(self.shape)

    # Answers ---------------------------------------------------------------------------------------------

    @property
    def has_closed_form(self) -> bool:
        """Whether h(2) is the root of a scalar equation."""
        return self._closed_growth() is not None

    def growth(self) -> float:
        """h(2), the spectral radius of the recursion."""
        checks.step_in_range("step_size", float(self._contraction.max()))
        closed = self._closed_growth()
        if closed is not None:
            return closed
        return self._diagonal_growth() if self.acts_on_diagonal else self._leading(self.apply)[0]

    def leading_form(self) -> Array:
        """V_p with E[φ(Me)] = h(2) φ(e) for φ(e) = Σ_p e_pᵀ V_p e_p, shape (n_groups, n_nodes, n_nodes)."""
        if self.setting.n_nodes == 1 and self.setting.isotropic:
            return np.ones(self.shape)
        forms = self._leading(self.apply_adjoint)[1] / self._root_multiplicity[:, None, None]
        forms = (forms + forms.transpose(0, 2, 1)) / 2
        return np.asarray(forms / np.einsum("pii->", forms) * self.shape[0] * self.shape[1])

    def leading_shape(self) -> Array:
        """The moments G_p that one step multiplies by h(2), shape (n_groups, n_nodes, n_nodes)."""
        if self.setting.n_nodes == 1 and self.setting.isotropic:
            return np.ones(self.shape)
        moments = self._leading(self.apply)[1] / self._root_multiplicity[:, None, None]
        moments = (moments + moments.transpose(0, 2, 1)) / 2
        return np.asarray(moments / np.einsum("pii->", moments))

    def relaxation_steps(self, tolerance: float, most: int) -> int:
        """Steps until moments that start at the first node alone have their final shape within tolerance."""
        moments = np.zeros(self.shape)
        moments[:, 0, 0] = 1.0
        for k in range(most):
            following = self.apply(moments)
            following /= np.einsum("pii->", following)
            # The remaining distance is at most the last change over the rate at which changes shrink.
            if k and np.abs(following - moments).sum() * (k + 1) < tolerance:
                return k + 1
            moments = following
        return most

    def covariance(self) -> Array:
        """E⟨e_i, e_j⟩ of the stationary law, shape (n_nodes, n_nodes); needs h(2) < 1."""
        closed = self._closed_covariance()
        if closed is not None:
            return closed
        if self.acts_on_diagonal:
            return self._diagonal_covariance()
        noise = self.noise()
        if math.prod(self.shape) <= _DENSE_UNKNOWNS:
            dense = self._dense(self.apply)
            solution = np.linalg.solve(np.eye(len(dense)) - dense, noise.ravel())
        else:
            remainder = self._operator(lambda moments: moments - self.apply(moments))
            solve = sparse_linalg.cg if self.self_adjoint else sparse_linalg.bicgstab
            solution, status = solve(remainder, noise.ravel(), rtol=1e-12, atol=0.0, maxiter=20000)
            if status != 0:
                solution = sparse_linalg.gmres(remainder, noise.ravel(), x0=solution, rtol=1e-12)[0]
        moments = solution.reshape(self.shape)
        total = np.einsum("p,pij->ij", self._root_multiplicity, moments)
        return np.asarray((total + total.T) / 2)


def mean_critical_step_size(setting: Setting) -> float:
    """Step size at which the mean E[e] stops contracting: spectral radius of every B_p equal to 1."""
    largest, power = float(setting.eigenvalues[-1]), setting.power
    if setting.symmetric and not setting.adapt_first:
        # B loses stability at −1 only: det(I + W − x diag(s²)) = 0, smallest root x.
        scale = 1 / np.sqrt(power)
        shifted = scale[:, None] * (np.eye(setting.n_nodes) + setting.weights.toarray()) * scale
        return max(float(np.linalg.eigvalsh(shifted)[0]), 0.0) / largest
    if (power == power[0]).all():
        if setting.adapt_first:
            return float(2 / (power[0] * largest))
        values = np.linalg.eigvals(setting.weights.toarray())
        reach = values.real + np.sqrt(np.maximum(1 - values.imag**2, 0))
        return max(float(reach.min()), 0.0) / (float(power[0]) * largest)
    dense = setting.weights.toarray()

    def excess(step: float) -> float:
        contraction = step * largest * power
        mean = dense * (1 - contraction) if setting.adapt_first else dense - np.diag(contraction)
        return float(np.abs(np.linalg.eigvals(mean)).max()) - 1

    high = 2.0**-20 / float(largest * power.max())
    while excess(high) < 0:
        high *= 2
    if excess(high / 2) >= 0:
        return 0.0
    return float(optimize.brentq(excess, high / 2, high, xtol=1e-300, rtol=1e-14))


def critical_step_size(setting: Setting, mean_step: float) -> float:
    """Step size at which h(2) = 1; never above ``mean_step``, for h(2) ≥ the mean's growth squared."""

    def excess(step: float) -> float:
        return SecondMoments(setting.at_step_size(step)).growth() - 1

    low = mean_step / 2
    start = SecondMoments(setting.at_step_size(low))
    if low > 0 and start.acts_on_diagonal and not start.has_closed_form:
        return _critical_by_diagonal(setting, mean_step)
    while low > mean_step * 1e-12 and excess(low) >= 0:
        low /= 2
    if low <= mean_step * 1e-12:
        return 0.0
    high = min(2 * low, mean_step)
    if excess(high) <= 0:
        return high
    # An iterated eigenvalue is good to about 1e-13: asking the root for more would chase its rounding.
    exact = SecondMoments(setting.at_step_size(low)).has_closed_form
    return float(optimize.toms748(excess, low, high, xtol=1e-300, rtol=1e-15 if exact else 1e-11))


def _critical_by_diagonal(setting: Setting, mean_step: float) -> float:
    """The same from N unknowns: the root for a diagonal, then the top diagonal there, and again."""
    n_nodes = setting.n_nodes
    diagonal, step, before = np.full(n_nodes, n_nodes**-0.5), math.nan, math.nan
    for _ in range(_MOST_NEWTON_STEPS):
        pairs = SecondMoments(setting).pairs(diagonal)

        def excess(step: float, pairs: Array = pairs) -> float:
            return SecondMoments(setting.at_step_size(step)).instability(pairs) - 1

        low = mean_step / 2
        while excess(low) >= 0:
            low /= 2
        before, step = (
            step,
            float(optimize.toms748(excess, low, mean_step * (1 - 1e-12), xtol=1e-300, rtol=1e-14)),
        )
        if abs(step - before) <= 1e-13 * step:
            break
        diagonal = SecondMoments(setting.at_step_size(step)).top_diagonal(diagonal)
    return step

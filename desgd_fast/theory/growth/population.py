"""Growth of random products by population Monte Carlo, with the exact second moments as control variate.

Particles carry directions normalised by the form φ of the exact second moments, E[φ(Me)] = h(2) φ(e). A
step multiplies φ by y; weights gain (y/h(2))^{s/2}; the population is resampled every ``interval`` steps.
With r = Σ W (y/h(2))^{s/2} / Σ W the product of the r of k steps has expectation (h(s)/h(2)^{s/2})^k,
whatever the number of particles (Del Moral, Feynman–Kac Formulae, 2004), so that

    log h(s) − (s/2) log h(2) = log(mean over steps of r − β · mean of Σ W (y/h(2) − 1) / Σ W)
                                + Σ_{k>0} cov(r_0, r_k) / (E r)²

up to joint cumulants of three steps. The second mean is exactly zero in expectation, and β is the regression
coefficient; r_k may be reduced likewise. The covariances between steps are the bias of a finite population;
what happens within a step has none, however uneven the weights are. At s = 2 the estimate is the exact h(2);
around it most of the variance is gone.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import threads as common_threads
from desgd_fast.common.pieces import pieces
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.growth import growth
from desgd_fast.kernels.jit.lanes import LANES
from desgd_fast.kernels.loops import gram, steps
from desgd_fast.theory.closed.second_moments import SecondMoments
from desgd_fast.theory.growth.series import Series
from desgd_fast.theory.question import Setting

Array = NDArray[np.float64]

# Steps between resamplings never exceed this, nor let log weights spread further than SPREAD.
LONGEST_INTERVAL = 16
SPREAD = 0.5
# The shape of the population counts as forgotten when its second moments have relaxed to this.
_FORGOTTEN = 0.01
# It starts from the shape that is stationary at s = 2, so a long memory need not be waited out in full.
_LONGEST_BURN_IN = 256
# Multiplications of one call, unless a single step has more: some tenths of a second.
_CALL_PRODUCTS = 1 << 25


@dataclass(frozen=True)
class Estimate:
    """One growth exponent and its slope in s, from one stretch of the walk.

    ``doubt`` is the relative standard error of the squared standard error, ``n_draws`` how many equal draws
    would carry the same weight.
    """

    s: float
    value: float
    stderr: float
    slope: float
    slope_stderr: float
    bias: float
    n_steps: int
    doubt: float
    n_draws: float


@dataclass(eq=False)
class Population:
    """A population in progress; every call of ``grow`` continues where the last one stopped.

    Its sums are over ``stride`` steps each; a first look takes ``look`` of them, the most patient one
    ``patience`` times as many.
    """

    setting: Setting
    key: NDArray[np.uint64]
    n_particles: int
    threads: int | None = None
    step: int = 0
    interval: int = 1
    stride: int = 1
    look: int = 256
    patience: int = 256
    growth2: float = field(init=False)
    rate: float = field(init=False)
    burn_in: int = field(init=False)

    def __post_init__(self) -> None:
        s = self.setting
        moments = SecondMoments(s)
        self.n_blocks = -(-self.n_particles // LANES)
        self.n_particles = self.n_blocks * LANES
        self.growth2 = moments.growth()
        self.rate = 0.5 * math.log(self.growth2)
        forms, shape = moments.leading_form(), moments.leading_shape()
        self.burn_in = moments.relaxation_steps(_FORGOTTEN, _LONGEST_BURN_IN)
        self.gram = s.isotropic and s.dim >= 2 * s.n_nodes
        scale = math.sqrt(s.eigenvalues[0]) if s.isotropic else 1.0
        matrix = s.weights
        self._combination = steps.Combination(matrix.indptr, matrix.indices, matrix.data, s.adapt_first)
        self._law = (
            np.array(s.step_size, float)[np.newaxis],
            np.sqrt(s.power) * scale,
            np.zeros(s.n_nodes),
            s.batch_size,
        )
        self._weights = np.ones((self.n_blocks, LANES))
        self._grown = np.zeros((self.n_blocks, LANES))
        self._source = np.zeros(self.n_particles, dtype=np.int64)
        self._target = np.zeros(self.n_particles, dtype=np.int64)
        if self.gram:
            self._start_gram(forms[0], shape[0])
        else:
            self._start_vectors(forms, shape)

    @staticmethod
    def _doubled(forms: Array) -> Array:
        """Lower triangles that give the same form, off-diagonal entries counted twice."""
        return np.ascontiguousarray(2 * np.tril(forms, -1) + forms * np.eye(forms.shape[-1]))

    def _start_gram(self, form: Array, shape: Array) -> None:
        n = self.setting.n_nodes
        minibatch = self.setting.batch_size.astype(float)
        bartlett = self.setting.dim - n - np.arange(n, dtype=float)
        chi = random.chi_square_parameters(np.repeat(np.concatenate([minibatch, bartlett]), LANES))
        self._steps: Any = gram.GramSteps(*self._law, chi)
        self._form = self._doubled(form)
        factor = square_root(shape / np.sum(form * shape))
        tile = np.broadcast_to(factor.T[None, :, :, None], (self.n_blocks, n, n, LANES))
        self._state = np.ascontiguousarray(tile)

    def _start_vectors(self, forms: Array, shape: Array) -> None:
        s = self.setting
        chi = random.chi_square_parameters(np.repeat(s.batch_size.astype(float), LANES))
        # The vector steps work on √λ e, so the forms and the spread of every coordinate are scaled to it.
        groups = (
            np.zeros(s.dim, dtype=np.int64)
            if s.isotropic
            else np.repeat(np.arange(s.eigenvalues.size), s.multiplicities)
        )
        values = np.ones(s.dim) if s.isotropic else s.eigenvalues[groups]
        per_form = np.ones(1) if s.isotropic else s.eigenvalues
        scaled = self._doubled(forms / per_form[:, None, None])
        self._form = scaled if s.isotropic else np.ascontiguousarray(scaled[groups])
        self._steps = steps.GaussianSteps(*self._law, chi, values, False)
        self._state = self._random_directions(shape * per_form[:, None, None], groups)

    def _random_directions(self, shape: Array, groups: NDArray[np.int64]) -> Array:
        """Gaussian vectors with the stationary covariance of every coordinate, brought to φ = 1."""
        n, dim = self.setting.n_nodes, self.setting.dim
        generator = np.random.default_rng(self.key)
        draw = generator.standard_normal((dim, n, self.n_blocks * LANES))
        factors = square_root(shape)[groups]
        vectors = np.matmul(factors, draw)
        forms = np.broadcast_to(self._form, (dim, n, n))
        values = np.einsum("cir,cij,cjr->r", vectors, forms, vectors)
        vectors /= np.sqrt(values)
        state = vectors.reshape(dim, n, self.n_blocks, LANES).transpose(2, 1, 0, 3)
        return np.ascontiguousarray(state).reshape(self.n_blocks, n, dim * LANES)

    def _advance(self, s: float, n_steps: int) -> Array:
        """Sums over the population of every step, (n_steps, N_SUMS)."""
        collected = []
        walk, particles = (
            growth.Walk(float(s), self.growth2, self._form),
            growth.Particles(self._state, self._weights, self._grown),
        )
        never, shape = np.iinfo(np.int64).max, steps.Shape(int(gram.SHIFT), self.setting.dim, 1)
        products = self.n_particles * self.setting.dim * self.setting.weights.nnz
        with common_threads.limited_to(self.threads):
            done = 0
            while done < n_steps:
                length = min(self.interval, n_steps - done)
                sums = np.empty((length, self.n_blocks, growth.N_SUMS))
                for first, stop in pieces(length, products, _CALL_PRODUCTS):
                    span = steps.Span(self.step + first, stop - first, never, 0)
                    here = (span, particles, sums[first:stop])
                    if self.gram:
                        growth.grow_gram(self.key, walk, self._combination, self._steps, *here)
                    else:
                        growth.grow_vectors(self.key, walk, self._combination, self._steps, shape, *here)
                if s != 0:
                    copies = growth.plan_copies(
                        self.key, np.uint64(self.step), self._weights.reshape(-1), self._source, self._target
                    )
                    for array in (self._state, self._grown):
                        rows = array.reshape(self.n_blocks, -1, LANES)
                        growth.copy_particles(rows, self._source, self._target, copies)
                largest = sums[:, :, growth.LARGEST].max(axis=1)
                total = sums.sum(axis=1)
                total[:, growth.LARGEST] = largest
                collected.append(total)
                self.step += length
                done += length
        return np.concatenate(collected)

    def settle(self, s: float) -> None:
        """Burn in at s, and choose how often to resample from the spread of the weights seen."""
        self.interval = 1
        self._grown[:] = 0.0
        probe = self._advance(s, 8)
        variance = probe[:, growth.WEIGHTED_SQUARED] * self.n_particles / probe[:, growth.WEIGHTED] ** 2 - 1
        spread = max(float(variance.mean()), 1e-12)
        self.interval = int(min(max(SPREAD**2 / spread, 1), LONGEST_INTERVAL))
        self._advance(s, self.burn_in)

    def grow(self, s: float, n_steps: int) -> Array:
        """The sums of n_steps further steps at s."""
        return self._advance(s, n_steps)


def square_root(shape: Array) -> Array:
    """Lower triangular L with L·Lᵀ = shape, of many at once; what rounding left below zero counts as zero."""
    jitter = 1e-14 * np.trace(shape, axis1=-2, axis2=-1)[..., np.newaxis, np.newaxis]
    try:
        return np.linalg.cholesky(shape + jitter * np.eye(shape.shape[-1]))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(shape)
        spread = vectors * np.sqrt(np.maximum(values, 0.0))[..., np.newaxis, :]
        upper = np.asarray(np.linalg.qr(np.swapaxes(spread, -1, -2), mode="r"))
        return np.swapaxes(upper, -1, -2)


def estimate(s: float, sums: Array, interval: int, rate: float) -> Estimate:
    """The growth exponent per step from sums at s, each over ``interval`` steps.

    Weights are relative to growth at ``rate`` per step, which keeps them within the range of numbers.
    """
    weight = sums[:, growth.WEIGHT]
    ratio, control = sums[:, growth.WEIGHTED] / weight, sums[:, growth.CONTROL] / weight
    total, mean = sums.sum(axis=0), float(ratio.mean())
    gained = sums[:, growth.SLOPE] / sums[:, growth.WEIGHTED] - sums[:, growth.PAST] / weight

    def regression(observed: float, product: int) -> float:
        # Without centring, the sample mean of the control would enter squared: a bias of one over the draws.
        if total[growth.CONTROL_SQUARED] == 0:  # nothing to control with
            return 0.0
        return float((total[product] - observed * total[growth.CONTROL]) / total[growth.CONTROL_SQUARED])

    reduced = Series(ratio / mean - regression(mean, growth.WEIGHTED_CONTROL) / mean * control)
    slopes = Series(gained - regression(float(gained.mean()) * mean, growth.SLOPE_CONTROL) / mean * control)
    raw = Series(ratio / mean)
    before = raw.before(reduced)
    between = float(before.mean())
    # What the draws add to the mean and to the bias removed is not independent: one series has both.
    whole = Series(reduced.values + before)
    return Estimate(
        s=s,
        value=s * rate + (math.log(mean * reduced.mean) + between) / interval,
        stderr=whole.stderr / interval,
        slope=slopes.mean / interval,
        slope_stderr=slopes.stderr / interval,
        bias=-between / interval,
        n_steps=len(ratio) * interval,
        doubt=max(whole.doubt, raw.doubt),
        n_draws=float(total[growth.WEIGHTED] ** 2 / total[growth.WEIGHTED_SQUARED]),
    )

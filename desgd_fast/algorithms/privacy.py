"""Differential privacy: clipped gradients with noise, and what they cost."""

import math

import numpy as np

from desgd_fast.algorithms.algorithm import Algorithm, Part, chain
from desgd_fast.algorithms.local.clipping import clipped
from desgd_fast.algorithms.local.noise import gaussian_noise
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


def dp_sgd(norm: float, noise_multiplier: float, batch_size: int) -> Algorithm:
    """(1/b) (Σ_q g_q · min(1, C / ‖g_q‖) + C σ z): every sample's gradient clipped, and noise added.

    DP-SGD of Abadi et al., CCS 2016. Steps are bounded: the tails are exponential or lighter.

    Parameters
    ----------
    norm : float
        C.
    noise_multiplier : float
        σ; :func:`privacy_spent` says what it buys.
    batch_size : int
        b, the same as the experiment's.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.dp_sgd(1.0, 2.0, batch_size=5)
    chain(clipped_samples(1), gaussian_noise(0.4))
    """
    norm = check.positive_number("norm", norm)
    noise_multiplier = check.non_negative_number("noise_multiplier", noise_multiplier)
    batch_size = check.positive_integer("batch_size", batch_size)
    scale = check.non_negative_number(
        "noise_multiplier · norm / batch_size", noise_multiplier * norm / batch_size
    )
    return chain(clipped(norm, of="samples"), gaussian_noise(scale))


@inlined
def _clipped_twice(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    left, of_gradient, of_left = memory[0], 0.0, 0.0
    for t in range(direction.size):
        of_gradient += direction[t] * direction[t]
        of_left += left[t] * left[t]
    # Not minima: nan must pass through.
    share = 1.0 if of_gradient <= parameters[0] ** 2 else parameters[0] / math.sqrt(of_gradient)
    ratio = parameters[1] / math.sqrt(of_left) if of_left > 0 else np.inf
    fed_back = ratio if ratio < 1 else 1.0
    kept = min(ratio, 1 - fed_back) if parameters[2] > 0 else 1 - fed_back
    for t in range(direction.size):
        gradient = direction[t]
        direction[t] = share * gradient + fed_back * left[t]
        left[t] = kept * left[t] + (1 - share) * gradient


def dice_sgd(
    norm: float, memory_norm: float, *, noise_scale: float = 0.0, as_coded: bool = False
) -> Algorithm:
    """v = clip(g, C₁) + clip(e, C₂), e ← e + g − v, and the step is v + noise_scale · z: DiceSGD.

    Zhang et al., ICLR 2024: what clipping takes away is fed back, so that it biases nothing. Here the
    gradient of a minibatch is clipped, which is a sample's where the batch size is 1.

    Parameters
    ----------
    norm, memory_norm : float
        C₁ and C₂.
    noise_scale : float
        Standard deviation of every coordinate of the noise.
    as_coded : bool
        The authors' code keeps e · min(r, 1 − min(r, 1)) of the memory, r = C₂ / ‖e‖, where the paper keeps
        e · (1 − min(r, 1)): a long memory is cut down to C₂.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.dice_sgd(0.5, 0.5, noise_scale=0.1)
    chain(clipped_twice(0.5, 0.5, 0), gaussian_noise(0.1))
    """
    numbers = (
        check.positive_number("norm", norm),
        check.positive_number("memory_norm", memory_norm),
        float(check.flag("as_coded", as_coded)),
    )
    part = Part("clipped_twice", _clipped_twice, numbers, memory=1, degree="bounded")
    scale = check.non_negative_number("noise_scale", noise_scale)
    return chain(Algorithm((part,)), gaussian_noise(scale))


def privacy_spent(noise_multiplier: float, *, sampling_rate: float, n_steps: int, delta: float) -> float:
    """Epsilon of (ε, δ)-differential privacy after steps of :func:`dp_sgd`, by Rényi accounting.

    Of one node's samples against whoever sees all that it sends, each minibatch a Poisson sample of its data
    (Mironov, Talwar & Zhang 2019), as the package ``dp-accounting`` computes it. Needs the extra ``privacy``.

    Parameters
    ----------
    noise_multiplier : float
        σ > 0.
    sampling_rate : float
        Share of a node's data that a minibatch holds, in (0, 1].
    n_steps : int
        Steps taken.
    delta : float
        δ in (0, 1).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> spent = dsf.algorithms.privacy_spent  # needs the extra
    >>> round(spent(1.0, sampling_rate=0.01, n_steps=1000, delta=1e-5), 2)  # doctest: +SKIP
    2.1
    """
    noise_multiplier = check.positive_number("noise_multiplier", noise_multiplier)
    sampling_rate = check.number(
        "sampling_rate", sampling_rate, "a number above 0 and at most 1", lambda rate: 0 < rate <= 1
    )
    n_steps = check.positive_integer("n_steps", n_steps)
    delta = check.fraction("delta", delta)
    check.installed("privacy_spent needs", "privacy", "dp_accounting")
    import dp_accounting

    step = dp_accounting.PoissonSampledDpEvent(sampling_rate, dp_accounting.GaussianDpEvent(noise_multiplier))
    accountant = dp_accounting.rdp.RdpAccountant()
    accountant.compose(step, n_steps)
    return float(accountant.get_epsilon(delta))

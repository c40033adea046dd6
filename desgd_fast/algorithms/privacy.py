"""Differential privacy: clipped gradients with noise, and what they cost."""

from desgd_fast.algorithms.algorithm import Algorithm, chain
from desgd_fast.algorithms.local.clipping import clipped
from desgd_fast.algorithms.local.noise import gaussian_noise
from desgd_fast.common import check


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
    return chain(clipped(norm, of="samples"), gaussian_noise(noise_multiplier * norm / batch_size))


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
    >>> round(dsf.algorithms.privacy_spent(1.0, sampling_rate=0.01, n_steps=1000, delta=1e-5), 2)
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

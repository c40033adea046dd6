"""Published systems that send less."""

import math

from desgd_fast.algorithms.algorithm import Algorithm, Part, chain
from desgd_fast.algorithms.compression.atomic import atomic
from desgd_fast.algorithms.compression.memory import compressed
from desgd_fast.algorithms.compression.quantisers import logarithmic_byte
from desgd_fast.algorithms.compression.sparsifiers import REAL_BITS
from desgd_fast.algorithms.messages import consensus_step as consensus_step_of
from desgd_fast.algorithms.time.timing import adapt_then_combine
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


def choco(compressor: Part, consensus_step: float) -> Algorithm:
    """x ← x − ηg, x̂ ← x̂ + C(x − x̂), x_i ← x_i + γ Σ_j W_ij (x̂_j − x̂_i): CHOCO-SGD.

    Algorithm 2 of Koloskova, Stich & Jaggi, ICML 2019.

    Parameters
    ----------
    compressor : Part
        One that contracts: :func:`top_k`, ``random_k(k, unbiased=False)``, ``qsgd(levels, unbiased=False)``.
    consensus_step : float
        γ.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.choco(dsf.algorithms.top_k(20), 0.04)
    chain(top_k_with_difference(20), consensus_step(0.04), adapt_then_combine())
    """
    return chain(
        compressed(compressor, "messages", memory="difference"),
        consensus_step_of(check.positive_number("consensus_step", consensus_step)),
        adapt_then_combine(),
    )


def deep_squeeze(compressor: Part, consensus_step: float) -> Algorithm:
    """x ← x − ηg, c = C(x + e), e ← x + e − c, x_i ← x_i + γ Σ_j W_ij (c_j − c_i): DeepSqueeze.

    Tang et al., 2019.

    Parameters
    ----------
    compressor : Part
        Any.
    consensus_step : float
        γ (η in the paper).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.deep_squeeze(dsf.algorithms.sign(), 0.1).degree
    'homogeneous'
    """
    return chain(
        compressed(compressor, "messages", memory="error-feedback"),
        consensus_step_of(check.positive_number("consensus_step", consensus_step)),
        adapt_then_combine(),
    )


def atomo(budget: float, *, n_rows: int | None = None, refilled: bool = True) -> Algorithm:
    """Gradients sent to a server as ``budget`` atoms on average (:func:`atomic`), W its mean of all nodes.

    Wang et al., NeurIPS 2018.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.atomo(3.0)
    chain(atomic(3, 1), adapt_then_combine())
    """
    return chain(compressed(atomic(budget, n_rows=n_rows, refilled=refilled)), adapt_then_combine())


@inlined
def _projection(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    along = 0.0
    for t in range(direction.size):
        along += normals[t] * direction[t]
    if parameters[1] > 0:
        along = logarithmic_byte(along)
    along *= parameters[0]
    for t in range(direction.size):
        direction[t] = along * normals[t]


def _gains(dim: int, factor: float, encoded: float) -> list[tuple[float, float]]:
    # E zzᵀ = I and E zzᵀzzᵀ = (dim + 2) I.
    return [(1 - 1 / (dim + 2), 0.0), (1 / (dim + 2), (dim + 2) * factor)]


def just_one_byte(*, encoded: bool = False, common: bool = False, root_of: int | None = None) -> Algorithm:
    """z (zᵀg), z normal and known to all from a seed, so that one number is sent (Zelikman et al., 2023).

    Zeroth-order SGD: on a quadratic loss (f(x + εz) − f(x − εz)) / 2ε is zᵀg, whatever ε.

    Parameters
    ----------
    encoded : bool
        Send zᵀg as :func:`one_byte` makes it: that bounds it. The authors' code computes the byte, and sends
        the number.
    common : bool
        Whether all nodes take the same z at a step, in place of their own.
    root_of : int, optional
        The number of nodes n, to divide the sum over nodes by √n as the authors do, in place of n.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> algorithm = dsf.algorithms.just_one_byte(encoded=True)
    >>> algorithm.degree, algorithm.bits(1000)
    ('bounded', 8.0)
    """
    encoded = check.flag("encoded", encoded)
    factor = 1.0 if root_of is None else math.sqrt(check.positive_integer("root_of", root_of))
    part = Part(
        "projection",
        _projection,
        (factor, float(encoded)),
        normals="dim",
        degree="bounded" if encoded else "linear",
        shared=check.flag("common", common),
        gains=_gains,
        bits=lambda dim: 8.0 if encoded else REAL_BITS,
    )
    return chain(Algorithm((part,)), adapt_then_combine())

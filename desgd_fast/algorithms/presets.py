"""Published systems by their names: chains of parts, and the mixing that they go with."""

from numpy.typing import ArrayLike

from desgd_fast.algorithms.algorithm import Algorithm, chain
from desgd_fast.algorithms.local.momentum import sgd
from desgd_fast.algorithms.participation import woken
from desgd_fast.algorithms.timing import adapt_then_combine, local_steps


def dpsgd() -> Algorithm:
    """D-PSGD: x_i ← Σ_j W_ij x_j − η g_i(x_i) (Lian et al., NeurIPS 2017, algorithm 1); the plain algorithm.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.dpsgd() == dsf.algorithms.sgd()
    True
    """
    return sgd()


def local_sgd(count: ArrayLike) -> Algorithm:
    """Local SGD: ``count`` steps on every node, then the mean (Stich, ICLR 2019, algorithm 1).

    With W = J/N, or :func:`desgd_fast.mixing.server`; with any other W it is its decentralized form
    (Koloskova et al., ICML 2020).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.local_sgd(4)
    chain(local_steps(4), adapt_then_combine())
    """
    return chain(local_steps(count), adapt_then_combine())


def fedavg(count: ArrayLike) -> Algorithm:
    """FedAvg: the clients of a round take ``count`` steps from the server's model, which becomes their mean.

    x ← (1/S) Σ_{i sampled} x_i^K (McMahan et al., AISTATS 2017, algorithm 1), under
    ``W=dsf.mixing.server(n_nodes, n_sampled)``. There clients are weighted by their numbers of rows and steps
    are counted in epochs; here they weigh the same. Clients may have counts of their own.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.fedavg(5)
    chain(woken(), local_steps(5), adapt_then_combine())
    """
    return chain(local_sgd(count), woken())


def token_sgd() -> Algorithm:
    """Random-walk SGD: θ ← θ − η g_j(θ) at the node j that holds the token, which then passes it on.

    Johansson, Rabi & Johansson (SIAM Journal on Optimization 2009) under ``W=dsf.mixing.token(graph)``,
    incremental SGD under a permutation, and SA-SRRW (Hu, Doshi & Eun, ICLR 2024, equation 4) under
    :func:`desgd_fast.mixing.self_repellent_token`. There steps decrease; here they do as ``step_size`` says.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.token_sgd()
    chain(woken(), adapt_then_combine())
    """
    return chain(woken(), adapt_then_combine())

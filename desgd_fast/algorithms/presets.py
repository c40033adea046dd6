"""Published systems by their names: chains of parts, and the mixing that they go with."""

import numpy as np
from numpy.typing import ArrayLike

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.algorithm import Algorithm, Part, chain
from desgd_fast.algorithms.local.momentum import sgd
from desgd_fast.algorithms.time.delays import delayed, stale_discount
from desgd_fast.algorithms.time.participation import woken
from desgd_fast.algorithms.time.timing import adapt_then_combine, local_steps
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


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


def stochastic_gradient_push() -> Algorithm:
    """Stochastic gradient push: nodes move, push what they hold along directed links, and divide by a weight.

    y_i ← Σ_j P_ij (y_j − η g_j(x_j)), w_i ← Σ_j P_ij w_j, x_i = y_i / w_i (Assran, Loizou, Ballas & Rabbat,
    ICML 2019, algorithm 1; Nedić & Olshevsky, IEEE TAC 2016, who look between pushing and moving) under
    ``W=dsf.mixing.push_sum(graph)``. Runs keep the x_i. In the authors' code messages may be late.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> W = dsf.mixing.push_sum(nx.DiGraph([(0, 1), (1, 2), (2, 0), (0, 2)]))
    >>> algorithm, problem = dsf.algorithms.stochastic_gradient_push(), dsf.GaussianRegression(dim=2)
    >>> asked = {"step_size": 0.1, "batch_size": 4, "algorithm": algorithm}
    >>> dsf.simulate(problem, W, n_steps=50, **asked).final.shape
    (1, 3, 2)
    """
    return chain(woken(), adapt_then_combine())


def fedbuff(probabilities: ArrayLike, *, power: float = 0.5) -> Algorithm:
    """FedBuff: the server steps with a buffer of K late gradients, each weighted by (1 + τ)^−power.

    x ← x − (η/K) Σ (1 + τ_i)^−power g_i(x_{k−τ_i}) under ``W=dsf.mixing.server(n_nodes, K)`` (Nguyen et al.,
    AISTATS 2022, algorithm 1, with one local step), delays τ drawn with these probabilities, such as
    :attr:`desgd_fast.walltime.Clock.delay_law`. In the paper who is late depends on how fast it is; here all
    clients are as likely. With K = 1 and ``power=0`` it is asynchronous FedAvg (Xie et al., 2019, without
    their mixing weight).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.fedbuff([0.5, 0.5])
    chain(woken(), stale_discount(0.5, 1, 0.5), adapt_then_combine())
    """
    return chain(woken(), stale_discount(probabilities, power), adapt_then_combine())


@inlined
def _fedfix(
    meeting: int, node: int, uniforms: Reals, memory: Reals, links: Reals, parameters: Reals
) -> float:
    interval = parameters[node % parameters.size]
    return interval if (meeting + 1) % interval == 0 else 0.0


def fedfix(intervals: ArrayLike) -> Algorithm:
    """FedFix: the server steps at fixed times with what has arrived, x ← x − (η/N) Σ_i K_i g_i(x_{n−K_i+1}).

    Client i needs K_i rounds for a gradient, which it delivers at the end of every K_i-th, taken at the model
    that it was sent when it had delivered the last one; its weight K_i makes all clients count alike in the
    long run (Fraboni, Vidal, Kameni & Lorenzi, JMLR 2023, section 5, with one local step and computing times
    that do not change). Under ``W=dsf.mixing.server(n_nodes)``.

    Parameters
    ----------
    intervals : int or (n_nodes,) array of int
        K_i ≥ 1, the time that a client needs over the server's, rounded up; all 1 is :func:`fedavg`.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.fedfix([1, 2])
    chain(fedfix(1, 2), delayed(0, 1), adapt_then_combine())
    """
    rounds = checks.rounds("intervals", intervals, 1, 10_000)
    part = Part(
        "fedfix",
        _fedfix,
        tuple(map(float, rounds)),
        per_node=True,
        period=int(np.lcm.reduce(rounds.astype(np.int64))),
    )
    late = delayed(rounds.astype(np.int64) - 1)
    return chain(Algorithm(participation=part), late, adapt_then_combine())


@inlined
def _fedau(meeting: int, node: int, uniforms: Reals, memory: Reals, links: Reals, parameters: Reals) -> float:
    # Rounds since it last took part, the mean of past intervals, and their number.
    first = 2 * node % parameters.size
    memory[0] += 1.0
    takes_part = uniforms[0] <= parameters[first]
    weight = memory[1] if memory[2] > 0.0 else 1.0
    if takes_part or memory[0] >= parameters[first + 1]:
        memory[1] = (memory[2] * memory[1] + memory[0]) / (memory[2] + 1.0)
        memory[2] += 1.0
        memory[0] = 0.0
    return weight if takes_part else 0.0


def fedau(probability: ArrayLike, *, cut: int = 50) -> Algorithm:
    """FedAU: x ← x + (1/N) Σ ω_i Δ_i, ω_i the mean of the intervals between a client's participations.

    Under ``W=dsf.mixing.server(n_nodes)``, clients take part on their own with these probabilities, which the
    server does not know: ω_i → 1/p_i (Wang & Ji, ICLR 2024, algorithm 2). An interval is cut at ``cut``
    rounds; as in the authors' code the current one counts from the next time on, and the first weight is 1.
    Steps are as long as ω_i says, which is their Δ_i weighted by it where there is one local step.

    Parameters
    ----------
    probability : scalar or (n_nodes,) array
        In (0, 1], for all clients or for each.
    cut : int
        The longest interval, K.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.fedau([0.5, 0.1])
    chain(fedau(0.5, 50, 0.1, 50), adapt_then_combine())
    """
    cuts = np.array([float(check.positive_integer("cut", cut))])
    numbers = checks.together(probability=checks.probabilities("probability", probability), cut=cuts)
    part = Part(
        "fedau", _fedau, tuple(map(float, numbers.ravel())), memory=3, uniforms=1, per_node=True, width=2
    )
    return chain(Algorithm(participation=part), adapt_then_combine())


@inlined
def _extra(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    # With x_k = x_0 − η p_k and q_k = (I − W) p_k, d_{k+1} = g_{k+1} − g_k + d_k − ½ q_k and
    # q_{k+1} = W (q_k − d_k) + d_k: memory holds what W mixes, d_k − ½ q_k − g_k, and d_k.
    for t in range(direction.size):
        gradient = direction[t]
        made, apart = gradient + memory[1, t], memory[0, t] + memory[2, t]
        direction[t] = made
        memory[0, t], memory[1, t], memory[2, t] = apart - made, made - 0.5 * apart - gradient, made


def extra() -> Algorithm:
    """EXTRA: x_{k+2} = (I + W) x_{k+1} − ½ (I + W) x_k − η (g_{k+1} − g_k) (Shi, Ling, Wu & Yin, 2015).

    SIAM Journal on Optimization 25, equation 2.13, with W̃ = (I + W)/2, written without η: for nodes that
    start from one iterate, and a constant step size, the same on all. Nodes with different data agree on one
    optimum.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.extra()
    extra()
    """
    return Algorithm((Part("extra", _extra, memory=3, mixed=1, role="direction"),))

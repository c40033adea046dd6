"""Questions whose law of growth is known: that of independent factors, or of a small matrix of them."""

import numpy as np

from desgd_fast.problems.protocols import ClosedLaw
from desgd_fast.theory import checks
from desgd_fast.theory.closed.factors import BatchFactor, Factor
from desgd_fast.theory.closed.one_node import OneNode
from desgd_fast.theory.closed.walks import WalkingFactor
from desgd_fast.theory.growth.draws import Draws
from desgd_fast.theory.question import Distant, Setting


def factor_of(part: Setting | Distant, threads: int | None = None) -> Factor | None:
    """What steps multiply by, where the law of that is known or can be drawn on its own; else None."""
    factor = known_factor_of(part)
    if factor is not None or isinstance(part, Setting) or part.bounded:
        return factor
    checks.above_rounding("step_size", part.contraction)
    return Draws.of(part.far, part.experiment, threads)


def known_factor_of(part: Setting | Distant) -> Factor | None:
    """What steps multiply by, where the law of that is known exactly."""
    if isinstance(part, Setting):
        if not is_one_node(part):
            return None
        contraction = float(part.step_size[0] * part.power[0] * part.eigenvalues[0])
        checks.above_nothing("step_size", contraction / float(part.batch_size[0]))
        return OneNode(part.dim, int(part.batch_size[0]), contraction)
    if part.bounded:
        return None
    alone = part.experiment.plain and part.experiment.n_nodes == 1
    return BatchFactor.of(part.far, part.experiment, 0) if alone else _walking(part)


def is_one_node(part: Setting) -> bool:
    """Whether it is one node with isotropic features, whose averages are quadratures."""
    return part.n_nodes == 1 and part.isotropic and abs(float(part.weights.sum()) - 1) < 1e-9


def _walking(part: Distant) -> WalkingFactor | None:
    """Of a model that walks from node to node, each of which takes one plain step."""
    asked, algorithm = part.experiment, part.experiment.algorithm
    wakes = algorithm.participation is not None and algorithm.participation.woken
    alone = len(algorithm.parts) == 1 and algorithm.period == 1 and algorithm.consensus_step in (None, 1.0)
    if asked.process.walk is None or not (wakes and alone and algorithm.adapt_first):
        return None
    nodes: list[Factor] = []
    if isinstance(part.far, ClosedLaw) and part.far.isotropic:
        stds = part.far.stds(asked.n_nodes)[0]
        sizes = np.broadcast_to(asked.step_sizes, (1, 1, asked.n_nodes))[0, 0]
        contractions = sizes * stds**2 * part.far.eigenvalues[0]
        checks.above_nothing("step_size", float((contractions / asked.batch_sizes).min()))
        kinds = list(zip(asked.batch_sizes.tolist(), contractions.tolist(), strict=True))
        known = {kind: OneNode(part.far.dim, *kind) for kind in set(kinds)}
        nodes += [known[kind] for kind in kinds]
    else:
        for node in range(asked.n_nodes):
            factor = BatchFactor.of(part.far, asked, node)
            if factor is None:
                return None
            nodes.append(factor)
    return WalkingFactor(asked.process.walk, asked.process.mean.toarray()[0], tuple(nodes))

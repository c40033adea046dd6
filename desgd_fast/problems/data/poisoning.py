"""Attacks on data: what Byzantine nodes learn from, while all else is as it was."""

from collections.abc import Sequence

import numpy as np

from desgd_fast.common import check
from desgd_fast.problems.rows import EmpiricalRisk


def label_flip(problem: EmpiricalRisk, byzantine: Sequence[int], *, n_nodes: int) -> EmpiricalRisk:
    """The same data set with every label of Byzantine nodes flipped: y becomes C − 1 − y, or −y.

    Label c of C becomes label C − 1 − c (Fang et al., USENIX Security 2020); targets without labels, as of
    regression, change their sign. Distances are measured from the optimum of the true data.

    Parameters
    ----------
    problem : EmpiricalRisk
        True data, spread over the nodes by its ``assignment``.
    byzantine : sequence of int
        The Byzantine nodes, of 0 … n_nodes − 1.
    n_nodes : int
        Number of nodes of the graph.

    Returns
    -------
    EmpiricalRisk
        With the rows in the order of their nodes.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.EmpiricalRisk(dsf.losses.logistic(ridge=0.1), [[1.0], [2.0], [3.0]], [1, -1, 1])
    >>> dsf.label_flip(problem, [0], n_nodes=2).targets
    array([-1., -1., -1.])
    """
    check.instance("problem", problem, (EmpiricalRisk,))
    n_nodes = check.positive_integer("n_nodes", n_nodes)
    liars = check.nodes("byzantine", byzantine, n_nodes)
    held = problem.partition(n_nodes)
    node_of_row = np.repeat(np.arange(n_nodes), held.shares)
    labels = problem.loss.labels
    if labels is None:
        flipped = -held.targets
    else:
        order = np.sort(labels)
        flipped = order[::-1][np.searchsorted(order, held.targets)]
    targets = np.where(np.isin(node_of_row, liars), flipped, held.targets)
    return EmpiricalRisk(
        problem.loss, held.features, targets, node_of_row, problem.sampling, reference=problem.optimum
    )

"""
Who talks when, and what it costs
=================================

Published theory has one fixed graph and everybody in step. Links break, clients stay out, replies come late
and nodes talk seldom; each of these moves the step size from which the variance is infinite. Exact second
moments say by how much, for each, and simulation agrees.
"""

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

import desgd_fast as dsf

problem = dsf.GaussianRegression(dim=10)
ring = dsf.mixing_matrix(nx.cycle_graph(8))


def frontier(W, algorithm=None):
    """Where h(2) = 1, exactly."""
    algorithm = algorithm or dsf.algorithms.sgd()
    exact = dsf.theory.critical_step_size(
        problem, W, batch_size=1, at="infinite-variance", algorithm=algorithm
    )
    return float(exact)


# %%
# Four ways to leave the published setting, each with the values that are computed and those simulated, too.

settings = {
    "links fail with probability": (
        np.linspace(0, 0.9, 10),
        [0.4, 0.8],
        lambda p: (dsf.mixing.link_failures(ring, p), dsf.algorithms.sgd()),
    ),
    "nodes take part with probability": (
        np.linspace(0.1, 1, 10),
        [0.3, 0.6],
        lambda p: (ring, dsf.algorithms.bernoulli(p)),
    ),
    "gradients come late by so many steps": (
        np.arange(5),
        [2, 4],
        lambda k: (ring, dsf.algorithms.delayed(k)),
    ),
    "local steps between mixings": (
        np.arange(1, 11),
        [3, 9],
        lambda k: (ring, dsf.algorithms.local_steps(k)),
    ),
}

# %%
# A simulation shows the same frontier as the step size at which the tail index is 2. Two step sizes on
# either side of where theory has it, the index measured at both, and a line between them. Tails that late
# gradients make are long in coming: after 250 steps a delay of 4 still looks harmless.


def crossing(W, algorithm, expected):
    """Where the measured index is 2, by its intervals at 0.9 and 1.1 of what is expected."""
    step_sizes, found = expected * np.array([0.9, 1.1]), []
    for step_size in step_sizes:
        runs = dsf.simulate(
            problem,
            W,
            step_size=step_size,
            batch_size=1,
            n_steps=1000 if algorithm.local else 250,
            n_runs=4000,
            algorithm=algorithm,
            keep="norms",
            rng=1,
        )
        tail = dsf.tails.tail_index(runs.norms(stacked=True))
        found.append([tail.alpha, tail.ci_low, tail.ci_high])
    (left, right), slope = np.array(found), np.diff(np.log(np.array(found)[:, 0]))[0]
    at = np.log(2 / left) / slope, np.log(2 / right) / slope + 1
    return step_sizes[0] + np.sort(np.mean(at, axis=0)) * np.diff(step_sizes)[0]


fig, axes = plt.subplots(1, 4, figsize=(12, 3.4), sharey=True, layout="constrained")
for ax, (name, (values, simulated, make)) in zip(axes, settings.items(), strict=True):
    ax.plot(values, [frontier(*make(value)) for value in values], color="black", label="exact, h(2) = 1")
    points = np.array([crossing(*make(value), frontier(*make(value))) for value in simulated])
    middle = points[:, 1]
    errors = [middle - points[:, 0], points[:, 2] - middle]
    ax.errorbar(simulated, middle, errors, fmt="o", color="0.4", capsize=3, label="simulated, α = 2")
    ax.set_xlabel(name)
axes[0].set(ylabel="step size η of infinite variance", ylim=(0, None))
axes[0].legend(loc="lower left")

# %%
# Broken links, late gradients and few mixings make tails heavier at the same step size. Nodes that stay out
# make them lighter, as their steps are shorter on average; at the same *mean* step, randomness about it
# never helps.

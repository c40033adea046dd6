"""
Your own algorithm in 25 lines
==============================

One step is participation → local rule → message → mixing → aggregation. An algorithm is a value that
fills these slots: :mod:`desgd_fast.algorithms` has the parts, :func:`desgd_fast.algorithms.chain`
composes them, and a part of your own is a short function. This page writes one: a momentum whose steps
are shortened by their own running size.
"""

import networkx as nx
import numba
import numpy as np

import desgd_fast as dsf


@numba.njit
def tamed(direction, iterate, memory, normals, uniforms, parameters):
    """Momentum in memory[0], and the running mean of squared lengths in memory[1, 0]."""
    keep = parameters[0]
    square = 0.0
    for t in range(direction.size):
        memory[0, t] = keep * memory[0, t] + (1 - keep) * direction[t]
        square += direction[t] ** 2
    memory[1, 0] = keep * memory[1, 0] + (1 - keep) * square
    for t in range(direction.size):
        direction[t] = memory[0, t] / np.sqrt(memory[1, 0] + 1e-8)


algorithm = dsf.algorithms.local_rule(tamed, parameters=(0.9,), memory=2, degree="bounded")

# %%
# That is all. It runs where the ready ones run, in the same compiled loops, and chains with them:

problem = dsf.GaussianRegression(dim=5)
W = dsf.mixing_matrix(nx.cycle_graph(8))
for name, candidate in {
    "gradient descent": dsf.algorithms.sgd(),
    "tamed": algorithm,
    "tamed, mixing every 4th step": dsf.algorithms.chain(algorithm, dsf.algorithms.local_steps(4)),
}.items():
    runs = dsf.simulate(
        problem,
        W,
        step_size=0.05,
        batch_size=2,
        n_steps=500,
        n_runs=2000,
        algorithm=candidate,
        keep="norms",
        rng=0,
    )
    print(f"{name:<30} {candidate.degree:<12} mean distance {runs.norms().mean():.3f}")

# %%
# **What to declare.** ``degree`` says what the noise-free step does at large iterates, and with it whether
# there is a tail index at all: ``"linear"`` and ``"homogeneous"`` steps scale with the iterate,
# ``"bounded"`` ones do not. If you do not say, it is ``"unknown"``, and theory claims nothing.
# ``memory`` counts rows that stay with the node, ``normals`` and ``uniforms`` random numbers that the step
# wants: they come by coordinate, so that your algorithm, too, gives the same bits for any number of
# threads.
#
# **Debug in Python.** An undecorated function does as well, and with ``NUMBA_DISABLE_JIT=1`` every line of
# the loop is plain Python, with breakpoints.
#
# Messages (:func:`desgd_fast.algorithms.message_rule`), aggregation
# (:func:`desgd_fast.algorithms.aggregation_rule`) and participation
# (:func:`desgd_fast.algorithms.participation_rule`) are written alike:


@numba.njit
def in_turn(step, node, uniforms, memory, links, parameters):
    return 1.0 if step % 8 == node else 0.0


turns = dsf.algorithms.participation_rule(in_turn, degree="linear")
runs = dsf.simulate(problem, W, step_size=0.05, batch_size=2, n_steps=500, n_runs=200, algorithm=turns, rng=0)
print(f"one node a step: mean distance {runs.norms().mean():.3f}")

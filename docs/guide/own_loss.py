"""
Your own loss
=============

A loss is a value made of functions that Numba compiles. Two shapes are enough: a function of the
prediction s = aᵀx, or the whole gradient.
"""

import networkx as nx
import numba
import numpy as np

import desgd_fast as dsf

# %%
# **A function of the prediction.** ``value(s, y)`` and its slope in s; the step loops do the rest as fast
# as for the ready losses.


@numba.njit
def value(s, y):
    return np.log(np.cosh(s - y))


@numba.njit
def slope(s, y):
    return np.tanh(s - y)


log_cosh = dsf.losses.linear_model(value, slope, ridge=0.1)

# %%
# **Data drawn from a law**, fresh at every step, or rows that the nodes hold:

law = dsf.laws.linear([1.0, -2.0, 0.5], features=dsf.laws.student_t(3), noise=dsf.laws.gaussian(0.5))
features, targets = law.draw(400, rng=0)
problem = dsf.EmpiricalRisk(log_cosh, features, targets)
print("optimum", np.round(problem.optimum, 2))

W = dsf.mixing_matrix(nx.cycle_graph(8))
runs = dsf.simulate(problem, W, step_size=0.05, batch_size=5, n_steps=2000, n_runs=100, keep="norms", rng=0)
print(f"mean distance to the optimum {runs.norms().mean():.3f}")

# %%
# **The whole gradient.** ``gradient(x, a, y, out)`` fills an array, whatever it depends on: see
# :class:`desgd_fast.Loss`, also for several outputs, labels and Hessians. What cannot be right is refused
# before a step is taken, with the signature to write: a function that is not compiled, one that raises or
# leaves a nan, one with other arguments.

try:
    dsf.losses.linear_model(value, value)
except (ValueError, TypeError) as error:
    print(error)

# %%
# **Which losses have a tail index?** One whose gradient is linear at infinity (least squares, ridge,
# anything with a ridge) makes a Kesten recursion there, and may have a power tail. With a bounded gradient
# and no ridge the steps are bounded and the law is light (:doc:`/mathematics`, :ref:`classes`).

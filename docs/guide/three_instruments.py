"""
Three instruments on one problem
================================

The tail index of decentralized SGD can be *computed*, *simulated and measured*, and, where the variance
is finite, *checked against exact second moments*. Here all of them look at the same four nodes on a ring.
"""

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

import desgd_fast as dsf

problem = dsf.GaussianRegression(dim=2)
W = dsf.mixing_matrix(nx.cycle_graph(4))
variance = float(dsf.theory.critical_step_size(problem, W, batch_size=1, at="infinite-variance"))
divergence = float(dsf.theory.critical_step_size(problem, W, batch_size=1, at="divergence", rng=0))
print(f"infinite variance from step size {variance:.4f}, no stationary law from {divergence:.4f}")

# %%
# **Theory** solves h(alpha) = 1 by a population that is multiplied and resampled (:doc:`/mathematics`,
# :ref:`population`). **Simulation** runs 20,000 independent descents, and **estimation** reads the tail off
# their ends, with an interval that counts its own bias.

step_sizes = np.linspace(0.36, 0.56, 6)
computed, measured = [], []
for step_size in step_sizes:
    computed.append(
        dsf.theory.tail_index(problem, W, step_size=step_size, batch_size=1, rtol=0.02, rng=0).alpha
    )
    runs = dsf.simulate(
        problem, W, step_size=step_size, batch_size=1, n_steps=400, n_runs=20_000, keep="norms", rng=1
    )
    measured.append(dsf.tails.tail_index(runs.norms(stacked=True)))
    print(f"step size {step_size:.2f}: computed {computed[-1]:.3f}, measured {measured[-1].alpha:.3f}")

# %%
# The picture has them on one line. Left of the dashed line the variance is finite; right of it, it is not,
# and the law is there all the same; beyond the dotted line there is no stationary law, and no tail index to
# print.

fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
alphas = np.array([tail.alpha for tail in measured])
low = alphas - np.array([tail.ci_low for tail in measured])
high = np.array([tail.ci_high for tail in measured]) - alphas
ax.plot(step_sizes, computed, color="black", label="computed")
ax.errorbar(step_sizes, alphas, [low, high], fmt="o", color="0.4", capsize=3, label="simulated and measured")
ax.axhline(2, color="0.8", linewidth=0.8, zorder=0)
dsf.plots.mark_frontiers(ax, variance, divergence)
ax.set(
    xlabel="step size η", ylabel="tail index α", title="Tail index on a ring of four, computed and measured"
)
ax.legend()

# %%
# **Second moments** are exact for every graph, as long as they are finite: the mean square of the distance,
# solved for, beside its average over the runs.

covariance = dsf.theory.stationary_covariance(problem, W, step_size=0.2, batch_size=1)
runs = dsf.simulate(problem, W, step_size=0.2, batch_size=1, n_steps=400, n_runs=20_000, keep="norms", rng=1)
print(f"exact {np.trace(covariance):.4f}, simulated {np.mean(runs.norms(stacked=True) ** 2):.4f}")

# %%
# When two instruments disagree, one of them is used outside its range. Near alpha = 2 and below, averages
# of squares do not converge; with few runs the largest values are not yet in the tail (:doc:`hill_plots`).

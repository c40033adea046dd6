"""
Your own data
=============

A data set is features and targets; what matters beside them is which node holds which rows, and how
minibatches are drawn.
"""

import networkx as nx

import desgd_fast as dsf

path = "../../examples/diabetes.csv"
W = dsf.mixing_matrix(nx.cycle_graph(8))

# %%
# **From a file.** :meth:`desgd_fast.DatasetRegression.from_csv` finds out separators and headers, scales
# the columns to mean 0 and standard deviation 1, and refuses what it cannot read, with the line. From
# arrays: ``dsf.DatasetRegression(features, targets)``.

for assignment in ("even", "sorted"):
    problem = dsf.DatasetRegression.from_csv(path, "target", assignment=assignment)
    runs = dsf.simulate(
        problem,
        W,
        step_size=0.1,
        batch_size=1,
        n_steps=500,
        n_runs=4000,
        initial=problem.optimum,  # a run that starts there has only its tail to build up
        keep="norms",
        rng=0,
    )
    tail = dsf.tails.tail_index(runs.norms(stacked=True))
    print(f"{assignment:<7} alpha {tail.alpha:.2f} [{tail.ci_low:.2f}, {tail.ci_high:.2f}]")

# %%
# **Who holds what.** ``assignment`` may be ``"even"``, ``"sorted"``, ``"shared"`` or a value of
# :mod:`desgd_fast.partitions`. A report says what a share is worth:

problem = dsf.DatasetRegression.from_csv(
    path, "target", assignment=dsf.partitions.ByQuantity(0.5, least_rows=5, rng=0)
)
print(problem.report(8))

# %%
# **Any table of gradients.** :class:`desgd_fast.EmpiricalRisk` takes any loss (:doc:`own_loss`) and five
# ways to draw a minibatch: with replacement, without, by a fresh permutation every epoch, by the same one
# always, or by flip-flop.

risk = dsf.EmpiricalRisk(
    dsf.losses.huber(1.0, ridge=0.1), problem.features, problem.targets, sampling="reshuffle"
)
runs = dsf.simulate(risk, W, step_size=0.02, batch_size=5, n_steps=1000, n_runs=200, rng=0)
print(f"mean distance to the optimum {runs.norms().mean():.3f}")

# %%
# **The noise of the gradients itself** may be heavy, which is another question than that of the iterates.
# Here it is not: a data set is finite, and so is its noise.

alone = dsf.DatasetRegression.from_csv(path, "target")
noise = dsf.gradient_noise(alone, alone.optimum[None], batch_size=4, n_samples=20_000, rng=0)
print(noise.tail)

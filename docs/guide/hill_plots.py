"""
How to read a Hill plot honestly
================================

Hill's estimate depends on how many of the largest values it takes, k. A Hill plot shows it for every k,
and everybody looks for a plateau. Four samples show what a plateau can mean.
"""

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

import desgd_fast as dsf

rng = np.random.default_rng(4)
W = dsf.mixing_matrix(nx.empty_graph(1))
runs = dsf.simulate(
    dsf.GaussianRegression(1), W, step_size=0.5, batch_size=1, n_steps=300, n_runs=20_000, keep="norms", rng=4
)
samples = {
    "Pareto, α = 2": 1 + rng.pareto(2.0, 20_000),
    "Student t, α = 3": rng.standard_t(3, 20_000),
    "SGD on one node, α = 2.90": runs.norms(stacked=True),
    "lognormal, no α": rng.lognormal(sigma=1.0, size=20_000),
}
fig, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
for ax, (name, sample) in zip(axes.flat, samples.items(), strict=True):
    dsf.plots.hill_plot(sample, ax=ax)
    ax.set(title=name, ylim=(0, 6))
fig.suptitle("Hill plots of four samples")

# %%
# - **Pareto**: flat, because Hill's estimate is unbiased for every k. Real data never look so.
# - **Student's t**: small k wobble (variance), large k sink (bias). The steadiest stretch lies *below* the
#   truth: the grey band, which is the textbook interval, leaves the bias out and excludes 3 wherever it is
#   narrow.
# - **SGD**: the same shape with alpha known to five digits from theory. The dashed interval holds it.
# - **lognormal**: it slides without end. Any k gives a number, and none of them means anything.
#
# So: read the left half; distrust a plateau at large k; look at what happens between k/2 and 2k; and quote
# an interval that counts the bias. :func:`desgd_fast.tails.tail_index` averages over models of the bias and
# over thresholds, and its interval is the dashed one in each picture. How often it holds the truth, law by
# law: :doc:`/calibration`. :func:`desgd_fast.tails.hill` takes that interval too where a rule chooses k;
# ``interval="classical"`` is the textbook one.

for name, sample in samples.items():
    hill = dsf.tails.hill(sample, interval="classical")
    tail = dsf.tails.tail_index(sample)
    print(
        f"{name:<28} Hill, classical {hill.alpha:.2f} [{hill.ci_low:.2f}, {hill.ci_high:.2f}]   "
        f"tail_index {tail.alpha:.2f} [{tail.ci_low:.2f}, {tail.ci_high:.2f}]"
    )

# %%
# A diverging descent, too, has a Hill plot, with alpha near 0.9 or whatever the last step left. A number
# read off runs that have no stationary law is not a tail index: ask
# :func:`desgd_fast.theory.lyapunov_exponent` first, or let ``desgd-fast run`` compare half time with the
# end.

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", dsf.warnings.NotStationaryWarning)  # says what is printed below
    diverging = dsf.theory.tail_index(dsf.GaussianRegression(1), W, step_size=2.5, batch_size=1)
print(
    f"rho = {diverging.lyapunov_exponent:.3f}, stationary: {diverging.stationary}, alpha: {diverging.alpha}"
)

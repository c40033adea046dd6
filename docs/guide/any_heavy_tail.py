"""
Measuring any heavy tail
========================

This page is for those who have numbers and a suspicion, and never saw stochastic gradient descent:
losses, waiting times, file sizes, returns. A tail is heavy when P(X > t) falls like a power t^(−alpha);
moments of order alpha and above are then infinite. Below 2 the variance is, below 1 the mean.
"""

import matplotlib.pyplot as plt
import numpy as np

import desgd_fast as dsf

rng = np.random.default_rng(0)
returns = rng.standard_t(3, size=20_000)

# %%
# **One number with an honest interval.** :func:`desgd_fast.tails.tail_index` takes a vector. Its interval
# counts the bias that a tail has which is a power only in the limit, and that is most tails:

estimate = dsf.tails.tail_index(returns)
print(estimate)

# %%
# The truth is 3. In a notebook the estimate shows itself as a table:

estimate

# %%
# **Several estimators side by side**, and where they disagree:

print(dsf.tails.compare(returns))

# %%
# MMO is made for alpha-stable laws and reads about 1.6 here, a false "infinite variance": it is offered to
# read old papers, not to measure (:doc:`/published`).
#
# **Is it a power law at all?** An exponential sample has none, a lognormal one only looks like it. The
# estimate says where none is seen, and :func:`desgd_fast.tails.likelihood_ratio` compares with a rival:

for name, sample in {
    "exponential": rng.exponential(size=20_000),
    "lognormal": rng.lognormal(sigma=1.0, size=20_000),
    "Pareto": 1 + rng.pareto(1.5, size=20_000),
}.items():
    tail = dsf.tails.tail_index(sample)
    ratio = dsf.tails.likelihood_ratio(sample, "lognormal", k=500)
    print(f"{name:<12} alpha {tail.alpha:5.2f} [{tail.ci_low:.2f}, {tail.ci_high:.2f}]", end="")
    print(f", Pareto against lognormal p = {ratio.p_value:.3f}", *tail.warnings, sep="\n    ")

# %%
# **Look before you believe.** The survival function on logarithmic axes is a straight line where the tail
# is a power:

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
dsf.plots.tail_plot(returns, estimate=estimate, ax=ax)
ax.set_title("Survival function of Student's t with three degrees of freedom")

# %%
# **Many samples at once**: one axis of an array, measured in parallel.

many = rng.standard_t(3, size=(200, 2000))
bulk = dsf.tails.tail_index(many, axis=1)
covered = np.mean((bulk.ci_low <= 3) & (bulk.ci_high >= 3))
print(f"{covered:.0%} of 200 intervals hold the truth")

# %%
# **A time series** is one sample of dependent values; ``dependent=True`` widens the interval for that.

series = np.zeros(20_000)
for t in range(1, series.size):
    series[t] = 0.7 * series[t - 1] + returns[t]
print(dsf.tails.tail_index(series, dependent=True))

# %%
# Counts go to :func:`desgd_fast.tails.zeta`, data cut off at a limit to
# :func:`desgd_fast.tails.truncated_hill`, data where a limit stands for anything beyond it to
# :func:`desgd_fast.tails.censored_hill`.

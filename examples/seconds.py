"""Who is waited for, and how heavy the tail is: alpha against the seconds in which distances fall tenfold.

Eight workers need a second for a gradient, and now and then three more. Every way to wait has its seconds per
step, every step size its tail; both exponents are computed. `python examples/seconds.py seconds.png` draws.
"""

import sys
import warnings

import networkx as nx
import numpy as np

import desgd_fast as dsf

N_NODES = 8
problem = dsf.GaussianRegression(dim=10)
times = dsf.walltime.draw_times(lambda rng, shape: 1 + 3.0 * (rng.random(shape) < 0.1), 2000, N_NODES, rng=0)
first_four = dsf.walltime.buffered(times, 4)
ring, meet = nx.cycle_graph(N_NODES), dsf.algorithms.adapt_then_combine()
server = np.full((N_NODES, N_NODES), 1 / N_NODES)
# Every share of the data lies on two workers: the same gradients, and one straggler costs nothing.
coded = dsf.walltime.gradient_coding(times / N_NODES, 1, fixed=1 - 1 / N_NODES)
systems = {
    "all, the slowest too": (dsf.walltime.synchronous(times), server, meet),
    "all, coded against one straggler": (coded, server, meet),
    "neighbours on a ring": (dsf.walltime.gossip(ring, times), dsf.mixing_matrix(ring), meet),
    "the first four, late ones after": (
        first_four,
        dsf.mixing.server(N_NODES, 4),
        dsf.algorithms.fedbuff(first_four.delay_law),
    ),
}
curves = {}
print(f"{'who is waited for':<34}{'seconds a step':>15}{'step size':>11}{'seconds':>9}{'alpha':>9}")
for name, (clock, W, algorithm) in systems.items():
    common = {"batch_size": 1, "algorithm": algorithm}
    last = float(dsf.theory.critical_step_size(problem, W, at="infinite-variance", **common))
    for step_size in last * np.array([0.6, 0.8, 1.0]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dsf.warnings.LightTailWarning)
            tail = dsf.theory.tail_index(
                problem, W, step_size=step_size, rtol=0.2, cap=8.0, n_particles=512, rng=0, **common
            )
        # A typical distance shrinks by e^rho a step.
        seconds = clock.seconds_per_step * np.log(10) / -tail.lyapunov_exponent
        curves.setdefault(name, []).append((seconds, tail.alpha, tail.lower_bound))
        shown = f"{'> ' if tail.lower_bound else ''}{tail.alpha:.2f}"
        print(f"{name:<34}{clock.seconds_per_step:>15.2f}{step_size:>11.3f}{seconds:>9.1f}{shown:>9}")

if len(sys.argv) > 1:
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
    for style, (name, curve) in zip(["-", "--", "-.", ":"], curves.items(), strict=True):
        seconds, alpha, bound = np.transpose(curve)
        (line,) = ax.plot(seconds, alpha, style, marker="o", markersize=4, label=name)
        ax.plot(seconds[bound > 0], alpha[bound > 0], "^", color=line.get_color())
    ax.set(xlabel="seconds in which a distance falls tenfold", ylabel="tail index α (triangles: more)")
    ax.legend()
    fig.savefig(sys.argv[1], dpi=150)

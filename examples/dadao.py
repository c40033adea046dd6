"""DADAO as published: least squares in two dimensions, a star of 300 workers with 100 samples each.

Data like the authors': every worker has slopes of its own, noise, and targets scaled by 0.01 to 5.
"""

import time

import networkx as nx
import numpy as np

import desgd_fast as dsf

n_nodes, n_rows, duration = 300, 100, 300
generator = np.random.default_rng(0)
features = generator.standard_normal((n_nodes, n_rows, 2))
slopes = generator.uniform(0.0, 100.0, (n_nodes, 2, 1))
targets = features @ slopes + generator.normal(0.0, 10.0, (n_nodes, n_rows, 1))
targets *= generator.uniform(0.01, 5.0, (n_nodes, 1, 1))
curvatures = np.linalg.eigvalsh(np.swapaxes(features, 1, 2) @ features / n_rows)
smoothness, convexity = float(curvatures.max()), float(curvatures.min())

problem = dsf.EmpiricalRisk(
    dsf.losses.least_squares(),
    features.reshape(-1, 2),
    targets.ravel(),
    assignment=np.repeat(np.arange(n_nodes), n_rows),
    sampling="without-replacement",
)
clocks = dsf.mixing.poisson_clocks(nx.star_graph(n_nodes - 1))
rate = clocks.event_rate or 0.0
algorithm = dsf.algorithms.dadao(
    smoothness, convexity, event_rate=rate, spectral_gap=dsf.mixing_report(clocks).spectral_gap
)
asked = {"step_size": 1 / (4 * smoothness), "batch_size": n_rows, "algorithm": algorithm, "rng": 0}

print(f"L = {smoothness:.2f}, mu = {convexity:.2f}, {rate:.0f} events in a unit of time")
dsf.simulate(problem, clocks, n_steps=1, **asked)  # compiled beforehand
print(f"{'time':>6}{'events':>10}{'mean |x_i - x*|^2':>20}{'us an event':>14}")
for until in (0.01, 3, 10, 30, 100, duration):
    n_events = int(rate * until)
    start = time.perf_counter()
    runs = dsf.simulate(problem, clocks, n_steps=n_events, **asked)
    spent = 1e6 * (time.perf_counter() - start) / n_events
    print(f"{until:>6g}{n_events:>10}{np.square(runs.final_norms).mean():>20.3g}{spent:>14.1f}")

"""After three published comparisons, in small: compressed gossip, clipping with feedback, an attack.

``python examples/published.py curves.png`` draws them, too.
"""

import sys

import networkx as nx
import numpy as np

import desgd_fast as dsf
from desgd_fast import algorithms as a

digits = dsf.images.digits(rng=0)
STEPS = np.array([30, 60, 125, 250, 500, 1000])


def curve(problem, W, algorithm, measure, steps=STEPS, **options):
    """The measure along one path: a longer run with the same rng goes on where a shorter one ended."""
    defaults = {"batch_size": 1, "n_runs": 2, "rng": 0}
    return [
        measure(dsf.simulate(problem, W, n_steps=int(k), algorithm=algorithm, **defaults | options))
        for k in steps
    ]


def gossip():
    """CHOCO-SGD (Koloskova, Stich & Jaggi, ICML 2019): logistic regression, sorted labels, a ring of nine."""
    chosen = digits.labels < 2
    problem = dsf.EmpiricalRisk(
        dsf.losses.logistic(ridge=0.01),
        digits.features[chosen],
        2.0 * digits.labels[chosen] - 1,
        assignment="sorted",
    )
    W, dim = dsf.mixing_matrix(nx.cycle_graph(9)), problem.dim
    methods = {
        "exact": a.sgd(),
        "CHOCO, QSGD of 16 levels": a.choco(a.qsgd(16, unbiased=False), 0.34),
        "CHOCO, top 6": a.choco(a.top_k(6), 0.1),
        "CHOCO, random 6": a.choco(a.random_k(6, unbiased=False), 0.04),
        "random 6, no memory": a.chain(
            a.compressed(a.random_k(6, unbiased=False), "messages"),
            a.consensus_step(0.1),
            a.adapt_then_combine(),
        ),
    }
    best = problem.value(problem.optimum)

    def gap(runs):
        return np.mean([problem.value(x) for x in runs.final.mean(axis=1)]) - best

    decay = dsf.schedules.polynomial_decay(1.0, power=1.0, offset=50)
    return {
        name: (STEPS * algorithm.bits(dim) / 1000, curve(problem, W, algorithm, gap, step_size=decay))
        for name, algorithm in methods.items()
    }


def clipping():
    """After DiceSGD (Zhang et al., ICLR 2024): regression, d = 100, n = 1000, C = 0.5; clipping is biased.

    Data and step size are ours, not the authors': with standard normal features both methods are still
    far away after so many steps, and which is ahead depends on the step size.
    """
    generator = np.random.default_rng(0)
    features = generator.standard_normal((1000, 100)) / 10
    # Noise that is skewed, so that what is cut off has a mean.
    targets = features @ generator.standard_normal(100) + generator.exponential(1.0, 1000)
    problem = dsf.EmpiricalRisk(dsf.losses.least_squares(), np.c_[np.ones(1000), features], targets)
    methods = {
        "SGD": a.sgd(),
        "DiceSGD": a.dice_sgd(0.5, 0.5, noise_scale=0.01),
        "clipped SGD": a.chain(a.clipped(0.5), a.gaussian_noise(0.01)),
    }
    found = {}
    for name, algorithm in methods.items():
        ends = [
            curve(
                problem, [[1.0]], algorithm, averaged, [k], step_size=0.05, initial=0.0, average_last=k // 2
            )
            for k in map(int, 100 * STEPS)
        ]
        found[name] = (100 * STEPS, [end for (end,) in ends])
    return found


def averaged(runs):
    """Distance of the mean of the last half of a path."""
    return float(runs.norms("average").mean())


def attack():
    """A little is enough (Baruch et al., NeurIPS 2019): digits, four of fifteen workers; defences lose.

    Mixing with nearest neighbours first (Allouah et al., AISTATS 2023) does not help here.
    """
    n_workers, byzantine = 15, [11, 12, 13, 14]
    problem = dsf.EmpiricalRisk(
        dsf.losses.multinomial(10, ridge=0.001),
        digits.features,
        digits.labels,
        assignment=dsf.partitions.ByLabel(1.0, least_rows=20, rng=0),
    )
    f, attacked = len(byzantine), a.a_little_is_enough(byzantine, factor=-1.5)
    methods = {
        "mean, nobody attacks": a.sgd(),
        "mean": attacked,
        "trimmed mean": a.chain(attacked, a.trimmed_mean(f)),
        "nearest neighbours, trimmed mean": a.chain(
            attacked, a.nearest_neighbour_mixing(a.trimmed_mean(f), f)
        ),
        "median": a.chain(attacked, a.coordinate_median()),
        "Krum": a.chain(attacked, a.krum(f)),
    }

    def errors(runs):
        scores = runs.final[:, 0].reshape(-1, 10, digits.features.shape[1]) @ digits.test_features.T
        return float((scores.argmax(axis=1) != digits.test_labels).mean())

    W = dsf.mixing.server(n_workers)
    return {
        name: (
            STEPS,
            curve(
                problem,
                W,
                a.chain(a.moving_average(0.9), algorithm, a.adapt_then_combine()),
                errors,
                step_size=0.5,
                batch_size=10,
                initial=0.0,
            ),
        )
        for name, algorithm in methods.items()
    }


EXPERIMENTS = {
    "gap, against kilobits sent": gossip,
    "distance, against steps": clipping,
    "test errors under attack, against steps": attack,
}


def main():
    """Print how every method ends, best first, and draw the curves into the file named."""
    found = {title: experiment() for title, experiment in EXPERIMENTS.items()}
    for title, curves in found.items():
        print(title)
        for name, (x, y) in sorted(curves.items(), key=lambda item: item[1][1][-1]):
            print(f"    {name:<34}{y[-1]:10.4f} at {x[-1]:g}")
    if len(sys.argv) > 1:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(1, len(found), figsize=(15, 4.5), layout="constrained")
        for ax, (title, curves) in zip(axes, found.items(), strict=True):
            for name, (x, y) in curves.items():
                ax.loglog(x, y, ".-", label=name)
            ax.set(title=title)
            ax.legend(fontsize="small")
        figure.savefig(sys.argv[1])


if __name__ == "__main__":
    main()

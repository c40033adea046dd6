"""How true the standard errors of theory are: ``python -m bench.errors`` prints what they are off by.

Tail indices that are known exactly, each computed with many keys: z = (alpha − truth) / stderr should have
mean 0 and root mean square 1. The truth is 2 where h(2) = 1, a step size that is exact for linear algorithms;
for plain steps, which are exact there, it is a discretised transfer operator's (``tests/truth/theory.py``).
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import networkx as nx
import numpy as np

import desgd_fast as dsf
from desgd_fast import algorithms, mixing, theory

PATH = nx.path_graph(3)
WEIGHTS = dsf.mixing_matrix(PATH)
PAIR = np.array([[0.75, 0.25], [0.25, 0.75]])


@dataclass(frozen=True)
class Case:
    """A tail index that is known, and how it is computed with a key."""

    name: str
    truth: float
    compute: Callable[..., theory.TailIndex]


def plain(name: str, truth: float, W: Any, step_size: Any, batch_size: Any, **options: Any) -> Case:
    """Two nodes in one dimension."""
    problem = dsf.GaussianRegression(dim=1)
    known = {"step_size": step_size, "batch_size": batch_size, **options}
    return Case(name, truth, partial(theory.tail_index, problem, W, **known))


def at_frontier(name: str, W: Any, algorithm: algorithms.Algorithm) -> Case:
    """A linear algorithm where h(2) = 1, so that alpha is 2."""
    problem = dsf.GaussianRegression(dim=2)
    end = theory.critical_step_size(problem, W, batch_size=1, at="infinite-variance", algorithm=algorithm)
    known = {"step_size": end.value, "batch_size": 1, "algorithm": algorithm}
    return Case(name, 2.0, partial(theory.tail_index, problem, W, **known))


def cases() -> Iterator[Case]:
    """Ten algorithms and more, of plain steps several settings."""
    adapt = algorithms.adapt_then_combine()
    yield plain("plain", 2.393406, PAIR, 0.6, 1)
    yield plain("plain, other steps", 1.566131, np.full((2, 2), 0.5), (0.3, 0.8), 1)
    yield plain("plain, other batches", 2.016318, PAIR, 0.7, (1, 4))
    yield plain("adapt then combine", 3.391, PAIR, 0.6, 1, algorithm=adapt)
    yield at_frontier("heavy ball", WEIGHTS, algorithms.heavy_ball(0.5))
    yield at_frontier("Nesterov", WEIGHTS, algorithms.nesterov(0.5))
    yield at_frontier("gradient tracking", WEIGHTS, algorithms.gradient_tracking())
    yield at_frontier("EXTRA", WEIGHTS, algorithms.extra())
    yield at_frontier("link failures", mixing.link_failures(PATH, 0.3), algorithms.sgd())
    yield at_frontier("gossip", mixing.pairwise_gossip(PATH), algorithms.sgd())
    yield at_frontier("random-k", WEIGHTS, algorithms.compressed(algorithms.random_k(1)))
    yield at_frontier("delay", WEIGHTS, algorithms.delayed(1))
    yield at_frontier("server, local steps", mixing.server(4), algorithms.fedavg(3))


def main() -> None:
    """Compute and report."""
    parser = argparse.ArgumentParser(prog="python -m bench.errors", description=__doc__)
    parser.add_argument("--keys", type=int, default=20, help="how many keys (default 20)")
    parser.add_argument("--rtol", type=float, default=0.05, help="standard error asked for (default 0.05)")
    parser.add_argument("--particles", type=int, default=1024, help="population (default 1024)")
    parser.add_argument("--only", metavar="NAME", help="cases whose name holds NAME")
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    together = []
    for case in cases():
        if options.only and options.only not in case.name:
            continue
        start = time.perf_counter()
        asked = {"rtol": options.rtol, "n_particles": options.particles, "threads": 1}
        found = [case.compute(**asked, rng=key) for key in range(options.keys)]
        z = np.array([(one.alpha - case.truth) / one.stderr for one in found])
        z = z[np.isfinite(z)]
        together.extend(z)
        print(
            f"{case.name:24} rms z {np.sqrt(np.mean(z**2)):5.2f}  mean z {z.mean():+5.2f}  of {z.size:3}  "
            f"{(time.perf_counter() - start) / options.keys:6.1f} s each  {found[0].method}",
            flush=True,
        )
    print(
        f"{'all':24} rms z {np.sqrt(np.mean(np.square(together))):5.2f}  mean z {np.mean(together):+5.2f}  "
        f"of {len(together):3}"
    )


if __name__ == "__main__":
    main()

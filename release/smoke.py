"""The installed package, without its repository: simulate, compute, measure, and agree on one number."""

import importlib.util
import sys
import warnings
from pathlib import Path

import numpy as np

import desgd_fast as dsf

warnings.simplefilter("error")
place = Path(dsf.__file__).resolve()
repository = Path(__file__).resolve().parents[1]
assert not place.is_relative_to(repository / "desgd_fast"), f"the repository's own copy was imported: {place}"
assert importlib.util.find_spec("kernels") is None, "a top-level package called kernels was installed"

problem = dsf.GaussianRegression(dim=1)
alpha = dsf.theory.tail_index(problem, [[1.0]], step_size=0.5, batch_size=1).alpha
assert abs(alpha - 2.90397) < 1e-5, alpha
runs = dsf.simulate(problem, [[1.0]], step_size=0.5, batch_size=1, n_steps=200, n_runs=20_000, rng=0)
tail = dsf.tails.tail_index(runs.norms(stacked=True))
assert tail.ci_low < alpha < tail.ci_high, (tail.ci_low, tail.ci_high)
print(
    f"desgd_fast {dsf.__version__}, Python {sys.version.split()[0]}, numpy {np.__version__}: "
    f"alpha {alpha:.5f}, measured {tail.alpha:.2f} [{tail.ci_low:.2f}, {tail.ci_high:.2f}]"
)

"""Forks and a compiler turned off: the reason in one sentence, and neither an abort nor a wait."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import desgd_fast as dsf

FORKED = """
import multiprocessing, os, sys
import numba, numpy as np
import desgd_fast as dsf

@numba.njit(parallel=True)
def users_own(x):
    for i in numba.prange(x.size):
        x[i] = i

def simulate(i):
    try:
        dsf.simulate(dsf.GaussianRegression(2), [[1.0]], step_size=0.1, batch_size=1, n_steps=3, rng=0)
    except RuntimeError as error:
        return str(error)
    return "went through"

def grandchild(i):
    context = multiprocessing.get_context("fork")
    if not (pid := os.fork()):
        os._exit(7 if "OpenMP" in simulate(0) else 0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

if __name__ == "__main__":
    if sys.argv[1] == "theirs":
        users_own(np.zeros(100))
    if sys.argv[1] == "ours":
        simulate(0)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(simulate, range(2)))
        print(pool.map(grandchild, range(1)))
"""


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="no forks here")
@pytest.mark.parametrize("whose", ["ours", "theirs", "none"])
def test_a_forked_child_is_told_why_it_cannot_go_on(tmp_path: Path, whose: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(FORKED)
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "NUMBA_THREADING_LAYER": "omp"}
    done = subprocess.run(
        [sys.executable, str(script), whose],
        env=os.environ | environment | {"NUMBA_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip("no OpenMP here")
    answers, code = done.stdout.splitlines()
    if whose == "none":
        assert answers == "['went through', 'went through']"
    else:
        assert answers.count("OpenMP does not survive a fork") == 2
        assert answers.count("'forkserver' or 'spawn'") == 2
    # A child of the child: no longer that of the process which started OpenMP.
    assert code == "[7]"


def test_without_a_compiler_there_are_slow_numbers_or_one_sentence() -> None:
    code = (
        "import desgd_fast as dsf\n"
        "problem, W = dsf.GaussianRegression(2), [[1.0]]\n"
        "print(dsf.theory.second_moment_growth(problem, W, step_size=0.5, batch_size=1))\n"
        "for run in (lambda: dsf.simulate(problem, W, step_size=0.1, batch_size=1, n_steps=3, rng=0),\n"
        "            lambda: dsf.laws.linear([1.0]).draw(3, rng=0),\n"
        "            lambda: dsf.EmpiricalRisk(dsf.losses.logistic(0.1), [[1.0], [2.0]], [1, -1]).optimum):\n"
        "    try:\n"
        "        print(run() and 'computed')\n"
        "    except RuntimeError as error:\n"
        "        print(error)\n"
    )
    problem = dsf.GaussianRegression(2)
    growth = dsf.theory.second_moment_growth(problem, [[1.0]], step_size=0.5, batch_size=1)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    value, *answers = done.stdout.splitlines()
    assert float(value) == pytest.approx(growth, rel=1e-12)
    sentence = "NUMBA_DISABLE_JIT turns off the compiler, without which this cannot be computed: unset it"
    assert len(answers) == 3
    assert set(answers) <= {sentence, "computed"}

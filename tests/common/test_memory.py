"""What takes more memory than there is, is refused before it begins, with its bytes."""

import tracemalloc

import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast.common import memory

RING = np.stack([np.arange(5000), np.roll(np.arange(5000), 1)], axis=1)
ASKED = {"step_size": 0.1, "batch_size": 1, "n_steps": 1}
PROBLEM = dsf.GaussianRegression(dim=4)


def free(monkeypatch: pytest.MonkeyPatch, n_bytes: float) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: n_bytes)


def test_graphs_and_runs_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    W = dsf.mixing_matrix(RING)
    free(monkeypatch, 2.0**18)
    with pytest.raises(
        MemoryError, match=r"graph of 5,000 nodes and 5,000 edges takes about 0.000559 GiB, and"
    ):
        dsf.mixing_matrix(RING)
    with pytest.raises(
        MemoryError, match=r"a run of 5,000 nodes takes about .* GiB, and 0.000244 GiB are free"
    ):
        dsf.simulate(PROBLEM, W, **ASKED)


def test_what_takes_more_than_half_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 2.0**20)
    with pytest.warns(dsf.warnings.MemoryWarning, match="graph of 5,000 nodes"):
        dsf.mixing_matrix(RING)


@pytest.mark.parametrize("options", [{}, {"keep": "norms"}, {"average_last": 1}, {"n_runs": 3}], ids=str)
def test_what_is_told_is_what_is_taken(monkeypatch: pytest.MonkeyPatch, options: dict[str, object]) -> None:
    from desgd_fast.simulation import running

    said = []
    monkeypatch.setattr(running, "told", lambda what, n_bytes: said.append(n_bytes))
    W = dsf.mixing_matrix(RING)
    dsf.simulate(PROBLEM, W, **ASKED)  # compiled beforehand
    tracemalloc.start()
    dsf.simulate(PROBLEM, W, **ASKED, **options)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken / 2 < said[-1] < 2 * taken


def test_this_machine_says_what_is_free() -> None:
    assert memory.free_bytes() > 2.0**20

"""Sweeps: the same bits whatever happens on the way, and a store that any kill leaves consistent."""

import contextlib
import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

import desgd_fast as dsf
from bench.sweeps import under_fire
from desgd_fast.common.warnings import FailedCellsWarning, OtherVersionWarning
from desgd_fast.sweeps import sweeping as sweeps
from desgd_fast.sweeps import workers as sweeps_workers
from desgd_fast.sweeps.store import arrays, records
from desgd_fast.sweeps.store import journal as sweeps_store
from tests.sweeps import sweep_functions as functions

ROOT = Path(__file__).parents[2]
GRID = {"a": [1, 2, 3, 4], "b": ["u", "v", "w"]}


def plain(store: Any) -> xr.Dataset:
    """The store without the attributes, which tell times."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return xr.open_zarr(str(store), chunks=None).load().drop_attrs(deep=False)


def recorded(store: Path) -> set[int]:
    """Cells that the store has, in its journal or in its arrays."""
    journal = sweeps_store.Journal(sweeps_store.Folder(store))
    cells = {int(json.loads(line)["cell"]) for lines in journal.blocks(1) for line in lines}
    if (store / "cell_status" / "zarr.json").exists():
        cells |= set(np.flatnonzero(zarr.open_array(store / "cell_status", mode="r")[...].ravel()).tolist())
    return cells


def ran(script: Path) -> subprocess.CompletedProcess[str]:
    """A script that has run in a process of its own, with what it printed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)


def files(store: Path) -> dict[str, bytes]:
    """Every file of a store but its root, which tells times."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file() and path != store / "zarr.json"
    }


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of one cell, each brought into the arrays at once."""
    monkeypatch.setattr(sweeps, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(sweeps, "_SHARE", 0.0)
    monkeypatch.setattr("desgd_fast.sweeps.workers.BATCH_SECONDS", 0.0)


# What comes out


def test_every_field_is_a_variable_over_the_grid() -> None:
    ds = dsf.sweep(functions.everything, GRID, rng=1)
    assert dict(ds.sizes) == {"a": 4, "b": 3, "vector_dim_0": 4}
    assert list(ds.a.values) == GRID["a"]
    assert list(ds.b.values) == GRID["b"]
    assert (ds.cell_status == 1).all()
    for a in GRID["a"]:
        for b in GRID["b"]:
            cell = ds.sel(a=a, b=b)
            assert cell.whole == a
            assert bool(cell.odd) == (a % 2 == 1)
            assert str(cell.text.values) == f"{b} {a}"
            assert cell.complexity == complex(a, 1)
            assert int(cell.vector.notnull().sum()) == a
            assert np.isnan(cell.sometimes) == (a == 2)
    assert (ds.whole.dtype, ds.odd.dtype) == (np.int64, bool)
    assert len(np.unique(ds.draw)) == 12


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (2.5, {"value": 2.5}),
        (True, {"value": True}),
        ("text", {"value": "text"}),
        ([1, 2], {"value": [1, 2]}),
        ((1, 2.5), {"value_0": 1, "value_1": 2.5}),
        (np.eye(2), {"value": np.eye(2)}),
        ({"x": 1, "inner": {"y": 2, "z": None}}, {"x": 1, "inner_y": 2}),
        (xr.Dataset({"q": ("node", [1.0, 2.0])}), {"q": [1.0, 2.0]}),
        (xr.DataArray([1.0], dims="node", name="r"), {"r": [1.0]}),
        ({"i": 7, "cell_status": 5}, {"result_i": 7, "result_cell_status": 5}),
        (np.uint64(2**63), {"value": 2.0**63}),
        (10**30, {"value": 1e30}),
        ([10**30, 2], {"value": [1e30, 2.0]}),
        (-0.0, {"value": -0.0}),
        (np.inf, {"value": np.inf}),
    ],
)
def test_results_of_any_shape_become_variables(result: Any, expected: dict[str, Any]) -> None:
    ds = dsf.sweep(lambda i: result, {"i": [0, 1]})
    assert set(ds.data_vars) - {"cell_status", "cell_failure"} == set(expected)
    for name, value in expected.items():
        for i in (0, 1):
            stored = ds[name].sel(i=i).values
            np.testing.assert_array_equal(stored, value)
            if isinstance(value, float):
                assert np.signbit(stored) == np.signbit(value)


def test_dataclasses_of_the_package_keep_their_axes_and_properties() -> None:
    problem = dsf.GaussianRegression(dim=2)
    fixed = {"problem": problem, "W": [[1.0]], "batch_size": 1}
    tails = dsf.sweep(dsf.theory.tail_index, {"step_size": [0.2, 0.4]}, fixed=fixed)
    for i, step_size in enumerate([0.2, 0.4]):
        tail = dsf.theory.tail_index(problem, [[1.0]], step_size=step_size, batch_size=1)
        # One BLAS thread sums in another order than two.
        assert float(tails.alpha[i]) == pytest.approx(tail.alpha, rel=1e-12)
        assert float(tails.ci_low[i]) == pytest.approx(tail.ci_low, rel=1e-12)
        assert str(tails.method[i].values) == "quadrature"
    growth = dsf.sweep(dsf.theory.moment_growth, {"s": [1.0, 2.0]}, fixed=fixed | {"step_size": 0.3})
    assert list(growth.s.values) == list(growth.result_s.values) == [1.0, 2.0]
    runs = dsf.sweep(dsf.simulate, {"step_size": [0.1]}, fixed=fixed | {"n_steps": 3, "n_runs": 5}, rng=0)
    assert runs.final.dims == ("step_size", "run", "node", "coordinate")


def test_graphs_reach_the_function_as_mixing_matrices() -> None:
    problem = dsf.GaussianRegression(dim=2)
    graphs = {"cycle": nx.cycle_graph(6), "star": nx.star_graph(5)}
    fixed = {"problem": problem, "step_size": 0.3, "batch_size": 1}
    growth = dsf.theory.second_moment_growth
    ds = dsf.sweep(growth, {"graph": graphs}, fixed=fixed)
    for name, graph in graphs.items():
        exact = growth(problem, dsf.mixing_matrix(graph), step_size=0.3, batch_size=1)
        assert ds.second_moment_growth.sel(graph=name) == exact
    matrices = dsf.sweep(
        growth, {"graph": [dsf.mixing_matrix(graph) for graph in graphs.values()]}, fixed=fixed
    )
    np.testing.assert_array_equal(matrices.second_moment_growth, ds.second_moment_growth)
    assert list(matrices.graph.values) == ["graph 0", "graph 1"]
    own = dsf.sweep(lambda graph: graph.number_of_edges(), {"graph": graphs})
    assert list(own["value"].values) == [6, 5]


def test_a_cell_depends_on_its_coordinates_only() -> None:
    large = dsf.sweep(functions.everything, GRID, rng=7)
    part = dsf.sweep(functions.everything, {"b": ["w", "u"], "a": [3, 1]}, rng=7)
    np.testing.assert_array_equal(part.draw.transpose("a", "b"), large.draw.sel(a=[3, 1], b=["w", "u"]))
    assert not np.isin(dsf.sweep(functions.everything, GRID, rng=8).draw, large.draw).any()


def test_one_rng_for_all_cells_on_request() -> None:
    ds = dsf.sweep(lambda a, rng: np.random.default_rng(rng).normal(), {"a": [1, 2]}, fixed={"rng": 3})
    assert ds["value"][0] == ds["value"][1] == np.random.default_rng(3).normal()


def test_attributes_tell_where_the_numbers_come_from() -> None:
    ds = dsf.sweep(functions.everything, GRID, fixed={"shift": 2.0}, rng=0)
    parameters = json.loads(ds.attrs["parameters"])
    assert parameters["grid"] == GRID
    assert parameters["fixed"] == {"shift": 2.0}
    assert len(parameters["rng"]) == 16
    (session,) = json.loads(ds.attrs["sessions"])
    assert session["cells"] == 12
    assert {"started", "written", "numpy", "numba", "python", "machine", "seconds"} <= session.keys()
    assert ds.attrs["desgd_fast"] == dsf.__version__
    assert (ds.attrs["cells_done"], ds.attrs["cells_failed"], ds.attrs["cells_waiting"]) == (12, 0, 0)


# Who computes


def test_same_bits_for_any_workers(tmp_path: Path) -> None:
    dsf.sweep(functions.everything, GRID, rng=1, store=tmp_path / "one")
    dsf.sweep(functions.everything, GRID, rng=1, store=tmp_path / "two", workers=2)
    with ThreadPoolExecutor(3) as threads:
        dsf.sweep(functions.everything, GRID, rng=1, store=tmp_path / "threads", workers=threads)
    for other in ("two", "threads"):
        assert files(tmp_path / "one") == files(tmp_path / other)
    stored, kept = sweeps.open_store(tmp_path / "one"), dsf.sweep(functions.everything, GRID, rng=1)
    xr.testing.assert_identical(stored.drop_attrs(deep=False), kept.drop_attrs(deep=False))
    assert kept.text.dtype == kept.b.dtype == object
    assert int(kept.where(kept.odd).draw.notnull().sum()) == 6


def test_functions_without_a_module_reach_other_processes() -> None:
    offset = 3
    ds = dsf.sweep(lambda a: a + offset, {"a": range(4)}, workers=2)
    assert list(ds["value"].values) == [3, 4, 5, 6]


def test_processes_compute_with_one_thread_each() -> None:
    ds = dsf.sweep(functions.threads, {"a": range(4)}, workers=2)
    assert (ds.threads == 1).all()
    assert os.getpid() not in ds.process


def test_a_worker_that_dies_loses_nothing(tmp_path: Path) -> None:
    ds = dsf.sweep(functions.deadly, {"a": range(8)}, fixed={"flag": str(tmp_path / "flag")}, workers=2)
    assert list(ds.deadly.values) == list(range(8))


def test_a_cell_that_kills_its_worker_fails_alone() -> None:
    with pytest.warns(
        FailedCellsWarning, match=r"1 of 8 cells failed, the first at a=3: The worker died 3 times"
    ):
        ds = dsf.sweep(functions.deadly, {"a": range(8)}, fixed={"flag": ""}, workers=2)
    assert list(ds.cell_status.values) == [1, 1, 1, 2, 1, 1, 1, 1]


def test_processes_that_end_leave_nothing_behind(tmp_path: Path) -> None:
    # Numba's threads hold a semaphore, which a process that is killed does not give back.
    script = tmp_path / "script.py"
    script.write_text(
        "import desgd_fast as dsf\nfrom tests.sweeps import sweep_functions as f\n"
        "if __name__ == '__main__': dsf.sweep(f.threads, {'a': [1, 2]}, workers=2)\n"
    )
    done = ran(script)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import desgd_fast as dsf\ndef f(a): return a\ndsf.sweep(f, {'a': [1, 2]}, workers=2)\n"
    )
    done = ran(script)
    assert done.returncode == 1
    assert "if __name__ == '__main__'" in done.stderr.strip().splitlines()[-1]


def test_a_broken_executor_keeps_what_is_finished(tmp_path: Path) -> None:
    from multiprocessing import get_context

    arguments: dict[str, Any] = {"fixed": {"flag": str(tmp_path / "flag")}, "store": tmp_path / "s"}
    with (
        ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool,
        pytest.raises(RuntimeError, match="broken"),
    ):
        dsf.sweep(functions.deadly, {"a": range(8)}, workers=pool, **arguments)
    assert list(dsf.sweep(functions.deadly, {"a": range(8)}, **arguments).deadly.values) == list(range(8))


@pytest.mark.slow
def test_same_bits_on_a_cluster(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    dsf.sweep(functions.everything, GRID, rng=1, store=tmp_path / "one")
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        dsf.sweep(functions.everything, GRID, rng=1, store=tmp_path / "cluster", workers=client)
        flag = {"flag": str(tmp_path / "flag")}
        ds = dsf.sweep(functions.deadly, {"a": range(8)}, fixed=flag, workers=client)
        assert list(ds.deadly.values) == list(range(8))
    assert files(tmp_path / "one") == files(tmp_path / "cluster")


# The store


def test_the_store_needs_nothing_of_ours(tmp_path: Path) -> None:
    dsf.sweep(functions.everything, GRID, rng=0, store=tmp_path / "s")
    code = (
        "import sys; sys.modules['desgd_fast'] = None\n"
        "import xarray; ds = xarray.open_zarr(sys.argv[1]); print(float(ds.draw.sum()))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "s")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) == float(plain(tmp_path / "s").draw.sum())
    assert not (tmp_path / "s" / ".sweep").exists()


def test_finished_cells_are_not_computed_again(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"fixed": {"log": str(tmp_path / "log")}, "store": tmp_path / "s"}
    for _ in range(2):
        ds = dsf.sweep(functions.counted, {"a": range(5)}, **arguments)
        assert list(ds.counted.values) == list(range(5))
    assert (tmp_path / "log").read_text().split() == list("01234")


def test_a_store_in_memory(tmp_path: Path) -> None:
    url = "memory://sweep-under-test"
    try:
        dsf.sweep(functions.everything, GRID, rng=1, store=url)
        dsf.sweep(functions.everything, GRID, rng=1, store=tmp_path / "s")
        xr.testing.assert_identical(plain(url), plain(tmp_path / "s"))
    finally:
        fsspec.filesystem("memory").rm("/sweep-under-test", recursive=True)
    assert not fsspec.filesystem("memory").ls("/")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"grid": GRID | {"a": [1, 2, 3]}}, r"grid.a was \[1, 2, 3, 4\], now \[1, 2, 3\]"),
        ({"fixed": {"shift": 1.0}}, r"fixed.shift was absent, now 1.0"),
        ({"rng": 2}, r"rng was '\w{16}', now '\w{16}'"),
        ({"function": functions.widening}, r"function was 'everything', now 'widening'"),
    ],
)
def test_a_store_of_another_sweep_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {
        "function": functions.everything,
        "grid": GRID,
        "rng": 1,
        "store": tmp_path / "s",
    }
    dsf.sweep(**arguments)
    before = files(tmp_path / "s")
    with pytest.raises(ValueError, match=f"store must be new or hold the same sweep.*{words}"):
        dsf.sweep(**arguments | change)
    assert files(tmp_path / "s") == before


def test_values_behind_labels_are_told_apart(tmp_path: Path) -> None:
    values = [
        np.eye(2),
        2 * np.eye(2),
        nx.cycle_graph(4),
        nx.path_graph(4),
        dsf.GaussianRegression(2),
        dsf.GaussianRegression(2, noise_std=2.0),
        dsf.mixing_matrix(nx.cycle_graph(4)),
        functions.counted,
        {"x": (1, None)},
        "text",
    ]

    def sweep(value: Any) -> None:
        dsf.sweep(lambda a: 0, {"a": {"label": value}}, store=tmp_path / "s")

    for i, value in enumerate(values):
        sweep(value)
        sweep(value)
        with pytest.raises(ValueError, match=r"grid\.a"):
            sweep(values[i - 1])
        fsspec.filesystem("file").rm(str(tmp_path / "s"), recursive=True)


def test_rng_none_goes_on_with_the_key_of_the_store(tmp_path: Path) -> None:
    first = dsf.sweep(functions.everything, GRID, store=tmp_path / "s").draw.values
    np.testing.assert_array_equal(dsf.sweep(functions.everything, GRID, store=tmp_path / "s").draw, first)


def test_folders_of_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match="store must be new or the store of a sweep"):
        dsf.sweep(functions.everything, GRID, store=tmp_path)
    xr.Dataset({"x": 1}).to_zarr(tmp_path / "other", consolidated=False)
    with pytest.raises(ValueError, match="store must be new or the store of a sweep"):
        dsf.sweep(functions.everything, GRID, store=tmp_path / "other")


def test_two_processes_cannot_write_one_store(tmp_path: Path) -> None:
    def inner(a: int) -> str:
        with pytest.raises(ValueError, match="being written by another process"):
            dsf.sweep(inner, {"a": [1]}, store=tmp_path / "s")
        return "refused"

    assert str(dsf.sweep(inner, {"a": [1]}, store=tmp_path / "s")["inner"].values[0]) == "refused"


def test_another_version_goes_on_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dsf.sweep(functions.everything, GRID, rng=0, store=tmp_path / "s")
    monkeypatch.setattr(dsf, "__version__", "99.0")
    with pytest.warns(OtherVersionWarning, match=r"this is 99\.0"):
        dsf.sweep(functions.everything, GRID, rng=0, store=tmp_path / "s")


# Failures


def test_a_cell_that_raises_does_not_stop_the_others(tmp_path: Path) -> None:
    with pytest.warns(
        FailedCellsWarning, match=r"1 of 12 cells failed, the first at a=2, b='v': ValueError: two"
    ):
        ds = dsf.sweep(functions.failing, GRID, store=tmp_path / "s")
    assert int((ds.cell_status == 2).sum()) == 1
    assert int(ds.cell_status.sel(a=2, b="v")) == 2
    assert np.isnan(ds.failing.sel(a=2, b="v"))
    assert int(ds.failing.notnull().sum()) == 11
    text = str(ds.cell_failure.sel(a=2, b="v").values)
    assert text.startswith("Traceback")
    assert "two is too much" in text


def test_failed_cells_are_retried_on_request_only(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    arguments: dict[str, Any] = {"fixed": {"flag": str(flag)}, "store": tmp_path / "s"}
    with pytest.warns(FailedCellsWarning):
        dsf.sweep(functions.failing_until, {"a": [0, 1, 2]}, **arguments)
    flag.touch()
    with pytest.warns(FailedCellsWarning):
        dsf.sweep(functions.failing_until, {"a": [0, 1, 2]}, **arguments)
    ds = dsf.sweep(functions.failing_until, {"a": [0, 1, 2]}, retry_failed=True, **arguments)
    assert list(ds.failing_until.values) == [0, 1, 2]
    assert ds.failing_until.dtype == np.int64
    assert list(ds.cell_failure.values) == ["", "", ""]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"x": object()}, "x must be a number, a text, or an array of numbers or texts, got object"),
        ({"x": [1, None]}, "x must be .*, got list with None among its entries"),
        (10**400, r"value must be below 1\.8e308 in size"),
    ],
)
def test_results_that_no_variable_can_hold_fail_with_a_reason(result: Any, words: str) -> None:
    with pytest.warns(FailedCellsWarning, match=words):
        dsf.sweep(lambda a: result, {"a": [1]})


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("file", "a place where one can be made, got 'file': Not a directory"),
        ("file/deeper", "a place where one can be made, got 'file/deeper': Not a directory"),
        ("x" * 300, "a place where one can be made.*File name too long"),
        ("a\0b", "a place where one can be made.*null byte"),
        ("nosuch://a/b", "a place where one can be made.*Protocol not known"),
        ("x/a::b.zarr", "a path or URL without '::', got 'x/a::b.zarr'"),
        ("simplecache::memory://x", "a path or URL without '::'"),
    ],
)
def test_places_where_no_store_can_be_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("kept")
    with pytest.raises(ValueError, match=f"store must be .*{words}"):
        dsf.sweep(lambda a: a, {"a": [1]}, store=place)
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]
    assert Path("file").read_text() == "kept"


def test_integers_beyond_64_bits_are_numbers() -> None:
    ds = dsf.sweep(lambda a: {"x": a * 10**30}, {"a": [1, 2]})
    assert ds.x.values.tolist() == [1e30, 2e30]


# Kills


class Killed(BaseException):
    """What stands for the end of the process."""


class Fuse:
    """Lets so many writes and deletions happen, and none after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
        self.left = sys.maxsize
        self.used = 0
        local = type(fsspec.filesystem("file"))
        for owner, name in ((Path, "replace"), (local, "rm_file"), (local, "rm")):
            self._wire(monkeypatch, owner, name, error)

    def _wire(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, error: BaseException) -> None:
        original = getattr(owner, name)

        def wired(*arguments: Any, **options: Any) -> Any:
            if self.left == 0:
                raise error
            self.left -= 1
            self.used += 1
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, wired)


@pytest.mark.parametrize("error", [Killed(), OSError(errno.ENOSPC, "No space left on device")])
@pytest.mark.usefixtures("often")
def test_an_end_between_any_two_writes_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    grid = {"a": [1, 2, 3], "b": ["u", "v"]}
    dsf.sweep(functions.widening, grid, rng=1, store=tmp_path / "undisturbed")
    fuse = Fuse(monkeypatch, error)
    dsf.sweep(functions.widening, grid, rng=1, store=tmp_path / "counted")
    total = fuse.used
    assert files(tmp_path / "undisturbed") == files(tmp_path / "counted")
    # Steps prime to the rhythm of the writes visit every kind of them.
    for end in range(0, total, 11 if isinstance(error, Killed) else 29):
        store = tmp_path / f"ended after {end}"
        fuse.left = end
        with pytest.raises(type(error)):
            dsf.sweep(functions.widening, grid, rng=1, store=store)
        fuse.left = sys.maxsize
        finished = recorded(store)
        dsf.sweep(functions.widening, grid, rng=1, store=store)
        assert files(store) == files(tmp_path / "undisturbed"), end
        (*_, session) = json.loads(xr.open_zarr(store, chunks=None).attrs["sessions"])
        assert session["cells"] == 6 - len(finished)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pool", "dask"])
def test_killed_workers_and_parents_leave_the_undisturbed_store(kind: str) -> None:
    report = under_fire(kind, n_cells=100, n_kills=3, parent_every=2)
    assert (report.worker_kills, report.parent_kills) == (2, 1)
    assert report.identical
    assert report.recorded_again == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_a_sweep_at_once_and_keeps_what_is_finished(tmp_path: Path, workers: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\n"
        "import desgd_fast as dsf\n"
        "def f(a):\n"
        "    if a == 5:\n"
        "        print('waiting', flush=True)\n"
        "        time.sleep(1000)\n"
        "    return a\n"
        "if __name__ == '__main__':\n"
        f"    dsf.sweep(f, {{'a': range(8)}}, store=sys.argv[1], workers={workers})\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "s")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        os.killpg(process.pid, signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert errors.strip().splitlines()[-1] == "KeyboardInterrupt"
    finished = recorded(tmp_path / "s")
    assert finished
    assert 5 not in finished
    # Not only in the journal: any reader sees them.
    assert set(np.flatnonzero(plain(tmp_path / "s").cell_status)) == finished


# Properties


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5),
    st.lists(st.integers(-5, 5), min_size=1, max_size=3),
    st.lists(st.lists(st.floats(-1, 1), min_size=2, max_size=2), min_size=1, max_size=2),
)


@settings(max_examples=12)
@given(
    results=st.lists(st.dictionaries(st.sampled_from("xyz"), VALUES), min_size=2, max_size=5),
    dice=st.randoms(),
)
@example([{}, {}, {"x": ""}, {"x": 0.0}, {"x": 7}, {"x": True}, {"x": 1j}], random.Random(1))
def test_the_order_of_arrival_does_not_matter(results: list[dict[str, Any]], dice: Any) -> None:
    def computed(often: bool) -> xr.Dataset:
        with pytest.MonkeyPatch.context() as patch:
            if often:
                patch.setattr(sweeps, "_LEAST_SECONDS", 0.0)
                patch.setattr(sweeps, "_SHARE", 0.0)
                patch.setattr(sweeps_workers, "BATCH_SECONDS", 0.0)
                order = list(range(len(results)))
                dice.shuffle(order)
                patch.setattr(sweeps._Ledger, "cells", lambda ledger, *states: order)
            return dsf.sweep(lambda i: results[i], {"i": range(len(results))}).drop_attrs(deep=False)

    whole, piecemeal = computed(False), computed(True)
    assert set(whole.data_vars) == set(piecemeal.data_vars)
    xr.testing.assert_identical(whole, piecemeal[list(whole.data_vars)])


@settings(max_examples=50)
@given(
    value=st.one_of(
        st.floats(),
        st.complex_numbers(),
        st.integers(-(2**63) + 1, 2**63 - 1),
        st.booleans(),
        st.text(max_size=8),
        st.lists(st.floats(), max_size=4).map(np.array),
        st.lists(st.booleans(), min_size=1, max_size=4).map(np.array),
    )
)
def test_lines_of_the_journal_give_back_the_same_bits(value: Any) -> None:
    fields = records.fields_of({"x": value}, "x")
    cell, back = records.decode(records.encode(7, fields))
    assert cell == 7
    assert isinstance(back, dict)
    assert back["x"].dims == fields["x"].dims
    assert back["x"].values.dtype == fields["x"].values.dtype
    np.testing.assert_array_equal(back["x"].values, fields["x"].values)
    if fields["x"].kind == "f":
        known = ~np.isnan(fields["x"].values)
        np.testing.assert_array_equal(
            np.signbit(back["x"].values)[known], np.signbit(fields["x"].values)[known]
        )


# Torn files, bars, bad input


def test_a_torn_part_of_the_journal_counts_as_never_written(tmp_path: Path) -> None:
    folder = sweeps_store.Folder(tmp_path)
    folder.make(sweeps_store.JOURNAL)
    journal = sweeps_store.Journal(folder)
    for cell in range(3):
        journal.append([records.encode(cell, "failed")])
    torn = tmp_path / ".sweep" / journal.parts[1]
    torn.write_bytes(torn.read_bytes()[:-3])
    assert sweeps_store.Journal(folder).cells() == {0, 2}
    # What a killed writer was about to give its name, seen by somebody who reads meanwhile.
    (tmp_path / ".sweep" / f"{journal.parts[2]}.4711.partial").write_bytes(b"half")
    assert sweeps_store.Journal(folder).cells() == {0, 2}


def test_stores_far_larger_than_one_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_CHUNK_BYTES", 64)
    grid = {"a": range(7), "b": range(5), "c": ["u", "v", "w"]}
    ds = dsf.sweep(lambda a, b, c: {"x": a + b / 10, "v": np.arange(9.0) + a}, grid, store=tmp_path / "s")
    np.testing.assert_array_equal(ds.x.isel(c=1), np.add.outer(np.arange(7), np.arange(5) / 10))
    np.testing.assert_array_equal(ds.v.isel(b=2, c=0), np.add.outer(np.arange(7.0), np.arange(9.0)))
    assert len(list((tmp_path / "s" / "v" / "c").rglob("*"))) > 100


def test_the_bar_shows_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shown in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", stream)
        with pytest.warns(FailedCellsWarning):
            dsf.sweep(functions.failing, GRID, progress=True)
        text = stream.getvalue()
        assert ("12/12" in text) == shown
        assert ("1 failed" in text) == shown


@pytest.mark.parametrize("missing", ["xarray", "zarr", "fsspec", "threadpoolctl"])
def test_a_missing_library_names_the_extra(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"sweeps need {missing}: pip install 'desgd-fast\[sweeps\]'"):
        dsf.sweep(functions.everything, GRID)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"function": 3}, "function must be a function, got 3"),
        ({"grid": {}}, "grid must be a mapping"),
        ({"grid": [1]}, "grid must be a mapping"),
        ({"grid": {3: [1]}}, "grid must be keyed by argument names, got 3"),
        ({"grid": {"a": []}}, r"grid\['a'\] must hold at least one value"),
        ({"grid": {"a": 5}}, r"grid\['a'\] must be a sequence of values or a mapping"),
        ({"grid": {"a": "text"}}, r"grid\['a'\] must be a sequence of values or a mapping"),
        ({"grid": {"a": [1, 1.0]}}, r"grid\['a'\] must hold every value once, got 1.0"),
        ({"grid": {"a": [1, "x"]}}, r"grid\['a'\] must hold numbers, texts or booleans, all of one kind"),
        ({"grid": {"a": [None]}}, "all of one kind, got None; anything else goes into a mapping"),
        ({"grid": {"a": [float("nan")]}}, "must not hold nan"),
        ({"grid": {"a": [1]}}, "grid and fixed must name the arguments of everything.*missing.*'b'"),
        ({"grid": GRID | {"c": [1]}}, "grid and fixed must name.*unexpected keyword argument 'c'"),
        ({"fixed": {"a": 1}}, "fixed must not set 'a', which the grid varies"),
        ({"fixed": 3}, "fixed must be a mapping"),
        ({"fixed": {"shift": object()}}, r"fixed\['shift'\] must be something that a store can tell"),
        ({"workers": 0}, "workers must be an integer ≥ 1"),
        ({"workers": 1.5}, "workers must be a number of processes"),
        ({"workers": True}, "workers must be a number of processes"),
        ({"rng": -1}, "rng must be"),
        ({"progress": 1}, "progress must be"),
        ({"retry_failed": "yes"}, "retry_failed must be"),
    ],
)
def test_bad_input_is_named_before_any_work(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {"function": functions.everything, "grid": GRID, "store": tmp_path / "s"}
    with pytest.raises((ValueError, TypeError), match=words):
        dsf.sweep(**arguments | change)
    assert not (tmp_path / "s" / "zarr.json").exists()


def test_what_cannot_travel_is_refused_before_any_process_starts() -> None:
    import threading

    with pytest.raises(TypeError, match="must be picklable to reach workers"):
        dsf.sweep(lambda a, lock: a, {"a": [1]}, fixed={"lock": threading.Lock()}, workers=2)


# Coordinates


def test_coordinates_of_a_returned_dataset_stay_coordinates(tmp_path: Path) -> None:
    def made(a: int) -> xr.Dataset:
        return xr.Dataset(
            {"x": (("time", "node"), np.full((3, 2), float(a))), "n": ("node", [a, a + 1])},
            {
                "time": [0.5, 0.25, 4.0],
                "node": ["u", "v"],
                "lat": ("node", [1.0, 2.0]),
                "at": a,
                "grid": (("time", "node"), np.arange(6).reshape(3, 2)),
            },
        )

    ds = dsf.sweep(made, {"a": [1, 2]}, store=tmp_path / "s")
    assert ds.x.dims == ("a", "time", "node")
    assert set(ds.coords) == {"a", "time", "node", "lat", "at", "grid"}
    for a in (1, 2):
        xr.testing.assert_equal(ds[["x", "n"]].sel(a=a).drop_vars("a").load(), made(a))
    xr.testing.assert_identical(plain(tmp_path / "s"), dsf.sweep(made, {"a": [1, 2]}).drop_attrs(deep=False))


@pytest.mark.parametrize("often", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_cells_with_other_coordinates_are_joined(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, often: bool, whole: bool
) -> None:
    if often:
        for module, name in (
            (sweeps, "_LEAST_SECONDS"),
            (sweeps, "_SHARE"),
            (sweeps_workers, "BATCH_SECONDS"),
        ):
            monkeypatch.setattr(module, name, 0.0)
    times = {1: [3.0, 1.0], 2: [2.0, 3.0], 3: [1.0], 4: [0, 5]}

    def made(a: int) -> xr.DataArray:
        values = 10 * a + np.arange(len(times[a]))
        return xr.DataArray(values if whole else values + 0.5, {"time": times[a]}, "time", name="x")

    ds = dsf.sweep(made, {"a": [1, 2, 3, 4]}, store=tmp_path / "s")
    assert list(ds.time.values) == [0.0, 1.0, 2.0, 3.0, 5.0]
    joined = xr.concat([made(a) for a in times], "a", join="outer").assign_coords(a=list(times))
    xr.testing.assert_equal(ds.x.load(), joined.sortby("time").astype(float))


def test_coordinates_that_all_cells_share_keep_their_order() -> None:
    frame = pd.DataFrame({"x": [1, 2], "y": ["p", "q"]}, index=["b", "a"])
    for result, names in (
        (frame, {"x": "index", "y": "index"}),
        (frame["x"], {"x": "index"}),
        ({"s": frame["x"], "z": 3}, {"s": "index"}),
        ({"d": frame.to_xarray()}, {"d_x": "index"}),
        ({"q": xr.DataArray([1, 2], {"t": ["b", "a"]}, "t")}, {"q": "t"}),
    ):
        ds = dsf.sweep(lambda a, result=result: result, {"a": [1, 2]})
        for name, dim in names.items():
            assert ds[name].dims == ("a", dim)
            assert list(ds[dim].values) == ["b", "a"]


def test_an_axis_without_coordinates_counts_beside_one_that_has_some() -> None:
    def made(a: int) -> xr.DataArray:
        coordinates = {"time": [1, 7]} if a == 2 else None
        return xr.DataArray([a, a], coordinates, "time", name="x")

    ds = dsf.sweep(made, {"a": [1, 2]})
    assert list(ds.time.values) == [0, 1, 7]
    np.testing.assert_array_equal(ds.x, [[1, 1, np.nan], [np.nan, 2, 2]])
    assert "time" not in dsf.sweep(made, {"a": [1, 3]}).coords


def test_a_coordinate_called_like_an_axis_gets_another_name() -> None:
    ds = dsf.sweep(lambda a: xr.DataArray([a], {"a": [9]}, "a", name="x"), {"a": [1, 2]})
    assert ds.x.dims == ("a", "result_a")
    assert list(ds.result_a.values) == [9]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([1.0, np.nan], "coordinate t must hold real numbers or texts"),
        ([1j, 2j], "coordinate t must hold real numbers or texts"),
        (["a", "a"], "coordinate t must hold every value once"),
        (np.array(["2020", "2021"], "M8[ns]"), "coordinate t must be a number, a text, or an array"),
    ],
)
def test_coordinates_that_cannot_be_joined_fail_their_cell(labels: Any, words: str) -> None:
    with pytest.warns(FailedCellsWarning, match=words):
        dsf.sweep(lambda a: xr.DataArray([1, 2], {"t": labels}, "t"), {"a": [1]})


COORDINATES = st.one_of(
    st.none(),
    st.lists(st.integers(-3, 3), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from([-0.5, 0.0, 1.0, 2.5]), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True),
    st.lists(st.booleans(), min_size=1, max_size=2, unique=True),
)


@settings(max_examples=40)
@given(
    axes=st.lists(COORDINATES, min_size=2, max_size=4),
    kind=st.sampled_from(["i", "f", "O"]),
    dice=st.randoms(),
)
def test_coordinates_do_not_depend_on_the_order_of_arrival(axes: list[Any], kind: str, dice: Any) -> None:
    def made(i: int) -> xr.DataArray:
        values = np.arange(len(axes[i] or "ab")) + 10 * i
        texts = np.array([str(value) for value in values], dtype=object)
        coordinates = None if axes[i] is None else {"t": axes[i]}
        return xr.DataArray(texts if kind == "O" else values.astype(kind), coordinates, "t", name="x")

    computed = []
    for often in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            if often:
                order = list(range(len(axes)))
                dice.shuffle(order)
                patch.setattr(sweeps, "_LEAST_SECONDS", 0.0)
                patch.setattr(sweeps, "_SHARE", 0.0)
                patch.setattr(sweeps_workers, "BATCH_SECONDS", 0.0)
                patch.setattr(sweeps._Ledger, "cells", lambda ledger, *states, order=order: order)
            computed.append(dsf.sweep(made, {"i": range(len(axes))}).drop_attrs(deep=False))
    xr.testing.assert_identical(*computed)
    for i, labels in enumerate(axes):
        kept = [
            value for value in computed[0].x.sel(i=i).values.tolist() if value not in ("",) and value == value
        ]
        assert sorted(map(str, map(lambda v: v if kind == "O" else float(v), kept))) == sorted(
            str(v if kind == "O" else float(v)) for v in made(i).values.tolist()
        ), labels


# More values on an axis


@pytest.mark.parametrize(
    "larger",
    [
        {"a": [1, 2, 3, 4], "b": ["u", "v", "w", "x"]},
        {"a": [4, 0, 3, 2, 1, 9], "b": ["x", "w", "v", "u"]},
        {"b": ["w", "u", "v"], "a": [5, 1, 2, 3, 4]},
    ],
)
@pytest.mark.parametrize("function", [functions.everything, functions.widening])
def test_a_grown_store_is_the_one_computed_at_once(
    tmp_path: Path, function: Any, larger: dict[str, Any]
) -> None:
    dsf.sweep(function, GRID, rng=1, store=tmp_path / "grown")
    ds = dsf.sweep(function, larger, rng=1, store=tmp_path / "grown")
    (*_, session) = json.loads(ds.attrs["sessions"])
    assert session["cells"] == ds.cell_status.size - 12
    dsf.sweep(function, larger, rng=1, store=tmp_path / "at once")
    assert files(tmp_path / "grown") == files(tmp_path / "at once")
    xr.testing.assert_identical(plain(tmp_path / "grown"), plain(tmp_path / "at once"))
    with pytest.raises(ValueError, match=r"grid\.[ab] was"):
        dsf.sweep(function, GRID, rng=1, store=tmp_path / "grown")


def test_graphs_are_added_to_a_store(tmp_path: Path) -> None:
    fixed = {"problem": dsf.GaussianRegression(dim=2), "step_size": 0.3, "batch_size": 1}
    graphs = {"cycle": nx.cycle_graph(6)}
    growth = dsf.theory.second_moment_growth
    dsf.sweep(growth, {"graph": graphs}, fixed=fixed, store=tmp_path / "s")
    graphs["star"] = nx.star_graph(5)
    ds = dsf.sweep(growth, {"graph": graphs}, fixed=fixed, store=tmp_path / "s")
    assert list(ds.graph.values) == ["cycle", "star"]
    with pytest.raises(ValueError, match=r"grid\.graph\['cycle'\]\.data was"):
        dsf.sweep(growth, {"graph": graphs | {"cycle": nx.path_graph(6)}}, fixed=fixed, store=tmp_path / "s")


@pytest.mark.usefixtures("often")
def test_the_order_of_axes_and_values_is_no_parameter(tmp_path: Path) -> None:
    whole = dsf.sweep(functions.everything, GRID, rng=1, store=tmp_path / "whole")

    class Stop(BaseException):
        pass

    left = [5]

    def stopping(**point: Any) -> functions.Result:
        if not left[0]:
            raise Stop
        left[0] -= 1
        return functions.everything(**point)

    with pytest.raises(Stop):
        dsf.sweep(stopping, GRID, rng=1, store=tmp_path / "part", version="1")
    left[0] = 99
    turned = {"b": ["w", "v", "u"], "a": [3, 1, 2, 4]}
    ds = dsf.sweep(stopping, turned, rng=1, store=tmp_path / "part", version="1")
    assert left[0] == 99 - 7
    xr.testing.assert_identical(ds.draw.drop_attrs().load(), whole.draw.drop_attrs().load())


@pytest.mark.usefixtures("often")
def test_an_end_while_a_store_grows_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = {"a": [1, 2, 3], "b": ["u"]}
    larger = {"b": ["v", "u"], "a": [4, 1, 2, 3]}
    dsf.sweep(functions.widening, larger, rng=1, store=tmp_path / "undisturbed")
    fuse = Fuse(monkeypatch, Killed())
    for end in range(0, 400, 11):
        store = tmp_path / f"ended after {end}"
        fuse.left = sys.maxsize
        dsf.sweep(functions.widening, grid, rng=1, store=store)
        fuse.left = end
        try:
            dsf.sweep(functions.widening, larger, rng=1, store=store)
        except Killed:
            fuse.left = sys.maxsize
            dsf.sweep(functions.widening, larger, rng=1, store=store)
            sessions = json.loads(xr.open_zarr(store, chunks=None).attrs["sessions"])
            assert sum(session["cells"] for session in sessions) >= 3
        else:
            break
        assert files(store) == files(tmp_path / "undisturbed"), end
    assert end > 50


class Growing(RuleBasedStateMachine):
    """A store that grows, is cut short anywhere, and is asked again, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(sweeps, "_LEAST_SECONDS", 0.0)
        self.patch.setattr(sweeps, "_SHARE", 0.0)
        self.patch.setattr(sweeps_workers, "BATCH_SECONDS", 0.0)
        self.fuse = Fuse(self.patch, Killed())
        self.folder = tempfile.TemporaryDirectory()
        self.grid: dict[str, list[Any]] = {"a": [1], "b": ["u"]}
        self.calls: Counter[tuple[int, str]] = Counter()
        self.kills = 0

    def teardown(self) -> None:
        self.patch.undo()
        self.folder.cleanup()

    def sweep(self, left: int = sys.maxsize) -> xr.Dataset:
        def called(a: int, b: str, rng: np.random.Generator) -> Any:
            self.calls[a, b] += 1
            return functions.widening(a, b, rng)

        self.fuse.left = left
        try:
            return dsf.sweep(called, self.grid, rng=1, store=f"{self.folder.name}/s", version="1")
        finally:
            self.fuse.left = sys.maxsize

    @rule(axis=st.sampled_from("ab"), dice=st.randoms(), turn=st.booleans())
    def grow(self, axis: str, dice: random.Random, turn: bool) -> None:
        """One more value somewhere, the others in another order; perhaps the axes too."""
        more = {"a": range(6), "b": "uvwx"}[axis]
        if new := [value for value in more if value not in self.grid[axis]]:
            self.grid[axis] = [*self.grid[axis], dice.choice(new)]
        for values in self.grid.values():
            dice.shuffle(values)
        if turn:
            self.grid = dict(reversed(self.grid.items()))

    @rule(left=st.integers(0, 60))
    def cut_short(self, left: int) -> None:
        """End after so many writes."""
        with contextlib.suppress(Killed):
            self.sweep(left)
            return
        self.kills += 1

    @rule()
    def ask(self) -> None:
        """The right numbers, whatever came before, and no cell computed again that was on record."""
        ds = self.sweep()
        fresh = dsf.sweep(functions.widening, self.grid, rng=1)
        order = {axis: ds[axis].values for axis in "ab"}
        assert (ds.cell_status == 1).all()
        for name in fresh.data_vars:
            np.testing.assert_array_equal(
                ds[name].transpose(*fresh[name].dims).values, fresh[name].sel(order).values
            )
        assert self.calls.total() <= ds.cell_status.size + self.kills


TestGrowing = Growing.TestCase
TestGrowing.settings = settings(max_examples=8, stateful_step_count=10, deadline=None)

"""``desgd-fast sweep`` and ``show``: what they write and print, and the line of every mistake."""

from importlib import import_module
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import xarray as xr

import desgd_fast as dsf
from desgd_fast import cli
from desgd_fast.cli.commands import sweep_config
from tests.cli.test_cli import Desgd

CONFIG = """\
# A comment with an = sign
function = "second_moment_growth"
store = "out.zarr"
rng = 3

[problem]
dim = 2
noise_std = 0.5

[graph]
n_nodes = 6

[fixed]
batch_size = 1

[grid]
step_size = { first = 0.1, last = 0.3, count = 3 }
graph = ["cycle", "star"]
"""


@pytest.fixture
def desgd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desgd:
    monkeypatch.chdir(tmp_path)
    Path("sweep.toml").write_text(CONFIG)
    return Desgd(capsys)


def change(old: str, new: str) -> None:
    assert old in CONFIG
    Path("sweep.toml").write_text(CONFIG.replace(old, new))


def test_sweep_computes_what_the_library_does(desgd: Desgd) -> None:
    code, text, errors = desgd("sweep", "sweep.toml")
    assert (code, errors) == (0, "")
    assert "6 cells done, 0 failed" in text
    problem = dsf.GaussianRegression(2, noise_std=0.5)
    ds = xr.open_zarr("out.zarr", chunks=None)
    for name, graph in (("cycle", nx.cycle_graph(6)), ("star", nx.star_graph(5))):
        for step_size in (0.1, 0.2, 0.3):
            value = dsf.theory.second_moment_growth(
                problem, dsf.mixing_matrix(graph), step_size=step_size, batch_size=1
            )
            cell = ds.second_moment_growth.sel(graph=name).sel(step_size=step_size, method="nearest")
            assert float(cell) == pytest.approx(value, rel=1e-12)


def test_labels_stand_for_graphs_and_problems_of_any_kind(desgd: Desgd) -> None:
    table = """graph = { "6" = { name = "cycle" }, lazy = { name = "cycle", lazy = true, n_nodes = 4 } }
problem = { light = { dim = 1 }, heavy = { dim = 9 } }
"""
    change('graph = ["cycle", "star"]\n', table)
    assert desgd("sweep", "sweep.toml")[0] == 0
    ds = xr.open_zarr("out.zarr", chunks=None)
    assert dict(ds.sizes) == {"step_size": 3, "graph": 2, "problem": 2}
    W = dsf.mixing_matrix(nx.cycle_graph(4), lazy=True)
    value = dsf.theory.second_moment_growth(
        dsf.GaussianRegression(9, noise_std=0.5), W, step_size=0.1, batch_size=1
    )
    assert float(ds.second_moment_growth.sel(graph="lazy", problem="heavy")[0]) == pytest.approx(
        value, rel=1e-12
    )


def test_functions_of_users_by_module_and_name(desgd: Desgd) -> None:
    Path("sweep.toml").write_text(
        'function = "tests.sweeps.sweep_functions:failing"\n[grid]\na = [1, 2]\nb = ["u", "v"]\n'
    )
    code, text, errors = desgd("sweep", "sweep.toml", "--trust")
    assert code == 1
    assert "3 cells done, 1 failed: sweep.zarr" in text
    assert "1 failed, the first at a = 2, b = v: ValueError: two is too much" in errors


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "harmful:function",
        "desgd_fast:import_module",
        "desgd_fast.cli:main",
        "desgd_fast.paper:figure",
        "desgd_fast.sweeps.workers:os",
    ],
)
def test_a_file_names_no_foreign_code_unasked(
    desgd: Desgd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    Path("harmful.py").write_text("open('harm', 'w')\ndef function(name): open('harm', 'w')\n")
    Path("sweep.toml").write_text(f'function = "{name}"\n[grid]\nname = ["touch harm"]\n')
    for more in ((), ("--dry-run",)):
        code, _, errors = desgd("sweep", "sweep.toml", *more)
        assert code == 2
        assert f'line 1 (function = "{name}"): {name} could be any code: --trust runs it' in errors
    assert not Path("harm").exists()
    assert not Path("sweep.zarr").exists()
    assert "--trust" in desgd("sweep", "--help")[1]


def test_functions_of_the_package_need_no_trust(desgd: Desgd) -> None:
    change('"second_moment_growth"', '"desgd_fast.theory:second_moment_growth"')
    assert desgd("sweep", "sweep.toml")[0] == 0


def test_a_cluster_in_a_file_needs_trust(desgd: Desgd) -> None:
    change("rng = 3", 'cluster = "tcp://127.0.0.1:1"')
    code, _, errors = desgd("sweep", "sweep.toml")
    assert code == 2
    assert "line 4 (cluster = " in errors
    assert "a scheduler can run any code" in errors


def test_a_byte_order_mark_is_no_text(desgd: Desgd) -> None:
    Path("sweep.toml").write_text("\ufeff" + CONFIG, encoding="utf-8")
    assert desgd("sweep", "sweep.toml")[0] == 0


def test_a_version_in_the_file(desgd: Desgd) -> None:
    change("rng = 3", 'version = "1"')
    assert desgd("sweep", "sweep.toml")[0] == 0
    change("rng = 3", 'version = "2"')
    code, _, errors = desgd("sweep", "sweep.toml", "--resume")
    assert code == 2
    assert "version was '1', now '2'" in errors


@pytest.mark.parametrize("place", ["sweep.toml", "sweep.toml/deeper", "x/a::b.zarr"])
def test_a_store_that_cannot_be_is_one_line(desgd: Desgd, place: str) -> None:
    for command in (("sweep", "sweep.toml", "--store", place), ("show", place)):
        code, _, errors = desgd(*command)
        assert code == 2
        assert "store must be a" in errors
        assert errors.count("\n") == 1
    assert {path.name for path in Path().iterdir()} == {"sweep.toml"}


def test_resume_takes_more_values(desgd: Desgd) -> None:
    assert desgd("sweep", "sweep.toml")[0] == 0
    change('["cycle", "star"]', '["complete", "cycle", "star"]')
    code, text, _ = desgd("sweep", "sweep.toml", "--resume", "--dry-run")
    assert code == 0
    assert "; 6 done" in text
    code, text, _ = desgd("sweep", "sweep.toml", "--resume")
    assert code == 0
    assert "9 cells done, 0 failed" in text


def test_graphs_in_files_stand_beside_the_file_that_names_them(desgd: Desgd, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    text = CONFIG.replace('graph = ["cycle", "star"]', 'graph = ["ring.csv", "cycle"]').replace(
        "n_nodes = 6", ""
    )
    (tmp_path / "own" / "sweep.toml").write_text(
        text.replace("[graph]", "[graph]\nn_nodes = 4"), encoding="utf-8-sig"
    )
    (tmp_path / "own" / "ring.csv").write_text("0,1\n1,2\n2,3\n3,0\n")
    code, printed, errors = desgd("sweep", "own/sweep.toml")
    assert (code, errors) == (0, "")
    assert "ring.csv: 4 nodes, 4 edges, unweighted" in printed
    ds = xr.open_zarr("out.zarr", chunks=None)
    ring, cycle = (ds.second_moment_growth.sel(graph=name).values for name in ("ring.csv", "cycle"))
    np.testing.assert_allclose(ring, cycle, rtol=1e-12)


def test_going_on_needs_resume(desgd: Desgd) -> None:
    assert desgd("sweep", "sweep.toml")[0] == 0
    code, _, errors = desgd("sweep", "sweep.toml")
    assert code == 2
    assert "--resume" in errors
    assert desgd("sweep", "sweep.toml", "--resume")[0] == 0
    change("rng = 3", "rng = 3\nworkers = 1")
    assert desgd("sweep", "sweep.toml", "--resume")[0] == 0
    change("batch_size = 1", "batch_size = 2")
    code, _, errors = desgd("sweep", "sweep.toml", "--resume")
    assert code == 2
    assert "fixed.batch_size was 1, now 2" in errors


def test_dry_run_writes_nothing(desgd: Desgd) -> None:
    code, text, errors = desgd("sweep", "sweep.toml", "--dry-run", "--workers", "1")
    assert (code, errors) == (0, "")
    assert "6: step_size (3) × graph (2)" in text
    assert "at step_size = 0.2, graph = star" in text
    assert "48 B before compression" in text
    assert not Path("out.zarr").exists()


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("rng = 3", "rng = = 3", "", "rng = = 3"),
        ("rng = 3", 'rng = "x"', "line 4 (rng = ", "rng must be an integer"),
        ("rng = 3", "colour = 3", "line 4 (colour = 3)", "unknown entry 'colour'"),
        ('"second_moment_growth"', '"fast"', "line 2 ", "function must be one of measure_tail"),
        ('"second_moment_growth"', '"desgd_fast:fast"', "line 2 ", "cannot import desgd_fast:fast"),
        ('"second_moment_growth"', '"desgd_fast:laws"', "line 2 ", "desgd_fast:laws must be a function"),
        ('"second_moment_growth"', '"nowhere:fast"', "line 2 ", "nowhere:fast could be any code"),
        ("dim = 2", "dim = 0", "line 7 (dim = 0)", "dim must be"),
        ("dim = 2", "dims = 2", "line 7 (dims = 2)", "unknown entry 'dims'"),
        ("dim = 2", 'data = "absent.csv"', "line 7", "data needs a target"),
        (
            "dim = 2\nnoise_std = 0.5",
            'data = "absent.csv"\ntarget = "y"',
            "line 6 ([problem])",
            "readable file",
        ),
        ("n_nodes = 6", 'n_nodes = "six"', "line 11 (n_nodes = ", "n_nodes must be an integer"),
        ("n_nodes = 6", 'rule = "fast"', "line 11 (rule = ", "rule must be one of"),
        ("batch_size = 1", "batch_sise = 1", "line 14 (batch_sise = 1)", "has no argument 'batch_sise'"),
        ("batch_size = 1", "", "line 13 ([fixed])", "needs 'batch_size'"),
        (
            "batch_size = 1",
            "batch_size = 1\nstep_size = 1",
            "line 15 (step_size = 1)",
            "axis of the grid too",
        ),
        ("batch_size = 1", "batch_size = {a = 1}", "line 14", "batch_size must be a number"),
        ("count = 3", "count = 0", "line 17 (step_size", "count must be"),
        (", count = 3", "", "line 17 (step_size", "count is absent"),
        ("count = 3", 'count = 3, spacing = "odd"', "line 17 (step_size", "spacing must be one of"),
        ("first = 0.1", 'spacing = "log", first = -1', "line 17 (step_size", "first must be a positive"),
        ('["cycle", "star"]', '["cycle", "moon"]', "line 18 (graph = ", "--graph must be one of"),
        ('["cycle", "star"]', "[]", "line 18 (graph = ", "graph must be a list"),
        ('["cycle", "star"]', '["cycle", "cycle"]\nbatch_size = [1, 1]', "line 19", "every value once"),
        ('graph = ["cycle", "star"]', "graph = {a = 3}", "line 18", "a graph must be a name"),
        (CONFIG[CONFIG.index("[grid]") :], "", "", "a table [grid] must name"),
        (CONFIG, "grid = 3", "line 1 (grid = 3)", "grid must be a table"),
    ],
)
def test_mistakes_are_shown_with_their_line(desgd: Desgd, old: str, new: str, line: str, words: str) -> None:
    change(old, new)
    code, _, errors = desgd("sweep", "sweep.toml")
    assert code == 2
    assert "sweep.toml" in errors
    assert line in errors
    assert words in errors
    assert errors.count("\n") == 1
    assert not Path("out.zarr").exists()


def test_failed_cells_are_shown_with_the_line_to_blame(desgd: Desgd) -> None:
    change("batch_size = 1", "batch_size = 0")
    code, text, errors = desgd("sweep", "sweep.toml")
    assert code == 1
    assert "0 cells done, 6 failed" in text
    assert "batch_size must be an integer from 1" in errors
    assert "line 14 (batch_size = 0)" in errors
    code, _, errors = desgd("sweep", "sweep.toml", "--dry-run", "--store", "other.zarr")
    assert code == 2
    assert "line 14 (batch_size = 0): batch_size must be" in errors


def test_a_cluster_that_is_not_there(desgd: Desgd, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")

    def nobody(*_: object, **__: object) -> None:
        raise OSError("timed out")

    monkeypatch.setattr(distributed, "Client", nobody)
    code, _, errors = desgd("sweep", "sweep.toml", "--cluster", "tcp://127.0.0.1:1")
    assert code == 2
    assert "no dask scheduler answers at tcp://127.0.0.1:1" in errors


def test_show_prints_a_table_and_draws_a_picture(desgd: Desgd) -> None:
    desgd("sweep", "sweep.toml")
    code, text, errors = desgd("show", "out.zarr", "--plot", "picture.png")
    assert (code, errors) == (0, "")
    assert "6 cells done, 0 failed, 0 waiting" in text
    value = float(xr.open_zarr("out.zarr").second_moment_growth.sel(graph="star").values[0])
    assert f"{value:.6g}" in text
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")
    code, text, _ = desgd("show", "out.zarr", "-x", "graph", "--at", "step_size=0.19")
    assert code == 0
    assert "0.2" in text
    assert "0.3" not in text.split("variables")[1]


def test_show_takes_medians_over_axes_that_are_not_the_grids(desgd: Desgd) -> None:
    grid = {"a": [1, 2, 3], "b": ["u", "v"], "c": [True, False]}
    dsf.sweep(lambda a, b, c: {"vector": np.arange(a + 4.0), "word": b}, grid, store="own.zarr")
    code, text, _ = desgd("show", "own.zarr", "--plot", "picture.png")
    assert code == 0
    assert "vector, median over its own axes" in text
    assert Path("picture.png").exists()
    assert desgd("show", "own.zarr", "-y", "word")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "nowhere.zarr"), "no sweep in 'nowhere.zarr'"),
        (("show", "out.zarr", "-y", "alpha"), "--variable must be one of second_moment_growth, got alpha"),
        (("show", "out.zarr", "-x", "rng"), "--against must be one of step_size, graph, got rng"),
        (("show", "out.zarr", "--at", "graph"), "--at must be AXIS=LABEL"),
        (("show", "out.zarr", "--at", "graph=moon"), "--at graph must be one of cycle, star, got moon"),
        (("show", "out.zarr", "--at", "step_size=x"), "--at step_size must be one of 0.1"),
        (("sweep", "absent.toml"), "cannot read 'absent.toml'"),
        (("sweep", "sweep.toml", "--retry-failed"), "--retry-failed changes nothing without --resume"),
        (("sweep", "sweep.toml", "--workers", "2", "--cluster", "tcp://a:1"), "--workers changes nothing"),
    ],
)
def test_mistakes_get_one_line(desgd: Desgd, arguments: tuple[str, ...], words: str) -> None:
    desgd("sweep", "sweep.toml")
    code, _, errors = desgd(*arguments)
    assert code == 2
    assert words in errors
    assert errors.count("\n") == 1
    assert not Path("nowhere.zarr").exists()


def test_the_example_describes_a_sweep(desgd: Desgd) -> None:
    example = Path(__file__).parents[2] / "examples" / "sweep.toml"
    plan = sweep_config.read(example)
    assert plan.function is dsf.measure_tail
    assert len(plan.grid["step_size"]) == 10
    assert set(plan.grid["graph"]) == {"cycle", "star", "complete", "disconnected"}


def test_short_names_are_functions_of_the_package() -> None:
    for name, place in sweep_config.FUNCTIONS.items():
        module, _, attribute = place.partition(":")
        public = getattr(dsf, name, None) or getattr(dsf.theory, name)
        assert getattr(import_module(module), attribute) is public
    assert {"sweep", "show"} <= cli.COMMANDS.keys()


def test_algorithms_participations_and_delays_are_axes_by_name(desgd: Desgd) -> None:
    change('graph = ["cycle", "star"]', 'participation = ["bernoulli(0.5)", "always"]\ndelay = [1, 2]')
    fixed = '[fixed]\nalgorithm = "heavy_ball(0.5)"\ngraph = "cycle"'
    Path("sweep.toml").write_text(Path("sweep.toml").read_text().replace("[fixed]", fixed))
    code, _, errors = desgd("sweep", "sweep.toml")
    assert (code, errors) == (0, "")
    ds = xr.open_zarr("out.zarr", chunks=None)
    a = dsf.algorithms
    chosen = a.chain(a.heavy_ball(0.5), a.delayed(2), a.bernoulli(0.5))
    assert list(ds.algorithm.values) == [
        "bernoulli(0.5), 1", "bernoulli(0.5), 2", "always, 1", "always, 2"
    ]  # fmt: skip
    value = dsf.theory.second_moment_growth(
        dsf.GaussianRegression(2, noise_std=0.5),
        dsf.mixing_matrix(nx.cycle_graph(6)),
        step_size=0.2,
        batch_size=1,
        algorithm=chosen,
    )
    found = ds.second_moment_growth.sel(algorithm="bernoulli(0.5), 2").isel(step_size=1)
    assert float(found) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('participation = ["sometimes"]', "participation must be one of always"),
        ("delay = [0.5]", "delay must be a name such as 2, got 0.5"),
        ('algorithm = "heavy_ball(0.5)"', "algorithm must be a list of names"),
    ],
)
def test_names_of_algorithms_that_are_none_are_shown_with_their_line(
    desgd: Desgd, line: str, message: str
) -> None:
    change('graph = ["cycle", "star"]', f'{line}\ngraph = ["cycle"]')
    code, _, errors = desgd("sweep", "sweep.toml")
    assert code == 2
    assert message in errors
    assert f"({line})" in errors

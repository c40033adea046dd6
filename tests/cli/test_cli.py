"""The command line: what it prints and writes, and one clear line for every mistake."""

import json
import re
from pathlib import Path
from typing import get_args

import networkx as nx
import numpy as np
import pytest
import xarray as xr

import desgd_fast as dsf
from desgd_fast import cli

DIABETES = Path(__file__).parents[2] / "examples" / "diabetes.csv"
SMALL = ("--runs", "400", "--steps", "60", "--n-nodes", "4")
# Where nothing that theory says is asked for: it takes seconds.
PLAIN = ("--step-size", "0.2", "--no-theory")


class Desgd:
    """Calls the command in a folder of its own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            cli.main(arguments)
        captured = self.capsys.readouterr()
        return int(leaving.value.code or 0), captured.out, captured.err


@pytest.fixture
def desgd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desgd:
    monkeypatch.chdir(tmp_path)
    return Desgd(capsys)


def test_run_writes_table_file_and_picture(desgd: Desgd) -> None:
    code, table, errors = desgd("run", *SMALL)
    assert (code, errors) == (0, "")
    for words in ("spectral gap", "step size of infinite variance", "diverged runs", "node 3", "all stacked"):
        assert words in table
    assert Path("desgd-fast-run/tail.png").read_bytes().startswith(b"\x89PNG")
    with xr.open_dataset("desgd-fast-run/runs.nc") as dataset:
        assert dataset["final_norms"].dims == ("run", "node")
        assert dataset["final_norms"].shape == (400, 4)
        assert dataset.attrs["mixing_spectral_gap"] > 0
        assert dataset.attrs["n_steps"] == 60


def test_file_holds_what_the_library_computes(desgd: Desgd) -> None:
    arguments = ("--step-size", "0.3", "--batch-size", "2", "--rng", "5", "--k", "50", "--average-last", "7")
    assert desgd("run", *SMALL, *arguments, "--no-theory")[0] == 0
    problem = dsf.GaussianRegression(dim=2)
    W = dsf.mixing_matrix(nx.cycle_graph(4))
    runs = dsf.simulate(
        problem, W, step_size=0.3, batch_size=2, n_steps=60, n_runs=400, average_last=7, rng=5
    )
    estimate = dsf.tails.hill(runs.norms(of="average", stacked=True), 50)
    with xr.open_dataset("desgd-fast-run/runs.nc") as dataset:
        np.testing.assert_array_equal(dataset[dataset.attrs["tail_of"]], runs.norms(of="average"))
        np.testing.assert_array_equal(dataset["stacked_norms"], runs.norms(of="average", stacked=True))
        assert float(dataset["stacked_tail_alpha"]) == pytest.approx(estimate.alpha, rel=1e-9)
        assert float(dataset["stacked_tail_ci_low"]) == pytest.approx(estimate.ci_low, rel=1e-9)
        rebuilt = np.zeros((4, 4))
        rebuilt[dataset["mixing_row"], dataset["mixing_column"]] = dataset["mixing_weight"]
        np.testing.assert_array_equal(rebuilt, W.toarray())


@pytest.mark.parametrize("extra", [(), ("--assignment", "sorted", "--no-replacement", "--ridge", "0.1")])
def test_run_on_real_data(desgd: Desgd, extra: tuple[str, ...]) -> None:
    code, table, errors = desgd("run", "--data", str(DIABETES), "--target", "target", *SMALL, *extra)
    assert (code, errors) == (0, "")
    assert "442 rows, 10 features" in table
    with xr.open_dataset("desgd-fast-run/runs.nc") as dataset:
        assert np.isfinite(dataset["final_norms"]).all()


def test_diverging_runs_get_no_tail_index(desgd: Desgd) -> None:
    code, table, _ = desgd("run", *SMALL, "--steps", "2000", "--step-size", "5")
    assert code == 0
    assert "400 of 400" in table
    assert "no stationary law" in table
    assert "all stacked" not in table
    with xr.open_dataset("desgd-fast-run/runs.nc") as dataset:
        assert "stacked_tail_alpha" not in dataset
        assert bool(dataset["diverged"].all())


def test_growing_runs_get_no_tail_index(desgd: Desgd) -> None:
    code, table, _ = desgd("run", *SMALL, "--step-size", "5")
    assert code == 0
    assert "0 of 400" in table
    assert "still growing" in table
    assert "all stacked" not in table


def test_config_gives_defaults_that_the_command_line_overrides(desgd: Desgd) -> None:
    Path("run.toml").write_text('graph = "star"\nn-nodes = 3\nruns = 300\nsteps = 20\nout = "here"\n')
    code, _, errors = desgd("run", "--config", "run.toml", "--steps", "30", *PLAIN)
    assert (code, errors) == (0, "")
    with xr.open_dataset("here/runs.nc") as dataset:
        assert dataset["final_norms"].shape == (300, 3)
        assert (dataset.attrs["n_steps"], dataset.attrs["graph"]) == (30, "star")


def test_a_config_may_begin_with_a_byte_order_mark(desgd: Desgd) -> None:
    Path("run.toml").write_text("runs = 200\nsteps = 20\nn-nodes = 3\n", encoding="utf-8-sig")
    assert desgd("run", "--config", "run.toml", *PLAIN)[0] == 0


def test_same_rng_same_numbers(desgd: Desgd) -> None:
    for out in ("one", "two"):
        assert desgd("run", *SMALL, "--rng", "3", "--out", out)[0] == 0
    with xr.open_dataset("one/runs.nc") as one, xr.open_dataset("two/runs.nc") as two:
        xr.testing.assert_identical(one, two)


def test_iterates_are_written_when_asked_for(desgd: Desgd) -> None:
    assert desgd("run", *SMALL, *PLAIN, "--iterates", "--dim", "3")[0] == 0
    with xr.open_dataset("desgd-fast-run/runs.nc") as dataset:
        assert (400, 4, 3) in {variable.shape for variable in dataset.values()}


@pytest.mark.parametrize(
    "graph", ["path", "star", "complete", "grid", "hypercube", "bipartite", "regular", "disconnected"]
)
def test_named_graphs_have_the_nodes_asked_for(desgd: Desgd, graph: str) -> None:
    code, table, errors = desgd(
        "run", "--graph", graph, "--n-nodes", "8", "--runs", "200", "--steps", "20", *PLAIN
    )
    assert (code, errors) == (0, "")
    assert "node 7" in table


def test_large_graphs_run_without_exact_theory(desgd: Desgd) -> None:
    code, table, errors = desgd(
        "run",
        "--graph",
        "regular",
        "--n-nodes",
        "500",
        "--batch-size",
        "20",
        "--runs",
        "200",
        "--steps",
        "80",
    )
    assert (code, errors) == (0, "")
    assert "that of one node alone" in table
    assert "484 nodes more" in table


@pytest.mark.parametrize("suffix", ["edges", "graphml"])
def test_graphs_are_read_from_files(desgd: Desgd, suffix: str) -> None:
    graph = nx.path_graph(["a", "b", "c"])
    if suffix == "edges":
        Path("net.edges").write_text("# who knows whom\na b\nb c\n")
    else:
        nx.write_graphml(graph, "net.graphml")
    code, table, errors = desgd("run", "--graph", f"net.{suffix}", "--runs", "200", "--steps", "20", *PLAIN)
    assert (code, errors) == (0, "")
    assert "node 2" in table
    assert "node 3" not in table


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ring.csv", "0, 1\n1, 2\n2, 3\n3, 0\n"),
        ("ring.edges", "\ufeff0 1\n1 2\n2 3\n3 0\n"),
        ("ring.edges", "source target\n0 1\n1 2\n2 3\n3 0\n"),
        ("ring.ADJLIST", "0 1 3\n1 0 2\n2 1 3\n3 0 2\n"),
    ],
)
def test_a_ring_of_four_in_a_file_has_the_variance_of_a_ring_of_four(
    desgd: Desgd, name: str, text: str
) -> None:
    # The exact step size of infinite variance for d = 2, b = 1 and Metropolis weights 1/3.
    Path(name).write_text(text)
    code, table, errors = desgd(
        "frontier", "--graph", name, "--dim", "2", "--batch-size", "1", "--rtol", "0.5"
    )
    assert (code, errors) == (0, "")
    assert f"graph: {name}: 4 nodes, 4 edges, unweighted" in table
    assert "0.46426607" in table


def test_weights_of_a_file_are_used(desgd: Desgd) -> None:
    Path("net.edges").write_text("a b 2\nb c 0.5\n")
    code, table, errors = desgd("run", "--graph", "net.edges", "--runs", "200", "--steps", "20", *PLAIN)
    assert (code, errors) == (0, "")
    assert "3 nodes, 2 edges, weighted" in table
    graph = nx.Graph()
    graph.add_weighted_edges_from([("a", "b", 2.0), ("b", "c", 0.5)])
    with xr.open_dataset("desgd-fast-run/runs.nc") as dataset:
        rebuilt = np.zeros((3, 3))
        rebuilt[dataset["mixing_row"], dataset["mixing_column"]] = dataset["mixing_weight"]
        np.testing.assert_array_equal(rebuilt, dsf.mixing_matrix(graph, weight="weight").toarray())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--bogus", "1"), "No such option: --bogus"),
        (("walk",), "No such command 'walk'"),
        (("run", "--n-nodes", "0"), "--n-nodes must be at least 1"),
        (("run", "--n-nodes", "many"), "--n-nodes"),
        (("run", "--rule", "fast"), "metropolis"),
        (("run", "--rule", "laplacian"), "delta must be"),
        (("run", "--rule", "laplacian", "--delta", "2"), "delta must be a number from 0 to"),
        (("run", "--graph", "moon"), "--graph must be one of cycle"),
        (("run", "--graph", "hypercube", "--n-nodes", "6"), "power of two"),
        (
            ("run", "--graph", "regular", "--n-nodes", "3", "--degree", "3"),
            "--degree must be below --n-nodes",
        ),
        (("run", "--graph", "torn.graphml"), "--graph: 'torn.graphml': no graph can be read: "),
        (("run", "--graph", "heavy.edges", "--rule", "uniform"), "--rule uniform weighs all edges alike"),
        (("run", "--graph", "heavy.edges", "--n-nodes", "3"), "--n-nodes changes nothing with --graph heavy"),
        (("run", "--degree", "3"), "--degree changes nothing with --graph cycle"),
        (("alpha", "--degree", "3"), "--degree changes nothing with --graph cycle"),
        (("alpha", "--published"), "--published changes nothing without --plot"),
        (("frontier", "--graph", "heavy.edges", "--n-nodes", "3"), "--n-nodes changes nothing"),
        (("frontier", "--plot", "nowhere/a.png"), "there is no folder 'nowhere'"),
        (("run", "--delta", "0.1"), "delta belongs to --rule laplacian only"),
        (("run", "--step-size", "-1"), "step_size must be"),
        (("run", "--step-size", "nan"), "step_size must be"),
        (("run", "--batch-size", "0"), "batch_size must be"),
        (("run", "--runs", "0"), "n_runs must be"),
        (("run", "--steps", "0"), "n_steps must be"),
        (("run", "--average-last", "5000"), "average_last must be"),
        (("run", "--dim", "0"), "dim must be"),
        (("run", "--rng", "-1"), "rng must be"),
        (("run", "--threads", "0"), "threads must be"),
        (("run", "--level", "2", *SMALL), "level must be"),
        (("run", "--k", "most", *SMALL), "k must be"),
        (("run", "--data", "absent.csv", "--target", "y"), "path must be a readable file"),
        (("run", "--data", str(DIABETES)), "--data and --target belong together"),
        (("run", "--data", str(DIABETES), "--target", "cost"), "target must be one of the columns 'age'"),
        (("run", "--data", str(DIABETES), "--target", "target", "--n-nodes", "443"), "442"),
        (
            ("run", "--data", str(DIABETES), "--target", "target", "--no-replacement", "--batch-size", "90"),
            "batch_size must be at most",
        ),
        (("run", "--ridge", "1"), "--ridge changes nothing without --data"),
        (("run", "--data", str(DIABETES), "--target", "target", "--dim", "3"), "--dim changes nothing with"),
        (("run", "--config", "absent.toml"), "cannot read 'absent.toml'"),
        (("run", "--config", "torn.toml"), "is not a TOML file"),
        (("run", "--config", "odd.toml"), "sets 'colour'"),
        (("run", "--config", "wrong.toml"), "--runs"),
        (("run", "--out", "torn.toml"), "--out"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(desgd: Desgd, arguments: tuple[str, ...], words: str) -> None:
    Path("torn.toml").write_text("runs = = 3")
    Path("odd.toml").write_text("colour = 3")
    Path("wrong.toml").write_text('runs = "many"')
    Path("torn.graphml").write_text("<graphml>")
    Path("heavy.edges").write_text("0 1 2.5\n")
    code, _, errors = desgd(*arguments)
    assert code == 2
    assert words in errors
    assert errors.startswith("desgd-fast: ")
    assert errors.count("\n") == 1
    assert not Path("desgd-fast-run").exists()


def test_bugs_keep_their_traceback(desgd: Desgd, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("not about input")

    monkeypatch.setattr("desgd_fast.mixing.report.mixing_report", broken)
    with pytest.raises(ValueError, match="not about input"):
        cli.main(["run", *SMALL])


def test_help_and_version(desgd: Desgd) -> None:
    for arguments in ((), ("--help",)):
        code, text, _ = desgd(*arguments)
        assert code == 0
        assert all(command in text for command in cli.COMMANDS)
    code, text, _ = desgd("run", "--help")
    assert code == 0
    assert "--average-last" in text
    assert desgd("--version") == (0, f"desgd-fast {dsf.__version__}\n", "")


def test_choices_are_those_of_the_library() -> None:
    from desgd_fast.cli.commands import run
    from desgd_fast.cli.options import graph
    from desgd_fast.mixing import rules as mixing
    from desgd_fast.simulation import engines

    assert get_args(graph.Rule) == mixing.RULES
    assert get_args(run.Engine) == engines.NAMES


def test_networks_that_change_and_who_takes_part_have_names(desgd: Desgd) -> None:
    words = ("--mixing", "pairwise-gossip", "--participation", "woken", "--delay", "2", "--step-size", "0.1")
    code, table, errors = desgd("run", *SMALL, *words, "--no-theory")
    assert (code, errors) == (0, "")
    assert "chain(woken(), delayed(2))" in table
    with xr.open_dataset("desgd-fast-run/runs.nc") as dataset:
        assert dataset.attrs["mixing"] == "pairwise_gossip()"
        np.testing.assert_allclose(dataset["mixing_weight"].sum(), 4.0)


def test_what_is_computed_takes_the_problems_graphs_and_algorithms_that_are_run() -> None:
    from dataclasses import fields

    from desgd_fast.cli.options import algorithms, graph, problem

    shared = {
        field.name
        for group in (problem.Regression, graph.Network, algorithms.Nodes)
        for field in fields(group)
    }
    commands = cli.typer.main.get_command(cli.app).commands
    for name in ("run", "alpha", "frontier"):
        assert shared <= {parameter.name for parameter in commands[name].params}


def test_alpha_and_frontier_are_those_of_the_data_and_the_algorithm(desgd: Desgd) -> None:
    features, step_size = np.array([1.0, 0.5, 2.2]), 0.55
    scaled = (features - features.mean()) / features.std()
    Path("rows.csv").write_text(
        "a,y\n" + "".join(f"{a},{y}\n" for a, y in zip(features, (1, 0, 1), strict=True))
    )
    words = ("--data", "rows.csv", "--target", "y", "--batch-size", "1", "--n-nodes", "1", "--threads", "1")
    code, text, errors = desgd("alpha", *words, "--step-size", str(step_size), "--rtol", "0.1", "--json")
    assert (code, errors) == (0, "")
    rho = np.log(np.abs(1 - step_size * scaled**2)).mean()
    point = json.loads(text)["points"][0]
    # One node and one feature: exact.
    assert point["lyapunov_exponent"] == pytest.approx(rho, rel=1e-12)
    code, text, errors = desgd("frontier", *words, "--rtol", "0.1", "--json")
    assert (code, errors) == (0, "")
    found = json.loads(text)
    assert found["cycle"]["infinite-variance"]["value"] == pytest.approx(2 / (scaled**4).mean())
    assert found["cycle"] == found["disconnected"] == found["centralized"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("alpha", "--data", "rows.csv"), "--data and --target belong together"),
        (("frontier", "--ridge", "1"), "--ridge changes nothing without --data"),
        (("frontier", "--participation", "nobody"), "--participation must be one of always"),
        (("alpha", "--delay", "soon"), "--delay must be one of delayed"),
        (("alpha", "--algorithm", "clipped(1)"), "--step-size is needed here: algorithm must be linear"),
        (("frontier", "--algorithm", "clipped(1)"), "all moments are finite at every step size"),
    ],
)
def test_what_cannot_be_computed_is_one_line(desgd: Desgd, arguments: tuple[str, ...], message: str) -> None:
    code, _, errors = desgd(*arguments)
    assert code == 2
    assert message in errors
    assert errors.count("\n") == 1


def test_alpha_of_bounded_steps_is_no_number(desgd: Desgd) -> None:
    code, table, _ = desgd("alpha", "--algorithm", "clipped(1)", "--step-size", "0.1")
    assert code == 0
    assert "all moments finite: steps under clipped" in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--mixing", "nothing(3)"), "--mixing must be one of link_failures, gilbert_elliott"),
        (("--mixing", "server(9)"), "n_sampled must be"),
        (("--participation", "heavy_ball(0.9)"), "--participation must be one of always, bernoulli"),
        (("--delay", "soon"), "--delay must be one of delayed"),
        (("--no-theory",), "--step-size is needed with --no-theory"),
        (("--algorithm", "clipped(1)"), "--step-size is needed here: algorithm must be linear"),
    ],
)
def test_bad_networks_and_participations_are_one_line(
    desgd: Desgd, arguments: tuple[str, ...], message: str
) -> None:
    code, _, errors = desgd("run", *SMALL, *arguments)
    assert code == 2
    assert message in errors


def test_an_estimate_short_of_the_tail_is_told_where_the_data_stop_contradicting() -> None:
    from desgd_fast.cli.computed import beside

    known = dsf.theory.tail_index(dsf.GaussianRegression(1), [[1.0]], step_size=0.5, batch_size=1)
    # Index 2.904 beyond 10, which one value in 400 exceeds, and 6 before.
    uniform = (np.arange(20_000) + 0.5) / 20_000
    knee = 400 ** (1 / 6)
    norms = np.where(uniform > 1 / 400, uniform ** (-1 / 6), knee * (400 * uniform) ** (-1 / known.alpha))
    words = beside(known, dsf.tails.hill(norms, 2000), norms)
    assert words is not None
    found = re.search(r"down to the (\d+) largest, P = (\S+) beyond (\S+):", words)
    assert found is not None
    k, share, level = (float(number) for number in found.groups())
    # Hill's estimate is exact down to k = 50; three standard errors later it is not.
    assert 50 <= k < 150
    assert share == pytest.approx(k / 20_000, rel=0.05)
    assert level < knee
    near = dsf.tails.hill(norms, 50)
    assert "lies within the interval" in str(beside(known, near, norms))

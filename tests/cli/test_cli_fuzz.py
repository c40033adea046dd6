"""Every command with files of any kind: done, or one line and exit code 1 or 2; never a traceback.

DESGD_FAST_FUZZ sets how many examples there are.
"""

import os
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desgd_fast import cli

EXAMPLES = int(os.environ.get("DESGD_FAST_FUZZ", "25"))

CELLS = st.sampled_from(
    ["1", "2.5", "3,5", "-7", "1e300", "nan", "", "inf", "x", '"4"', "2020", "0", "12345678901234567890123"]
)
NUMBERS = st.floats(0.01, 1e6).map("{:.6g}".format)
TABLES = st.builds(
    lambda rows, mark, end, start: start + end.join(mark.join(row) for row in rows),
    st.integers(1, 3).flatmap(
        lambda width: (
            st.lists(st.lists(CELLS | NUMBERS, min_size=1, max_size=3), max_size=8)
            | st.lists(st.lists(NUMBERS, min_size=width, max_size=width), min_size=3, max_size=30)
        )
    ),
    st.sampled_from([",", ";", "\t", " "]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "", "", "a,b,c\n", "a,b\n", "a;b\n", "x\n", "\ufeff", ",x\n", "x,x\n", "# x\n"]),
)
GRAPHS = st.builds(
    lambda rows, mark, start: start + "\n".join(mark.join(row) for row in rows),
    st.lists(st.lists(st.sampled_from("01234ab"), min_size=1, max_size=4), max_size=6),
    st.sampled_from([",", ";", "\t", " "]),
    st.sampled_from(["", "source target\n", "\ufeff", "# x\n", "<graphml>", "graph [\n"]),
)
CONFIGS = st.lists(
    st.sampled_from(
        [
            "n-nodes = 3",
            "runs = 20",
            "runs = 'x'",
            "steps = 5",
            "dim = 1",
            "graph = 'g.edges'",
            "graph = 'star'",
            "data = 't.csv'",
            "target = 'a'",
            "rule = 'uniform'",
            "k = 3",
            "k = '0.5'",
            "level = 2",
            "step-size = 0.1",
            "lazy = true",
            "x = 1",
            "= 1",
        ]
    ),
    max_size=5,
    unique=True,
).map("\n".join)
SWEEPS = st.tuples(
    st.sampled_from(["function = 'second_moment_growth'"] * 3 + ["function = 3", ""]),
    st.sampled_from(["rng = 1", "rng = 'x'", "store = 's.zarr'", ""]),
    st.sampled_from(["[problem]\ndim = 1"] * 2 + ["[problem]\ndata = 't.csv'\ntarget = 'a'", ""]),
    st.sampled_from(["[fixed]\nbatch_size = 1"] * 3 + ["[fixed]\nbatch_size = 'x'", ""]),
    st.sampled_from(["[graph]\nn_nodes = 3", ""]),
    st.sampled_from(
        [
            "[grid]\nstep_size = [0.1]\ngraph = ['cycle', 'g.edges']",
            "[grid]\nstep_size = { first = 0.1, last = 1, count = 2 }\ngraph = ['star']",
            "[grid]\nbatch_size = [1, 'x']",
        ]
    ),
).map("\n".join)
OPTIONS = {
    "tail": [
        ("--column", "a"),
        ("--column", "1"),
        ("--estimator", "hill"),
        ("--estimator", "mmo"),
        ("--estimator", "pickands"),
        ("--k", "3"),
        ("--k", "0.5"),
        ("--k", "x"),
        ("--tail", "upper"),
        ("--nan-policy", "omit"),
        ("--on-infinite", "censor"),
        ("--header",),
        ("--no-header",),
        ("--separator", "semicolon"),
        ("--decimal", "comma"),
        ("--level", "1.5"),
        ("--dependent",),
    ],
    "run": [
        ("--config", "c.toml"),
        ("--data", "t.csv"),
        ("--target", "a"),
        ("--target", "1"),
        ("--graph", "g.edges"),
        ("--graph", "g.gml"),
        ("--rule", "uniform"),
        ("--lazy",),
        ("--ridge", "1"),
        ("--no-header",),
        ("--assignment", "sorted"),
        ("--no-replacement",),
        ("--k", "2"),
        ("--step-size", "0.01"),
    ],
    "frontier": [("--graph", "g.edges"), ("--graph", "g.adjlist"), ("--rule", "uniform"), ("--n-nodes", "2")],
    "sweep": [
        ("s.toml",),
        ("c.toml",),
        ("--dry-run",),
        ("--resume",),
        ("--retry-failed",),
        ("--store", "t.csv"),
    ],
    "show": [("-x", "a"), ("-y", "b"), ("--at", "step_size=0.1")],
}
# Small enough to be many.
ALWAYS = {
    "tail": ("t.csv", "--no-picture"),
    "sweep": ("s.toml",),
    "show": ("t.csv",),
    "run": ("--runs", "40", "--steps", "4"),
    "frontier": ("--dim", "1", "--batch-size", "1", "--rtol", "0.5"),
}
COMMANDS = st.sampled_from(sorted(OPTIONS)).flatmap(
    lambda name: st.lists(st.sampled_from(OPTIONS[name]), max_size=3, unique=True).map(
        lambda chosen: (name, *(word for option in chosen for word in option), *ALWAYS.get(name, ()))
    )
)


@settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(arguments=COMMANDS, table=TABLES, graph=GRAPHS, config=CONFIGS, sweep=SWEEPS)
def test_every_command_ends_in_one_line_or_is_done(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    table: str,
    graph: str,
    config: str,
    sweep: str,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("fuzz"))
    files = {"t.csv": table, "g.edges": graph, "g.gml": graph, "g.adjlist": graph}
    for name, text in (files | {"c.toml": config, "s.toml": sweep}).items():
        Path(name).write_text(text, encoding="utf-8", newline="")
    with warnings.catch_warnings():
        # On a command line warnings are notes.
        warnings.simplefilter("default")
        with pytest.raises(SystemExit) as leaving:
            cli.main(arguments)
    captured = capsys.readouterr()
    assert leaving.value.code in (0, 1, 2)
    assert "Traceback" not in captured.err
    if leaving.value.code == 2:
        (line,) = (line for line in captured.err.splitlines() if ": note: " not in line)
        assert line.startswith("desgd-fast: ")

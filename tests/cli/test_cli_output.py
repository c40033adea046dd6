"""What every command has in common: JSON, silence, examples, completion; and the doctor."""

import json
import math
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import desgd_fast as dsf
from desgd_fast import cli
from desgd_fast.cli import output
from desgd_fast.cli.options import examples
from tests.cli.test_cli import DIABETES, SMALL, Desgd

SWEEP = """
function = "second_moment_growth"
store = "out.zarr"
[problem]
dim = 1
[graph]
n_nodes = 3
[fixed]
batch_size = 1
[grid]
graph = ["cycle"]
step_size = [0.1, 0.2]
"""
TAIL = ("tail", str(DIABETES), "--column", "target")
ROOT = DIABETES.parents[1]


@pytest.fixture
def desgd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desgd:
    monkeypatch.chdir(tmp_path)
    return Desgd(capsys)


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "s.toml").write_text(SWEEP)
    return str(tmp_path / "s.toml")


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ((*TAIL, "--no-picture"), {"file", "column", "estimates"}),
        (("frontier", "--dim", "1", "--batch-size", "1", "--rtol", "0.5"), {"cycle", "centralized"}),
        (("alpha", "--dim", "1", "--batch-size", "1", "--step-size", "9"), {"graph", "points"}),
        (("run", *SMALL), {"settings", "graph", "tail", "files"}),
        (("doctor", "--no-probe"), {"versions", "threads", "cache", "gpu"}),
        (("paper", "figure1", "--quick"), {"figure", "table", "files"}),
    ],
)
def test_json_is_all_that_a_command_prints(
    desgd: Desgd,
    arguments: tuple[str, ...],
    keys: set[str],
) -> None:
    code, text, errors = desgd(*arguments, "--json")
    assert (code, errors) == (0, "")
    assert keys <= set(json.loads(text))
    assert desgd(*arguments, "--quiet") == (0, "", "")


def test_json_holds_what_the_library_computes(desgd: Desgd) -> None:
    code, text, _ = desgd(*TAIL, "--no-picture", "--estimator", "hill", "--k", "50", "--json")
    target = np.genfromtxt(DIABETES, delimiter=",", names=True)["target"]
    expected = dsf.tails.hill(target, 50)
    found = json.loads(text)["estimates"]["hill"]
    assert code == 0
    assert (found["alpha"], found["ci_low"], found["k"]) == (expected.alpha, expected.ci_low, 50)


def test_sweeps_and_their_stores_as_json(desgd: Desgd, config: str) -> None:
    assert json.loads(desgd("sweep", config, "--dry-run", "--json")[1])["cost"]["n_cells"] == 2
    assert json.loads(desgd("sweep", config, "--json")[1])["cells_done"] == 2
    shown = json.loads(desgd("show", "out.zarr", "--json")[1])
    assert shown["axes"]["step_size"] == [0.1, 0.2]
    assert np.shape(shown["values"]) == (1, 2)


def test_failed_cells_leave_json_and_exit_code_1(desgd: Desgd, config: str) -> None:
    path = Path(config)
    path.write_text(SWEEP.replace("[0.1, 0.2]", "[0.1, -0.2]"))
    code, text, _ = desgd("sweep", config, "--json")
    assert code == 1
    assert json.loads(text)["cells_failed"] == 1


def test_mistakes_are_told_however_quiet(desgd: Desgd) -> None:
    code, text, errors = desgd("tail", "nowhere.csv", "--quiet")
    assert (code, text) == (2, "")
    assert "nowhere.csv" in errors


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(value=VALUES)
def test_plain_values_are_json_that_says_the_same(value: Any) -> None:
    def same(before: Any, after: Any) -> bool:
        if isinstance(before, float) and not math.isfinite(before):
            return after is None if math.isnan(before) else float(after) == before
        if isinstance(before, list):
            return all(map(same, before, after)) and len(before) == len(after)
        if isinstance(before, dict):
            return before.keys() == after.keys() and all(same(before[key], after[key]) for key in before)
        return bool(before == after)

    assert same(value, json.loads(json.dumps(output.plain(value), allow_nan=False)))


def test_every_help_ends_with_examples(desgd: Desgd) -> None:
    assert set(examples.EXAMPLES) == set(cli.COMMANDS)
    for command in cli.COMMANDS:
        text = desgd(command, "--help")[1]
        assert f"desgd-fast {command}" in text.rpartition("Examples:")[2]


@pytest.mark.parametrize("line", [line for of in examples.EXAMPLES.values() for line, _ in of])
def test_examples_are_command_lines(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    program, name, *arguments = shlex.split(line.partition(" <")[0])
    assert program == "desgd-fast"
    group: Any = cli.typer.main.get_command(cli.app)
    group.commands[name].make_context(name, arguments)


def test_shells_complete_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_DESGD_FAST_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "desgd-fast fr")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit) as leaving:
        cli.main([])
    assert leaving.value.code in (None, 0)
    assert capsys.readouterr().out.split() == ["frontier"]


def test_the_doctor_knows_versions_and_threads(desgd: Desgd) -> None:
    found = json.loads(desgd("doctor", "--json")[1])
    assert found["versions"]["desgd_fast"] == dsf.__version__
    assert found["versions"]["numpy"] == np.__version__
    assert found["threads"]["numba threads"] >= 1
    assert float(found["probe"]["mean distance"]) > 0


def fake_torch(n_gpus: int) -> SimpleNamespace:
    cuda = SimpleNamespace(
        is_available=lambda: n_gpus > 0, device_count=lambda: n_gpus, get_device_name=lambda k: f"device {k}"
    )
    return SimpleNamespace(__version__="9.9", cuda=cuda)


@pytest.mark.parametrize(
    ("torch", "words"),
    [(None, "not installed"), (fake_torch(0), "9.9, no GPU"), (fake_torch(2), "device 0, device 1")],
)
def test_the_doctor_looks_for_gpus(
    desgd: Desgd,
    monkeypatch: pytest.MonkeyPatch,
    torch: Any,
    words: str,
) -> None:
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert words in desgd("doctor", "--no-probe")[1]

"""The README, run: its commands name what exists, its Python blocks work, its tables are true."""

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_set_up_takes_exactly_two_commands() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) == 2
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for command in commands:
        (extra,) = re.findall(r'"\.\[(\w+)\]"', command)
        assert extra in project["optional-dependencies"]
    assert commands[0].endswith("desgd-fast run --data examples/diabetes.csv --target target")
    assert commands[1].endswith("python -m pytest")


def test_first_command_runs_in_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from desgd_fast import cli

    command = blocks("sh")[0].rsplit("&&", 1)[-1]
    program, *arguments = shlex.split(command)
    assert program.endswith("desgd-fast")
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as leaving:
        cli.main([*arguments, "--runs", "300", "--steps", "50", "--out", str(tmp_path)])
    assert leaving.value.code == 0
    assert "all stacked" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"runs.nc", "tail.png"}


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_blocks_run(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    code = blocks("python")[number]
    exec(compile(code, f"README.md, block {number}", "exec"), {})
    printed = capsys.readouterr().out
    shown = re.findall(r"^# (.*)", code, flags=re.MULTILINE)
    assert printed.splitlines() == shown


def test_library_example_is_ten_lines() -> None:
    assert len(blocks("python")[0].splitlines()) == 10


def test_every_linked_file_exists() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    local = [target for target in targets if "://" not in target]
    assert any(target.endswith(".png") for target in local)
    for target in local:
        assert (ROOT / target).exists(), target


def test_the_interval_holds_what_the_page_of_its_calibration_says() -> None:
    page = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")
    # Both groups of laws; columns of coverage, width: tail_index, hill, hill with its classical interval.
    tables = re.findall(r"### n = 10,000, .*?\n\n(\| law.*?)\n\| \*\*mean", page, flags=re.DOTALL)[:2]
    rows = [line.split("|") for table in tables for line in table.splitlines()[2:]]
    own, classical = (np.array([row[column].split(",") for row in rows], float) for column in (2, 4))
    (held, width), (hill, short) = own.mean(axis=0), classical.mean(axis=0)
    told = f"holds the truth in {100 * held:.0f} % of samples of {len(rows)} laws at n = 10,000 "
    told += f"({100 * own[:, 0].min():.0f} % of the worst, a sum of five values) where Hill's classical one "
    assert f"{told}holds it in {100 * hill:.0f} %, at {width / short:.1f} times the width" in README

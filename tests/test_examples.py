"""The examples run and print what they say they print."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("graphs.py", ["cycle", "complete"]),
        ("diabetes.py", ["even", "sorted"]),
        ("digits.py", ["effective sample size", "gradient tracking"]),
        ("dadao.py", ["599 events in a unit of time"]),
        ("seconds.py", ["neighbours on a ring", "2.0"]),
        ("published.py", ["CHOCO, top 6", "DiceSGD", "Krum"]),
    ],
)
def test_example_runs(
    name: str, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [name])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    printed = capsys.readouterr().out
    for word in words:
        assert word in printed


def test_configuration_example_sets_known_options_only() -> None:
    import tomllib

    from desgd_fast import cli

    entries = tomllib.loads((EXAMPLES / "diabetes.toml").read_text())
    command = cli.typer.main.get_command(cli.app).commands["run"]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {f"--{name}" for name in entries} <= known


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.iterdir():
        if path.suffix != ".md" and path.is_file():
            assert f"`{path.name}`" in listed

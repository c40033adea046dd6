"""``desgd-fast tail``: what it reads, prints and draws, and one line for every mistake."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from desgd_fast import tails
from desgd_fast.cli.options import given
from tests.cli.test_cli import Desgd

ONE = ("--estimator", "hill", "--no-picture")


@pytest.fixture
def desgd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desgd:
    monkeypatch.chdir(tmp_path)
    return Desgd(capsys)


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).standard_t(3, 3000)


def test_prints_a_table_and_writes_a_picture(desgd: Desgd, x: np.ndarray) -> None:
    np.savetxt("data.csv", np.c_[x, x**2], delimiter=",", header="x,square", comments="")
    code, text, errors = desgd("tail", "data.csv", "--column", "x", "-o", "picture.png")
    assert (code, errors) == (0, "")
    for words in ("Hill", "moment", "Pickands", "MMO", "data.csv: 3000 rows of 2 columns", "column 'x'"):
        assert words in text
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")


def test_all_ways_to_write_the_values_agree(desgd: Desgd, x: np.ndarray) -> None:
    frame = pd.DataFrame({"x": x, "n": np.arange(3000)})
    np.save("a.npy", x)
    np.savez("b.npz", x)
    np.savetxt("c.txt", x, fmt="%.17g", header="by hand")
    frame.to_csv("d.csv", index=False)
    frame.to_csv("e.csv", sep=";", decimal=",")
    frame.to_csv("f.tsv.gz", sep="\t", index=False)
    frame.to_csv("g.csv", sep=" ", index=False, encoding="utf-8-sig", quoting=2)
    expected = str(tails.hill(x, 100))
    for name in ("a.npy", "b.npz", "c.txt", "d.csv", "e.csv", "f.tsv.gz", "g.csv"):
        column = ("--column", "x") if name > "d" else ()
        code, text, errors = desgd("tail", name, *column, *ONE, "--k", "100")
        assert (code, errors) == (0, ""), name
        assert expected in text, name


def test_standard_input_is_read_alike(desgd: Desgd, monkeypatch: pytest.MonkeyPatch, x: np.ndarray) -> None:
    content = gzip.compress("\n".join(map(repr, x.tolist())).encode())
    monkeypatch.setattr("sys.stdin", type("Standard", (), {"buffer": __import__("io").BytesIO(content)}))
    code, text, _ = desgd("tail", "-", *ONE, "--k", "100")
    assert code == 0
    assert text == f"standard input: 3000 rows of 1 column; column 0\n{tails.hill(x, 100)}\n"


def test_the_value_of_four_numbers_with_decimal_commas(desgd: Desgd) -> None:
    # 1/alpha is the mean of log(9.5/2.5) and log(4.25/2.5).
    Path("x.csv").write_text("9,5\n4,25\n2,5\n1,75\n")
    code, _, errors = desgd("tail", "x.csv", *ONE, "--k", "2")
    assert code == 2
    assert "1 column (--decimal comma); say which" in errors
    code, text, _ = desgd("tail", "x.csv", *ONE, "--k", "2", "--decimal", "comma")
    assert code == 0
    assert f"alpha = {2 / np.log(9.5 * 4.25 / 2.5**2):.4g}" in text


def test_row_numbers_are_left_out_aloud(desgd: Desgd, x: np.ndarray) -> None:
    pd.Series(x, name="size").to_csv("x.csv")
    code, text, _ = desgd("tail", "x.csv", *ONE, "--k", "100")
    assert code == 0
    assert "row numbers without a name, left out" in text
    assert str(tails.hill(x, 100)) in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--estimator", "mmo", "--tail", "upper"),
            "--tail changes nothing with --estimator mmo, which takes",
        ),
        (("--estimator", "mmo", "--k", "nonsense"), "--k changes nothing with --estimator mmo"),
        (("--estimator", "mmo", "--dependent"), "--dependent changes nothing with --estimator mmo"),
        (("--estimator", "mmo", "--nan-policy", "omit"), "--nan-policy changes nothing"),
        (("--estimator", "pickands", "--rng", "3"), "--rng changes nothing with --estimator pickands"),
        (("--estimator", "smoothed_hill", "--dependent"), "--dependent changes nothing"),
        (("--on-infinite", "censor"), "--on-infinite changes nothing with --estimator compare"),
        (("--no-picture", "-o", "a.png"), "--output changes nothing with --no-picture"),
        (("--tail", "sideways"), "'sideways' is not one of 'abs', 'upper', 'lower'"),
        (("--estimator", "guess"), "'guess' is not one of 'compare', 'tail_index'"),
        (("--nan-policy", "propagate"), "is not one of 'raise', 'omit'"),
        (("--estimator", "pickands", "--k", "ks"), "k must be an integer"),
        (("--k", "nonsense"), "k must be an integer"),
        (("-o", "a.bmq"), "a picture must end in one of"),
        (("-o", "nowhere/a.png"), "there is no folder 'nowhere'"),
    ],
)
def test_options_that_change_nothing_are_refused(desgd: Desgd, arguments: tuple, message: str) -> None:
    Path("x.csv").write_text("x\n" + "\n".join(map(str, range(1, 200))))
    code, text, errors = desgd("tail", "x.csv", *arguments)
    assert (code, text) == (2, "")
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, (), "FILE must be a readable file, got 'data.csv': No such file"),
        ("a,b\n1,x\n2,y\n3,z\n", (), "--column must name one of the columns 'a', 'b'"),
        ("a,b\n1,x\n2,y\n3,z\n", ("--column", "c"), "--column must be one of the columns 'a', 'b', got 'c'"),
        ("a,b\n1,x\n2,y\n3,z\n", ("--column", "b"), "line 2: column 'b' is not numeric, it holds 'x'"),
        ("1.5\n2.5\nnan\n3.5\n", ONE, "drop them with --nan-policy omit"),
        ("1.5\n2.5\ninf\n3.5\n", ONE, "larger than all others with --on-infinite censor"),
        ("2020\n1.5\n2.5\n", ONE, "may be a header or a row; say --header or --no-header"),
    ],
)
def test_what_a_message_advises_can_be_typed(
    desgd: Desgd, content: str | None, arguments: tuple, message: str
) -> None:
    if content is not None:
        Path("data.csv").write_text(content)
    code, _, errors = desgd("tail", "data.csv", *arguments)
    assert code == 2
    assert message in errors
    assert errors.count("\n") == 1


def test_arguments_of_the_estimators_are_options_of_the_command() -> None:
    from typing import get_args

    from desgd_fast.cli.commands import tail

    for estimator in get_args(tail.Estimator):
        assert given.taken_by(getattr(tails, estimator), dict.fromkeys(tail.ARGUMENTS.values()))


def test_one_estimator_that_cannot_answer_hides_no_other(desgd: Desgd) -> None:
    np.savetxt("capped.csv", np.minimum(np.random.default_rng(0).pareto(1.5, 12) + 1, 3.0))
    code, text, errors = desgd("tail", "capped.csv", "-o", "picture.png")
    assert (code, errors) == (0, "")
    assert "reason" in text
    assert "x must hold at least two blocks" in text

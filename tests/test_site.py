"""The site: every public name has a page and an example; what is written for it is true and complete."""

import inspect
import json
import re
import sys
from pathlib import Path

import pytest

import desgd_fast as dsf

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.append(str(DOCS / "extensions"))

import house  # noqa: E402
import links  # noqa: E402
import public  # noqa: E402
import written  # noqa: E402

NAMES = public.names()


def test_every_name_of_the_package_is_public() -> None:
    paths = {entry.path for entry in NAMES}
    assert {f"desgd_fast.{name}" for name in dsf.__all__ if callable(getattr(dsf, name))} <= paths
    assert {"desgd_fast.tails.hill", "desgd_fast.algorithms.chain", "desgd_fast.theory.tail_index"} <= paths
    assert len(paths) == len(NAMES) > 100


@pytest.mark.parametrize("entry", NAMES, ids=lambda entry: entry.path)
def test_every_public_name_has_an_example(entry: public.Public) -> None:
    assert ">>>" in (inspect.getdoc(entry.value) or ""), f"{entry.path} needs an example in its docstring"


def test_every_public_name_has_a_page() -> None:
    pages = written.reference()
    for entry in NAMES:
        assert f":: {entry.path}\n" in pages[f"{entry.path}.rst"]
        assert f"<{entry.path}>" in pages[f"module.{entry.module}.rst"]


def test_bars_are_kept_from_restructuredtext_and_code_is_not_touched() -> None:
    text = ["max |x| of ``a | b``", "", ">>> 1 | 2", "3", "", "|y|"]
    assert written.unbarred(text) == [r"max \|x\| of ``a | b``", "", ">>> 1 | 2", "3", "", r"\|y\|"]


def test_every_page_is_reached() -> None:
    index = (DOCS / "index.md").read_text()
    for page in DOCS.glob("*.md"):
        assert page.stem == "index" or re.search(rf"\b{page.stem}\b", index), page


def test_every_formula_has_a_number_of_its_own() -> None:
    text = (DOCS / "mathematics.md").read_text()
    ends = re.findall(r"^\$\$(?: \(([\w-]+)\))?$", text, flags=re.MULTILINE)
    assert len(ends) % 2 == 0
    labels = ends[1::2]
    assert all(labels)
    assert len(set(labels)) == len(labels)
    for cited in re.findall(r"\{ref\}`\[([\w, ]+)\]", text):
        for key in cited.split(", "):
            assert re.search(rf"^{key}$", text, flags=re.MULTILINE), key


def test_the_house_is_that_of_the_linter() -> None:
    storeys = house.floors()
    assert storeys[0] == ["cli"]
    assert storeys[-1] == ["kernels"]
    drawn = house.drawing()
    assert all(f">{room}<" in drawn for storey in storeys for room in storey)


def test_what_contributors_are_told_is_decided_somewhere_is_decided_there() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = re.findall(r"`(\w+)` in `([\w/]+\.py)`", told)
    assert len(places) >= 8
    for name, path in places:
        assert re.search(
            rf"^(def|class) {name}\b", (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE
        ), path


def test_faults_of_a_site_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here">x</a><a href="b.html">x</a><a href="c.html#there">x</a>'
        '<img src="c.html"><script src="https://elsewhere.org/x.js"></script></p>'
    )
    (tmp_path / "c.html").write_text('<a href="a.html#here">x</a>')
    assert links.faults(tmp_path) == [
        "a.html: no alternative text: c.html",
        "a.html: fetches https://elsewhere.org/x.js",
        "a.html: nothing at b.html",
        "a.html: no anchor c.html#there",
    ]


def test_numbers_to_explore_are_those_of_theory() -> None:
    data = json.loads((DOCS / "explore" / "data.json").read_text())
    for panel in data["panels"]:
        problem = dsf.GaussianRegression(panel["dim"])
        batch = panel["batch"] * data["n_nodes"]
        curve = panel["graphs"]["centralized"]
        exact = dsf.theory.critical_step_size(problem, [[1.0]], batch_size=batch, at="infinite-variance")
        assert curve["frontiers"][0] == pytest.approx(float(exact), rel=1e-3)
        for step_size, point in zip(panel["step_sizes"], curve["points"], strict=True):
            growth = dsf.theory.second_moment_growth(problem, [[1.0]], step_size=step_size, batch_size=batch)
            assert point["growth"][data["moments"].index(2.0)] == pytest.approx(
                float(dsf.theory.moment_growth(problem, [[1.0]], 2.0, step_size=step_size, batch_size=batch)),
                rel=1e-3,
                abs=1e-6,
            )
            assert (growth < 1) == (point["alpha"] is not None and point["alpha"] > 2)

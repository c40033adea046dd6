"""Results in notebooks: well-formed, escaped, with a picture that says what it shows."""

import math
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import desgd_fast as dsf
from desgd_fast.common import html

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C",)))


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{text}</div>")


@given(title=TEXT, rows=st.lists(st.tuples(TEXT, TEXT | st.floats() | st.integers())), notes=st.lists(TEXT))
def test_cards_are_well_formed_whatever_they_say(title: str, rows: Any, notes: list[str]) -> None:
    root = parsed(html.card(title, rows, notes=notes))
    assert (root.findtext(".//caption") or "") == title
    assert len(root.findall(".//tr")) == len(rows)
    assert [note.text or "" for note in root.iter("small")] == notes


@given(value=st.floats(), low=st.floats(), high=st.floats())
def test_intervals_draw_inside_the_picture_or_not_at_all(value: float, low: float, high: float) -> None:
    picture = html.interval(abs(value), abs(low), abs(high))
    if any(map(math.isnan, (value, low, high))):
        assert picture == ""
    if picture:
        (circle,) = parsed(picture).iter("circle")
        assert 0 <= float(circle.attrib["cx"]) <= 220


@given(values=st.lists(st.floats()))
def test_survival_functions_fall_inside_the_picture(values: list[float]) -> None:
    picture = html.survival(values)
    if picture:
        (line,) = parsed(picture).iter("polyline")
        points = np.array([list(map(float, point.split(","))) for point in line.attrib["points"].split()])
        assert points.min() >= 0
        assert points[:, 0].max() <= 220
        assert np.all(np.diff(points[:, 0]) <= 0)  # from the largest value on
        assert np.all(np.diff(points[:, 1]) <= 0)


@pytest.fixture(scope="module")
def runs() -> Any:
    problem, W = dsf.GaussianRegression(2), [[1.0]]
    return dsf.simulate(problem, W, step_size=0.1, batch_size=1, n_steps=20, n_runs=200, rng=0)


def test_results_show_their_numbers_and_a_picture(runs: Any) -> None:
    sample = runs.norms(stacked=True)
    estimate = dsf.tails.hill(sample, 20)
    for result, words in {
        runs: "200, 1",
        estimate: f"{estimate.alpha:.4g}",
        dsf.tails.compare(sample): "Pickands",
        dsf.tails.hill(runs.norms(), 20, axis=0): "1 samples",
        dsf.mixing_report([[1.0]]): "spectral gap",
        dsf.theory.tail_index(
            dsf.GaussianRegression(1), [[1.0]], step_size=0.5, batch_size=1
        ): "lyapunov exponent",
    }.items():
        shown = result._repr_html_()
        parsed(shown)
        assert words in shown
    assert "aria-label" in estimate._repr_html_()
    assert "aria-label" in runs._repr_html_()


def test_reports_of_rows_and_of_noise_show_a_line_for_each_node() -> None:
    rng = np.random.default_rng(0)
    problem = dsf.DatasetRegression(rng.standard_normal((40, 2)), rng.standard_normal(40))
    noise = dsf.gradient_noise(problem, np.zeros((2, 2)), batch_size=2, n_samples=100, k=10, rng=0)
    for result in (problem.report(2), noise):
        assert len(parsed(result._repr_html_()).findall(".//tbody/tr")) == 2

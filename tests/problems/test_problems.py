"""Problems: how a data set is spread over nodes, its optimum, and what is refused."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import desgd_fast as dsf
from desgd_fast.common.warnings import LeftOutWarning

DIABETES = Path(__file__).parents[2] / "examples" / "diabetes.csv"


def data(n_rows: int = 30, dim: int = 4, entropy: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(entropy)
    return generator.standard_normal((n_rows, dim)), generator.standard_normal(n_rows)


@given(st.integers(1, 40), st.data(), st.sampled_from(["even", "sorted", "array"]))
def test_partition_hands_out_every_row_once(n_rows: int, draw: st.DataObject, kind: str) -> None:
    n_nodes = draw.draw(st.integers(1, n_rows))
    features, targets = data(n_rows, 1)
    assignment: object = kind
    if kind == "array":
        extra = draw.draw(
            st.lists(st.integers(0, n_nodes - 1), min_size=n_rows - n_nodes, max_size=n_rows - n_nodes)
        )
        assignment = np.array([*range(n_nodes), *extra])
    part = dsf.DatasetRegression(features, targets, assignment).partition(n_nodes)
    assert part.features.flags.c_contiguous
    assert part.features.dtype == np.float64
    assert part.offsets.dtype == np.int64
    assert part.offsets[0] == 0
    assert part.offsets[-1] == n_rows
    assert (np.diff(part.offsets) >= 1).all()
    order = np.lexsort((part.targets, part.features[:, 0]))
    expected = np.lexsort((targets, features[:, 0]))
    np.testing.assert_array_equal(part.features[order], features[expected])
    np.testing.assert_array_equal(part.targets[order], targets[expected])
    if kind == "array":
        for node in range(n_nodes):
            held = part.targets[part.offsets[node] : part.offsets[node + 1]]
            np.testing.assert_array_equal(held, targets[assignment == node])
    else:
        assert np.ptp(np.diff(part.offsets)) <= 1


def test_even_shares_are_dealt_in_turn() -> None:
    features, targets = data(7, 2)
    part = dsf.DatasetRegression(features, targets).partition(3)
    np.testing.assert_array_equal(part.targets, targets[[0, 3, 6, 1, 4, 2, 5]])


@given(st.integers(2, 40), st.integers(1, 8))
def test_sorted_shares_do_not_overlap(n_rows: int, n_nodes: int) -> None:
    n_nodes = min(n_nodes, n_rows)
    features, targets = data(n_rows, 1)
    part = dsf.DatasetRegression(features, targets, "sorted").partition(n_nodes)
    shares = [part.targets[start:end] for start, end in pairwise(part.offsets)]
    for lower, upper in pairwise(shares):
        assert lower.max() <= upper.min()


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 2.0])
@pytest.mark.parametrize("assignment", ["even", "sorted"])
def test_optimum_has_zero_global_gradient(ridge: float, assignment: str) -> None:
    features, targets = data(50, 5)
    x = dsf.DatasetRegression(features, targets, assignment, ridge=ridge).optimum
    gradient = features.T @ (features @ x - targets) / 50 + ridge * x
    np.testing.assert_allclose(gradient, 0, atol=1e-13)


def test_a_ridge_makes_dependent_columns_solvable() -> None:
    features, targets = data(20, 3)
    doubled = np.hstack([features, features])
    with pytest.raises(ValueError, match=r"features must have linearly independent columns unless ridge > 0"):
        dsf.DatasetRegression(doubled, targets)
    x = dsf.DatasetRegression(doubled, targets, ridge=0.1).optimum
    np.testing.assert_allclose(x[:3], x[3:], atol=1e-12)


def test_an_intercept_column_is_welcome() -> None:
    features, targets = data(20, 2)
    with_intercept = np.hstack([features, np.ones((20, 1))])
    x = dsf.DatasetRegression(with_intercept, targets).optimum
    assert np.mean(targets - with_intercept @ x) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize(("replacement", "sampling"), [(True, "replacement"), (False, "without-replacement")])
def test_regression_is_the_empirical_risk_of_squares(replacement: bool, sampling: str) -> None:
    features, targets = data()
    ours = dsf.DatasetRegression(features, targets, "sorted", replacement, 0.3)
    risk = dsf.EmpiricalRisk(dsf.losses.ridge(0.3), features, targets, "sorted", sampling)
    np.testing.assert_allclose(ours.optimum, risk.optimum, rtol=0, atol=1e-9)
    np.testing.assert_allclose(risk.gradient(ours.optimum), 0, atol=1e-13)
    assert (ours.replacement, ours.ridge, ours.sampling) == (replacement, 0.3, sampling)
    assert ours.value(targets[: ours.dim]) == risk.value(targets[: ours.dim])
    np.testing.assert_array_equal(ours.report(3).shares, risk.report(3).shares)


def test_the_problem_owns_its_data() -> None:
    features, targets = data(10, 2)
    problem = dsf.DatasetRegression(features, targets)
    features[:] = 0
    targets[:] = 0
    assert problem.features.any()
    assert problem.targets.any()
    assert (problem.dim, problem.n_rows) == (2, 10)


def test_batches_without_replacement_fit_the_smallest_share() -> None:
    features, targets = data(10, 2)
    problem = dsf.DatasetRegression(features, targets, replacement=False)
    problem.partition(3, batch_size=3)
    problem.partition(3, batch_size=[4, 3, 3])
    with pytest.raises(ValueError, match="batch_size must be at most the 3 rows of node 1"):
        problem.partition(3, batch_size=4)
    dsf.DatasetRegression(features, targets).partition(3, batch_size=400)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"features": [1.0, 2.0]}, ValueError, r"features must have shape \(n_rows, dim\)"),
        ({"features": np.empty((0, 3))}, ValueError, r"features must have shape \(n_rows, dim\)"),
        ({"features": [["a"]]}, TypeError, "features must be an array of real numbers"),
        ({"features": np.full((30, 4), np.nan)}, ValueError, "features must be finite"),
        ({"features": np.zeros((30, 4))}, ValueError, "features must have linearly independent columns"),
        ({"targets": np.zeros(29)}, ValueError, "targets must have one entry per row"),
        ({"targets": np.full(30, np.inf)}, ValueError, "targets must be finite"),
        (
            {"targets": np.ma.masked_less(np.arange(30), 2)},
            ValueError,
            "targets must be finite, got 2 .*masked",
        ),
        ({"assignment": "random"}, ValueError, "assignment must be one of 'even', 'sorted'"),
        ({"assignment": np.zeros(30)}, TypeError, "assignment must be 'even', 'sorted', 'shared', a rule"),
        ({"assignment": np.zeros(29, dtype=int)}, ValueError, "assignment must give the node of every row"),
        ({"assignment": np.ones((2, 29), bool)}, ValueError, r"or bools of shape \(n_nodes, 30\), got"),
        ({"assignment": np.full(30, -1)}, ValueError, "assignment must name nodes from 0 on"),
        ({"replacement": "no"}, TypeError, "replacement must be True or False"),
        ({"ridge": -1.0}, ValueError, "ridge must be a finite number ≥ 0"),
        ({"ridge": float("nan")}, ValueError, "ridge must be a finite number ≥ 0"),
    ],
)
def test_bad_data_is_named(changes: dict, error: type[Exception], message: str) -> None:
    features, targets = data()
    with pytest.raises(error, match=message):
        dsf.DatasetRegression(**({"features": features, "targets": targets} | changes))


@pytest.mark.parametrize(
    ("assignment", "n_nodes", "message"),
    [
        ("even", 31, r"n_nodes must be at most the number of rows of the data \(30\), got 31"),
        ("even", 0, "n_nodes must be an integer ≥ 1"),
        (np.zeros(30, dtype=int), 2, "assignment must give every node at least one row, but node 1 has none"),
        (np.arange(30) % 3, 2, "assignment must name nodes from 0 to 1, got 2"),
    ],
)
def test_bad_partitions_are_named(assignment: object, n_nodes: int, message: str) -> None:
    features, targets = data()
    with pytest.raises(ValueError, match=message):
        dsf.DatasetRegression(features, targets, assignment).partition(n_nodes)


def test_diabetes_data_are_complete() -> None:
    raw = dsf.DatasetRegression.from_csv(DIABETES, "target", standardise=False)
    assert raw.features.shape == (442, 10)
    assert raw.targets.mean() == pytest.approx(152.13348416289594)
    assert raw.features[0, 0] == 59.0


def test_standardised_columns_have_mean_zero_and_unit_deviation() -> None:
    problem = dsf.DatasetRegression.from_csv(str(DIABETES), "target")
    for column in (*problem.features.T, problem.targets):
        assert column.mean() == pytest.approx(0, abs=1e-13)
        assert column.std() == pytest.approx(1)
    residual = problem.targets - problem.features @ problem.optimum
    assert 1 - residual.var() == pytest.approx(0.5177484222203498)  # R² found by scikit-learn


@pytest.mark.parametrize(
    "text",
    [
        "x;z;y\n1,5;0;2\n2,25;1;3\n4;1;5\n",
        "x z y\n1.5 0 2\n2.25 1 3\n4 1 5\n",
        '"x","z","y",\n1.5,0,2,\n2.25,1,3,\n4,1,5,\n',
    ],
)
def test_files_of_other_dialects_are_the_same_data(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8-sig")
    problem = dsf.DatasetRegression.from_csv(path, "y", standardise=False)
    np.testing.assert_array_equal(problem.features, [[1.5, 0], [2.25, 1], [4, 1]])
    np.testing.assert_array_equal(problem.targets, [2, 3, 5])


def test_row_numbers_are_no_feature_and_are_said_to_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(",x,y\n0,1,2\n1,2,3\n2,4,5\n")
    with pytest.warns(LeftOutWarning, match="row numbers without a name, left out"):
        problem = dsf.DatasetRegression.from_csv(path, "y", standardise=False)
    np.testing.assert_array_equal(problem.features, [[1], [2], [4]])


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (None, "y", "path must be a readable file, got .*: No such file"),
        ("", "y", "path: .* holds no values"),
        ("x,y\n", "y", "path: .* holds no column of numbers"),
        ("y\n1\n2\n", "y", "path must hold a target and at least one feature"),
        ("x,y\n1,2\n2,3\n", "z", "target must be one of the columns 'x', 'y', got 'z'"),
        ("x,y\n1,2\nabc,3\n", "y", "line 3: column 'x' is not numeric, it holds 'abc'"),
        ("x,y\nTrue,2\nFalse,3\n", "y", "line 2: column 'x' is not numeric, it holds 'True'"),
        ("x,y\n1,2\n,3\n", "y", r"line 3: the first of 1 rows with missing values \(column 'x' 1\)"),
        ("x,y\n1,2\n3\n", "y", "line 3: 1 cells where line 1 has 2"),
        ("x,y\n1,2\n3,NA\n", "y", r"line 3: the first of 1 rows with missing values \(column 'y' 1\)"),
        ("x,y\n1,2\n1,3\n", "y", "column 'x' of .* is constant"),
        ("x,y\n1,2\n2,2\n", "y", "column 'y' of .* is constant"),
        ("x,y,z\n1,2,3\n1,2,4\n", "z", "columns 'x', 'y' of .* are constant"),
        (
            "x,y\n1,2\n2,1.234.567\n",
            "y",
            "not numeric, it holds '1.234.567'; thousands are not to be separated",
        ),
        ("x,y\n1,2\n2,inf\n", "y", r"line 3: the first of 1 rows with infinite values \(column 'y' 1\)"),
        ("x,y\n1,2,3\n2,2,3\n", "y", "line 2: 3 cells where line 1 has 2"),
        ("x,y\n1,2\n2,2,3\n", "y", "line 3: 3 cells where line 1 has 2"),
        ("y,x,y\n1,2,3\n2,3,4\n", "y", "line 1: the name 'y' stands over two columns"),
        ("x,,y\n1,2,3\n2,3,4\n", "y", "column 1 of .* has no name"),
    ],
)
def test_bad_csv_files_are_named(tmp_path: Path, text: str | None, target: str, message: str) -> None:
    path = tmp_path / "data.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=message):
        dsf.DatasetRegression.from_csv(path, target)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dim": 0}, ValueError, "dim must be an integer ≥ 1"),
        ({"dim": 2.0}, TypeError, "dim must be an integer ≥ 1"),
        ({"dim": 2, "feature_std": 0.0}, ValueError, "feature_std must be positive"),
        ({"dim": 2, "noise_std": -1.0}, ValueError, "noise_std must be at least 0"),
        ({"dim": 2, "optimum": [1.0, 2.0, 3.0]}, ValueError, "optimum must be a scalar or have shape"),
        ({"dim": 2, "covariance": [[1.0, 2.0], [0.0, 1.0]]}, ValueError, "covariance must be symmetric"),
        ({"dim": 2, "covariance": [1.0, -1.0]}, ValueError, "covariance must be positive definite"),
        ({"dim": 2, "covariance": np.eye(3)}, ValueError, "covariance must be None or have shape"),
    ],
)
def test_bad_gaussian_problems_are_named(arguments: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dsf.GaussianRegression(**arguments)


def test_full_covariance_is_rebuilt_from_its_eigenbasis() -> None:
    root = np.random.default_rng(1).standard_normal((4, 4))
    covariance = root @ root.T
    problem = dsf.GaussianRegression(4, covariance=covariance)
    assert problem.basis is not None
    np.testing.assert_allclose(
        (problem.basis * problem.eigenvalues) @ problem.basis.T, covariance, atol=1e-12
    )
    assert not problem.isotropic

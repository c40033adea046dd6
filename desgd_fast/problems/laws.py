"""Where streaming data come from: laws of one sample (a, y), compiled, ready ones or the user's own."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.common.rng import RNG, generator_from
from desgd_fast.kernels.draw import laws as compiled
from desgd_fast.kernels.gradients import oracles
from desgd_fast.problems import checks

SAMPLE = "sample(normals, uniforms, node, a)"


@dataclass(frozen=True, eq=False, repr=False)
class Law:
    """How a node draws a sample: its features, and the target that goes with them.

    Parameters
    ----------
    sample : compiled function
        ``sample(normals, uniforms, node, a)`` writes the features into every entry of ``a``, an
        (n_features,) array, and returns the target. Its only randomness are ``normals``, (n_normals,)
        standard normal numbers, and ``uniforms``, (n_uniforms,) numbers uniform on (0, 1], independent for
        every sample, node, step and run; ``node`` counts from 0.
    n_features : int
        Features of a sample.
    n_normals, n_uniforms : int
        Variates that one sample needs.
    truth : float, (dim,) or (n_nodes, dim) array, optional
        What the targets are made from; where it is one point, distances are measured from it unless the
        problem says otherwise.
    labels : sequence of numbers, optional
        All values of the targets, where they are classes.
    name : str
        How the law prints.
    feature_moments, noise_variance : (float, float) and float, optional
        Second and fourth moments of a feature, where features are independent, centred and of one law, and
        the variance of target minus aᵀ truth, where it is independent of them and centred: exact second
        moments need them.

    Raises
    ------
    TypeError, ValueError
        If ``sample`` is not compiled or has another number of arguments, or a number is out of range.

    Examples
    --------
    >>> import desgd_fast as dsf, numba
    >>> @numba.njit
    ... def sample(normals, uniforms, node, a):
    ...     a[:] = normals[:2] * (1 + node)
    ...     return a.sum() + normals[2]
    >>> dsf.Law(sample, n_features=2, n_normals=3, name="grows with the node")
    Law(grows with the node)
    """

    sample: Callable[..., Any]
    n_features: int
    n_normals: int = 0
    n_uniforms: int = 0
    truth: NDArray[np.float64] | None = None
    labels: tuple[float, ...] | None = None
    name: str = ""
    feature_moments: tuple[float, float] | None = None
    noise_variance: float | None = None

    def __post_init__(self) -> None:
        check.compiled_function("sample", self.sample, SAMPLE)
        object.__setattr__(self, "n_features", check.positive_integer("n_features", self.n_features))
        for name in ("n_normals", "n_uniforms"):
            object.__setattr__(self, name, check.integer(name, getattr(self, name), 0, 2**20))
        if self.truth is not None:
            object.__setattr__(self, "truth", checks.law_truth("truth", self.truth))
        if self.labels is not None:
            labels = tuple(check.real_array("labels", self.labels).ravel().tolist())
            object.__setattr__(self, "labels", labels)
        if self.feature_moments is not None:
            second, fourth = checks.moments("feature_moments", self.feature_moments, (2,))
            object.__setattr__(self, "feature_moments", (second, fourth))
        if self.noise_variance is not None:
            variance = checks.moments("noise_variance", self.noise_variance, ())
            object.__setattr__(self, "noise_variance", variance)
        check.instance("name", self.name, (str,))
        if not self.name:
            object.__setattr__(self, "name", getattr(self.sample, "__name__", "sample"))

        check.compiles("sample", lambda: self.draw(1, rng=0), SAMPLE)

    def __repr__(self) -> str:
        return f"Law({self.name})"

    def draw(
        self, n_samples: int, *, node: int = 0, rng: RNG = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw (n_samples, n_features) features and (n_samples,) targets of one node, from NumPy's variates.

        Raises
        ------
        ValueError, TypeError
            If an argument is out of range, or the law's numbers are not finite.

        Examples
        --------
        >>> import desgd_fast as dsf
        >>> features, targets = dsf.laws.linear([2.0], noise=dsf.laws.gaussian(0.0)).draw(3, rng=0)
        >>> bool((targets == 2 * features[:, 0]).all())
        True
        """
        n_samples = check.positive_integer("n_samples", n_samples)
        node = check.integer("node", node, 0)
        generator = generator_from(rng)
        normals = generator.standard_normal(n_samples * self.n_normals)
        uniforms = 1.0 - generator.random(n_samples * self.n_uniforms)
        features, targets = np.full((n_samples, self.n_features), np.nan), np.empty(n_samples)
        pointer = oracles.draw_samples(self.sample, self.n_normals, self.n_uniforms)
        oracles.draw_law(pointer, normals, uniforms, node, features, targets)
        check.writes_finite("sample", np.append(features, targets), SAMPLE, f"node {node}")
        return features, targets


@dataclass(frozen=True, eq=False, repr=False)
class Distribution:
    """The law of one number, independent from number to number; the functions of this module make them.

    ``moments`` are its second and fourth; its first is 0.

    Examples
    --------
    >>> from desgd_fast import laws
    >>> features = laws.student_t(3.0)
    >>> features
    student_t(3, scale=1)
    >>> laws.linear([1.0, -1.0], features=features).draw(5, rng=0)[0].shape
    (5, 2)
    """

    draw: Callable[..., Any]
    n_normals: int
    n_uniforms: int
    name: str
    moments: tuple[float, float]

    def __repr__(self) -> str:
        return self.name


def _size(name: str, value: float) -> float:
    """A positive number whose fourth power is one."""
    return check.number(name, value, "a number from 1e-75 to 1e75", lambda size: 1e-75 <= size <= 1e75)


def gaussian(std: float = 1.0) -> Distribution:
    """Normal with mean 0.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.laws.gaussian(2.0)
    gaussian(2)
    """
    std = _size("std", std) if check.non_negative_number("std", std) else 0.0
    return Distribution(compiled.gaussian(std), 1, 0, f"gaussian({std:g})", (std**2, 3 * std**4))


def student_t(df: float, scale: float = 1.0) -> Distribution:
    """Student's t with df degrees of freedom, times scale: tail index df (Bailey, *Math. Comp.* 62, 1994).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.laws.student_t(3)
    student_t(3, scale=1)
    """
    df, scale = check.positive_number("df", df), _size("scale", scale)
    second = scale**2 * df / (df - 2) if df > 2 else math.inf
    fourth = 3 * second**2 * (df - 2) / (df - 4) if df > 4 else math.inf
    name = f"student_t({df:g}, scale={scale:g})"
    return Distribution(compiled.student_t(df, scale), 0, 2, name, (second, fourth))


def rademacher(scale: float = 1.0) -> Distribution:
    """−scale or scale, each with probability ½.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.laws.rademacher()
    rademacher(1)
    """
    scale = _size("scale", scale)
    moments = (scale**2, scale**4)
    return Distribution(compiled.rademacher(scale), 0, 1, f"rademacher({scale:g})", moments)


def uniform(half_width: float = math.sqrt(3.0)) -> Distribution:
    """Uniform between −half_width and half_width; variance 1 by default.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.laws.uniform(1.0)
    uniform(1)
    """
    half_width = _size("half_width", half_width)
    moments = (half_width**2 / 3, half_width**4 / 5)
    return Distribution(compiled.uniform(half_width), 0, 1, f"uniform({half_width:g})", moments)


def linear(
    truth: ArrayLike, *, features: Distribution | None = None, noise: Distribution | None = None
) -> Law:
    """Target y = aᵀ truth + noise, with independent features.

    Parameters
    ----------
    truth : (dim,) or (n_nodes, dim) array
        Common to all nodes, or one row for each.
    features, noise : Distribution
        Of each feature and of the noise; standard normal unless given.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.laws.linear([1.0, 0.0], features=dsf.laws.rademacher())
    Law(linear, features rademacher(1), noise gaussian(1))
    """
    rows = checks.truth("truth", truth)
    features, noise = gaussian() if features is None else features, gaussian() if noise is None else noise
    for name, value in (("features", features), ("noise", noise)):
        check.instance(name, value, (Distribution,))
    n_features = rows.shape[1]
    return Law(
        compiled.linear(
            features.draw, features.n_normals, features.n_uniforms, noise.draw, np.ascontiguousarray(rows)
        ),
        n_features,
        n_features * features.n_normals + noise.n_normals,
        n_features * features.n_uniforms + noise.n_uniforms,
        truth=rows,
        feature_moments=features.moments,
        noise_variance=noise.moments[0],
        name=f"linear, features {features}, noise {noise}",
    )


def logistic(truth: ArrayLike, *, features: Distribution | None = None) -> Law:
    """Label y = 1 with probability 1 / (1 + exp(−aᵀ truth)), else −1; parameters as in :func:`linear`.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.laws.logistic([1.0, 0.0])
    Law(logistic, features gaussian(1))
    """
    rows = checks.truth("truth", truth)
    features = gaussian() if features is None else features
    check.instance("features", features, (Distribution,))
    n_features = rows.shape[1]
    return Law(
        compiled.logistic(features.draw, features.n_normals, features.n_uniforms, np.ascontiguousarray(rows)),
        n_features,
        n_features * features.n_normals,
        n_features * features.n_uniforms + 1,
        truth=rows,
        feature_moments=features.moments,
        labels=(-1.0, 1.0),
        name=f"logistic, features {features}",
    )

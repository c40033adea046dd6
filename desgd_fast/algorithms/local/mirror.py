"""Mirror descent: nodes keep and mix dual variables, gradients are taken at the primal ones."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def link(vector: Reals, power: float, out: Reals) -> None:
    """The gradient of ½ ‖·‖² in the norm of this power: sign(v_t) abs(v_t)^(power − 1) ‖v‖^(2 − power)."""
    most = 0.0
    for t in range(vector.size):
        # Not a maximum: nan must pass through.
        most = most if most >= abs(vector[t]) else abs(vector[t])
    total = 0.0
    for t in range(vector.size):
        total += (abs(vector[t]) / most) ** power if most != 0 else 0.0
    length = total ** (1 / power)
    for t in range(vector.size):
        share = (abs(vector[t]) / most / length) ** (power - 1) if most != 0 else 0.0
        out[t] = math.copysign(most * length * share, vector[t])


@inlined
def _look_at_primal(place: Reals, iterate: Reals, memory: Matrix, uniforms: Reals, parameters: Reals) -> None:
    link(iterate, parameters[0] / (parameters[0] - 1), place)


@inlined
def _as_it_is(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    pass


def _power(p: float) -> float:
    return check.number("p", p, "a number above 1", lambda value: 1 < value < math.inf)


def mirror_descent(p: float) -> Algorithm:
    """θ_i ← Σ_j W_ij θ_j − η g_i(x_i), x = ∇(½ ‖·‖_q²)(θ) with 1/p + 1/q = 1: p-norm mirror descent.

    Gentile (Machine Learning 2003); nodes mix dual variables, as Duchi, Agarwal & Wainwright (IEEE TAC 2012)
    do; SGD at p = 2. A run's iterates are the dual θ = ∇(½ ‖·‖_p²)(x): :func:`dual` makes ``initial``,
    :func:`primal` the x of ``final``. Both have one tail index. Norms are ‖θ − x*‖, which is a distance from
    where runs settle only if the optimum is the origin.

    Parameters
    ----------
    p : float
        Above 1.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.mirror_descent(1.5).degree
    'homogeneous'
    """
    return Algorithm(
        (
            Part(
                "mirror_descent",
                _as_it_is,
                (_power(p),),
                role="mirror",
                degree="homogeneous",
                equivariant=False,
                look=_look_at_primal,
            ),
        )
    )


def _linked(name: str, values: ArrayLike, power: float) -> NDArray[np.float64]:
    """∇(½ ‖·‖²) of the norm with this power, by vectors whose largest entry is one."""
    array = np.atleast_1d(check.real_array(name, values))
    largest = np.abs(array).max(axis=-1, keepdims=True, initial=0.0)
    scaled = array / np.where(largest > 0, largest, 1.0)
    lengths = (np.abs(scaled) ** power).sum(axis=-1, keepdims=True) ** (1 / power)
    linked = np.sign(scaled) * np.abs(scaled) ** (power - 1) * np.maximum(lengths, 1.0) ** (2 - power)
    return np.asarray(linked * largest).reshape(np.shape(values))


def primal(theta: ArrayLike, p: float) -> NDArray[np.float64]:
    """x = ∇(½ ‖·‖_q²)(θ) of the dual iterates of :func:`mirror_descent`, along the last axis.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.primal([4.0, 0.0], 3.0).round(9).tolist()
    [4.0, 0.0]
    """
    power = _power(p)
    return _linked("theta", theta, power / (power - 1))


def dual(x: ArrayLike, p: float) -> NDArray[np.float64]:
    """θ = ∇(½ ‖·‖_p²)(x), what :func:`primal` makes x of.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.primal(dsf.algorithms.dual([3.0, -4.0], 1.5), 1.5).round(9).tolist()
    [3.0, -4.0]
    """
    return _linked("x", x, _power(p))

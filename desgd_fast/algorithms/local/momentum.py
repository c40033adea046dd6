"""Directions that remember: momenta, tracked gradients; and weight decay."""

from typing import Any

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


def sgd() -> Algorithm:
    """The gradient itself: x_i ← Σ_j W_ij x_j − η g_i (D-PSGD of Lian et al., NeurIPS 2017).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.sgd().plain
    True
    """
    return Algorithm()


@inlined
def _heavy_ball(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    velocity = memory[0]
    for t in range(direction.size):
        velocity[t] = parameters[0] * velocity[t] + direction[t]
        direction[t] = velocity[t]


def _heavy_ball_arrays(direction: Any, iterate: Any, memory: list[Any], parameters: Any) -> Any:
    memory[0] = parameters[0] * memory[0] + direction
    return memory[0]


def heavy_ball(momentum: float = 0.9) -> Algorithm:
    """v ← momentum · v + g, and the step is v (Polyak 1964; decentralized: Yu et al., ICML 2019).

    Every node keeps a momentum of its own, which is not mixed.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.heavy_ball(0.5)
    heavy_ball(0.5)
    """
    momentum = checks.momentum("momentum", momentum)
    return Algorithm(
        (Part("heavy_ball", _heavy_ball, (momentum,), 1, role="direction", array_form=_heavy_ball_arrays),)
    )


@inlined
def _nesterov(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    velocity = memory[0]
    for t in range(direction.size):
        gradient = direction[t]
        velocity[t] = parameters[0] * velocity[t] + gradient
        direction[t] = parameters[0] * velocity[t] + gradient


def _nesterov_arrays(direction: Any, iterate: Any, memory: list[Any], parameters: Any) -> Any:
    memory[0] = parameters[0] * memory[0] + direction
    return direction + parameters[0] * memory[0]


def nesterov(momentum: float = 0.9) -> Algorithm:
    """v ← momentum · v + g, and the step is g + momentum · v (Sutskever et al., ICML 2013, as widely coded).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.nesterov(0.5).degree
    'linear'
    """
    momentum = checks.momentum("momentum", momentum)
    return Algorithm(
        (Part("nesterov", _nesterov, (momentum,), 1, role="direction", array_form=_nesterov_arrays),)
    )


@inlined
def _moving_average(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    average = memory[0]
    for t in range(direction.size):
        average[t] = parameters[0] * average[t] + (1 - parameters[0]) * direction[t]
        direction[t] = average[t]


def _moving_average_arrays(direction: Any, iterate: Any, memory: list[Any], parameters: Any) -> Any:
    memory[0] = parameters[0] * memory[0] + (1 - parameters[0]) * direction
    return memory[0]


def moving_average(decay: float = 0.9) -> Algorithm:
    """m ← decay · m + (1 − decay) · g, and the step is m: heavy ball with 1 − decay times its step.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.moving_average(0.99)
    moving_average(0.99)
    """
    decay = checks.momentum("decay", decay)
    part = Part(
        "moving_average", _moving_average, (decay,), 1, role="direction", array_form=_moving_average_arrays
    )
    return Algorithm((part,))


@inlined
def _gradient_tracking(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    tracked, last = memory[0], memory[1]
    for t in range(direction.size):
        gradient = direction[t]
        tracked[t] += gradient - last[t]
        last[t] = gradient
        direction[t] = tracked[t]


def _gradient_tracking_arrays(direction: Any, iterate: Any, memory: list[Any], parameters: Any) -> Any:
    memory[0] = memory[0] + direction - memory[1]
    memory[1] = direction
    return memory[0]


def gradient_tracking() -> Algorithm:
    """t_i ← Σ_j W_ij t_j + g_i − (g_i of the step before), and the step is t_i (Pu & Nedić 2021).

    The first step's is g_i. The t_i sum to the g_i at every step, so that nodes with different data
    agree on one optimum under a constant step size. Between the mixings of ``local_steps`` the t_j are not
    mixed either.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.gradient_tracking()
    gradient_tracking()
    """
    part = Part(
        "gradient_tracking",
        _gradient_tracking,
        memory=2,
        mixed=1,
        role="direction",
        array_form=_gradient_tracking_arrays,
    )
    return Algorithm((part,))


@inlined
def _weight_decay(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    for t in range(direction.size):
        direction[t] += parameters[0] * iterate[t]


def _weight_decay_arrays(direction: Any, iterate: Any, memory: list[Any], parameters: Any) -> Any:
    return direction + parameters[0] * iterate


def weight_decay(rate: float) -> Algorithm:
    """g ← g + rate · x: the gradient of ½ rate ‖x‖² (Krogh & Hertz, NeurIPS 1991).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.weight_decay(0.1)
    weight_decay(0.1)
    """
    rate = check.non_negative_number("rate", rate)
    return Algorithm((Part("weight_decay", _weight_decay, (rate,), array_form=_weight_decay_arrays),))

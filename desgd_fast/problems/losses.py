"""What one sample costs: a loss is a value, made of compiled functions, ready ones or the user's own.

>>> import desgd_fast as dsf
>>> dsf.losses.logistic(ridge=0.01)
Loss(logistic(ridge=0.01))
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from desgd_fast.common import check
from desgd_fast.kernels.gradients import losses as compiled
from desgd_fast.kernels.gradients import oracles

GRADIENT = "gradient(x, a, y, out)"
VALUE = "value(x, a, y)"
HESSIAN = "hessian(x, a, y, out)"
SLOPE, SLOPES, CURVATURE = "slope(s, y)", "slope(scores, y)", "curvature(s, y)"

_SQUARE = (compiled.square, compiled.square_slope, compiled.square_curvature)


@dataclass(frozen=True, eq=False, repr=False)
class Loss:
    """The loss of one sample (a, y) at the iterate x, by functions compiled with ``numba.njit``.

    The step loops call them without returning to Python in between. For that they, and the functions they
    call, are compiled once more with the flags of the package's own kernels: sums may be reordered so that
    they vectorise, divisions by zero give inf or nan instead of raising, and ``exp`` and ``tanh`` of
    ``math`` and ``numpy`` give way to ones that take eight numbers at a time, with relative errors below
    5e-16. Options of their own decorators are set aside. Where a function raises, its result is nan.

    Parameters
    ----------
    gradient : compiled function
        ``gradient(x, a, y, out)`` writes the gradient at x, a (dim,) array, into every entry of ``out``, a
        (dim,) array with any contents. ``a`` is the sample's row of features, (n_features,), and
        ``y`` its target, a float. It changes nothing but ``out`` and draws no random numbers.
    value : compiled function
        ``value(x, a, y)`` returns the loss, a float.
    hessian : compiled function, optional
        ``hessian(x, a, y, out)`` writes the matrix of second derivatives into every entry of the (dim, dim)
        array ``out``. It only sharpens the optimum that a problem finds.
    outputs : int
        Coordinates of x for each feature: dim = outputs · n_features.
    labels : sequence of numbers, optional
        The only values that targets may take.
    name : str
        How the loss prints.
    slope, ridge : compiled function and float, optional
        Where the gradient is slope(aᵀx, y)·a + ridge·x, as :func:`linear_model` knows: the step loops then
        take several samples at a time. With several ``outputs``, ``slope(scores, y)`` turns the scores of
        x as a matrix into the factors of a in place.

    curvature_at_infinity : float, optional
        The limit c of slope(s, y) / s for large scores of either sign: far from the optimum the gradient is
        c·(aᵀx)·a + ridge·x, and the tail of the stationary law depends on nothing else. 0 for a slope that
        stays bounded; without it :mod:`desgd_fast.theory` has no answer for the loss.

    Raises
    ------
    TypeError
        If a function is not compiled or has another number of arguments. What it does is tried out where
        it meets data, in :class:`desgd_fast.EmpiricalRisk` or :class:`desgd_fast.StreamingRisk`.

    Examples
    --------
    >>> import desgd_fast as dsf, numba
    >>> @numba.njit
    ... def gradient(x, a, y, out):
    ...     for j in range(x.size):
    ...         out[j] = x[j] - a[j]
    >>> @numba.njit
    ... def value(x, a, y):
    ...     return 0.5 * ((x - a) ** 2).sum()
    >>> dsf.Loss(gradient=gradient, value=value, name="distance")
    Loss(distance)
    """

    gradient: Callable[..., Any]
    value: Callable[..., Any]
    hessian: Callable[..., Any] | None = None
    outputs: int = 1
    labels: tuple[float, ...] | None = None
    name: str = ""
    slope: Callable[..., Any] | None = None
    ridge: float = 0.0
    curvature_at_infinity: float | None = None

    def __post_init__(self) -> None:
        check.compiled_function("gradient", self.gradient, GRADIENT)
        check.compiled_function("value", self.value, VALUE)
        if self.hessian is not None:
            check.compiled_function("hessian", self.hessian, HESSIAN)
        object.__setattr__(self, "outputs", check.positive_integer("outputs", self.outputs))
        if self.slope is not None:
            check.compiled_function("slope", self.slope, SLOPE if self.outputs == 1 else SLOPES)
        object.__setattr__(self, "ridge", check.non_negative_number("ridge", self.ridge))
        if self.curvature_at_infinity is not None:
            curvature = check.non_negative_number("curvature_at_infinity", self.curvature_at_infinity)
            object.__setattr__(self, "curvature_at_infinity", curvature)
        if self.labels is not None:
            labels = tuple(check.real_array("labels", self.labels).ravel().tolist())
            object.__setattr__(self, "labels", labels)
        check.instance("name", self.name, (str,))
        if not self.name:
            object.__setattr__(self, "name", getattr(self.gradient, "__name__", "gradient"))

    def __repr__(self) -> str:
        return f"Loss({self.name})"

    def at_infinity(self) -> "Loss":
        """What is left of the loss far from its optimum: ½ c (aᵀx)² + ½ ridge ‖x‖², c its curvature there.

        Raises
        ------
        ValueError
            If ``curvature_at_infinity`` is not stated, or positive with several outputs.

        Examples
        --------
        >>> import desgd_fast as dsf
        >>> dsf.losses.huber(ridge=0.1).at_infinity()
        Loss(0/2 (aᵀx)² + 0.1/2 ‖x‖²)
        """
        curvature = self.curvature_at_infinity
        if curvature is None or (curvature > 0 and self.outputs > 1):
            raise ValueError(
                f"loss must state its curvature_at_infinity, the limit of slope(s, y) / s, got {self!r}"
            )
        name = f"{curvature:g}/2 (aᵀx)² + {self.ridge:g}/2 ‖x‖²"
        if curvature == 0:
            value, gradient = compiled.penalty(self.ridge)
            far = Loss(gradient, value, outputs=self.outputs, name=name, ridge=self.ridge)
            return replace(far, curvature_at_infinity=0.0)
        far = linear_model(*compiled.pure_square(curvature), ridge=self.ridge, name=name)
        return replace(far, curvature_at_infinity=curvature)

    @property
    def oracle(self) -> oracles.Oracle:
        """What the step loops take for gradients of minibatches."""
        if self.slope is None:
            return False, 0.0, oracles.NO_LINK, oracles.free_gradients(self.gradient)
        link = (oracles.link_slopes if self.outputs == 1 else oracles.link_scores)(self.slope)
        return True, self.ridge, link, oracles.NO_GRADIENT


def linear_model(
    value: Callable[..., Any],
    slope: Callable[..., Any],
    curvature: Callable[..., Any] | None = None,
    *,
    ridge: float = 0.0,
    labels: tuple[float, ...] | None = None,
    name: str = "",
    curvature_at_infinity: float | None = None,
) -> Loss:
    """The loss phi(aᵀx, y) + ½ ridge ‖x‖², from phi and its derivatives: as fast as the ready losses.

    Parameters
    ----------
    value, slope, curvature : compiled functions
        ``value(s, y)`` returns phi at the prediction s = aᵀx, ``slope(s, y)`` its derivative in s and
        ``curvature(s, y)`` the second one, which is optional.
    ridge : float
        Weight of the penalty, at least 0.
    labels, name, curvature_at_infinity
        As in :class:`Loss`.

    Raises
    ------
    TypeError, ValueError
        If a function is not compiled or has another number of arguments, or ``ridge`` is negative.

    Examples
    --------
    >>> import desgd_fast as dsf, numba
    >>> @numba.njit
    ... def value(s, y):
    ...     return abs(s - y) ** 3 / 3
    >>> @numba.njit
    ... def slope(s, y):
    ...     return (s - y) * abs(s - y)
    >>> dsf.losses.linear_model(value, slope, ridge=0.1, name="cubic")
    Loss(cubic)
    """
    check.compiled_function("value", value, "value(s, y)")
    check.compiled_function("slope", slope, SLOPE)
    if curvature is not None:
        check.compiled_function("curvature", curvature, CURVATURE)
    ridge = check.non_negative_number("ridge", ridge)
    check.instance("name", name, (str,))
    whole, gradient, hessian = compiled.linear_model((value, slope, curvature or slope), ridge)
    return Loss(
        gradient,
        whole,
        None if curvature is None else hessian,
        labels=labels,
        name=name or getattr(slope, "__name__", "slope"),
        slope=slope,
        ridge=ridge,
        curvature_at_infinity=curvature_at_infinity,
    )


def _ready(
    phi: compiled.Three, ridge: float, name: str, labels: tuple[float, ...] | None = None, far: float = 0.0
) -> Loss:
    shown = f"{name}ridge={check.non_negative_number('ridge', ridge):g})"
    return linear_model(*phi, ridge=ridge, labels=labels, name=shown, curvature_at_infinity=far)


def least_squares() -> Loss:
    """½ (aᵀx − y)².

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.losses.least_squares()
    Loss(least_squares())
    """
    return linear_model(*_SQUARE, name="least_squares()", curvature_at_infinity=1.0)


def ridge(ridge: float) -> Loss:
    """½ (aᵀx − y)² + ½ ridge ‖x‖².

    Raises
    ------
    ValueError
        If ``ridge`` is negative; so do all losses with that argument.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.losses.ridge(0.1)
    Loss(ridge(ridge=0.1))
    """
    return _ready(_SQUARE, ridge, "ridge(", far=1.0)


def logistic(ridge: float = 0.0) -> Loss:
    """log(1 + exp(−y aᵀx)) + ½ ridge ‖x‖², labels y = −1 or 1.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.losses.logistic().labels
    (-1.0, 1.0)
    """
    phi = (compiled.log_loss, compiled.log_loss_slope, compiled.log_loss_curvature)
    return _ready(phi, ridge, "logistic(", (-1.0, 1.0))


def multinomial(n_classes: int, ridge: float = 0.0) -> Loss:
    """−log softmax(X a)_y + ½ ridge ‖X‖², labels y = 0 … n_classes − 1.

    X is the (n_classes, n_features) matrix ``x.reshape(n_classes, -1)``: dim = n_classes · n_features.

    Raises
    ------
    ValueError
        If there are fewer than two classes or ``ridge`` is negative.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.losses.multinomial(10, ridge=0.1).outputs
    10
    """
    n_classes = check.integer("n_classes", n_classes, 2, 2**20)
    ridge = check.non_negative_number("ridge", ridge)
    value, gradient, hessian = compiled.multinomial(n_classes, ridge)
    return Loss(
        gradient,
        value,
        hessian,
        outputs=n_classes,
        labels=tuple(float(label) for label in range(n_classes)),
        name=f"multinomial({n_classes}, ridge={ridge:g})",
        slope=compiled.softmax_slopes,
        ridge=ridge,
        curvature_at_infinity=0.0,
    )


def huber(threshold: float = 1.345, ridge: float = 0.0) -> Loss:
    """½ r² where |r| ≤ threshold, else threshold·(|r| − ½ threshold), plus ½ ridge ‖x‖²; r = aᵀx − y.

    Huber, *Annals of Mathematical Statistics* 35 (1964). The default has 95 % efficiency under normal noise
    of standard deviation 1.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.losses.huber(2.0)
    Loss(huber(2, ridge=0))
    """
    threshold = check.positive_number("threshold", threshold)
    return _ready(compiled.huber(threshold), ridge, f"huber({threshold:g}, ")


def welsch(scale: float = 2.985, ridge: float = 0.0) -> Loss:
    """½ scale² (1 − exp(−(r / scale)²)) + ½ ridge ‖x‖², r = aᵀx − y (Dennis & Welsch 1978).

    Not convex, but strongly convex outside a ball where ridge > 0: the setting of heavy tails for losses
    that are not quadratic (Gürbüzbalaban et al., arXiv 2205.06689).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.losses.welsch(ridge=0.1)
    Loss(welsch(2.985, ridge=0.1))
    """
    scale = check.positive_number("scale", scale)
    return _ready(compiled.welsch(scale), ridge, f"welsch({scale:g}, ")


def tukey(scale: float = 4.685, ridge: float = 0.0) -> Loss:
    """(scale² / 6)(1 − (1 − (r / scale)²)³) where |r| ≤ scale, else scale² / 6, plus ½ ridge ‖x‖².

    r = aᵀx − y; Beaton & Tukey, *Technometrics* 16 (1974). Convex where, and as little as, :func:`welsch` is.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.losses.tukey(ridge=0.1)
    Loss(tukey(4.685, ridge=0.1))
    """
    scale = check.positive_number("scale", scale)
    return _ready(compiled.tukey(scale), ridge, f"tukey({scale:g}, ")


def quantile(level: float = 0.5, ridge: float = 0.0) -> Loss:
    """level·(y − aᵀx) where that is positive, else (level − 1)·(y − aᵀx), plus ½ ridge ‖x‖².

    Koenker & Bassett, *Econometrica* 46 (1978). Not smooth: its gradient is the subgradient that is zero
    where y = aᵀx exactly.

    Raises
    ------
    ValueError
        If ``level`` is not strictly between 0 and 1.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.losses.quantile(0.9)
    Loss(quantile(0.9, ridge=0))
    """
    level = check.fraction("level", level)
    return _ready(compiled.quantile(level), ridge, f"quantile({level:g}, ")

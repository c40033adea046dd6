"""What commands say about algorithms: names with numbers, such as heavy_ball(0.9)."""

import ast
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from desgd_fast.algorithms import Algorithm

HELP = (
    "What the nodes do: a name of desgd_fast.algorithms with its numbers, such as heavy_ball(0.9) "
    "or adapt_then_combine; several are chained in the order given. By default they step along the gradient."
)

Named = Annotated[list[str] | None, typer.Option("--algorithm", help=HELP)]

# Makers whose arguments are numbers.
NAMES = (
    "sgd",
    "heavy_ball",
    "nesterov",
    "gradient_tracking",
    "clipped",
    "weight_decay",
    "combine_then_adapt",
    "adapt_then_combine",
    "local_steps",
    "bernoulli",
    "coordinate_median",
)


def read(texts: list[str] | None) -> "Algorithm":
    """The algorithm of these names, chained."""
    from desgd_fast import algorithms

    return algorithms.chain(*(_one(text) for text in texts or []))


def _one(text: str) -> "Algorithm":
    from desgd_fast import algorithms

    try:
        call = ast.parse(
            text.strip().replace("-", "_") if "(" not in text else text.strip(), mode="eval"
        ).body
        name, arguments, named = _parts(call)
        if name not in NAMES:
            raise ValueError
    except (SyntaxError, ValueError):
        raise typer.BadParameter(
            f"--algorithm must be one of {', '.join(NAMES)}, with numbers in parentheses, got {text!r}"
        ) from None
    try:
        made: Algorithm = getattr(algorithms, name)(*arguments, **named)
    except TypeError as error:
        raise typer.BadParameter(f"--algorithm {text}: {error}") from None
    return made


def _parts(call: ast.expr) -> tuple[str, list[Any], dict[str, Any]]:
    """Name, numbers and named numbers of a call; ValueError for anything else."""
    if isinstance(call, ast.Name):
        return call.id, [], {}
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError
    named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    return call.func.id, [ast.literal_eval(argument) for argument in call.args], named

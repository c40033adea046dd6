"""What commands say about algorithms: names with numbers, such as heavy_ball(0.9)."""

import ast
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from desgd_fast.algorithms import Algorithm

HELP = (
    "What the nodes do: a name of desgd_fast.algorithms with its numbers, such as heavy_ball(0.9), "
    "compressed(top_k(3)) or adapt_then_combine; several are chained in the order given. By default they "
    "step along the gradient."
)

Named = Annotated[list[str] | None, typer.Option("--algorithm", help=HELP)]

# Functions that make no algorithm of numbers alone.
_OTHERS = ("chain", "compressor", "privacy_spent", "outvoted")


def read(texts: list[str] | None) -> "Algorithm":
    """The algorithm of these names, chained."""
    from desgd_fast import algorithms

    return algorithms.chain(*(_one(text) for text in texts or []))


def _makers() -> dict[str, Callable[..., Any]]:
    """The functions that a command may name."""
    from desgd_fast import algorithms

    return {
        name: function
        for name, function in vars(algorithms).items()
        if isinstance(function, FunctionType) and not (name in _OTHERS or name.endswith("_rule"))
    }


def _one(text: str) -> "Algorithm":
    from desgd_fast.algorithms import Algorithm

    shown = text.strip()
    try:
        made = _value(ast.parse(shown if "(" in shown else shown.replace("-", "_"), mode="eval").body)
        if not isinstance(made, Algorithm):
            raise _Unnamed
    except (SyntaxError, _Unnamed):
        raise typer.BadParameter(
            f"--algorithm must be one of {', '.join(sorted(_makers()))}, with numbers in parentheses, or "
            f"such a name around another, as compressed(top_k(3)), got {text!r}"
        ) from None
    except TypeError as error:
        raise typer.BadParameter(f"--algorithm {text}: {error}") from None
    return made


class _Unnamed(Exception):
    """Something that is no maker's call, and no number or text."""


def _value(node: ast.expr) -> Any:
    """What a maker's call makes, of numbers, texts, lists of them and other calls."""
    if isinstance(node, ast.Name | ast.Call):
        called = node.func if isinstance(node, ast.Call) else node
        makers = _makers()
        if not isinstance(called, ast.Name) or called.id not in makers:
            raise _Unnamed
        arguments, named = (node.args, node.keywords) if isinstance(node, ast.Call) else ([], [])
        given = {str(keyword.arg): _value(keyword.value) for keyword in named}
        return makers[called.id](*(_value(argument) for argument in arguments), **given)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise _Unnamed from None

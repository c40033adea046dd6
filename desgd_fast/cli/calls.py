"""Names with numbers, such as heavy_ball(0.9), that stand for calls."""

import ast
from collections.abc import Callable, Mapping
from typing import Any

import typer


def made(option: str, text: str, makers: Mapping[str, Callable[..., Any]]) -> Any:
    """What the maker of this name makes of the numbers in parentheses."""
    written = text.strip() if "(" in text else text.strip().replace("-", "_")
    try:
        name, arguments, named = _parts(ast.parse(written, mode="eval").body)
        maker = makers[name]
    except (SyntaxError, ValueError, KeyError):
        raise typer.BadParameter(
            f"{option} must be one of {', '.join(makers)}, with numbers in parentheses, got {text!r}"
        ) from None
    try:
        return maker(*arguments, **named)
    except TypeError as error:
        raise typer.BadParameter(f"{option} {text}: {error}") from None


def _parts(call: ast.expr) -> tuple[str, list[Any], dict[str, Any]]:
    """Name, numbers and named numbers of a call; ValueError for anything else."""
    if isinstance(call, ast.Name):
        return call.id, [], {}
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError
    named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    return call.func.id, [ast.literal_eval(argument) for argument in call.args], named

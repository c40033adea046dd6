"""Names with numbers, such as heavy_ball(0.9), that stand for calls."""

import ast
from collections.abc import Callable, Mapping
from typing import Any

import typer


class _Unnamed(Exception):
    """Something that is no call of a maker, and no number or text."""


def made(option: str, text: str, makers: Mapping[str, Callable[..., Any]], *, nested: bool = False) -> Any:
    """What the maker of this name makes of the numbers in parentheses, and of other calls if nested."""
    written = text.strip() if "(" in text else text.strip().replace("-", "_")
    try:
        call = ast.parse(written, mode="eval").body
        if not isinstance(call, ast.Name | ast.Call):
            raise _Unnamed
        return _value(call, makers, makers if nested else {})
    except (SyntaxError, _Unnamed):
        raise typer.BadParameter(
            f"{option} must be one of {', '.join(makers)}, with numbers in parentheses, got {text!r}"
        ) from None
    except TypeError as error:
        raise typer.BadParameter(f"{option} {text}: {error}") from None


def _value(
    node: ast.expr, makers: Mapping[str, Callable[..., Any]], within: Mapping[str, Callable[..., Any]]
) -> Any:
    """What is made of a call, or the number or text that stands there."""
    if isinstance(node, ast.Name | ast.Call):
        called = node.func if isinstance(node, ast.Call) else node
        if not isinstance(called, ast.Name) or called.id not in makers:
            raise _Unnamed
        arguments, named = (node.args, node.keywords) if isinstance(node, ast.Call) else ([], [])
        given = {str(keyword.arg): _value(keyword.value, within, within) for keyword in named}
        return makers[called.id](*(_value(argument, within, within) for argument in arguments), **given)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise _Unnamed from None

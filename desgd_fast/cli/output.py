"""How a command's result reaches its reader: as the text it prints, as JSON, or not at all."""

import contextlib
import inspect
import io
import json
import math
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

JSON = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON, and nothing else on standard output.")
]
QUIET = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


class Incomplete(typer.Exit):
    """Leaves with exit code 1, and a result all the same."""

    def __init__(self, result: Any) -> None:
        super().__init__(1)
        self.result = result


def plain(value: Any) -> Any:
    """The value in the words of JSON, which has none for nan (null) and infinity ("inf", "-inf")."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return str(value) if isinstance(value, Path) else value


def presented(command: Callable[..., Any]) -> Callable[..., None]:
    """The command with ``--json`` and ``--quiet``: its text is what it prints, its result what it returns."""

    @wraps(command)
    def present(*arguments: Any, json_: bool, quiet: bool, **named: Any) -> None:
        if not (json_ or quiet):
            command(*arguments, **named)
            return
        if named.get("progress", False) is None:
            named["progress"] = False
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            if quiet:
                warnings.simplefilter("ignore")
            incomplete = None
            try:
                result = command(*arguments, **named)
            except Incomplete as leaving:
                result, incomplete = leaving.result, leaving
        if json_:
            json.dump(plain(result), sys.stdout, ensure_ascii=False, indent=2)
            typer.echo()
        if incomplete is not None:
            raise incomplete

    signature = inspect.signature(command)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in (("json_", JSON), ("quiet", QUIET))
    ]
    present.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    present.__annotations__ = command.__annotations__ | {"json_": JSON, "quiet": QUIET, "return": None}
    return present

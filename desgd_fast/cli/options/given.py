"""Options that were given: those that would change nothing are refused, and messages call them as here."""

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first line of the file holds names; by default read off the file.",
        show_default=False,
    ),
]
Separator = Annotated[
    Literal["comma", "semicolon", "tab", "blanks"] | None,
    typer.Option(help="What stands between two cells of the file; by default read off it."),
]
Decimal = Annotated[
    Literal["point", "comma"] | None,
    typer.Option(help="What stands before the decimals in the file; by default read off it."),
]


def panel(title: str, help: str, *names: str, **options: Any) -> Any:
    """An option under a heading of its own."""
    return typer.Option(*names, help=help, rich_help_panel=title, **options)


_PICTURES = (".png", ".pdf", ".svg", ".eps", ".ps", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")


def drawable(path: Path | None) -> Path | None:
    """A picture that can be written: in a folder that is there, in a format that is known."""
    if path is not None and path.suffix.lower() not in _PICTURES:
        raise typer.BadParameter(f"a picture must end in one of {', '.join(_PICTURES)}, got '{path}'")
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder '{path.parent}'")
    return path


def given(context: typer.Context) -> list[Any]:
    """Parameters that the command line or a configuration file sets, in the order of the command."""
    return [
        parameter
        for parameter in context.command.params
        if (source := context.get_parameter_source(str(parameter.name))) is not None
        and source.name != "DEFAULT"
    ]


def refuse(context: typer.Context, names: Collection[str], reason: str) -> None:
    """None of these parameters may have been given; the reason ends the sentence."""
    for parameter in given(context):
        if parameter.name in names:
            raise typer.BadParameter(f"{_spelled(parameter)} {reason}")


def refuse_unless_taken(
    context: typer.Context, function: Callable[..., Any], names: dict[str, str], owner: str
) -> None:
    """Every given parameter of ``names`` must be an argument of the function, called as ``names`` says."""
    taken = inspect.signature(function).parameters
    ignored = {name for name, argument in names.items() if argument not in taken}
    known = [_spelled(p) for p in context.command.params if p.name in names and p.name not in ignored]
    refuse(context, ignored, f"changes nothing with {owner}, which takes {', '.join(known)}")


def taken_by(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those arguments that the function has."""
    taken = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in taken}


def number_or_rule(text: str) -> int | float | str:
    """A whole number, a number, or the name of a rule."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _spelled(parameter: Any, value: str = "") -> str:
    """The option as it is written, switched off where the value says so."""
    if value == "False" and parameter.secondary_opts:
        return str(parameter.secondary_opts[0])
    return str(max(parameter.opts, key=len))


# Advice in the words of Python: name='value', or a flag that is True or False.
_ADVICE = re.compile(r"\b([a-z_]+)=('[^']*'|True|False|[\w.]+|…)")


def in_options(message: str, command: Any) -> str:
    """The message with Python's arguments written as options; advice that no option follows is left out."""
    options = {str(p.name): p for p in command.params if p.param_type_name == "option"}
    # The library calls the side of a tail so, which the command's function cannot.
    options |= {max(p.opts, key=len).lstrip("-").replace("-", "_"): p for p in options.values()}

    def written(found: "re.Match[str]") -> str:
        name, value = found.groups()
        option = _spelled(options[name], value)
        return option if value in ("True", "False") else f"{option} {value.strip(chr(39))}"

    kept = []
    for clause in message.split("; "):
        names = {name for name, _ in _ADVICE.findall(clause)}
        if names <= options.keys():
            kept.append(_ADVICE.sub(written, clause))
        elif not kept:
            kept.append(clause)
    return "; ".join(kept)

"""Options that several commands share: a dataclass of them stands in a command's signature for its fields."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def spread(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the fields of its dataclasses as options of its own; a default value gives theirs."""
    signature = inspect.signature(command)
    groups: dict[str, Any] = {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if is_dataclass(parameter.default)
    }
    if not groups:
        return command
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        parameters += _options(groups[name]) if name in groups else [parameter]

    @wraps(command)
    def gathered(*arguments: Any, **named: Any) -> Any:
        for name, default in groups.items():
            named[name] = type(default)(**{field.name: named.pop(field.name) for field in fields(default)})
        return command(*arguments, **named)

    gathered.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    gathered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return gathered


def _options(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(type(group), include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=getattr(group, field.name),
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]

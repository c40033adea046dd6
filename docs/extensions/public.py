"""Which names are public, and where users find each: the list that the reference and its test share."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import desgd_fast


@dataclass(frozen=True)
class Public:
    """A public object under the name that users write."""

    module: str
    name: str
    value: Any

    @property
    def path(self) -> str:
        """As imported, ``desgd_fast.tails.hill``."""
        return f"{self.module}.{self.name}"


def modules() -> dict[str, ModuleType]:
    """Public modules by the name that users write; the package itself first."""
    found = {name: getattr(desgd_fast, name) for name in desgd_fast.__all__}
    rooms = {f"desgd_fast.{name}": value for name, value in found.items() if isinstance(value, ModuleType)}
    return {"desgd_fast": desgd_fast} | rooms


def _offered(module: ModuleType) -> Iterator[str]:
    """``__all__``, or what a package passes on, or what a file defines."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        yield from listed
        return
    for name, value in vars(module).items():
        home = str(getattr(value, "__module__", ""))
        mine = home.startswith("desgd_fast.") if hasattr(module, "__path__") else home == module.__name__
        if mine and not name.startswith("_") and not isinstance(value, ModuleType):
            yield name


def names() -> list[Public]:
    """Every public function and class once, under the shortest name it has."""
    found: list[Public] = []
    seen: set[int] = set()
    for path, module in modules().items():
        for name in sorted(_offered(module)):
            value = getattr(module, name)
            if callable(value) and id(value) not in seen:
                seen.add(id(value))
                found.append(Public(path, name, value))
    return found

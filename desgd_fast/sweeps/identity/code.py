"""What compiled Python code refers to beyond its own text, and whose module something comes from."""

import builtins
import dis
import importlib
import importlib.util
import re
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

PACKAGE = __name__.partition(".")[0]

# A name that nothing has been given to yet.
UNDEFINED = object()

# Through these a function reaches what its code does not name.
_BLIND = (eval, exec, globals, __import__, importlib.import_module)

_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_FAST = re.compile(r"(?:LOAD|STORE)_FAST")


class OutOfSight(Exception):
    """Code that reaches things which cannot be read off it; the text says how."""


def installed(module: str | None) -> bool:
    """Whether a module is Python's, this package's or a library's: its versions tell such modules apart."""
    top = (module or "__main__").partition(".")[0]
    if top in ("__main__", "__mp_main__"):
        return False
    if top == PACKAGE:
        return True
    try:
        spec = getattr(sys.modules.get(top), "__spec__", None) or importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    if spec.origin in ("built-in", "frozen"):
        return True
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return any(Path(place).resolve().is_relative_to(root) for place in places for root in _libraries())


@cache
def _libraries() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    places = [paths[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(
        Path(place).resolve() for place in {*places, *site.getsitepackages(), site.getusersitepackages()}
    )


def references(function: FunctionType) -> dict[str, Any]:
    """Globals that a function's code names, attributes of modules followed, to what they stand for now.

    Builtins and what libraries define are left out, and so are names that the code defines itself.

    Raises
    ------
    OutOfSight
        If the code calls what can reach any other name, or hands a module of the user's on as a value.

    Examples
    --------
    >>> from desgd_fast.sweeps.identity.code import references
    >>> FACTOR = 3
    >>> references(eval("lambda x: FACTOR * abs(x)", {"FACTOR": 3}))
    {'FACTOR': 3}
    """
    found: dict[str, Any] = {}
    _Reader(function.__globals__, found).read(function.__code__, captured_modules(function))
    return found


def captured_modules(function: FunctionType) -> dict[str, ModuleType]:
    """Modules among the variables that a function captured: it is told by what it takes from them."""
    return {name: value for name, value in captured(function).items() if isinstance(value, ModuleType)}


def captured(function: FunctionType) -> dict[str, Any]:
    """Variables that a function captured from the functions around it."""
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            values[name] = cell.cell_contents
        except ValueError:
            values[name] = UNDEFINED
    return values


class _Reader:
    """Goes through code one instruction after the other."""

    def __init__(self, scope: Mapping[str, Any], found: dict[str, Any]) -> None:
        self._scope = scope
        self._found = found

    def read(self, code: CodeType, modules: dict[str, ModuleType]) -> None:
        """Note what the code and the code inside it refer to; ``modules`` are local names of modules."""
        steps = list(_steps(code))
        cells = {*code.co_cellvars, *code.co_freevars}
        source: ModuleType | None = None  # of "from source import …"
        held: tuple[str, ModuleType] | None = None  # what the last instruction left, if a module
        for at, (operation, argument) in enumerate(steps):
            previous, held = held, None
            if operation in _ATTRIBUTE and previous is not None:
                held = self._attribute(*previous, argument)
            elif operation == "IMPORT_NAME":
                source = self._imported(argument, level=steps[at - 2][1])
                if steps[at + 1][0] != "IMPORT_FROM" and source is not None:
                    source = sys.modules[source.__name__.partition(".")[0]]
                    modules[steps[at + 1][1]] = source
            elif operation == "IMPORT_FROM":
                part = source and self._attribute(source.__name__, source, argument)
                if part:
                    modules[steps[at + 1][1]] = part[1]
            elif "GLOBAL" in operation or operation == "LOAD_NAME":
                held = self._global(argument, local=operation == "LOAD_NAME")
            elif operation.startswith("LOAD_DEREF") or (
                # A cell itself is loaded for the code inside, which is read below.
                operation.startswith("LOAD_FAST") and argument not in cells
            ):
                held = (argument, modules[argument]) if argument in modules else None
            if held is not None and steps[at + 1][0] not in _ATTRIBUTE and not installed(held[1].__name__):
                raise OutOfSight(f"it hands on the module {held[1].__name__} as a value")
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self.read(constant, modules)

    def _global(self, name: str, local: bool) -> tuple[str, ModuleType] | None:
        if name not in self._scope:
            value = getattr(builtins, name, UNDEFINED)
            if any(value is blind for blind in _BLIND):
                raise OutOfSight(f"it calls {name}")
            if value is UNDEFINED and not local:
                self._found[name] = UNDEFINED
            return None
        return self._note(name, self._scope[name])

    def _attribute(self, path: str, module: ModuleType, name: str) -> tuple[str, ModuleType] | None:
        value = getattr(module, name, UNDEFINED)
        if any(value is blind for blind in _BLIND):
            raise OutOfSight(f"it calls {path}.{name}")
        if installed(module.__name__):
            return (f"{path}.{name}", value) if isinstance(value, ModuleType) else None
        return self._note(f"{path}.{name}", value)

    def _note(self, name: str, value: Any) -> tuple[str, ModuleType] | None:
        if isinstance(value, ModuleType):
            return name, value
        self._found[name] = value
        return None

    def _imported(self, name: str, level: int) -> ModuleType | None:
        """The module of an import inside the function, which the function would import all the same."""
        whole = "." * level + name
        if level:
            whole = importlib.util.resolve_name(whole, self._scope.get("__package__") or "")
        if installed(whole):
            return sys.modules.get(whole)
        try:
            return importlib.import_module(whole)
        except ImportError:
            self._found[name] = UNDEFINED
            return None


def _steps(code: CodeType) -> Iterator[tuple[str, Any]]:
    """Instructions and their arguments, those that stand for two taken apart."""
    for step in dis.get_instructions(code):
        if step.opname in ("EXTENDED_ARG", "NOP", "CACHE"):
            continue
        if isinstance(step.argval, tuple) and len(parts := _FAST.findall(step.opname)) == 2:
            yield from zip(parts, step.argval, strict=True)
        else:
            yield step.opname, step.argval
    yield "END", None


def docstring_first(code: CodeType) -> bool:
    """Whether the first constant of the code is its docstring, which computes nothing."""
    # Bodies of classes and comprehensions keep other texts there; lambdas cannot have one.
    if not code.co_flags & 0x1 or code.co_name.startswith("<") or not code.co_consts:
        return False
    if sys.version_info >= (3, 14):
        return bool(code.co_flags & 0x4000000)
    return isinstance(code.co_consts[0], str)

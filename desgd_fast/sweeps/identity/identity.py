"""What a computation is, as JSON: two that differ in anything that its numbers may depend on differ here.

Functions are told by their code with its constants, defaults, what they captured, and the globals that
they name, functions and classes among those in the same way, one after the other; values by what they hold.
Neither printed forms nor addresses, names of files, or the order of sets play a part, so that any process
says the same. What belongs to a library or to this package is told by its name: versions are compared
elsewhere. What cannot be told is refused, unless the user gives a version that stands for it.

Objects of JSON whose keys begin with @ are not mappings of the user's: ``{"@tuple": [1, 2]}``.
"""

import copyreg
import enum
import functools
import json
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from desgd_fast.sweeps import checks
from desgd_fast.sweeps.identity import code, contents

_PLAIN = (type(None), bool, int, float, str)
_BUILTIN = (types.BuiltinMethodType, types.MethodWrapperType)
_CACHED = type(functools.cache(len))

# Attributes of classes that Python makes, some of them in another order in every process.
_MADE = frozenset(
    (
        "__module__",
        "__qualname__",
        "__dict__",
        "__weakref__",
        "__doc__",
        "__annotations__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__firstlineno__",
        "__static_attributes__",
        "__abstractmethods__",
        "_abc_impl",
        "__parameters__",
        "__orig_bases__",
        "__dataclass_fields__",
        "__match_args__",
        "__classcell__",
        "__slotnames__",
        "_member_map_",
        "_member_names_",
        "_value2member_map_",
        "_unhashable_values_",
        "_hashable_values_",
        "__new_member__",
        "_use_args_",
        "_member_type_",
        "_value_repr_",
        "_new_member_",
    )
)

# Longer lists and texts are kept by their digest.
_LONGEST, _LONGEST_TEXT = 50, 200


class Identity:
    """Describes functions and values; what they refer to is collected, and added at the end.

    Examples
    --------
    >>> from desgd_fast.sweeps.identity.identity import Identity
    >>> identity = Identity()
    >>> identity.complete({"x": identity.of("x", (1, 2.5))})
    {'x': {'@tuple': [1, 2.5]}}
    """

    def __init__(self, version: str | None = None) -> None:
        self._version = version
        self._numbers: dict[int, int] = {}
        self._waiting: list[tuple[str, Any]] = []
        self._open: set[int] = set()
        self._has_code = False

    # Values

    def of(self, name: str, value: Any) -> Any:
        """JSON for a value, which messages call by this name.

        Raises
        ------
        TypeError
            If it cannot be told from others, and there is no version.
        """
        if type(value) is str and len(value) > _LONGEST_TEXT:
            return {
                "@text": f"{len(value)} characters {contents.digest(value.encode(errors='surrogatepass'))}"
            }
        if type(value) in _PLAIN:
            return value
        if id(value) in self._open:
            return self._untold(name, value, "it contains itself")
        self._open.add(id(value))
        try:
            return self._told(name, value)
        except RecursionError:
            return self._untold(name, value, "it is nested too deeply")
        finally:
            self._open.discard(id(value))

    def _told(self, name: str, value: Any) -> Any:
        if value is code.UNDEFINED:
            return {"@undefined": True}
        if (told := self._container(name, value)) is not None:
            return told
        if type(value) in (complex, range, bytearray, bytes):
            text = repr(value) if isinstance(value, complex | range) else contents.digest(bytes(value))
            return {f"@{type(value).__name__}": text}
        if isinstance(value, PurePath):
            return {"@path": str(value)}
        if isinstance(value, np.generic):
            return {"@scalar": self._parts(name, contents.array(np.asarray(value)))}
        if type(value) in (np.ndarray, np.memmap):
            return {"@array": self._parts(name, contents.array(np.asarray(value)))}
        if isinstance(value, enum.Enum):
            return {"@enum": self.of(name, type(value)), "value": self.of(name, value.value)}
        if (parts := contents.unfolded(value)) is not None:
            kind = {} if code.installed(type(value).__module__) else {"@class": self.of(name, type(value))}
            return {f"@{parts[0]}": self._parts(name, parts[1]), **kind}
        if (told := self._callable(name, value)) is not None:
            return told
        if is_dataclass(value) and type(value).__module__.partition(".")[0] == code.PACKAGE:
            # Frozen: everything else follows from the fields that were given.
            own = {
                f.name: self.of(f"{name}.{f.name}", getattr(value, f.name)) for f in fields(value) if f.init
            }
            return {"@class": type(value).__name__, **own}
        return self._object(name, value)

    def _container(self, name: str, value: Any) -> Any:
        if type(value) in (list, tuple):
            entries = [self.of(f"{name}[{i}]", entry) for i, entry in enumerate(value)]
            return entries if type(value) is list else {"@tuple": entries}
        if type(value) in (set, frozenset):
            # Sorted at the end, when what the entries refer to has its names.
            return {f"@{type(value).__name__}": [self.of(f"{name}{{…}}", entry) for entry in value]}
        if type(value) is types.MappingProxyType:
            value = dict(value)
        if type(value) is not dict:
            return None
        told = [(self.of(f"a key of {name}", key), self.of(f"{name}[{key!r}]", value[key])) for key in value]
        if all(type(key) is str and not key.startswith("@") for key in value):
            return dict(told)
        return {"@dict": [list(pair) for pair in told]}

    def _parts(self, name: str, parts: Any) -> Any:
        """What a value was taken apart into: mappings of parts, down to values."""
        if isinstance(parts, dict):
            return {str(key): self._parts(f"{name}.{key}", part) for key, part in parts.items()}
        return self.of(name, parts)

    def _callable(self, name: str, value: Any) -> Any:
        if isinstance(value, types.FunctionType | type):
            return self._reference(name, value)
        if isinstance(value, functools.partial):
            keywords = self.of(name, dict(sorted(value.keywords.items())))
            inner = {"function": self.of(name, value.func), "arguments": self.of(name, list(value.args))}
            return {"@partial": inner | {"keywords": keywords}}
        if isinstance(value, types.MethodType):
            return {"@method": self.of(name, value.__func__), "object": self.of(name, value.__self__)}
        if isinstance(value, property):
            return {"@property": [self.of(name, part) for part in (value.fget, value.fset, value.fdel)]}
        if isinstance(value, staticmethod | classmethod):
            return {f"@{type(value).__name__}": self.of(name, value.__func__)}
        if isinstance(value, functools.cached_property):
            return {"@cached_property": self.of(name, value.func)}
        if type(value) is _CACHED:
            return {"@cached": self.of(name, value.__wrapped__)}
        if isinstance(value, types.ModuleType) and code.installed(value.__name__):
            return {"@name": value.__name__}
        if isinstance(value, _BUILTIN):
            owner = value.__self__
            module = getattr(value, "__module__", None) or "builtins"
            if not code.installed(module):
                return self._untold(name, value, "its code cannot be read")
            told = {"@name": f"{module}.{value.__qualname__}"}
            alone = owner is None or isinstance(owner, types.ModuleType)
            return told if alone else told | {"object": self.of(name, owner)}
        return None

    def _object(self, name: str, value: Any) -> Any:
        """Any other object, by the state that a copy would be made from."""
        kind = type(value)
        if value is np.random.mtrand._rand:
            return {"@name": "numpy.random"}
        if kind is object:
            return self._untold(name, value, "a bare object is like any other")
        try:
            reducer = copyreg.dispatch_table.get(kind)
            reduced: Any = value.__reduce_ex__(4) if reducer is None else reducer(value)
        except Exception as error:
            return self._untold(name, value, str(error) or type(error).__name__)
        if isinstance(reduced, str):
            for module in (getattr(value, "__module__", None), kind.__module__, "scipy.special"):
                if code.installed(module) and getattr(sys.modules.get(module or ""), reduced, None) is value:
                    return {"@name": f"{module}.{reduced}"}
            return self._untold(name, value, f"no library has it by the name {reduced}")
        parts: list[Any] = [*reduced, None, None, None]
        maker, arguments, state, entries, pairs = parts[:5]
        told: dict[str, Any] = {"@class": self.of(name, kind)}
        if maker is copyreg.__newobj__:  # type: ignore[attr-defined]
            arguments = arguments[1:]
        elif maker is not kind:
            told["@maker"] = self.of(name, maker)
        for key, values in (("@arguments", arguments), ("@entries", entries), ("@pairs", pairs)):
            if listed := list(values or ()):
                told[key] = self.of(name, listed)
        plain, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
        if not all(isinstance(part, dict | None) for part in (plain, slots)):
            return told | {"@state": self.of(name, state)}
        attributes: dict[str, Any] = {**(plain or {}), **(slots or {})}
        for attribute, part in attributes.items():
            # What is computed once from the others says nothing new.
            if not isinstance(getattr(kind, attribute, None), functools.cached_property):
                told[attribute] = self.of(f"{name}.{attribute}", part)
        return told

    def _untold(self, name: str, value: Any, reason: str) -> Any:
        if self._version is None:
            checks.cannot_be_told(name, value, reason)
        return {"@told by the version": type(value).__qualname__}

    # Functions and classes

    def function(self, function: Callable[..., Any]) -> Any:
        """JSON for the function of a sweep: its name and version, if there is one."""
        if self._version is not None:
            return {"name": getattr(function, "__qualname__", type(function).__qualname__)}
        return self.of("function", function)

    def _reference(self, name: str, value: Any) -> Any:
        if isinstance(value, type) and code.installed(value.__module__):
            return {"@name": f"{value.__module__}.{value.__qualname__}"}
        if isinstance(value, types.FunctionType) and code.installed(
            module := value.__globals__.get("__name__")
        ):
            # Its own name may be that of what it wraps.
            path = value.__code__.co_qualname
            if "<" not in path:
                return {"@name": f"{module}.{path}"}
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._waiting)
            self._waiting.append((name, value))
        return {"@see": self._numbers[id(value)]}

    def _definition(self, name: str, value: Any) -> dict[str, Any]:
        return self._of_class(name, value) if isinstance(value, type) else self._of_function(name, value)

    def _of_function(self, name: str, function: types.FunctionType) -> dict[str, Any]:
        what = f"{name} ({function.__qualname__})" if name != function.__qualname__ else name
        self._has_code = True
        told: dict[str, Any] = {"body": self._body(what, function.__code__)}
        for part, values in self._surroundings(what, function).items():
            own = {key: self.of(f"{part} {key} of {what}", value) for key, value in values.items()}
            if own:
                told[part] = own
        return told

    def _surroundings(self, what: str, function: types.FunctionType) -> dict[str, dict[str, Any]]:
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        positional = function.__defaults__ or ()
        defaults = dict(zip(names[len(names) - len(positional) :], positional, strict=True))
        modules = code.captured_modules(function)
        found: dict[str, Any] = {}
        if not code.installed(function.__globals__.get("__name__")):
            try:
                found = code.references(function)
            except code.OutOfSight as reason:
                self._untold(what, function, str(reason))
        return {
            "default": defaults | (function.__kwdefaults__ or {}),
            "captured": {k: v for k, v in code.captured(function).items() if k not in modules},
            "global": dict(sorted(found.items())),
            "attribute": {k: v for k, v in vars(function).items() if k != "__wrapped__"},
        }

    def _body(self, what: str, body: types.CodeType) -> str:
        constants = [None, *body.co_consts[1:]] if code.docstring_first(body) else body.co_consts
        told = [
            self._body(what, constant) if isinstance(constant, types.CodeType) else self.of(what, constant)
            for constant in constants
        ]
        names = [body.co_names, body.co_varnames, body.co_freevars, body.co_cellvars]
        counts = [body.co_argcount, body.co_posonlyargcount, body.co_kwonlyargcount, body.co_flags]
        text = json.dumps([_linked(told, []), names, counts])
        return contents.digest(body.co_code, body.co_exceptiontable, text.encode())

    def _of_class(self, name: str, kind: type) -> dict[str, Any]:
        told: dict[str, Any] = {"bases": [self.of(name, base) for base in kind.__bases__]}
        if type(kind) is not type:
            told["metaclass"] = self.of(name, type(kind))
        if issubclass(kind, enum.Enum):
            told["values"] = {key: self.of(name, member.value) for key, member in kind.__members__.items()}
        if is_dataclass(kind) and (notes := {f.name: f.metadata for f in fields(kind) if f.metadata}):
            told["metadata"] = self.of(name, notes)
        for key, value in vars(kind).items():
            descriptor = isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType)
            if not descriptor and key not in _MADE and key not in getattr(kind, "__members__", ()):
                told[f".{key}"] = self.of(f"{kind.__qualname__}.{key}", value)
        return told

    # The whole

    def complete(self, description: Mapping[str, Any]) -> dict[str, Any]:
        """The description, and what all the functions and classes that it refers to are.

        Those of the same content are one, however many copies there are.
        """
        definitions: list[dict[str, Any]] = []
        for name, value in self._waiting:  # grows on the way
            definitions.append(self._definition(name, value))
        classes = _same(definitions)
        labels: dict[str, str] = {}
        for (_, value), same in zip(self._waiting, classes, strict=True):
            taken = sum(label.partition(" ")[0] == value.__qualname__ for label in labels.values())
            labels.setdefault(same, f"{value.__qualname__} {taken + 1}" if taken else value.__qualname__)
        names = [labels[same] for same in classes]
        whole: dict[str, Any] = {key: _linked(part, names) for key, part in description.items()}
        if self._version is not None:
            whole["version"] = self._version
        if self._has_code:
            whole["python"] = ".".join(map(str, sys.version_info[:2]))
        if names:
            whole["definitions"] = {
                name: _linked(told, names) for name, told in zip(names, definitions, strict=True)
            }
        return whole


def _same(definitions: list[dict[str, Any]]) -> list[str]:
    """A text for each definition, the same for those that no path of references tells apart."""
    texts = [""] * len(definitions)
    while True:
        digests = [
            contents.digest(text.encode(), json.dumps(_linked(told, texts)).encode())
            for text, told in zip(texts, definitions, strict=True)
        ]
        if len(set(digests)) == len(set(texts)):
            return digests
        texts = digests


def _linked(told: Any, names: list[str]) -> Any:
    """The same JSON with names in place of numbers, sets sorted and long lists folded."""
    if isinstance(told, list):
        return _folded([_linked(entry, names) for entry in told])
    if not isinstance(told, dict):
        return told
    if "@see" in told:
        return {"@see": names[told["@see"]]}
    linked = {}
    for key, part in told.items():
        if key in ("@set", "@frozenset"):
            linked[key] = _folded(sorted((_linked(entry, names) for entry in part), key=json.dumps))
        else:
            linked[key] = _linked(part, names)
    return linked


def _folded(entries: list[Any]) -> Any:
    if len(entries) <= _LONGEST:
        return entries
    return {"@list": f"{len(entries)} entries {contents.digest(json.dumps(entries).encode())}"}

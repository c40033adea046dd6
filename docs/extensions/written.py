"""Pages that are written from the package before the site is read: reference, command line, performance."""

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import house
import public

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
WRITTEN = DOCS / "written"

# The order in which a newcomer reads; others follow by name.
TUTORIALS = (
    "start.py",
    "three_instruments.py",
    "any_heavy_tail.py",
    "hill_plots.py",
    "own_data.py",
    "own_loss.py",
    "own_algorithm.py",
    "neural_networks.py",
    "real_graphs.py",
    "who_talks_when.py",
    "sweeps.py",
)


class TutorialOrder:
    """Sort key of the gallery."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, name: str) -> tuple[int, str]:
        return (TUTORIALS.index(name) if name in TUTORIALS else len(TUTORIALS)), name


def summary(value: object) -> str:
    """The first sentence of a docstring, as it may stand in a table."""
    lines = (inspect.getdoc(value) or "").split("\n\n", 1)[0]
    return " ".join("\n".join(unbarred(lines.splitlines())).split())


def reference() -> dict[str, str]:
    """A page for every public name, and a page for every module that lists them."""
    pages = {}
    listed: dict[str, list[public.Public]] = {path: [] for path in public.modules()}
    for entry in public.names():
        listed[entry.module].append(entry)
        kind = "autoclass" if inspect.isclass(entry.value) else "autofunction"
        members = "   :members:\n" if kind == "autoclass" else ""
        title = entry.path.removeprefix("desgd_fast.")
        pages[f"{entry.path}.rst"] = f"{title}\n{'=' * len(title)}\n\n.. {kind}:: {entry.path}\n{members}"
    for path, entries in listed.items():
        head = (inspect.getdoc(public.modules()[path]) or path).strip()
        rows = "\n".join(
            f"   * - :doc:`{entry.name} <{entry.path}>`\n     - {summary(entry.value)}" for entry in entries
        )
        hidden = "\n".join(f"   {entry.name} <{entry.path}>" for entry in entries)
        pages[f"module.{path}.rst"] = (
            f"{path}\n{'=' * len(path)}\n\n{head}\n\n"
            f".. list-table::\n   :widths: 30 70\n   :class: names\n\n{rows}\n\n"
            f".. toctree::\n   :hidden:\n\n{hidden}\n"
        )
    first = "\n".join(f"   {path} <module.{path}>" for path in listed)
    n_names = sum(map(len, listed.values()))
    title = "Reference"
    pages["index.rst"] = (
        f"{title}\n{'=' * len(title)}\n\n"
        f"{n_names} names, a page for each, with an example that the tests run.\n\n"
        f".. toctree::\n   :maxdepth: 2\n\n{first}\n"
    )
    return pages


def unbarred(lines: list[str]) -> list[str]:
    """Absolute values, |x|, kept from reStructuredText, which takes bars for substitutions; code stays."""
    kept, code = [], False
    for line in lines:
        code = line.lstrip().startswith(">>>") or (code and bool(line.strip()))
        parts = line.split("``")
        parts[::2] = [part if code else part.replace("|", r"\|") for part in parts[::2]]
        kept.append("``".join(parts))
    return kept


def _unbar(app: "Sphinx", what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    lines[:] = unbarred(lines)


def performance() -> str:
    """The table of ``bench/results.json``."""
    from bench import readme

    return readme.table(json.loads(readme.RESULTS.read_text(encoding="utf-8")))


def explore() -> str:
    """The widget with its numbers inside, so that it works from a disk."""
    folder = DOCS / "explore"
    numbers = (folder / "data.json").read_text(encoding="utf-8")
    return (folder / "widget.html").read_text(encoding="utf-8").replace("DATA", numbers)


def command_line() -> str:
    """Every command: what it does, its options, its examples."""
    from desgd_fast import cli

    group: Any = cli.typer.main.get_command(cli.app)
    return "\n\n".join(_command(name, command) for name, command in group.commands.items())


def _command(name: str, command: Any) -> str:
    rows = []
    for parameter in command.params:
        spelled = (
            parameter.name.upper()
            if parameter.param_type_name == "argument"
            else "/".join(max(opts, key=len) for opts in (parameter.opts, parameter.secondary_opts) if opts)
        )
        help = (getattr(parameter, "help", None) or "").replace("|", r"\|")
        rows.append(f"| `{spelled}` | {help} |")
    told = "\n".join(line.strip() for line in inspect.cleandoc(command.help or "").splitlines())
    table = "\n".join(["| option | what |", "|---|---|", *rows])
    return f"## {name}\n\n{told}\n\n{table}"


def write(app: "Sphinx") -> None:
    """Write what changed, so that only that is read again; remove what is no longer there."""
    pages = {f"reference/{name}": text for name, text in reference().items()}
    pages |= {
        "performance.md": performance(),
        "command_line.md": command_line(),
        "explore.html": explore(),
        "house.html": house.drawing(),
    }
    for path in WRITTEN.glob("**/*.*"):
        if path.is_file() and path.relative_to(WRITTEN).as_posix() not in pages:
            path.unlink()
    for name, text in pages.items():
        path = WRITTEN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: "Sphinx") -> dict[str, bool]:
    """Write before anything is read."""
    app.connect("builder-inited", write, priority=100)
    app.connect("autodoc-process-docstring", _unbar, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

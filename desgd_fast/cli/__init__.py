"""The command ``desgd-fast``: names, help and exit codes; each command lives in its own file."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

try:
    import typer
except ImportError as error:
    raise ImportError("the command line needs typer: pip install 'desgd-fast[cli]'", name="typer") from error

import desgd_fast
from desgd_fast.cli import output
from desgd_fast.cli.options import examples, given, groups

# Command -> module that holds the function of that name; none of them imports anything heavy.
COMMANDS = {
    "run": "run",
    "tail": "tail",
    "alpha": "theory",
    "frontier": "theory",
    "sweep": "sweep",
    "show": "sweep",
    "paper": "paper",
    "atlas": "atlas",
    "doctor": "doctor",
}

# Click's class of all mistakes on a command line, wherever this version of typer keeps it.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    help="How heavy are the tails of decentralized stochastic gradient descent?",
    epilog="Every command takes --json and --quiet, and ends its --help with examples. "
    "Bad options print one line and exit with code 2.",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for _name, _module in COMMANDS.items():
    _function = getattr(import_module(f"desgd_fast.cli.commands.{_module}"), _name)
    app.command(_name, epilog=examples.epilog(_name))(output.presented(groups.spread(_function)))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"desgd-fast {desgd_fast.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


def _raised_by_validation(error: Exception) -> bool:
    """Whether the innermost frame checks input; anything else is a bug and keeps its traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module: str = "" if trace is None else trace.tb_frame.f_globals["__name__"]
    return module.startswith(("desgd_fast.common.", "desgd_fast.kernels.jit.")) or module.endswith(
        (".checks", ".mixing.files")
    )


def _names_an_extra(error: Exception) -> bool:
    return isinstance(error, ImportError) and "pip install 'desgd-fast[" in str(error)


def _command(arguments: Sequence[str]) -> Any:
    """The command that the arguments call."""
    group: Any = typer.main.get_command(app)
    return group.commands[next(argument for argument in arguments if argument in COMMANDS)]


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"desgd-fast: note: {' '.join(str(message).split())}", err=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave the process: 0 done, 1 interrupted or cells failed, 2 bad options or input."""
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        with warnings.catch_warnings():
            # A line for people, in place of the place in the code that warns.
            warnings.showwarning = _say
            code = app(arguments, prog_name="desgd-fast", standalone_mode=False)
    except UsageError as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
    except (ValueError, TypeError, ImportError, RuntimeError) as error:
        if not (_raised_by_validation(error) or _names_an_extra(error)):
            raise
        message = given.in_options(str(error), _command(arguments))
    except OSError as error:
        if error.errno is None:
            raise
        # Files that cannot be read or written: nothing is wrong with the code.
        message = f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("desgd-fast: interrupted", err=True)
        sys.exit(1)
    else:
        sys.exit(code if isinstance(code, int) else 0)
    typer.echo(f"desgd-fast: {' '.join(message.split())}", err=True)
    sys.exit(2)

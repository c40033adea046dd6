"""What commands say about algorithms: names with numbers, such as heavy_ball(0.9)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from desgd_fast.cli.options import calls
from desgd_fast.cli.options.given import panel

if TYPE_CHECKING:
    from desgd_fast.algorithms import Algorithm

HELP = (
    "What the nodes do: a name of desgd_fast.algorithms with its numbers, such as heavy_ball(0.9), "
    "compressed(top_k(3)) or adapt_then_combine; several are chained in the order given. By default they "
    "step along the gradient."
)

PARTICIPATION_HELP = (
    "Who takes gradients in a round: bernoulli(0.5), markov(0.1, 0.2), cyclic(8), poisson(0.1), or woken by "
    "--mixing."
)
DELAY_HELP = (
    "Steps that gradients come late: a number, or randomly_delayed([0.5, 0.3, 0.2]); or messages: "
    "delayed_messages(2)."
)


@dataclass(frozen=True)
class Nodes:
    """The options of what nodes do."""

    algorithm: Annotated[list[str] | None, panel("Descent", HELP)] = None
    participation: Annotated[str | None, panel("Descent", PARTICIPATION_HELP)] = None
    delay: Annotated[str | None, panel("Descent", DELAY_HELP)] = None

    def chained(self) -> "Algorithm":
        """The algorithm of these names."""
        return read(self.algorithm, self.participation, self.delay)


# Functions of the module that make no algorithm or compressor of numbers.
_OTHERS = ("chain", "compressor", "privacy_spent", "outvoted")
PARTICIPATIONS = ("always", "bernoulli", "cyclic", "markov", "poisson", "woken")
DELAYS = (
    "delayed",
    "randomly_delayed",
    "stale_discount",
    "delayed_messages",
    "randomly_delayed_messages",
)


def read(texts: list[str] | None, participation: str | None = None, delay: str | None = None) -> "Algorithm":
    """The algorithm of these names, chained."""
    from desgd_fast import algorithms

    makers = _makers()
    if delay is not None and delay.strip().isdecimal():
        delay = f"delayed({delay.strip()})"
    chosen: list[tuple[str, str, Iterable[str]]] = [("--algorithm", text, makers) for text in texts or []]
    chosen += [] if delay is None else [("--delay", delay, DELAYS)]
    chosen += [] if participation is None else [("--participation", participation, PARTICIPATIONS)]
    parts = [
        calls.made(option, text, {name: makers[name] for name in names}, nested=option == "--algorithm")
        for option, text, names in chosen
    ]
    for (option, text, _), part in zip(chosen, parts, strict=True):
        if not isinstance(part, algorithms.Algorithm):
            raise typer.BadParameter(
                f"{option} must be an algorithm, such as compressed({text}), got {text!r}"
            )
    return algorithms.chain(*parts)


def _makers() -> dict[str, Callable[..., Any]]:
    """The functions that ``--algorithm`` may name."""
    from desgd_fast import algorithms

    return {
        name: function
        for name, function in vars(algorithms).items()
        if isinstance(function, FunctionType) and not (name in _OTHERS or name.endswith("_rule"))
    }

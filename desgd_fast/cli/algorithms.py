"""What commands say about algorithms: names with numbers, such as heavy_ball(0.9)."""

from typing import TYPE_CHECKING, Annotated

import typer

from desgd_fast.cli import calls

if TYPE_CHECKING:
    from desgd_fast.algorithms import Algorithm

HELP = (
    "What the nodes do: a name of desgd_fast.algorithms with its numbers, such as heavy_ball(0.9) "
    "or adapt_then_combine; several are chained in the order given. By default they step along the gradient."
)

PARTICIPATION_HELP = (
    "Who takes gradients in a round: bernoulli(0.5), markov(0.1, 0.2), cyclic(8), poisson(0.1), or woken by "
    "--mixing."
)
DELAY_HELP = "Steps that gradients come late: a number, or randomly_delayed([0.5, 0.3, 0.2])."

Named = Annotated[list[str] | None, typer.Option("--algorithm", help=HELP)]
Participation = Annotated[str | None, typer.Option(help=PARTICIPATION_HELP)]
Delay = Annotated[str | None, typer.Option(help=DELAY_HELP)]

# Makers whose arguments are numbers.
PARTICIPATIONS = ("always", "bernoulli", "cyclic", "markov", "poisson", "woken")
DELAYS = ("delayed", "randomly_delayed", "stale_discount")
NAMES = (
    "sgd",
    "heavy_ball",
    "nesterov",
    "gradient_tracking",
    "clipped",
    "weight_decay",
    "combine_then_adapt",
    "adapt_then_combine",
    "local_steps",
    "coordinate_median",
    "dpsgd",
    "extra",
    "fedau",
    "fedavg",
    "fedbuff",
    "local_sgd",
    "token_sgd",
    *PARTICIPATIONS,
    *DELAYS,
)


def read(texts: list[str] | None, participation: str | None = None, delay: str | None = None) -> "Algorithm":
    """The algorithm of these names, chained."""
    from desgd_fast import algorithms

    if delay is not None and delay.strip().isdecimal():
        delay = f"delayed({delay.strip()})"
    chosen: list[tuple[str, str, tuple[str, ...]]] = [("--algorithm", text, NAMES) for text in texts or []]
    chosen += [] if delay is None else [("--delay", delay, DELAYS)]
    chosen += [] if participation is None else [("--participation", participation, PARTICIPATIONS)]
    makers = ({name: getattr(algorithms, name) for name in names} for _, _, names in chosen)
    return algorithms.chain(
        *(calls.made(option, text, named) for (option, text, _), named in zip(chosen, makers, strict=True))
    )

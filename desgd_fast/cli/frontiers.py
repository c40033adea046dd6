"""Both critical step sizes of a descent, as far as theory computes them, and why it does not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from desgd_fast.theory import CriticalStepSize


def critical(problem: Any, W: Any, at: str, **arguments: Any) -> "CriticalStepSize | ValueError":
    """A critical step size, or the refusal."""
    from desgd_fast import theory

    try:
        return theory.critical_step_size(problem, W, at=at, **arguments)
    except ValueError as refusal:
        return refusal


def in_place_of_step_size(found: "CriticalStepSize | ValueError") -> float:
    """The critical step size, where no step size is given and one is needed."""
    if isinstance(found, ValueError):
        raise typer.BadParameter(f"--step-size is needed here: {found}") from found
    return float(found)


@dataclass(frozen=True)
class Frontiers:
    """Where alpha = 2 and where rho = 0, or the refusals."""

    variance: "CriticalStepSize | ValueError"
    divergence: "CriticalStepSize | ValueError"

    @classmethod
    def of(cls, problem: Any, W: Any, *, rtol: float, **arguments: Any) -> "Frontiers":
        """Both of a problem on a graph."""
        return cls(
            critical(problem, W, "infinite-variance", **arguments),
            critical(problem, W, "divergence", rtol=rtol, **arguments),
        )

    def refuse_if_empty(self) -> None:
        """At least one of them must be known."""
        if isinstance(self.variance, ValueError) and isinstance(self.divergence, ValueError):
            raise self.divergence

    @property
    def reasons(self) -> list[str]:
        """Why some of them are not computed, and what the others warn of."""
        named = (("alpha = 2", self.variance), ("rho = 0", self.divergence))
        return [f"{name}: {found}" for name, found in named if isinstance(found, ValueError)] + [
            note for _, found in named if not isinstance(found, ValueError) for note in found.warnings
        ]

    @property
    def window(self) -> tuple[float, float] | None:
        """From one to the other, if both are known."""
        if isinstance(self.variance, ValueError) or isinstance(self.divergence, ValueError):
            return None
        return float(self.variance), float(self.divergence)

    def line(self) -> str:
        """The columns of a table: both, the error of the latter, where the mean goes unstable, what binds."""
        two, mean, binds, end, error = "-", "-", "-", "-", "-"
        if not isinstance(self.variance, ValueError):
            two, binds = f"{self.variance.value:.8g}", self.variance.binding
            mean = f"{self.variance.mean_value:.5g}"
        if not isinstance(self.divergence, ValueError):
            end, error = f"{self.divergence.value:.8g}", f"{self.divergence.stderr:.2g}"
        return f"{two:>13} {end:>13} {error:>9} {mean:>10}  {binds}"

    def plain(self) -> dict[str, Any]:
        """For a program: results, or the text of refusals."""
        named = {"infinite-variance": self.variance, "divergence": self.divergence}
        return {name: str(found) if isinstance(found, ValueError) else found for name, found in named.items()}

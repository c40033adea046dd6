"""What commands say about problems: least squares on a table in a file, or streaming Gaussian regression."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from desgd_fast.cli.options import given
from desgd_fast.cli.options.given import panel

if TYPE_CHECKING:
    from desgd_fast.problems.gaussian import GaussianRegression
    from desgd_fast.problems.rows import DatasetRegression

# Options that only one of the two kinds of problem has.
_OF_DATA = ("header", "separator", "decimal", "assignment", "replacement", "ridge")
_OF_GAUSSIAN = ("dim", "feature_std", "noise_std")


@dataclass(frozen=True)
class Regression:
    """The options of a problem, but for noise that its tail index does not depend on."""

    data: Annotated[
        Path | None,
        panel("Problem", "CSV with any usual separator, .npy or .npz, all numbers; needs --target."),
    ] = None
    target: Annotated[str | None, panel("Problem", "Column of the data to predict from all the others.")] = (
        None
    )
    header: Annotated[
        bool | None,
        panel(
            "Problem",
            "Whether the first line of the data holds names; by default read off it.",
            "--header/--no-header",
            show_default=False,
        ),
    ] = None
    separator: Annotated[
        Literal["comma", "semicolon", "tab", "blanks"] | None,
        panel("Problem", "What stands between two cells of the data; by default read off them."),
    ] = None
    decimal: Annotated[
        Literal["point", "comma"] | None,
        panel("Problem", "What stands before decimals in the data; by default read off them."),
    ] = None
    assignment: Annotated[
        Literal["even", "sorted", "shared"],
        panel(
            "Problem",
            "How rows of the data go to nodes: dealt in turn, in blocks sorted by target, or all to each.",
        ),
    ] = "even"
    replacement: Annotated[bool, panel("Problem", "Draw minibatches of the data with replacement.")] = True
    ridge: Annotated[float, panel("Problem", "Weight of the penalty ½·ridge·‖x‖², with --data.")] = 0.0
    dim: Annotated[int, panel("Problem", "Coordinates of an iterate, without --data.")] = 2
    feature_std: Annotated[float, panel("Problem", "Standard deviation of a feature, without --data.")] = 1.0

    def problem(
        self, context: typer.Context, n_nodes: int, batch_size: int, noise_std: float = 1.0
    ) -> "GaussianRegression | DatasetRegression":
        """The problem; options that change nothing are refused, and so are nodes without enough rows."""
        import desgd_fast as dsf

        if self.data is None or self.target is None:
            if (self.data is None) != (self.target is None):
                raise typer.BadParameter("--data and --target belong together")
            given.refuse(context, _OF_DATA, "changes nothing without --data")
            return dsf.GaussianRegression(self.dim, self.feature_std, noise_std)
        given.refuse(context, _OF_GAUSSIAN, "changes nothing with --data")
        problem = dsf.DatasetRegression.from_csv(
            self.data,
            self.target,
            assignment=self.assignment,
            replacement=self.replacement,
            ridge=self.ridge,
            header=self.header,
            separator=self.separator,
            decimal=self.decimal,
        )
        problem.partition(n_nodes, batch_size)
        return problem

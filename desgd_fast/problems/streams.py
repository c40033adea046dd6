"""Fresh data from a law at every node and step."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.problems import checks
from desgd_fast.problems.laws import Law
from desgd_fast.problems.losses import Loss
from desgd_fast.problems.rows import try_out

Real = NDArray[np.float64]


if TYPE_CHECKING:
    from desgd_fast.problems.losses import Loss


@dataclass(frozen=True, eq=False)
class StreamingRisk:
    """The mean of a loss over a law from which every node draws fresh samples at every step.

    Parameters
    ----------
    loss : Loss
        Ready from ``dsf.losses``, or of the user's own compiled functions.
    law : Law
        Ready from ``dsf.laws``, or the user's own; it may depend on the node.
    reference : float or (dim,) array, optional
        The point that distances are measured from. By default the law's ``truth`` where that is one point
        of as many coordinates, else the origin. Only the truth of a well-specified loss is its minimiser: a
        ridge, say, moves it.

    Raises
    ------
    ValueError, TypeError
        If an argument has the wrong shape or range, the law's labels are unknown to the loss, or loss or
        law do not compile together or are not finite.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> law = dsf.laws.linear([1.0, -1.0], features=dsf.laws.student_t(5), noise=dsf.laws.gaussian(0.1))
    >>> problem = dsf.StreamingRisk(dsf.losses.huber(), law)
    >>> runs = dsf.simulate(problem, [[1.0]], step_size=0.1, batch_size=4, n_steps=300, rng=0)
    >>> bool(runs.norms().max() < 0.2)
    True
    """

    loss: Loss
    law: Law
    reference: ArrayLike | None = None

    def __post_init__(self) -> None:
        check.instance("loss", self.loss, (Loss,))
        check.instance("law", self.law, (Law,))
        if self.law.labels is not None:
            checks.allowed_labels("law", np.array(self.law.labels), self.loss.labels)
        if self.reference is not None:
            object.__setattr__(self, "reference", check.vector("reference", self.reference, self.dim))
        features, targets = self.law.draw(64, rng=0)
        if self.law.labels is None:
            checks.allowed_labels("law", targets, self.loss.labels)
        try_out(self.loss, features, targets, self.dim)

    @property
    def dim(self) -> int:
        """Number of coordinates of an iterate."""
        return self.loss.outputs * self.law.n_features

    def at_infinity(self) -> "StreamingRisk":
        """What is left far from the optimum: the loss at infinity, on the same features."""
        return StreamingRisk(self.loss.at_infinity(), self.law, np.zeros(self.dim))

    @property
    def optimum(self) -> Real:
        """The point that distances are measured from, (dim,)."""
        if self.reference is not None:
            return np.asarray(self.reference)
        truth = self.law.truth
        return truth[0] if truth is not None and truth.shape == (1, self.dim) else np.zeros(self.dim)

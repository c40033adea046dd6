"""Published systems that bear Byzantine nodes."""

from collections import Counter
from collections.abc import Sequence

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.aggregation.distances import nearest_neighbour_averaging
from desgd_fast.algorithms.aggregation.wrappers import bucketing
from desgd_fast.algorithms.algorithm import Algorithm, chain
from desgd_fast.algorithms.local.momentum import moving_average
from desgd_fast.algorithms.time.timing import adapt_then_combine
from desgd_fast.common import check


def monna(n_byzantine: int, momentum: float = 0.99) -> Algorithm:
    """m ← βm + (1 − β)g, x ← x − ηm, then the mean of the n − 2f iterates nearest one's own: MoNNA.

    Farhadkhani et al., ICML 2023, on a complete graph. A node of theirs goes on with the first n − f iterates
    that arrive; here all do.

    Parameters
    ----------
    n_byzantine : int
        f.
    momentum : float
        β.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.monna(5)
    chain(moving_average(0.99), nearest_neighbour_averaging(10), adapt_then_combine())
    """
    f = check.integer("n_byzantine", n_byzantine, 0, 2**20)
    decay = checks.momentum("momentum", momentum)
    return chain(
        moving_average(decay), nearest_neighbour_averaging(f, n_discarded=2 * f), adapt_then_combine()
    )


def detox(aggregation: Algorithm, bucket_size: int) -> Algorithm:
    """Votes of groups put into buckets, whose means are aggregated: DETOX (Rajput et al., NeurIPS 2019).

    A node stands for a group of r workers that compute one gradient and vote: as long as most of them are
    honest their vote is that gradient. :func:`outvoted` says which groups are not.

    Parameters
    ----------
    aggregation : Algorithm
        :func:`coordinate_median`, :func:`multi_krum` or :func:`bulyan`, as published, or another.
    bucket_size : int
        Groups in a bucket.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.detox(dsf.algorithms.coordinate_median(), 3)
    chain(coordinate_median_of_buckets(3), adapt_then_combine())
    """
    bucket_size = check.positive_integer("bucket_size", bucket_size)
    return chain(bucketing(aggregation, bucket_size), adapt_then_combine())


def outvoted(byzantine: Sequence[int], redundancy: int) -> tuple[int, ...]:
    """Groups of workers 0 … r − 1, r … 2r − 1, … in which the honest have no majority.

    Parameters
    ----------
    byzantine : sequence of int
        Byzantine workers.
    redundancy : int
        r.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.outvoted([0, 4, 5, 8], redundancy=3)
    (1,)
    """
    redundancy = check.positive_integer("redundancy", redundancy)
    groups = Counter(worker // redundancy for worker in check.nodes("byzantine", byzantine))
    return tuple(sorted(group for group, count in groups.items() if 2 * count >= redundancy))

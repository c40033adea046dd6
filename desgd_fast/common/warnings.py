"""Warnings, a class for each thing to know, so that one can be silenced without the others."""


class DivergenceWarning(RuntimeWarning):
    """Some runs overflowed; they are kept and flagged.

    Examples
    --------
    >>> import warnings, desgd_fast as dsf
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     runs = dsf.simulate(dsf.GaussianRegression(1), [[1.0]], step_size=1e9, batch_size=1, n_steps=50)
    >>> caught[0].category is dsf.warnings.DivergenceWarning, runs.diverged
    (True, array([ True]))
    """


class OptimumWarning(RuntimeWarning):
    """The point that distances are measured from is no stationary point.

    Examples
    --------
    >>> import warnings, desgd_fast as dsf
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", dsf.warnings.OptimumWarning)  # stop where it would be given
    ...     warnings.warn("an example", dsf.warnings.OptimumWarning)
    Traceback (most recent call last):
    desgd_fast.common.warnings.OptimumWarning: an example
    """


class NotStationaryWarning(RuntimeWarning):
    """The Lyapunov exponent is not below 0 beyond its error: no stationary law, no tail index.

    Examples
    --------
    >>> import warnings, desgd_fast as dsf
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", dsf.warnings.NotStationaryWarning)
    ...     dsf.theory.tail_index(dsf.GaussianRegression(1), [[1.0]], step_size=2.5, batch_size=1).alpha
    nan
    """


class LightTailWarning(RuntimeWarning):
    """The tail index lies above every moment tried; what is reported bounds it from below.

    Examples
    --------
    >>> import warnings, desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(1)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", dsf.warnings.LightTailWarning)
    ...     dsf.theory.tail_index(problem, [[1.0]], step_size=0.01, batch_size=1).lower_bound
    True
    """


class PrecisionWarning(RuntimeWarning):
    """The requested standard error was not reached.

    Examples
    --------
    >>> import warnings, desgd_fast as dsf
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", dsf.warnings.PrecisionWarning)  # stop where it would be given
    ...     warnings.warn("an example", dsf.warnings.PrecisionWarning)
    Traceback (most recent call last):
    desgd_fast.common.warnings.PrecisionWarning: an example
    """


class FailedCellsWarning(RuntimeWarning):
    """Some cells of a sweep raised; their tracebacks are kept.

    Examples
    --------
    >>> import warnings, desgd_fast as dsf
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", dsf.warnings.FailedCellsWarning)  # stop where it would be given
    ...     warnings.warn("an example", dsf.warnings.FailedCellsWarning)
    Traceback (most recent call last):
    desgd_fast.common.warnings.FailedCellsWarning: an example
    """


class OtherVersionWarning(RuntimeWarning):
    """A store was begun by another version of this package.

    Examples
    --------
    >>> import warnings, desgd_fast as dsf
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", dsf.warnings.OtherVersionWarning)  # stop where it would be given
    ...     warnings.warn("an example", dsf.warnings.OtherVersionWarning)
    Traceback (most recent call last):
    desgd_fast.common.warnings.OtherVersionWarning: an example
    """


class MemoryWarning(RuntimeWarning):
    """A run or a graph will take more than half of the memory that is free.

    Examples
    --------
    >>> import warnings, desgd_fast as dsf
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", dsf.warnings.MemoryWarning)  # stop where it would be given
    ...     warnings.warn("an example", dsf.warnings.MemoryWarning)
    Traceback (most recent call last):
    desgd_fast.common.warnings.MemoryWarning: an example
    """


class LeftOutWarning(UserWarning):
    """Part of a file is no data and was left out.

    Examples
    --------
    >>> import warnings, desgd_fast as dsf
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", dsf.warnings.LeftOutWarning)  # stop where it would be given
    ...     warnings.warn("an example", dsf.warnings.LeftOutWarning)
    Traceback (most recent call last):
    desgd_fast.common.warnings.LeftOutWarning: an example
    """

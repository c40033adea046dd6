"""Warnings, a class for each thing to know, so that one can be silenced without the others."""


class DivergenceWarning(RuntimeWarning):
    """Some runs overflowed; they are kept and flagged."""


class OptimumWarning(RuntimeWarning):
    """The point that distances are measured from is no stationary point."""


class NotStationaryWarning(RuntimeWarning):
    """The Lyapunov exponent is not below 0 beyond its error: no stationary law, no tail index."""


class LightTailWarning(RuntimeWarning):
    """The tail index lies above every moment tried; what is reported bounds it from below."""


class PrecisionWarning(RuntimeWarning):
    """The requested standard error was not reached."""


class FailedCellsWarning(RuntimeWarning):
    """Some cells of a sweep raised; their tracebacks are kept."""


class OtherVersionWarning(RuntimeWarning):
    """A store was begun by another version of this package."""


class LeftOutWarning(UserWarning):
    """Part of a file is no data and was left out."""

"""The mean of a series whose values depend on each other, with its standard error."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Autocovariances are summed up to so many correlation times (Sokal, Monte Carlo Methods, 1997, section 3).
_TIMES = 5.0
# And at least as far as neighbours that pull apart need to be seen.
_LEAST = 4


class Series:
    """A stationary series x_0, …, x_{n−1}.

    Attributes
    ----------
    mean, stderr : float
        Of its values, with the autocovariances up to the lag that five correlation times reach.
    reach : int
        That lag.
    doubt : float
        Relative standard error of the square of ``stderr``.
    """

    def __init__(self, values: Array) -> None:
        n = values.size
        self.mean = float(values.mean())
        self.values = values - self.mean
        covariances = _covariances(self.values, self.values)
        self.variance = max(float(covariances[0]), 1e-300)
        times = 0.5 + np.cumsum(covariances[1:]) / self.variance
        lags = np.arange(1, n // 2)
        long_enough = np.flatnonzero((lags >= _TIMES * times) & (lags >= _LEAST))
        self.reach = int(long_enough[0]) + 1 if long_enough.size else n // 2 - 1
        self.doubt = math.sqrt(2 * (2 * self.reach + 1) / n)
        # Subtracting the mean took a share from every covariance.
        long_run = max(2 * float(times[self.reach - 1]), 0.1) * (1 + (2 * self.reach + 1) / n)
        self.stderr = math.sqrt(self.variance * long_run / n)

    def before(self, other: "Series") -> Array:
        """A series whose mean is Σ_{k>0} cov(x_0, y_k), as far as this series reaches."""
        sums = np.concatenate([np.zeros(self.reach + 1), np.cumsum(self.values)])
        n, m = self.values.size, self.reach
        return np.asarray((sums[m : m + n] - sums[:n]) * other.values)


def _covariances(first: Array, then: Array) -> Array:
    """cov(x_0, y_k) for lags k < n / 2 of centred series."""
    n = first.size
    product = np.conj(np.fft.rfft(first, 2 * n)) * np.fft.rfft(then, 2 * n)
    return np.asarray(np.fft.irfft(product, 2 * n)[: n // 2] / n)

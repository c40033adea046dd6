"""What came out, measured: tails of runs, of layers and of gradient noise."""

from desgd_fast.measurement.layers import layer_tails as layer_tails
from desgd_fast.measurement.noise import gradient_noise as gradient_noise
from desgd_fast.measurement.results import GradientNoise as GradientNoise
from desgd_fast.measurement.tail import measure_tail as measure_tail

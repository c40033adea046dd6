"""The tail index computed: Lyapunov exponent, moment growth, exact second moments, frontiers.

The deviations of all nodes, stacked, obey E⁺ = M E + q with random M. With
rho = lim (1/k) log‖M_k…M_1‖ and h(s) = lim (E‖M_k…M_1‖^s)^{1/k}, a stationary law exists where
rho < 0, and its tail is P(‖E‖ > t) ~ c t^{−alpha} with h(alpha) = 1 (Kesten 1973; Goldie 1991;
Gürbüzbalaban, Hu, Şimşekli, Yuan and Zhu, arXiv 2205.06689). Nothing here simulates iterates.
"""

from desgd_fast.theory.descents.comparison import compare as compare
from desgd_fast.theory.descents.comparison import norm_bound as norm_bound
from desgd_fast.theory.descents.comparison import regime_map as regime_map
from desgd_fast.theory.excursions.exceedance import exceedance as exceedance
from desgd_fast.theory.excursions.results import Exceedance as Exceedance
from desgd_fast.theory.results import CriticalStepSize as CriticalStepSize
from desgd_fast.theory.results import DominatingRow as DominatingRow
from desgd_fast.theory.results import Growth as Growth
from desgd_fast.theory.results import TailIndex as TailIndex
from desgd_fast.theory.stability import critical_step_size as critical_step_size
from desgd_fast.theory.stability import lyapunov_exponent as lyapunov_exponent
from desgd_fast.theory.stability import moment_growth as moment_growth
from desgd_fast.theory.stability import second_moment_growth as second_moment_growth
from desgd_fast.theory.stability import stationary_covariance as stationary_covariance
from desgd_fast.theory.stability import tail_index as tail_index

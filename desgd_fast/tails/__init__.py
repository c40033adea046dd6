"""Tail indices from samples, each with an interval: nothing here needs a simulation.

P(X > t) ~ c·t^(−alpha); xi = 1/alpha. Every estimator takes a vector, or an array of many samples and
``axis=``, and gives a :class:`TailEstimate`. Throughout X_(1) ≥ X_(2) ≥ … are the positive values
of the chosen tail, n their number, and **k counts the order statistics above the threshold**
X_(k+1), 1 ≤ k ≤ n − 1.
"""

from desgd_fast.tails.data.discrete import zeta as zeta
from desgd_fast.tails.data.limits import censored_hill as censored_hill
from desgd_fast.tails.data.limits import truncated_hill as truncated_hill
from desgd_fast.tails.estimators import bias_reduced_hill as bias_reduced_hill
from desgd_fast.tails.estimators import compare as compare
from desgd_fast.tails.estimators import double_bootstrap as double_bootstrap
from desgd_fast.tails.estimators import goodness_of_fit as goodness_of_fit
from desgd_fast.tails.estimators import hill as hill
from desgd_fast.tails.estimators import hill_path as hill_path
from desgd_fast.tails.estimators import ks_threshold as ks_threshold
from desgd_fast.tails.estimators import likelihood_ratio as likelihood_ratio
from desgd_fast.tails.estimators import mmo as mmo
from desgd_fast.tails.estimators import moment as moment
from desgd_fast.tails.estimators import moment_path as moment_path
from desgd_fast.tails.estimators import norms as norms
from desgd_fast.tails.estimators import pickands as pickands
from desgd_fast.tails.estimators import smoothed_hill as smoothed_hill
from desgd_fast.tails.estimators import tail_index as tail_index
from desgd_fast.tails.estimators import trimmed_hill as trimmed_hill
from desgd_fast.tails.fit.results import GoodnessOfFit as GoodnessOfFit
from desgd_fast.tails.fit.results import LikelihoodRatio as LikelihoodRatio
from desgd_fast.tails.fit.results import TailComparison as TailComparison
from desgd_fast.tails.fit.results import ThresholdChoice as ThresholdChoice
from desgd_fast.tails.results import TailEstimate as TailEstimate
from desgd_fast.tails.results import TailPath as TailPath

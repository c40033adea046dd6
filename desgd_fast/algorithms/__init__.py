"""What a node does in one step, as values: parts, and :func:`chain` to compose them.

>>> import desgd_fast as dsf
>>> dsf.algorithms.chain(dsf.algorithms.heavy_ball(0.9), dsf.algorithms.local_steps(4))
chain(heavy_ball(0.9), local_steps(4))
"""

from desgd_fast.algorithms.aggregation import coordinate_median as coordinate_median
from desgd_fast.algorithms.algorithm import Algorithm as Algorithm
from desgd_fast.algorithms.algorithm import Part as Part
from desgd_fast.algorithms.algorithm import chain as chain
from desgd_fast.algorithms.delays import delayed as delayed
from desgd_fast.algorithms.delays import randomly_delayed as randomly_delayed
from desgd_fast.algorithms.local import clipped as clipped
from desgd_fast.algorithms.local import gradient_tracking as gradient_tracking
from desgd_fast.algorithms.local import heavy_ball as heavy_ball
from desgd_fast.algorithms.local import nesterov as nesterov
from desgd_fast.algorithms.local import sgd as sgd
from desgd_fast.algorithms.local import weight_decay as weight_decay
from desgd_fast.algorithms.messages import consensus_step as consensus_step
from desgd_fast.algorithms.messages import random_mask as random_mask
from desgd_fast.algorithms.own import aggregation_rule as aggregation_rule
from desgd_fast.algorithms.own import local_rule as local_rule
from desgd_fast.algorithms.own import message_rule as message_rule
from desgd_fast.algorithms.own import participation_rule as participation_rule
from desgd_fast.algorithms.participation import always as always
from desgd_fast.algorithms.participation import bernoulli as bernoulli
from desgd_fast.algorithms.participation import cyclic as cyclic
from desgd_fast.algorithms.participation import markov as markov
from desgd_fast.algorithms.participation import poisson as poisson
from desgd_fast.algorithms.participation import woken as woken
from desgd_fast.algorithms.presets import dpsgd as dpsgd
from desgd_fast.algorithms.presets import fedavg as fedavg
from desgd_fast.algorithms.presets import local_sgd as local_sgd
from desgd_fast.algorithms.presets import token_sgd as token_sgd
from desgd_fast.algorithms.timing import adapt_then_combine as adapt_then_combine
from desgd_fast.algorithms.timing import combine_then_adapt as combine_then_adapt
from desgd_fast.algorithms.timing import local_steps as local_steps

"""What a node does in one step, as values: parts, and :func:`chain` to compose them.

>>> import desgd_fast as dsf
>>> dsf.algorithms.chain(dsf.algorithms.heavy_ball(0.9), dsf.algorithms.local_steps(4))
chain(heavy_ball(0.9), local_steps(4))
"""

from desgd_fast.algorithms.aggregation.attacks import a_little_is_enough as a_little_is_enough
from desgd_fast.algorithms.aggregation.attacks import gaussian as gaussian
from desgd_fast.algorithms.aggregation.attacks import inner_product as inner_product
from desgd_fast.algorithms.aggregation.attacks import sign_flip as sign_flip
from desgd_fast.algorithms.aggregation.attacks import zero as zero
from desgd_fast.algorithms.aggregation.consensus import consensus_based as consensus_based
from desgd_fast.algorithms.aggregation.coordinates import coordinate_median as coordinate_median
from desgd_fast.algorithms.aggregation.coordinates import mean as mean
from desgd_fast.algorithms.aggregation.coordinates import trimmed_mean as trimmed_mean
from desgd_fast.algorithms.aggregation.distances import bulyan as bulyan
from desgd_fast.algorithms.aggregation.distances import geometric_median as geometric_median
from desgd_fast.algorithms.aggregation.distances import krum as krum
from desgd_fast.algorithms.aggregation.distances import multi_krum as multi_krum
from desgd_fast.algorithms.aggregation.distances import (
    nearest_neighbour_averaging as nearest_neighbour_averaging,
)
from desgd_fast.algorithms.aggregation.presets import detox as detox
from desgd_fast.algorithms.aggregation.presets import monna as monna
from desgd_fast.algorithms.aggregation.presets import outvoted as outvoted
from desgd_fast.algorithms.aggregation.subspace import flag as flag
from desgd_fast.algorithms.aggregation.wrappers import bucketing as bucketing
from desgd_fast.algorithms.aggregation.wrappers import nearest_neighbour_mixing as nearest_neighbour_mixing
from desgd_fast.algorithms.algorithm import Algorithm as Algorithm
from desgd_fast.algorithms.algorithm import Part as Part
from desgd_fast.algorithms.algorithm import chain as chain
from desgd_fast.algorithms.compression.accordion import accordion as accordion
from desgd_fast.algorithms.compression.atomic import atomic as atomic
from desgd_fast.algorithms.compression.memory import compressed as compressed
from desgd_fast.algorithms.compression.presets import atomo as atomo
from desgd_fast.algorithms.compression.presets import choco as choco
from desgd_fast.algorithms.compression.presets import deep_squeeze as deep_squeeze
from desgd_fast.algorithms.compression.presets import just_one_byte as just_one_byte
from desgd_fast.algorithms.compression.quantisers import natural as natural
from desgd_fast.algorithms.compression.quantisers import one_byte as one_byte
from desgd_fast.algorithms.compression.quantisers import qsgd as qsgd
from desgd_fast.algorithms.compression.quantisers import sign as sign
from desgd_fast.algorithms.compression.sparsifiers import random_k as random_k
from desgd_fast.algorithms.compression.sparsifiers import random_mask as random_mask
from desgd_fast.algorithms.compression.sparsifiers import top_k as top_k
from desgd_fast.algorithms.local.adaptive import adabelief as adabelief
from desgd_fast.algorithms.local.adaptive import adam as adam
from desgd_fast.algorithms.local.adaptive import amsgrad as amsgrad
from desgd_fast.algorithms.local.adaptive import diffgrad as diffgrad
from desgd_fast.algorithms.local.adaptive import frugal as frugal
from desgd_fast.algorithms.local.clipping import clipped as clipped
from desgd_fast.algorithms.local.clipping import normalized as normalized
from desgd_fast.algorithms.local.curvature import adahessian as adahessian
from desgd_fast.algorithms.local.curvature import sophia as sophia
from desgd_fast.algorithms.local.mirror import dual as dual
from desgd_fast.algorithms.local.mirror import mirror_descent as mirror_descent
from desgd_fast.algorithms.local.mirror import primal as primal
from desgd_fast.algorithms.local.momentum import gradient_tracking as gradient_tracking
from desgd_fast.algorithms.local.momentum import heavy_ball as heavy_ball
from desgd_fast.algorithms.local.momentum import moving_average as moving_average
from desgd_fast.algorithms.local.momentum import nesterov as nesterov
from desgd_fast.algorithms.local.momentum import sgd as sgd
from desgd_fast.algorithms.local.momentum import weight_decay as weight_decay
from desgd_fast.algorithms.local.noise import gaussian_noise as gaussian_noise
from desgd_fast.algorithms.local.noise import stable_noise as stable_noise
from desgd_fast.algorithms.local.scaling import optimistic as optimistic
from desgd_fast.algorithms.local.scaling import preconditioned as preconditioned
from desgd_fast.algorithms.local.scaling import projected as projected
from desgd_fast.algorithms.local.scaling import signal_to_noise as signal_to_noise
from desgd_fast.algorithms.messages import consensus_step as consensus_step
from desgd_fast.algorithms.own import aggregation_rule as aggregation_rule
from desgd_fast.algorithms.own import compressor as compressor
from desgd_fast.algorithms.own import local_rule as local_rule
from desgd_fast.algorithms.own import message_rule as message_rule
from desgd_fast.algorithms.own import participation_rule as participation_rule
from desgd_fast.algorithms.presets import dpsgd as dpsgd
from desgd_fast.algorithms.presets import extra as extra
from desgd_fast.algorithms.presets import fedau as fedau
from desgd_fast.algorithms.presets import fedavg as fedavg
from desgd_fast.algorithms.presets import fedbuff as fedbuff
from desgd_fast.algorithms.presets import fedfix as fedfix
from desgd_fast.algorithms.presets import local_sgd as local_sgd
from desgd_fast.algorithms.presets import stochastic_gradient_push as stochastic_gradient_push
from desgd_fast.algorithms.presets import token_sgd as token_sgd
from desgd_fast.algorithms.privacy import dice_sgd as dice_sgd
from desgd_fast.algorithms.privacy import dp_sgd as dp_sgd
from desgd_fast.algorithms.privacy import privacy_spent as privacy_spent
from desgd_fast.algorithms.time.delays import delayed as delayed
from desgd_fast.algorithms.time.delays import delayed_messages as delayed_messages
from desgd_fast.algorithms.time.delays import randomly_delayed as randomly_delayed
from desgd_fast.algorithms.time.delays import randomly_delayed_messages as randomly_delayed_messages
from desgd_fast.algorithms.time.delays import stale_discount as stale_discount
from desgd_fast.algorithms.time.flows import dadao as dadao
from desgd_fast.algorithms.time.participation import always as always
from desgd_fast.algorithms.time.participation import bernoulli as bernoulli
from desgd_fast.algorithms.time.participation import cyclic as cyclic
from desgd_fast.algorithms.time.participation import markov as markov
from desgd_fast.algorithms.time.participation import poisson as poisson
from desgd_fast.algorithms.time.participation import woken as woken
from desgd_fast.algorithms.time.timing import adapt_then_combine as adapt_then_combine
from desgd_fast.algorithms.time.timing import combine_then_adapt as combine_then_adapt
from desgd_fast.algorithms.time.timing import local_steps as local_steps

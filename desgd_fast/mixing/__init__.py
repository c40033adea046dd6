"""Who talks to whom: mixing matrices, their spectra, and processes that change them from step to step."""

from desgd_fast.mixing.files import GraphFile as GraphFile
from desgd_fast.mixing.files import read_graph as read_graph
from desgd_fast.mixing.processes import MixingProcess as MixingProcess
from desgd_fast.mixing.processes import alternate as alternate
from desgd_fast.mixing.processes import as_process as as_process
from desgd_fast.mixing.processes import gilbert_elliott as gilbert_elliott
from desgd_fast.mixing.processes import link_failures as link_failures
from desgd_fast.mixing.processes import node_dropout as node_dropout
from desgd_fast.mixing.processes import one_peer_exponential as one_peer_exponential
from desgd_fast.mixing.processes import pairwise_gossip as pairwise_gossip
from desgd_fast.mixing.processes import poisson_clocks as poisson_clocks
from desgd_fast.mixing.processes import push_sum as push_sum
from desgd_fast.mixing.processes import random_matching as random_matching
from desgd_fast.mixing.processes import self_repellent_token as self_repellent_token
from desgd_fast.mixing.processes import server as server
from desgd_fast.mixing.processes import token as token
from desgd_fast.mixing.report import MixingReport as MixingReport
from desgd_fast.mixing.report import mixing_report as mixing_report
from desgd_fast.mixing.rules import mixing_matrix as mixing_matrix

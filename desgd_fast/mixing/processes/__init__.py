"""Who talks to whom at which step: mixing matrices that change, drawn anew or in turn."""

from desgd_fast.mixing.processes.clocks import poisson_clocks as poisson_clocks
from desgd_fast.mixing.processes.directed import push_sum as push_sum
from desgd_fast.mixing.processes.links import gilbert_elliott as gilbert_elliott
from desgd_fast.mixing.processes.links import link_failures as link_failures
from desgd_fast.mixing.processes.links import node_dropout as node_dropout
from desgd_fast.mixing.processes.matchings import one_peer_exponential as one_peer_exponential
from desgd_fast.mixing.processes.matchings import pairwise_gossip as pairwise_gossip
from desgd_fast.mixing.processes.matchings import random_matching as random_matching
from desgd_fast.mixing.processes.process import MixingProcess as MixingProcess
from desgd_fast.mixing.processes.process import as_process as as_process
from desgd_fast.mixing.processes.servers import server as server
from desgd_fast.mixing.processes.tokens import self_repellent_token as self_repellent_token
from desgd_fast.mixing.processes.tokens import token as token
from desgd_fast.mixing.processes.turns import alternate as alternate

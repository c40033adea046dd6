"""The published figures of heavy tails in decentralized SGD, as data, and a command to do them again.

Figures 1, 2, 3, 4(a), 6 and 7 of Gürbüzbalaban, Hu, Şimşekli, Yuan and Zhu, arXiv 2205.06689 (IISE
Transactions 57(7), 2025), in the settings of their public code. Everything that an experiment is stands in
:data:`EXPERIMENTS`; what the code does otherwise than the text is listed there as its quirks, and followed
by the preset ``"paper"`` alone.
"""

from desgd_fast.paper.figures import EXPERIMENTS as EXPERIMENTS
from desgd_fast.paper.figures import PRESETS as PRESETS
from desgd_fast.paper.figures import Replication as Replication
from desgd_fast.paper.figures import run as run

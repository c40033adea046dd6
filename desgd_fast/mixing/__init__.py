"""Who talks to whom: mixing matrices of graphs, and their spectra."""

from desgd_fast.mixing.report import (
    MixingReport as MixingReport,
)
from desgd_fast.mixing.report import (
    mixing_report as mixing_report,
)
from desgd_fast.mixing.rules import (
    mixing_matrix as mixing_matrix,
)

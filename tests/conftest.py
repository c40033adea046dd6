"""One Hypothesis profile for all: no deadline (a first call may compile), fixed draws (a run repeats)."""

import os

from hypothesis import settings

# Workers of pytest inherit these. There is one for each core, so threads that spin while they wait for
# others, or linear algebra on all cores, would take time from tests beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

settings.register_profile("desgd_fast", deadline=None, derandomize=True)
settings.load_profile("desgd_fast")

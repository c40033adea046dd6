"""Engines: different ways to draw the same law, and the choice between them."""

from desgd_fast.simulation import checks
from desgd_fast.simulation.engines import closed_law, gram, loop, rows
from desgd_fast.simulation.engines.engine import Chain, Engine, Task

# Every engine; of several that can, the cheapest is taken.
ENGINES: tuple[Engine, ...] = (*closed_law.ENGINES, gram.ENGINE, rows.ENGINE, *loop.ENGINES)

NAMES = ("auto", *dict.fromkeys(engine.name for engine in ENGINES))


def chain_for(name: str, task: Task) -> Chain:
    """The runs of the task under the engine of this name, or under the cheapest for "auto"."""
    asked = [engine for engine in ENGINES if name in ("auto", engine.name)]
    refusals = [engine.refusal(task) for engine in asked]
    able = [engine for engine, refusal in zip(asked, refusals, strict=True) if refusal is None]
    checks.some_engine("engine", name, [refusal for refusal in refusals if refusal is not None], bool(able))
    return min(able, key=lambda engine: engine.cost(task)).chain(task)

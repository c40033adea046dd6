"""Sweeps under fire and under load: ``python -m bench.sweeps kills`` and ``python -m bench.sweeps size``.

``kills``: a sweep whose parent and workers are killed at random, compared file by file with one left alone.
``size``: very many cells in one store. What a sweep costs beside its cells: ``python -m bench --only sweep``.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import desgd_fast as dsf
from bench._measure import Case, Timed

_ROOT = Path(__file__).parent.parent
_LOG = "DESGD_FAST_BENCH_LOG"


def cell(i: int, rng: np.random.Generator) -> dict[str, Any]:
    """Take 5 to 20 ms, say in the log which process did it, and give fields of several kinds."""
    time.sleep(0.005 + 0.015 * rng.random())
    values = rng.normal(size=1 + i % 3)
    with open(os.environ[_LOG], "a") as log:
        log.write(f"{i} {os.getpid()}\n")
    return {"mean": values.mean() if i % 7 else 0, "count": i % 5, "values": values, "text": f"cell {i}"}


def nothing(i: int) -> int:
    """Return at once."""
    return i


def ten_milliseconds(i: int) -> dict[str, float]:
    """Take 10 ms of a core, and say from when to when in which process."""
    start, end = time.perf_counter(), time.process_time() + 0.01
    while time.process_time() < end:
        pass
    return {"start": start, "end": time.perf_counter(), "process": os.getpid()}


@contextmanager
def workers(kind: str) -> Iterator[Any]:
    """One process, a pool of two, or a Dask cluster of two processes."""
    if kind != "dask":
        yield {"alone": 1, "pool": 2}[kind]
        return
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def run(kind: str, store: str, n_cells: int) -> None:
    """One sweep, to be killed."""
    with workers(kind) as team:
        dsf.sweep(cell, {"i": range(n_cells)}, store=store, workers=team, rng=0)


def contents(store: Path) -> dict[str, bytes]:
    """Every file of a store but its root, which tells times."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file() and path != store / "zarr.json"
    }


def recorded(store: Path) -> set[int]:
    """Cells that the store has, in its arrays or in its journal."""
    import zarr

    from desgd_fast.sweeps.store.journal import Folder, Journal

    cells = {json.loads(line)["cell"] for lines in Journal(Folder(store)).blocks(1) for line in lines}
    if (store / "cell_status" / "zarr.json").exists():
        status = zarr.open_array(store / "cell_status", mode="r")[...]
        cells |= set(np.flatnonzero(np.asarray(status)).tolist())
    return cells


@dataclass(frozen=True)
class Report:
    """What happened: kills of workers and of parents, cells computed once more, and the verdict."""

    worker_kills: int
    parent_kills: int
    again: int
    recorded_again: int
    identical: bool
    seconds: float


def under_fire(kind: str, n_cells: int, n_kills: int, parent_every: int = 4, seed: int = 0) -> Report:
    """Kill -9 at random instants a random worker, or now and then the parent; then let it finish."""
    dice = random.Random(seed)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = os.environ | {_LOG: str(folder / "log"), "PYTHONPATH": str(_ROOT)}

        def launch(how: str, store: Path) -> "subprocess.Popen[bytes]":
            command = [sys.executable, "-m", "bench.sweeps", "run", how, str(store), str(n_cells)]
            return subprocess.Popen(command, env=environment, cwd=_ROOT, stderr=subprocess.DEVNULL)

        def log() -> list[tuple[int, int]]:
            lines = (folder / "log").read_text().splitlines() if (folder / "log").exists() else []
            return [(int(line.split()[0]), int(line.split()[1])) for line in lines]

        if launch("alone", folder / "undisturbed").wait() != 0:
            raise RuntimeError("the undisturbed sweep failed")
        (folder / "log").unlink()
        store, known = folder / "disturbed", 0
        promises: list[tuple[int, set[int]]] = []
        parent, kills = launch(kind, store), Counter[str]()
        # Half the time that two processes need, so that it is not over before the last kill.
        pause = n_cells * 0.0125 / 4 / (n_kills + 1)
        while parent.poll() is None:
            if kills.total() == n_kills or len(log()) == known:
                time.sleep(0.005)
                continue
            time.sleep(dice.uniform(0.5, 1.5) * pause)
            victims = sorted({pid for _, pid in log()[known:]})
            if kills.total() % parent_every == parent_every - 1:
                parent.kill()
                parent.wait()
                kills["parent"] += 1
                time.sleep(1.0)  # what orphans did, were there any, would be in the log
                known = len(log())
                promises.append((known, recorded(store)))
                parent = launch(kind, store)
            else:
                known = len(log())
                with suppress(ProcessLookupError):
                    os.kill(dice.choice(victims), signal.SIGKILL)
                    kills["worker"] += 1
        if parent.returncode != 0:
            raise RuntimeError(f"the sweep ended with code {parent.returncode}")
        computed = [cell for cell, _ in log()]
        return Report(
            worker_kills=kills["worker"],
            parent_kills=kills["parent"],
            again=len(computed) - n_cells,
            recorded_again=sum(len(cells & set(computed[known:])) for known, cells in promises),
            identical=contents(store) == contents(folder / "undisturbed"),
            seconds=time.monotonic() - start,
        )


def kills(n_cells: int, n_kills: int) -> None:
    """Print what the kills did, for the pool and for Dask."""
    for kind in ("pool", "dask"):
        report = under_fire(kind, n_cells, n_kills)
        verdict = "identical" if report.identical else "DIFFERENT"
        for line in (
            f"{kind}, {n_cells} cells: killed {report.worker_kills} workers, {report.parent_kills} parents",
            f"  store {verdict} to the undisturbed one, bit for bit, after {report.seconds:.0f} s",
            f"  computed twice: {report.recorded_again} cells on record, {report.again} not yet recorded",
        ):
            print(line, flush=True)


def _swept(function: Callable[..., Any], n_cells: int) -> float:
    """Seconds of a sweep with two processes into a store, from start to end."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        dsf.sweep(function, {"i": range(n_cells)}, store=f"{folder}/store.zarr", workers=2)
        return time.perf_counter() - start


def _submitted(function: Callable[..., Any], n_cells: int) -> float:
    """Seconds of as many calls, each submitted to a pool of two processes on its own; nothing is kept."""
    start = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
        for answer in [pool.submit(function, i) for i in range(n_cells)]:
            answer.result()
    return time.perf_counter() - start


def _spans(n_cells: int) -> tuple[float, float]:
    """Seconds from the first cell of each process to its last, and those of them spent within cells."""
    ds = dsf.sweep(ten_milliseconds, {"i": range(n_cells)}, workers=2)
    whole = inside = 0.0
    for process in np.unique(ds.process):
        mine = ds.where(ds.process == process, drop=True)
        whole += float(mine.end.max() - mine.start.min())
        inside += float((mine.end - mine.start).sum())
    return whole, inside


def cases(quick: bool) -> list[Case]:
    """What a sweep costs beside its cells."""
    n_cells, n_short = (2000, 200) if quick else (10_000, 1000)

    def empty() -> tuple[Timed, Timed]:
        return Timed(lambda: _swept(nothing, n_cells)), Timed(lambda: _submitted(nothing, n_cells))

    def short() -> tuple[Timed, Timed]:
        # Both from one sweep: whatever else the machine does lengthens cells and gaps alike.
        inside: list[float] = []

        def whole() -> float:
            span, within = _spans(n_short)
            inside.append(within)
            return span

        return Timed(whole, n_short), Timed(lambda: (inside or [_spans(n_short)[1]])[-1], n_short)

    shared: Any = {"clock": "own", "seconds": 1.0, "least_repeats": 3}
    return [
        Case(
            "sweep-empty",
            f"{n_cells:,} empty cells in a sweep, 2 processes, into a store",
            "as many calls through a plain process pool",
            empty,
            "≤ 30 s",
            unit="sweep",
            **shared,
        ),
        Case(
            "sweep-10ms",
            "cells of 10 ms in a sweep, 2 processes, with the gaps between them",
            "without the gaps",
            short,
            "≤ 1.05",
            unit="cell",
            **shared,
        ),
    ]


def size(n_cells: int) -> None:
    """Print time and files of very many cells, and that plain xarray opens what they left."""
    import xarray

    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.zarr"
        start, own = time.perf_counter(), time.process_time()
        dsf.sweep(nothing, {"i": range(n_cells)}, store=store, workers=2)
        taken, own = time.perf_counter() - start, time.process_time() - own
        n_files = sum(path.is_file() for path in store.rglob("*"))
        whole = xarray.open_zarr(store)
        right = int(whole.nothing.sum()) == sum(range(n_cells))
        print(f"{n_cells} empty cells: {taken:.1f} s, {1e6 * own / n_cells:.0f} µs of the parent a cell")
        print(f"  {n_files} files; opened with plain xarray, numbers {'right' if right else 'WRONG'}")


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench.sweeps", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fire = commands.add_parser("kills")
    fire.add_argument("--cells", type=int, default=500)
    fire.add_argument("--kills", type=int, default=20)
    many = commands.add_parser("size")
    many.add_argument("--cells", type=int, default=100_000)
    one = commands.add_parser("run")
    one.add_argument("kind")
    one.add_argument("store")
    one.add_argument("cells", type=int)
    options = parser.parse_args()
    if options.command == "kills":
        kills(options.cells, options.kills)
    elif options.command == "size":
        size(options.cells)
    else:
        run(options.kind, options.store, options.cells)


if __name__ == "__main__":
    main()

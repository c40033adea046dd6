"""Many points of parameter space: a grid times a function, any executor, a store on disk, resumable."""

import json
import os
import platform
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from desgd_fast.common import check
from desgd_fast.common.progress import progress_bar
from desgd_fast.common.rng import RNG, key_from
from desgd_fast.common.warnings import FailedCellsWarning, OtherVersionWarning
from desgd_fast.sweeps import checks
from desgd_fast.sweeps import grid as sweeps_grid
from desgd_fast.sweeps.grid import Job
from desgd_fast.sweeps.results import SweepEstimate
from desgd_fast.sweeps.store.arrays import DONE, FAILED, WAITING, Arrays, Result
from desgd_fast.sweeps.store.journal import JOURNAL, NOTE, Folder, Journal
from desgd_fast.sweeps.store.records import FAILURE, decode, encode, fields_of
from desgd_fast.sweeps.workers import Dispatch, Outcome, limit_linear_algebra, one_thread, slots_for

if TYPE_CHECKING:
    import xarray

# The journal goes into the arrays when it has grown so large, or after so many times what that takes.
_JOURNAL_BYTES = 1 << 25
_JOURNAL_PARTS = 2000
_LEAST_SECONDS, _SHARE = 10.0, 30.0

# Cells that take longer than this many seconds are timed without compiling them first.
_LONG = 60.0

# The attribute that tells how often the grid has grown.
_GENERATION = "grown"

# Seconds to wait for a cell before looking after other things.
_PATIENCE = 1.0


def sweep(
    function: Callable[..., Any],
    grid: Mapping[str, Any],
    *,
    fixed: Mapping[str, Any] | None = None,
    store: str | os.PathLike[str] | None = None,
    workers: "int | Executor | Any" = 1,
    rng: RNG = None,
    version: str | None = None,
    retry_failed: bool = False,
    progress: bool = False,
) -> "xarray.Dataset":
    """Compute a function at every point of a grid, and keep what it gave in one labelled dataset.

    The function is called as ``function(**point, **fixed, rng=generator)``. Each cell's generator depends on
    ``rng`` and on the cell's coordinates alone, so that the result is the same to the bit whatever the
    workers, their order, interruptions, or the other cells of the grid.

    Parameters
    ----------
    function : callable
        For example :func:`desgd_fast.measure_tail`, :func:`desgd_fast.theory.tail_index`, or one of your
        own. It returns a dataclass, a mapping, a Dataset, a DataArray, a DataFrame, a Series, a number, a
        text, an array, or a tuple of these; every field (and property) becomes a variable. A field that is
        None is missing in that cell. Coordinates stay coordinates.
    grid : mapping
        Axis name, which is that of an argument, to a sequence of numbers, texts or booleans; or to a mapping
        from labels to any values, such as ``{"graph": {"cycle": W1, "star": W2}}``. Values of the axis
        ``graph`` reach a function that has no such argument as ``W``, networkx graphs as their
        :func:`desgd_fast.mixing_matrix`; there a sequence of graphs will do.
    fixed : mapping, optional
        Arguments that are the same in every cell. With ``rng`` among them, every cell gets that one.
    store : str or path, optional
        Folder or any fsspec URL for a Zarr group that holds the results. Each cell is written once, when it
        finishes; calling again after any kind of interruption computes only what is missing. Any program
        that reads Zarr can open it: ``xarray.open_zarr(store)``. A grid with more values on its axes goes on
        from the cells that are there, which keep their bits; the order of axes and values does not matter.
        One process at a time may write to it, which is enforced on one machine. Without a store the results
        stay in memory.
    workers : int, Executor or Client
        1 computes here, with all threads. More start so many processes of one thread each, which are
        replaced when they die. Any ``concurrent.futures.Executor``, or a ``dask.distributed.Client`` for
        several machines.
    rng : None, int, Generator, ...
        Anything ``np.random.default_rng`` takes. None is fresh entropy, or what the store was begun with.
    version : str, optional
        A text that stands for the function, and for any value that cannot be told from others; change it when
        they change. Without it the function is told by its content, see the notes.
    retry_failed : bool
        Whether to compute again the cells that failed when the store was last written.
    progress : bool
        Show a bar with cells done, rate, time left and failures; nothing unless on a terminal.

    Returns
    -------
    xarray.Dataset
        The variables over the axes of the grid, then their own axes (padded with nan where cells differ in
        length, or where one has coordinates that another has not: an axis then goes over those of all
        cells, sorted; one without any counts 0, 1, … beside others that have some). ``cell_status`` is 1
        where a cell is done and 2 where it failed, with the traceback in ``cell_failure``. Versions,
        parameters, key, machine and times are in the attributes. With a store it is read from there when
        used.

    Raises
    ------
    ValueError, TypeError
        Before any work, if an argument does not fit the function, or the store was made with other
        parameters (the message shows which), or with a store, if the function or a value cannot be told from
        others (the message says why) and there is no ``version``.

    Warns
    -----
    FailedCellsWarning
        If cells raised; the others went on.
    OtherVersionWarning
        If the store was begun by another version of this package.

    Notes
    -----
    A store answers for one computation. That is told by the function's code with its constants, its
    defaults, what it captured, the object of a method, and the globals that it names, functions and classes
    among them in the same way, as far as they are in modules of the user's own; values by their content,
    graphs with the order of their nodes. Comments, docstrings and names of files play no part. Functions of
    this package, of other installed libraries and of Python are told by their names; versions are in the
    attributes. What a function reads from files, the environment or the network is not seen: let
    ``version`` change with them. Code compiled by another version of Python counts as other code.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> graphs = {"cycle": nx.cycle_graph(8), "star": nx.star_graph(7)}
    >>> ds = dsf.sweep(
    ...     dsf.theory.second_moment_growth,
    ...     {"graph": graphs, "step_size": [0.1, 0.2, 0.3]},
    ...     fixed={"problem": dsf.GaussianRegression(dim=2), "batch_size": 1},
    ... )
    >>> ds.second_moment_growth.dims, dict(ds.sizes)
    (('graph', 'step_size'), {'graph': 2, 'step_size': 3})
    >>> round(float(ds.second_moment_growth.sel(graph="star", step_size=0.3)), 6)
    0.631334
    """
    workers = checks.workers("workers", workers)
    check.flag("retry_failed", retry_failed)
    check.flag("progress", progress)
    check.installed("sweeps need", "sweeps", "xarray", "zarr", "fsspec", "threadpoolctl")
    place = f"memory://desgd-fast-{uuid.uuid4().hex}" if store is None else store
    folder = Folder(place)
    job, held, stored = _job(function, grid, fixed, folder, place, rng, version)
    parameters = _parameters(job, recorded=store is not None)
    with ExitStack() as closing:
        if store is None:
            closing.callback(folder.delete_folder, "")
        ledger = closing.enter_context(_ledger(folder, place, job, held, parameters, stored, workers))
        _compute(ledger, job, workers, retry_failed, progress)
        ledger.finish()
        if ledger.failed:
            warnings.warn(ledger.complaint(), FailedCellsWarning, stacklevel=2)
        return open_store(place).load() if store is None else open_store(place)


def estimate(
    function: Callable[..., Any],
    grid: Mapping[str, Any],
    *,
    fixed: Mapping[str, Any] | None = None,
    store: str | os.PathLike[str] | None = None,
    workers: int = 1,
    rng: RNG = None,
    version: str | None = None,
) -> SweepEstimate:
    """What :func:`sweep` with these arguments would take, from the cell in the middle of the grid.

    The cell is computed twice where that is quick, so that compiling does not count; nothing is written.

    Raises
    ------
    ValueError, TypeError
        As :func:`sweep`, and whatever the function raises in that cell.

    Examples
    --------
    >>> from desgd_fast import sweeps
    >>> cost = sweeps.estimate(lambda x: x**2, {"x": [-1.0, 2.0]})
    >>> cost.n_cells, cost.result_bytes
    (2, 16)
    """
    n_workers = check.integer("workers", workers, 1)
    check.installed("sweeps need", "sweeps", "xarray", "zarr", "fsspec", "threadpoolctl")
    place = f"memory://desgd-fast-{uuid.uuid4().hex}" if store is None else store
    folder = Folder(place)
    job, held, stored = _job(function, grid, fixed, folder, place, rng, version)
    waiting = job.n_cells
    if stored is not None:
        waiting -= held.n_cells - stored["cells_waiting"]
        waiting = max(0, waiting - len(Journal(folder, stored.get(_GENERATION, 0)).cells()))
    cell = int(np.ravel_multi_index([size // 2 for size in job.shape], job.shape))
    with limit_linear_algebra():
        if n_workers > 1:
            one_thread()
        for _ in range(2):
            start = time.perf_counter()
            fields = fields_of(job.function(**job.arguments(cell)), job.name)
            seconds = time.perf_counter() - start
            if seconds > _LONG:
                break
    size = sum(field.values.nbytes for field in fields.values())
    return SweepEstimate(
        n_cells=job.n_cells,
        n_waiting=waiting,
        cell=job.labels(cell),
        seconds=seconds,
        result_bytes=size * job.n_cells,
        process_bytes=_most_memory(),
        workers=n_workers,
    )


def _job(
    function: Any, grid: Any, fixed: Any, folder: Folder, place: Any, rng: RNG, version: Any
) -> tuple[Job, Job, dict[str, Any] | None]:
    """The job, as much of it as the store holds or is to hold, and the attributes of the store.

    Refuses the store of another job. One that holds all of this one decides on the order of the cells.
    """
    stored = stored_attributes(folder, place)
    begun = {} if stored is None else json.loads(stored["parameters"])
    key = key_from(rng)
    if rng is None and begun.get("rng", "").isalnum():
        key = np.array([int(begun["rng"][i : i + 8], 16) for i in (0, 8)], np.uint64)
    job = sweeps_grid.job(function, grid, fixed, key, version)
    if stored is None:
        return job, job, None
    held = job.restricted(begun["grid"]) or job
    checks.same_sweep("store", begun, json.loads(json.dumps(held.description())))
    return (held if held.n_cells == job.n_cells else job), held, stored


def _parameters(job: Job, recorded: bool) -> str:
    """The description of a job; in memory also of one whose values cannot be told from others."""
    try:
        description = job.description()
    except TypeError:
        if recorded:
            raise
        description = {"function": job.name, "grid": {axis.name: axis.labels for axis in job.axes}}
    return json.dumps(description, ensure_ascii=False)


def _most_memory() -> int:
    try:
        import resource
    except ImportError:  # pragma: no cover
        return 0  # Windows keeps no such record
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if platform.system() == "Darwin" else 1024 * most


def open_store(store: str | os.PathLike[str]) -> "xarray.Dataset":
    """The dataset in a store, as plain ``xarray.open_zarr`` gives it, numbers read when used.

    Texts are Python's here: ``where`` and its like cannot mix numpy's variable-width ones with nan.
    """
    import xarray

    dataset: xarray.Dataset = xarray.open_zarr(Folder(store).url, chunks=None)
    texts = {name: text.astype(object) for name, text in dataset.variables.items() if text.dtype.kind == "T"}
    return dataset.assign_coords(
        {name: text for name, text in texts.items() if name in dataset.coords}
    ).assign({name: text for name, text in texts.items() if name not in dataset.coords})


def stored_attributes(folder: Folder, store: Any) -> dict[str, Any] | None:
    """Attributes of the sweep in a folder; None if there is nothing yet."""
    with checks.reachable("store", os.fspath(store)):
        root = json.loads(folder.read("zarr.json") or b"{}")
    attributes: dict[str, Any] = root.get("attributes", {})
    if "parameters" in attributes and "desgd_fast" in attributes:
        return attributes
    # Killed before the first root was written: only the note tells whose folder it is.
    checks.is_a_sweep("store", os.fspath(store), JOURNAL in (names := folder.names()) or not names)
    return None


def _compute(ledger: "_Ledger", job: Job, workers: Any, retry_failed: bool, progress: bool) -> None:
    todo = ledger.cells(WAITING, *([FAILED] if retry_failed else []))
    if not todo:
        return
    with (
        limit_linear_algebra(),
        slots_for(workers, job) as slots,
        _bar(progress, job.n_cells, job.n_cells - len(todo)) as tick,
    ):
        for outcomes in Dispatch(slots, todo).outcomes(_PATIENCE):
            ledger.add(outcomes)
            tick(len(outcomes), ledger.failed)


@contextmanager
def _bar(show: bool, total: int, done: int) -> Iterator[Callable[[int, int], object]]:
    # None: only on a terminal. The mean rate of the whole sweep gives the steadiest time left.
    options = {"total": total, "initial": done, "unit": "cell", "disable": None, "smoothing": 0.0}
    with progress_bar(show, **options) as bar:

        def tick(done: int, failed: int) -> None:
            if bar is None:
                return
            if failed:
                bar.set_postfix_str(f"{failed} failed", refresh=False)
            bar.update(done)
            if not done:
                bar.refresh()

        yield tick


@contextmanager
def _ledger(
    folder: Folder,
    store: Any,
    job: Job,
    held: Job,
    parameters: str,
    stored: dict[str, Any] | None,
    workers: Any,
) -> Iterator["_Ledger"]:
    with checks.reachable("store", os.fspath(store)):
        folder.make(JOURNAL)
        folder.write(f"{JOURNAL}/README", NOTE)
    with folder.locked(store):
        latest = stored_attributes(folder, store)
        checks.unchanged("store", store, *((each or {}).get("parameters") for each in (stored, latest)))
        stored = latest
        folder.sweep_out()
        ledger = _Ledger(folder, held, parameters, stored, workers)
        try:
            if held.n_cells < job.n_cells:
                ledger.grow(job, parameters)
            yield ledger
        except BaseException:
            # What is in the journal is safe; in the arrays it can also be read by others.
            with suppress(Exception):
                ledger.absorb()
            raise


class _Ledger:
    """What is finished: in the journal first, from time to time in the arrays."""

    def __init__(
        self, folder: Folder, job: Job, parameters: str, stored: dict[str, Any] | None, workers: Any
    ) -> None:
        self._folder = folder
        self._job = job
        self._arrays = Arrays(job, folder)
        self._journal = Journal(folder, (stored or {}).get(_GENERATION, 0))
        self._journal.clear_others()
        self._session = _session(workers)
        self._attributes = dict(stored or {}) or {
            "desgd_fast": _version(),
            "parameters": parameters,
            "begun": self._session["started"],
            "sessions": "[]",
        }
        if self._attributes["desgd_fast"] != _version():
            warnings.warn(
                f"the store was begun by desgd_fast {self._attributes['desgd_fast']}, this is "
                f"{_version()}: their numbers may differ",
                OtherVersionWarning,
                stacklevel=5,
            )
        self._sessions = json.loads(self._attributes["sessions"])
        self._written_bytes = 0
        self._next = 0.0
        if stored is None:
            self._arrays.create(self._attributes)
            self._status = self._arrays.status()
        else:
            self._status = self._arrays.open()
        self.absorb()

    def grow(self, job: Job, parameters: str) -> None:
        """Go over to a larger grid, all of whose cells beyond this one wait.

        Until the root is written, the store holds the old grid, and from then on the new one: its cells are
        in a journal under their new numbers, and arrays of another shape do not count.
        """
        generation = self._attributes.get(_GENERATION, 0) + 1
        journal = Journal(self._folder, generation)
        for results in self._arrays.results(_JOURNAL_BYTES):
            labels = {cell: self._job.labels(cell) for cell in results}
            journal.append([encode(job.number(labels[cell]), result) for cell, result in results.items()])
        self._attributes |= {"parameters": parameters, _GENERATION: generation}
        self._arrays.write_root(self._attributes)
        self._job, self._journal, self._arrays = job, journal, Arrays(job, self._folder)
        self._status = self._arrays.open()
        self.absorb()

    def cells(self, *states: int) -> list[int]:
        """Cells in any of these states, in order."""
        return [int(cell) for cell in np.flatnonzero(np.isin(self._status, states))]

    @property
    def failed(self) -> int:
        """How many cells failed."""
        return int((self._status == FAILED).sum())

    def add(self, outcomes: list[Outcome]) -> None:
        """Write finished cells down, at once."""
        if outcomes:
            lines = [outcome.line for outcome in outcomes]
            self._journal.append(lines)
            self._written_bytes += sum(map(len, lines))
            self._session["cells"] += len(outcomes)
            self._session["seconds"] += sum(outcome.seconds for outcome in outcomes)
            for outcome in outcomes:
                self._status[outcome.cell] = FAILED if outcome.failed else DONE
        large = self._written_bytes > _JOURNAL_BYTES or len(self._journal.parts) > _JOURNAL_PARTS
        if large or (self._journal.parts and time.monotonic() > self._next):
            self.absorb()

    def absorb(self) -> None:
        """Bring the arrays up to date with the journal, and empty it."""
        start = time.monotonic()
        blocks = _Blocks(self._journal)
        columns, seen = self._columns(blocks)
        if not self._arrays.fit(columns):
            # Wider arrays: all cells go back to the journal, and from there into new ones.
            for old in self._arrays.results(_JOURNAL_BYTES):
                self._journal.append(
                    [encode(cell, result) for cell, result in old.items() if cell not in seen]
                )
            self._arrays.reset()
            self._arrays.write_root(self._attributes)
            blocks = _Blocks(self._journal)
            columns, _ = self._columns(blocks)
        for block in blocks:
            self._arrays.write(block, columns)
        self._status = self._arrays.status()
        self._session["written"] = _now()
        self._attributes["sessions"] = json.dumps([*self._sessions, self._session])
        for name, state in (("cells_done", DONE), ("cells_failed", FAILED), ("cells_waiting", WAITING)):
            self._attributes[name] = int((self._status == state).sum())
        self._arrays.write_root(self._attributes)
        self._journal.clear()
        self._written_bytes = 0
        self._next = time.monotonic() + max(_LEAST_SECONDS, _SHARE * (time.monotonic() - start))

    def _columns(self, blocks: "_Blocks") -> tuple[dict[str, Any], set[int]]:
        columns, seen = dict(self._arrays.columns), set[int]()
        for block in blocks:
            columns = self._arrays.columns_with(block, columns)
            seen |= block.keys()
        return columns, seen

    def finish(self) -> None:
        """Leave a Zarr group and nothing else."""
        self.absorb()
        self._folder.delete_folder(JOURNAL)

    def complaint(self) -> str:
        """One line about the cells that failed."""
        first = self.cells(FAILED)[0]
        text = str(open_store(self._folder.url)[FAILURE].values.ravel()[first])
        labels = ", ".join(f"{name}={label!r}" for name, label in self._job.labels(first).items())
        return (
            f"{self.failed} of {self._job.n_cells} cells failed, the first at {labels}: "
            f"{text.strip().splitlines()[-1]} (see cell_failure; retry_failed=True tries again)"
        )


class _Blocks:
    """Results in the journal, block by block, as often as asked; a single block is kept."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._only: dict[int, Result] | None = None

    def __iter__(self) -> Iterator[dict[int, Result]]:
        if self._only is not None:
            yield self._only
            return
        count = 0
        block: dict[int, Result] = {}
        for lines in self._journal.blocks(_JOURNAL_BYTES):
            block = dict(map(decode, lines))
            count += 1
            yield block
        if count <= 1:
            self._only = block


def _version() -> str:
    """Version of this package."""
    return str(import_module("desgd_fast").__version__)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _session(workers: Any) -> dict[str, Any]:
    """Who computes, and with what."""
    packages = ("numpy", "scipy", "numba", "xarray", "zarr")
    return {
        "started": _now(),
        "written": _now(),
        "cells": 0,
        "seconds": 0.0,
        "workers": workers if isinstance(workers, int) else type(workers).__name__,
        "desgd_fast": _version(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }

"""Computing cells, here or elsewhere: batches out, finished lines back, and deaths of workers survived."""

import contextlib
import functools
import math
import multiprocessing
import os
import pickle
import platform
import queue
import signal
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from desgd_fast.common import check
from desgd_fast.sweeps import checks
from desgd_fast.sweeps.grid import Job
from desgd_fast.sweeps.store.records import encode, fields_of

# Seconds of work in a batch: hides the cost of sending it, and is what a kill can cost a worker.
BATCH_SECONDS = 0.2
_MOST_IN_A_BATCH = 1000

# A cell alone with its worker when that died so often is taken to have killed it.
_MOST_DEATHS = 3
_MOST_FAILED_STARTS = 3


@dataclass(frozen=True)
class Outcome:
    """One computed cell: its line for the journal."""

    cell: int
    line: str
    failed: bool
    seconds: float


# In a worker


def compute(job: Job, cells: Iterable[int], seconds: float) -> list[Outcome]:
    """Compute cells in turn for so long, at least one of them."""
    taken = [axis.name for axis in job.axes]
    outcomes: list[Outcome] = []
    start = now = time.perf_counter()
    for cell in cells:
        try:
            line, failed = (
                encode(cell, fields_of(job.function(**job.arguments(cell)), job.name, taken)),
                False,
            )
        except (Exception, SystemExit):
            line, failed = encode(cell, traceback.format_exc()), True
        before, now = now, time.perf_counter()
        outcomes.append(Outcome(cell, line, failed, now - before))
        if now - start >= seconds:
            break
    return outcomes


def compute_elsewhere(shared: bytes, cells: list[int], seconds: float) -> list[Outcome]:
    """As :func:`compute`, for a job that travelled to another process or thread."""
    job, home = _unpacked(shared)
    if home != _here():
        one_thread()
    return compute(job, cells, seconds)


@functools.lru_cache(maxsize=4)
def _unpacked(shared: bytes) -> tuple[Job, str]:
    job, home = pickle.loads(shared)
    return job, home


def _here() -> str:
    return f"{platform.node()} {os.getpid()}"


@functools.cache
def one_thread() -> None:
    """Leave the cores to the other workers: one Numba thread, unless the environment says otherwise."""
    if "NUMBA_NUM_THREADS" not in os.environ:
        from numba.core import config

        config.NUMBA_NUM_THREADS = 1
    limit_linear_algebra()


def limit_linear_algebra() -> Any:
    """One BLAS thread, whose sums do not depend on how many there are; usable in ``with``."""
    check.installed("sweeps need", "sweeps", "threadpoolctl")
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


_shared_here = b""


def _enter(shared: bytes, lifeline: Any) -> None:
    """Set up a process of the pool; it ends as soon as the other end of the lifeline is gone."""
    global _shared_here
    _shared_here = shared
    # Ctrl-C is for the parent, which then drops the lifeline.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            lifeline.recv()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _compute_in_pool(cells: list[int], seconds: float) -> list[Outcome]:
    return compute_elsewhere(_shared_here, cells, seconds)


def _ready() -> None:
    """Nothing: that it comes back shows that the process has started."""


# In the parent


Answer = Future[list[Outcome]]


class Inline:
    """One slot: this process, with all its threads."""

    depth = 1
    started = True

    def __init__(self, job: Job) -> None:
        self.job = job

    def submit(self, cells: list[int], seconds: float) -> Answer:
        """Compute now."""
        future: Answer = Future()
        future.set_result(compute(self.job, cells, seconds))
        return future

    def revive(self) -> None:
        """Nothing died."""

    def close(self) -> None:
        """Nothing is open."""


class Process:
    """One slot: one process of its own, so that its death is known to be that of its oldest batch."""

    depth = 2

    def __init__(self, shared: bytes) -> None:
        methods = multiprocessing.get_all_start_methods()
        # A fork would take along locks, and OpenMP does not survive it.
        self._context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        self._shared = shared
        self._lifeline: Any = None
        self._start()

    def _start(self) -> None:
        reader, self._lifeline = self._context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            1, mp_context=self._context, initializer=_enter, initargs=(self._shared, reader)
        )
        self._reader = reader
        self._starting: Future[None] = self._pool.submit(_ready)

    def submit(self, cells: list[int], seconds: float) -> Answer:
        """Queue a batch."""
        return self._pool.submit(_compute_in_pool, cells, seconds)

    @property
    def started(self) -> bool:
        """Whether the process ever got as far as computing."""
        return self._starting.done() and self._starting.exception() is None

    def finish(self) -> None:
        """Let the process end by itself when all is done, so that it gives back its semaphores."""
        self._pool.shutdown(wait=True)

    def revive(self) -> None:
        """Start another process in place of the dead one."""
        self.close()
        self._start()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._lifeline.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._reader.close()


class Foreign:
    """One slot for any executor, which has workers of its own."""

    started = True

    def __init__(self, executor: Executor, shared: Any, depth: Callable[[], int]) -> None:
        self._executor = executor
        self._shared = shared
        self._depth = depth

    @property
    def depth(self) -> int:
        """Batches to hand over: as many as keep its workers busy."""
        return self._depth()

    def submit(self, cells: list[int], seconds: float) -> Answer:
        """Hand the batch over."""
        return self._executor.submit(compute_elsewhere, self._shared, cells, seconds)

    def revive(self) -> None:
        """Only its owner can."""
        raise RuntimeError(
            "the executor is broken; give the sweep another one, and it goes on from its store"
        )

    def close(self) -> None:
        """Its owner closes it."""


Slot = Inline | Process | Foreign


@contextlib.contextmanager
def slots_for(workers: Any, job: Job) -> Iterator[Sequence[Slot]]:
    """The slots of a number of processes, an executor or a Dask client; processes end with the block."""
    if isinstance(workers, int) and workers == 1:
        yield [Inline(job)]
        return
    shared = _packed(job)
    if not isinstance(workers, int):
        with _foreign(workers, shared) as foreign:
            yield [foreign]
        return
    slots: list[Process] = []
    try:
        slots.extend(Process(shared) for _ in range(min(workers, job.n_cells)))
        yield slots
        for slot in slots:
            slot.finish()
    finally:
        for slot in slots:
            slot.close()


def _packed(job: Job) -> bytes:
    check.installed("workers need", "sweeps", "cloudpickle")
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps((job, _here())))
    except Exception as error:
        checks.not_picklable("function, grid and fixed", error)


@contextlib.contextmanager
def _foreign(workers: Any, shared: bytes) -> Iterator[Foreign]:
    if isinstance(workers, Executor):
        size = int(getattr(workers, "_max_workers", None) or os.cpu_count() or 1)
        yield Foreign(workers, shared, lambda: 2 * size)
        return
    # A task of its own, so that the cluster can make it again wherever a worker is lost.
    executor = workers.get_executor(pure=False)
    try:
        yield Foreign(executor, workers.submit(bytes, shared, pure=False), _ClusterDepth(workers))
    finally:
        executor.shutdown(wait=False)


class _ClusterDepth:
    """Twice the threads that the cluster has, asked for now and then: workers come and go."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._depth, self._until = 2, 0.0

    def __call__(self) -> int:
        if time.monotonic() > self._until:
            self._depth = max(2, 2 * sum(self._client.nthreads().values()))
            self._until = time.monotonic() + 2.0
        return self._depth


class Dispatch:
    """Hands cells to slots and collects what comes back, in whatever order."""

    def __init__(self, slots: Sequence[Slot], cells: Iterable[int]) -> None:
        self._slots = slots
        self._todo = deque(cells)
        self._alone: deque[int] = deque()
        self._deaths: Counter[int] = Counter()
        self._failed_starts = 0
        self._sent: list[dict[Answer, list[int]]] = [{} for _ in slots]
        self._arrived: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()
        self._seconds = math.inf

    def outcomes(self, patience: float) -> Iterator[list[Outcome]]:
        """Cells as they finish; an empty list where none has for so many seconds."""
        while self._todo or self._alone or any(self._sent):
            finished: list[Outcome] = []
            for number in range(len(self._slots)):
                finished += self._feed(number)
            with contextlib.suppress(queue.Empty):
                finished += self._collect(*self._arrived.get(timeout=patience))
                while True:
                    finished += self._collect(*self._arrived.get_nowait())
            yield finished

    def _feed(self, number: int) -> list[Outcome]:
        slot, sent = self._slots[number], self._sent[number]
        while len(sent) < slot.depth and (self._todo or self._alone):
            cells = self._batch()
            try:
                answer = slot.submit(cells, BATCH_SECONDS)
            except BrokenExecutor:
                self._todo.extendleft(reversed(cells))
                return self._bury(number)
            sent[answer] = cells
            answer.add_done_callback(lambda answer: self._arrived.put((number, answer)))
        return []

    def _batch(self) -> list[int]:
        if self._alone:
            return [self._alone.popleft()]
        # Towards the end the batches shrink, so that no worker waits long for the last one.
        share = len(self._todo) // (2 * sum(slot.depth for slot in self._slots))
        size = max(1, min(int(BATCH_SECONDS / self._seconds), share, _MOST_IN_A_BATCH))
        return [self._todo.popleft() for _ in range(size)]

    def _collect(self, number: int, answer: Answer) -> list[Outcome]:
        if answer not in self._sent[number]:
            return []  # died with its worker, and was dealt with then
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, BrokenExecutor):
            return self._bury(number)
        cells = self._sent[number].pop(answer)
        if _worker_killed(error):
            return self._blame(cells)
        try:
            outcomes = answer.result()
        except BaseException as error:
            error.add_note(
                "The sweep stopped here; with a store, calling it again goes on from what is finished."
            )
            raise
        self._todo.extendleft(reversed(cells[len(outcomes) :]))
        mean = sum(outcome.seconds for outcome in outcomes) / len(outcomes)
        before = mean if math.isinf(self._seconds) else self._seconds
        self._seconds = max(1e-6, 0.8 * before + 0.2 * mean)
        return outcomes

    def _bury(self, number: int) -> list[Outcome]:
        """Take back what a dead process had, and start another."""
        slot = self._slots[number]
        batches = list(self._sent[number].values())
        self._sent[number].clear()
        blamed: list[Outcome] = []
        if slot.started:
            self._failed_starts = 0
            blamed = self._blame(batches.pop(0)) if batches else []
        else:
            self._failed_starts += 1
        for cells in reversed(batches):
            self._todo.extendleft(reversed(cells))
        if self._failed_starts == _MOST_FAILED_STARTS:
            raise RuntimeError(
                "worker processes end before they can start; a script that calls sweep(workers=…) must do so "
                "under `if __name__ == '__main__':`, and see the error output of the workers"
            )
        slot.revive()
        return blamed

    def _blame(self, cells: list[int]) -> list[Outcome]:
        """Try again, each cell on its own; one alone again and again when its worker dies has failed."""
        if len(cells) > 1:
            self._alone.extend(cells)
            return []
        (cell,) = cells
        self._deaths[cell] += 1
        if self._deaths[cell] < _MOST_DEATHS:
            self._alone.append(cell)
            return []
        text = (
            f"The worker died {_MOST_DEATHS} times while computing this cell: killed from outside, out of "
            "memory, or crashed."
        )
        return [Outcome(cell, encode(cell, text), True, 0.0)]


def _worker_killed(error: BaseException | None) -> bool:
    """Whether Dask gave up on a task because its workers died."""
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(error, distributed.KilledWorker)

"""A folder anywhere that fsspec reaches, and in it the journal: what cells gave, written once, atomically.

A part of the journal is one file: a digest, and below it one line for every cell. It comes into being by
one rename (one upload where there are no renames), so that a kill leaves all of it or nothing; what a full
disk or a power cut leaves fails the digest and counts as never written.
"""

import contextlib
import hashlib
import itertools
import json
import os
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from desgd_fast.sweeps import checks

try:
    import fcntl
except ImportError:  # pragma: no cover
    fcntl = None  # type: ignore[assignment]  # Windows has no such locks

# Inside the Zarr group, out of the way of its arrays.
JOURNAL = ".sweep"
# How the name of a file ends that is not whole yet.
_PARTIAL = ".partial"
NOTE = (
    b"A sweep is unfinished, or was stopped. The results in this folder reach the arrays beside it when the\n"
    b"same sweep is started again with the same store. Do not delete them before.\n"
)


class Folder:
    """Files by name: whole ones appear, or none."""

    def __init__(self, store: str | os.PathLike[str]) -> None:
        import fsspec
        from fsspec.implementations.local import LocalFileSystem

        place = os.fspath(store)
        checks.one_place("store", place)
        with checks.reachable("store", place):
            self.files, path = fsspec.url_to_fs(place)
        self.local = isinstance(self.files, LocalFileSystem)
        self.root = str(path)
        # Zarr replaces files of a plain path atomically, those of a file:// URL not.
        self.url = self.root if self.local else place

    def path(self, name: str) -> str:
        """Where the file of that name is."""
        return posixpath.join(self.root, name)

    def read(self, name: str) -> bytes | None:
        """What is in a file; None if there is none."""
        try:
            return bytes(self.files.cat_file(self.path(name)))
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Make the file hold the data, or raise and leave it as it was."""
        path = self.path(name)
        if not self.local:
            self.files.pipe_file(path, data)
            return
        partial = Path(f"{path}.{os.getpid()}{_PARTIAL}")
        try:
            partial.write_bytes(data)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def names(self, name: str = "") -> list[str]:
        """Names of the files and folders in a folder, sorted, without what is half written."""
        path = self.path(name)
        self.files.invalidate_cache(path)
        try:
            found = self.files.ls(path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = (posixpath.basename(str(entry).rstrip("/")) for entry in found)
        return sorted(name for name in names if not name.endswith(_PARTIAL))

    def make(self, name: str) -> None:
        """Make a folder, where the file system has such things."""
        self.files.makedirs(self.path(name), exist_ok=True)

    def delete(self, names: Iterable[str]) -> None:
        """Remove files."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                self.files.rm_file(self.path(name))

    def delete_folder(self, name: str) -> None:
        """Remove a folder with all that is in it."""
        with contextlib.suppress(FileNotFoundError):
            self.files.rm(self.path(name), recursive=True)

    def sweep_out(self) -> None:
        """Remove what killed writers left half written; readers never see it."""
        if self.local:
            for left in Path(self.root).rglob(f"*{_PARTIAL}"):
                left.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, store: Any) -> Iterator[None]:
        """Keep other processes of this machine out; the lock goes with the process, however it ends."""
        if not self.local or fcntl is None:
            yield
            return
        with open(self.path(f"{JOURNAL}/lock"), "w") as file:
            free = True
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                free = False
            checks.unlocked("store", os.fspath(store), free)
            yield


class Journal:
    """The parts written since the arrays were last brought up to date.

    Cells go by their numbers, which change when the grid grows: parts of another generation, of a grid that
    was or was to be, mean nothing.
    """

    def __init__(self, folder: Folder, generation: int = 0) -> None:
        self.folder = folder
        self._name = f"part-{generation:04}-"
        self.parts = [name for name in folder.names(JOURNAL) if name.startswith(self._name)]
        last = int(self.parts[-1].removeprefix(self._name)) if self.parts else 0
        self._numbers = itertools.count(last + 1)

    def append(self, lines: list[str]) -> None:
        """Write one part, unless there is nothing in it."""
        if not lines:
            return
        name = f"{self._name}{next(self._numbers):010}"
        body = "\n".join(lines).encode()
        self.folder.write(f"{JOURNAL}/{name}", hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        self.parts.append(name)

    def blocks(self, most_bytes: int) -> Iterator[list[str]]:
        """Lines of all parts that are whole, in the order written, so many bytes or one part at a time."""
        block: list[str] = []
        size = 0
        for name in self.parts:
            digest, _, body = (self.folder.read(f"{JOURNAL}/{name}") or b"").partition(b"\n")
            if hashlib.sha256(body).hexdigest().encode() != digest:
                continue
            if block and size + len(body) > most_bytes:
                yield block
                block, size = [], 0
            block += body.decode().split("\n")
            size += len(body)
        if block:
            yield block

    def cells(self) -> set[int]:
        """Cells with a line in any part."""
        return {json.loads(line)["cell"] for lines in self.blocks(1) for line in lines}

    def clear_others(self) -> None:
        """Drop the parts of other generations."""
        parts = (name for name in self.folder.names(JOURNAL) if name.startswith("part-"))
        self.folder.delete(f"{JOURNAL}/{name}" for name in parts if name not in self.parts)

    def clear(self) -> None:
        """Drop the parts, whose cells are in the arrays now."""
        self.folder.delete(f"{JOURNAL}/{name}" for name in self.parts)
        self.parts = []

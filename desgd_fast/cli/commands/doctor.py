"""``desgd-fast doctor``: what a bug report should hold."""

import importlib.metadata
import os
import platform
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

import desgd_fast

REQUIRED = ("numba", "llvmlite", "numpy", "scipy", "networkx")
OPTIONAL = ("matplotlib", "xarray", "zarr", "dask", "torch", "typer", "tqdm")
# Bits of a vector register, by what LLVM calls the instructions; the widest first.
WIDTHS = (("avx512f", 512), ("avx2", 256), ("avx", 256), ("sse2", 128), ("neon", 128))
SETTINGS = ("NUMBA_", "OMP_NUM", "MKL_NUM", "OPENBLAS_NUM", "DESGD_FAST_")


def doctor(
    probe: Annotated[
        bool,
        typer.Option(help="Also run a small simulation, which compiles kernels where no cache has them."),
    ] = True,
) -> dict[str, Any]:
    """Versions, threads, vector width, the cache of compiled code and GPUs: paste it into a bug report."""
    found: dict[str, Any] = {
        "versions": _versions(),
        "processor": _processor(),
        "threads": _threads(),
        "cache": _cache(),
        "gpu": _gpu(),
        "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(SETTINGS)},
    }
    if probe:
        found["probe"] = _probe()
    for title, entries in found.items():
        typer.echo(f"\n{title}")
        for name, value in entries.items():
            typer.echo(f"  {name:<20}{value}")
        if not entries:
            typer.echo("  none of ours is set")
    return found


def _versions() -> dict[str, str]:
    found = {"desgd_fast": desgd_fast.__version__, "python": sys.version.split()[0]}
    for name in (*REQUIRED, *OPTIONAL):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _processor() -> dict[str, Any]:
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    width = next((bits for name, bits in WIDTHS if features.get(name)), None)
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpu": binding.get_host_cpu_name(),
        "vector bits": width or "unknown",
    }


def _threads() -> dict[str, Any]:
    from numba.core import config

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": os.cpu_count(),
        "usable": usable,
        "numba threads": config.NUMBA_NUM_THREADS,
        "threading layer": config.THREADING_LAYER,
        "compiler on": not config.DISABLE_JIT,
    }


def _cache() -> dict[str, Any]:
    from desgd_fast import kernels
    from desgd_fast.kernels.jit.compile import CACHE

    sources = Path(str(kernels.__file__)).parent
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    place = Path(chosen) if chosen else sources
    files = [path for path in place.rglob("*.nb[ci]") if path.is_file()]
    return {
        "on": CACHE,
        "beside": str(place),
        "writable": os.access(place, os.W_OK),
        "files": len(files),
        "MiB": round(sum(path.stat().st_size for path in files) / 2**20, 1),
    }


def _gpu() -> dict[str, Any]:
    try:
        import torch
    except ImportError:
        return {"torch": "not installed; desgd_fast.torch needs it, nothing else does"}
    if not torch.cuda.is_available():
        return {"torch": f"{torch.__version__}, no GPU"}
    names = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    return {"torch": torch.__version__, "devices": ", ".join(names)}


def _probe() -> dict[str, Any]:
    import desgd_fast as dsf

    begun = time.perf_counter()
    settings: dict[str, Any] = {"step_size": 0.1, "batch_size": 1, "n_steps": 10, "n_runs": 10, "rng": 0}
    runs = dsf.simulate(dsf.GaussianRegression(dim=2), [[1.0]], **settings)
    return {
        "simulate": f"{time.perf_counter() - begun:.2f} s",
        "mean distance": f"{runs.norms().mean():.15g}",
    }

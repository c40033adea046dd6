"""The package as installed: what the wheel holds, what an import costs, which names it offers."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import desgd_fast as dsf

ROOT = Path(__file__).parent.parent


def copy_sources(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")
    for name in ("desgd_fast", "kernels"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def python(code: str, folder: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_wheel_holds_the_kernels_inside_the_package(tmp_path: Path) -> None:
    source = copy_sources(tmp_path)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", str(source)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    modules = {*ROOT.glob("desgd_fast/**/*.py"), *ROOT.glob("desgd_fast/kernels/**/*.py")}
    assert {path.relative_to(ROOT).as_posix() for path in modules} <= set(names)
    assert "desgd_fast/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"desgd_fast", f"desgd_fast-{dsf.__version__}.dist-info"}
    assert len(names) == len(set(names))


def test_version_is_stated_once() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert declared == dsf.__version__
    assert f"\nversion: {declared}\n" in citation
    assert f"## [{declared}]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_public_name_resolves() -> None:
    for name in dsf.__all__:
        assert getattr(dsf, name) is not None
    assert set(dsf.__all__) <= set(dir(dsf))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dsf.nothing


def test_import_loads_nothing_heavy() -> None:
    loaded = python("import sys, desgd_fast; print(*sys.modules)").split()
    assert not {"numba", "scipy.stats", "networkx", "pandas", "xarray", "matplotlib", "typer"} & set(loaded)


def test_using_the_instruments_loads_no_plots_and_no_tables() -> None:
    code = "import sys, desgd_fast as dsf; dsf.simulate, dsf.tails, dsf.theory; print(*sys.modules)"
    assert not {"networkx", "pandas", "xarray", "matplotlib", "typer"} & set(python(code).split())


@pytest.mark.parametrize("missing", ["typer", "matplotlib", "xarray"])
def test_a_missing_optional_library_names_its_extra(missing: str) -> None:
    use = {
        "typer": "import desgd_fast.cli",
        "matplotlib": "from desgd_fast import plots; plots.hill_plot([4.0, 3.0, 2.0, 1.0])",
        "xarray": "import desgd_fast as d; d.mixing_report([[1.0]]).to_xarray()",
    }[missing]
    code = f"import sys; sys.modules[{missing!r}] = None\ntry:\n    {use}\nexcept ImportError as e: print(e)"
    assert "pip install 'desgd-fast[" in python(code)


PROBE = '''
import numpy as np
from desgd_fast.kernels.draw.random import unit
from desgd_fast.kernels.jit.compile import kernel

@kernel()
def probe(out):
    """Call across files: the value depends on the source of another module."""
    out[0] = unit(np.uint64(0))
'''
RUN_PROBE = """
import numpy as np
from desgd_fast.kernels.probe import probe
out = np.zeros(1)
probe(out)
print(out[0], sum(probe.stats.cache_hits.values()))
"""


def test_editing_a_callee_in_another_file_invalidates_the_cache(tmp_path: Path) -> None:
    copy_sources(tmp_path)
    callee = tmp_path / "kernels" / "draw" / "random.py"
    (tmp_path / "kernels" / "probe.py").write_text(PROBE)
    settings = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "DESGD_FAST_CACHE": "1", "NUMBA_DISABLE_JIT": "0"}
    assert python(RUN_PROBE, tmp_path, **settings) == "1.0 0"
    assert python(RUN_PROBE, tmp_path, **settings) == "1.0 1"  # nothing changed: from the cache
    text = callee.read_text()
    assert text.count("return 2.0 - ") == 1
    callee.write_text(text.replace("return 2.0 - ", "return 7.0 - "))
    assert python(RUN_PROBE, tmp_path, **settings) == "6.0 0"


def test_a_function_that_travels_is_called_there_as_here(tmp_path: Path) -> None:
    import cloudpickle

    (tmp_path / "rule").write_bytes(cloudpickle.dumps(dsf.algorithms.heavy_ball(0.5).parts[0].function))
    code = (
        "import pathlib, pickle, numpy as np\n"
        f"rule = pickle.loads(pathlib.Path({str(tmp_path / 'rule')!r}).read_bytes())\n"
        "vectors, nothing = np.array([[1.0], [2.0], [3.0]]), np.empty(0)\n"
        "rule(vectors[0], vectors[1], vectors[2:], nothing, nothing, np.array([0.5]))\n"
        "print(*vectors.ravel())"
    )
    assert python(code) == "2.5 2.0 2.5"


def test_help_of_the_command_line_loads_no_numerics() -> None:
    code = "import sys, desgd_fast.cli; print(*sys.modules)"
    assert not {"numpy", "numba", "scipy", "networkx", "pandas", "matplotlib"} & set(python(code).split())

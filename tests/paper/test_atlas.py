"""The atlas: classes as declared, numbers of the instruments themselves, files."""

from pathlib import Path

import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast.paper.atlas import atlas
from desgd_fast.paper.atlas.systems import systems

BOUNDED = {
    "clipped",
    "normalized",
    "DP-SGD",
    "DiceSGD",
    "Adam",
    "AMSGrad",
    "AdaBelief",
    "diffGrad",
    "FRUGAL",
    "Sophia",
    "signSGD",
    "Just One Byte, encoded",
}
HOMOGENEOUS = {
    "CHOCO, top-k",
    "DeepSqueeze, sign",
    "coordinate median",
    "AdaHessian",
    "mirror descent, p = 1.5",
    "Flag Aggregator",
    "SGDP",
    "MoNNA",
    "top-k",
    "top-k, error feedback",
    "QSGD",
    "scaled sign, error feedback",
    "ATOMO",
    "Accordion",
    "median",
    "trimmed mean",
    "geometric median",
    "Krum",
    "multi-Krum",
    "Bulyan",
    "DETOX",
    "Krum under ALIE",
    "median under ALIE",
}


CLASSES = {"bounded": BOUNDED, "homogeneous": HOMOGENEOUS, "unknown": {"SGD-SaI"}}


def test_every_system_is_of_its_class() -> None:
    for name, system in systems().items():
        listed = [degree for degree, names in CLASSES.items() if name in names]
        assert [system.algorithm.degree] == (listed or ["linear"]), name
    assert set(systems()) >= set().union(*CLASSES.values(), atlas.PLAIN)


@pytest.fixture(scope="module")
def found() -> atlas.Atlas:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atlas, "QUICK", atlas.Effort(400, 50, 0.5, 2.5, 64, searches=False))
        return atlas.run(quick=True, only=("DE-SGD", "Dis-SGD", "clipped", "median"))


def test_numbers_are_those_of_the_instruments(found: atlas.Atlas) -> None:
    plain, data = systems()["DE-SGD"], found.dataset
    critical = dsf.theory.critical_step_size(atlas.PROBLEM, plain.W, batch_size=1, at="infinite-variance")
    np.testing.assert_allclose(float(data.infinite_variance.sel(system="DE-SGD")), float(critical))
    np.testing.assert_allclose(data.attrs["step_sizes"], [0.5 * critical.value, 0.9 * critical.value])
    assert np.isinf(data.alpha.sel(system="clipped")).all()
    assert data.infinite_variance.sel(system="Dis-SGD") < data.infinite_variance.sel(system="DE-SGD")
    assert data.degree.sel(system="median") == "homogeneous"


def test_the_table_names_every_system_and_files_are_written(found: atlas.Atlas, tmp_path: Path) -> None:
    lines = str(found).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["DE-SGD", "Dis-SGD", "clipped", "median"]
    assert " any " in lines[3]
    names = found.write(tmp_path)
    assert all((tmp_path / name).exists() for name in names)


def test_unknown_systems_are_refused() -> None:
    with pytest.raises(ValueError, match="only must be one of 'Dis-SGD'"):
        atlas.run(only=("SGD",))

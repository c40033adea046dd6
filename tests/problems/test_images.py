"""Images: the digits as scikit-learn has them, and IDX files as they lie on disks, whole or damaged."""

import gzip
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import desgd_fast as dsf


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(folder: Path, *, mark: str = "-", zipped: bool = False) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    arrays = {}
    for group, count in (("train", 30), ("t10k", 7)):
        arrays[f"{group}-images{mark}idx3-ubyte"] = generator.integers(0, 256, (count, 5, 4), np.uint8)
        arrays[f"{group}-labels{mark}idx1-ubyte"] = generator.integers(0, 10, count, np.uint8)
    for name, array in arrays.items():
        content = idx(array)
        (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(content) if zipped else content)
    return arrays


def test_digits_are_split_without_loss() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    images = dsf.images.digits(test_share=0.2, rng=3)
    together = np.concatenate([images.features, images.test_features])
    pixels = datasets.load_digits().data / 16
    assert len(images.test_labels) == 359
    np.testing.assert_array_equal(together[np.lexsort(together.T)], pixels[np.lexsort(pixels.T)])
    assert together.min() == 0
    assert together.max() == 1
    # Every image keeps its label.
    row = np.flatnonzero((pixels == images.test_features[5]).all(axis=1))
    assert images.test_labels[5] in datasets.load_digits().target[row]


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_files_come_back_as_written(tmp_path: Path, mark: str, zipped: bool) -> None:
    arrays = list(write_mnist(tmp_path, mark=mark, zipped=zipped).values())
    images = dsf.images.mnist(tmp_path)
    np.testing.assert_array_equal(images.features, arrays[0].reshape(30, 20) / 255)
    np.testing.assert_array_equal(images.labels, arrays[1])
    np.testing.assert_array_equal(images.test[0], arrays[2].reshape(7, 20) / 255)
    np.testing.assert_array_equal(images.test[1], arrays[3])
    network = dsf.NeuralNetwork(images.features, images.labels, n_outputs=10)
    assert network.sizes == (20, 128, 128, 10)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with nothing"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01abcd", "IDX file of unsigned bytes"),
        (b"\x00\x00\x08\x03\x00\x00", "IDX file of unsigned bytes"),
        (idx(np.zeros(5, np.uint8))[:-1], "says it holds 5 bytes, but 4 follow"),
        (idx(np.zeros((2, 3), np.uint8)) + b"x", "says it holds 2 × 3 bytes, but 7 follow"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"path.*{message}"):
        dsf.images.read_idx(path)


def test_missing_and_unequal_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="folder must hold one of the files train-images-idx3-ubyte"):
        dsf.images.mnist(tmp_path)
    with pytest.raises(TypeError, match="folder must be a path"):
        dsf.images.mnist(3)
    with pytest.raises(ValueError, match=r"path must be a readable file, got .*: No such file"):
        dsf.images.read_idx(tmp_path / "nothing")
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(6, np.uint8)))
    with pytest.raises(ValueError, match="folder must hold as many t10k-images as t10k-labels, got 7 and 6"):
        dsf.images.mnist(tmp_path)
    whole = gzip.compress(idx(np.zeros(500, np.uint8)))
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"path: .* is gzipped, and damaged or cut short"):
        dsf.images.read_idx(tmp_path / "cut.gz")
    with pytest.raises(ValueError, match="test_share must be"):
        dsf.images.digits(test_share=1.0)


def test_without_scikit_learn_the_error_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'desgd-fast\[examples\]'"):
        dsf.images.digits()

"""Images to train on: scikit-learn's handwritten digits, and the files of MNIST that are on your disk."""

from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import check
from desgd_fast.common.files import contents
from desgd_fast.common.rng import RNG, generator_from


class Images(NamedTuple):
    """Images as rows of pixels in [0, 1] with their labels, some of them held out.

    Attributes
    ----------
    features, test_features : (n_rows, n_pixels) array
    labels, test_labels : (n_rows,) integer array

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import images
    >>> few = images.Images(np.ones((2, 4)), np.array([0, 1]), np.ones((1, 4)), np.array([1]))
    >>> few.test[1]
    array([1])
    """

    features: NDArray[np.float64]
    labels: NDArray[np.int64]
    test_features: NDArray[np.float64]
    test_labels: NDArray[np.int64]

    @property
    def test(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The held-out pair that :func:`desgd_fast.train` takes."""
        return self.test_features, self.test_labels


def digits(*, test_share: float = 0.25, rng: RNG = 0) -> Images:
    """1797 handwritten digits of 8 × 8 pixels, which scikit-learn brings along: nothing is downloaded.

    Parameters
    ----------
    test_share : float
        Share of the images to hold out, drawn at random.
    rng : None, int, Generator, ...
        Which ones.

    Returns
    -------
    Images

    Raises
    ------
    ImportError
        Without scikit-learn, which the extra ``examples`` installs.

    Notes
    -----
    The test set of E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI Machine
    Learning Repository, 1998.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> images = dsf.images.digits()
    >>> images.features.shape, images.test_labels.shape
    ((1348, 64), (449,))
    """
    share = check.fraction("test_share", test_share)
    check.installed("the digits need", "examples", "sklearn")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = generator_from(rng).permutation(len(labels))
    held_out, kept = np.split(order, [int(share * len(labels))])
    pixels, labels = pixels / 16.0, labels.astype(np.int64)
    return Images(pixels[kept], labels[kept], pixels[held_out], labels[held_out])


def mnist(folder: str | PathLike[str]) -> Images:
    """MNIST, or any data set in its form, from the four files of its distribution.

    Parameters
    ----------
    folder : str or path
        Holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte``, each as it is or with the ending ``.gz``.

    Returns
    -------
    Images

    Raises
    ------
    ValueError
        If a file is missing or damaged, or images and labels differ in number.

    Examples
    --------
    >>> import gzip, tempfile
    >>> from pathlib import Path
    >>> from desgd_fast import images
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("train", "t10k"):
    ...     head = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2])
    ...     _ = (folder / f"{name}-images-idx3-ubyte").write_bytes(head + bytes([0, 51, 102, 255]))
    ...     label = bytes([0, 0, 8, 1, 0, 0, 0, 1, 7])
    ...     _ = (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(label))
    >>> read = images.mnist(folder)
    >>> read.features, read.labels
    (array([[0. , 0.2, 0.4, 1. ]]), array([7]))
    """
    parts: list[NDArray[Any]] = []
    for group in ("train", "t10k"):
        images = read_idx(_idx_path(folder, f"{group}-images", 3))
        labels = read_idx(_idx_path(folder, f"{group}-labels", 1))
        check.as_many("folder", f"{group}-images", len(images), f"{group}-labels", len(labels))
        parts += [images.reshape(len(images), -1) / 255.0, labels.astype(np.int64)]
    return Images(*parts)


def _idx_path(folder: str | PathLike[str], stem: str, n_axes: int) -> Path:
    names = [f"{stem}{mark}idx{n_axes}-ubyte{ending}" for mark in "-." for ending in ("", ".gz")]
    return check.one_file_of("folder", folder, names)


def read_idx(path: str | PathLike[str]) -> NDArray[np.uint8]:
    """Array in an IDX file of unsigned bytes, gzipped or not.

    The format of MNIST: two zero bytes, the type 8, the number of axes, each axis' length as a big-endian
    32-bit integer, and the bytes in C order.

    Parameters
    ----------
    path : str or path
        The file.

    Raises
    ------
    ValueError
        If there is no such file, or it is something else, cut short or too long.

    Examples
    --------
    >>> from pathlib import Path; from tempfile import mkdtemp
    >>> import desgd_fast as dsf
    >>> path = Path(mkdtemp(), "labels")
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> dsf.images.read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    content = contents.content("path", path)
    check.idx_head("path", path, content)
    n_axes = content[3]
    shape = np.frombuffer(content, ">u4", n_axes, 4).astype(np.int64)
    check.idx_length("path", path, tuple(map(int, shape)), len(content) - 4 - 4 * n_axes)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes).reshape(shape)

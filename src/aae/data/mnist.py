"""The MNIST database of handwritten digits: where its four files are, and what they hold.

Source: "Gradient-based learning applied to document recognition", LeCun, Bottou, Bengio and Haffner, 1998.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aae.data.download import Remote, fetch
from aae.data.files import expand
from aae.data.idx import read_idx
from aae.errors import DataError

FILES = {
    "train-images-idx3-ubyte": Remote(47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": Remote(60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": Remote(7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": Remote(10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SUBFOLDERS = (".", "mnist", "MNIST/raw")
"""Where in a data folder the files may lie; the last is torchvision's place."""


def read_mnist(
    directory: str | None = None, mirrors: Sequence[str] = MIRRORS
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], int]:
    """Images [70000, 28, 28] and labels [70000], the test rows last, and the number of test rows, 10000.

    Looks in `directory` (and nowhere else, if given), then in $AAE_DATA_DIR, then in the cache, into which the files
    are downloaded if need be. DataError if a file is missing, damaged, or does not go with the others.
    """
    paths = locate(directory, mirrors)
    train, y_train = _pair(paths[0], paths[1])
    test, y_test = _pair(paths[2], paths[3])
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"{paths[2]}: its images are {test.shape[1:]}, those of {paths[0]} {train.shape[1:]}; get both again"
        )
    return np.concatenate([train, test]), np.concatenate([y_train, y_test]), len(test)


def _pair(images: Path, labels: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    x, y = read_idx(images, 3), read_idx(labels, 1)
    if len(x) != len(y):
        raise DataError(f"{labels}: holds {len(y)} labels for the {len(x)} images of {images}; get both again")
    if y.max() > 9:
        raise DataError(f"{labels}: the label of row {int(np.argmax(y > 9))} is {y.max()}; expected 0 to 9")
    return x, y


def locate(directory: str | None, mirrors: Sequence[str] = MIRRORS) -> list[Path]:
    """Paths of the four files, in the order of FILES; see `read_mnist`."""
    if directory is not None:
        return _find(expand(directory))
    tried = ""
    if named := os.environ.get("AAE_DATA_DIR"):
        try:
            return _find(expand(named))
        except DataError as error:
            tried = f"; $AAE_DATA_DIR was tried first: {error}"
    folder = cache()
    try:
        fetch(folder, FILES, mirrors)
    except DataError as error:
        raise DataError(f"{error}{tried}") from None
    return [folder / name for name in FILES]


def cache() -> Path:
    """The folder that downloaded files are kept in: $XDG_CACHE_HOME/aae/mnist, or ~/.cache/aae/mnist."""
    return expand(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "aae" / "mnist"


def _find(folder: Path) -> list[Path]:
    """The four files in `folder` or the SUBFOLDERS of it; DataError names what the fullest of these lacks."""
    best: list[Path | None] = [None] * len(FILES)
    place = folder
    for sub in SUBFOLDERS:
        found = [_spelled(folder / sub, name) for name in FILES]
        if sum(map(bool, found)) > sum(map(bool, best)):
            best, place = found, folder / sub
    paths = [path for path in best if path]
    if len(paths) < len(FILES):
        missing = next(name for name, path in zip(FILES, best, strict=True) if not path)
        what = "no such folder" if not folder.is_dir() else f"the folder holds no {missing} or {missing}.gz"
        raise DataError(
            f"{place}: {what}; --data mnist needs {', '.join(FILES)} (plain or .gz) there, or leave "
            "--data-dir out to download them"
        )
    return paths


def _spelled(folder: Path, name: str) -> Path | None:
    """The file `name` in `folder`, under any of its usual names."""
    dotted = name.replace("-idx", ".idx")
    names = (name, name + ".gz", dotted, dotted + ".gz")
    return next((folder / n for n in names if (folder / n).is_file()), None)

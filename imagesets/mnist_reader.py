"""A stand-in for the `mnist_reader` module of the Fashion-MNIST repository: scripts swap the import."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagesets.idx import IdxError, read_idx


def load_mnist(
    path: str | os.PathLike[str], kind: str = "train"
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images (n, pixels) and labels (n,), both uint8, of the IDX files in a folder.

    `kind` is how their names begin: "train" or "t10k". The images of MNIST and Fashion-MNIST come as
    (n, 784), those of any other size as (n, h * w) or (n, h * w * c). Files may be gzip-compressed or not.
    Raises FileNotFoundError for a missing file, IdxError (a ValueError) for a bad one.
    """
    folder = Path(path)
    labels_path = _find(folder, f"{kind}-labels-idx1-ubyte")
    images_path = _find(folder, f"{kind}-images-idx3-ubyte", f"{kind}-images-idx4-ubyte")
    labels, images = read_idx(labels_path), read_idx(images_path)
    if labels.ndim != 1:
        raise IdxError(f"{labels_path}: labels have one dimension, not {labels.ndim}")
    if len(images) != len(labels):
        raise IdxError(f"{folder}: {len(images):,} images, but {len(labels):,} labels")
    return images.reshape(len(images), math.prod(images.shape[1:])), labels


def _find(folder: Path, *names: str) -> Path:
    for name in names:
        for candidate in (folder / f"{name}.gz", folder / name):
            if candidate.is_file():
                return candidate
    raise FileNotFoundError(f"{folder} has neither {names[0]}.gz nor {names[0]}")

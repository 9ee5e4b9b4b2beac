"""Result files of a training child, read as if an enemy had written them."""

import os
import re
import stat
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PREDICTIONS_FILE = "predictions.npy"
PROBABILITIES_FILE = "probabilities.npy"

LARGEST_HEADER = 4096  # bytes; numpy writes 128 for such arrays
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?\w{1,10})', 'fortran_order': False, "
    rb"'shape': \((|\d{1,15},|\d{1,15}(?:, \d{1,15})+)\), \} *\n",
    re.ASCII,
)

SUM_TOLERANCE = 1e-3

_PREDICTION_TYPES = frozenset({"|u1", "<i8"})
_PROBABILITY_TYPES = frozenset({"<f4"})


class ResultError(ValueError):
    """A result file has a defect; the text says which, in plain words."""


@dataclass(frozen=True)
class Results:
    """Checked results: predictions (n,) int64 in [0, n_classes), probabilities (n, n_classes) or None."""

    predictions: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None


def read_results(folder: int, n: int, n_classes: int) -> Results:
    """Read and check the result files of n images in a folder that is given as an open descriptor.

    The descriptor was opened before the child started, so that the child cannot put another folder in its
    place. Raises ResultError for every defect.
    """
    raw = _read_array(folder, PREDICTIONS_FILE, (n,), _PREDICTION_TYPES)
    if raw is None:
        raise ResultError(f"the training program left no {PREDICTIONS_FILE}")
    predictions = raw.astype(np.int64)
    if n and (predictions.min() < 0 or predictions.max() >= n_classes):
        raise ResultError(f"{PREDICTIONS_FILE} holds classes outside 0 to {n_classes - 1}")
    probabilities = _read_array(folder, PROBABILITIES_FILE, (n, n_classes), _PROBABILITY_TYPES)
    if probabilities is not None:
        _check_probabilities(probabilities)
    return Results(predictions, probabilities)


def _check_probabilities(probabilities: NDArray[np.float32]) -> None:
    if not np.isfinite(probabilities).all():
        raise ResultError(f"{PROBABILITIES_FILE} holds values that are not finite")
    if (probabilities < 0).any() or (probabilities > 1 + SUM_TOLERANCE).any():
        raise ResultError(f"{PROBABILITIES_FILE} holds values outside 0 to 1")
    if (np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1) > SUM_TOLERANCE).any():
        raise ResultError(f"{PROBABILITIES_FILE} has rows that do not sum to 1")


def _read_array(folder: int, name: str, shape: tuple[int, ...], types: frozenset[str]) -> NDArray[Any] | None:
    most = int(np.prod(shape)) * 8 + LARGEST_HEADER
    data = _read_file(folder, name, most)
    if data is None:
        return None
    found, dtype, start = _header(data, name)
    if found != shape:
        raise ResultError(f"{name} has the shape {found} instead of {shape}")
    if dtype not in types:
        raise ResultError(f"{name} holds {dtype} instead of {' or '.join(sorted(types))}")
    if len(data) - start != int(np.prod(shape)) * np.dtype(dtype).itemsize:
        raise ResultError(f"{name} is {len(data)} bytes long, which does not fit its shape")
    return np.frombuffer(data, dtype=dtype, offset=start).reshape(shape)


def _header(data: bytes, name: str) -> tuple[tuple[int, ...], str, int]:
    """Shape, type and first byte of the values.

    The one form in which numpy writes such arrays is matched, not evaluated: numpy's own reader goes through
    Python's parser, which ends in many kinds of errors on hostile text.
    """
    length = int.from_bytes(data[8:10], "little")
    match = _HEADER.fullmatch(data[10 : 10 + length])
    if not data.startswith(_MAGIC) or match is None:
        raise ResultError(f"{name} is not a plain .npy file")
    dtype, shape = (part.decode("ascii") for part in match.groups())
    return tuple(int(size) for size in shape.split(",") if size.strip()), dtype, 10 + length


def _read_file(folder: int, name: str, most: int) -> bytes | None:
    """The bytes of a regular file of at most `most` bytes; None where there is none."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultError(f"{name} cannot be read: it is a link, a device or protected") from error
    try:
        facts = os.fstat(descriptor)
        # A second name would mean that the file lives elsewhere too and was only linked here.
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            raise ResultError(f"{name} is not a plain file of its own")
        if facts.st_size > most:
            raise ResultError(f"{name} is {facts.st_size:,} bytes long; at most {most:,} are expected")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(most)
    finally:
        os.close(descriptor)

"""Result files with every defect that a child could give them."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy

from benchmarks.child_results import ResultError, Results, read_results

N, CLASSES = 12, 4
GOOD = np.arange(N) % CLASSES


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def read(folder: int) -> Results:
    return read_results(folder, N, CLASSES)


def npy_bytes(array: object, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    npy.write_array(stream, np.asarray(array), version=version)
    return stream.getvalue()


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("kind", [np.uint8, np.int64])
def test_good_files_are_read(tmp_path: Path, folder: int, kind: type) -> None:
    np.save(tmp_path / "predictions.npy", GOOD.astype(kind))
    shares = np.full((N, CLASSES), 1 / CLASSES, dtype=np.float32)
    np.save(tmp_path / "probabilities.npy", shares)
    results = read(folder)
    np.testing.assert_array_equal(results.predictions, GOOD)
    assert results.predictions.dtype == np.int64
    np.testing.assert_array_equal(results.probabilities, shares)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a plain .npy file"),
        (b"\x93NUMPY", "not a plain .npy file"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "not a plain .npy file"),
        (npy_bytes(GOOD, (2, 0)), "not a plain .npy file"),
        (header("[" * 4000), "not a plain .npy file"),
        (header("__import__('os').abort()"), "not a plain .npy file"),
        (header("{'descr': '<i8', 'fortran_order': False, 'shape': (100000000000000,), }\n"), "instead of"),
        (header("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2 3,), }\n"), "not a plain .npy file"),
        (header("{'descr': '|V8', 'fortran_order': False, 'shape': (12,), }\n"), r"holds \|V8"),
        (npy_bytes(GOOD[:-1]), r"has the shape \(11,\) instead of \(12,\)"),
        (npy_bytes(GOOD.reshape(3, 4)), "has the shape"),
        (npy_bytes(GOOD.astype(float)), "holds <f8"),
        (npy_bytes(GOOD.astype(">i8")), "holds >i8"),
        (npy_bytes(np.array([str(item) for item in GOOD])), "holds <U"),
        (npy_bytes(np.array([None] * N, dtype=object)), r"holds \|O"),
        (npy_bytes(GOOD)[:-1], "does not fit its shape"),
        (npy_bytes(GOOD) + b"more", "does not fit its shape"),
        (npy_bytes(GOOD - 1), "classes outside 0 to 3"),
        (npy_bytes(GOOD + 1), "classes outside 0 to 3"),
        (npy_bytes(np.zeros(4096, np.int64)), "bytes long; at most"),
    ],
)
def test_a_defect_of_the_predictions_is_named(
    tmp_path: Path, folder: int, content: bytes, words: str
) -> None:
    (tmp_path / "predictions.npy").write_bytes(content)
    with pytest.raises(ResultError, match=words):
        read(folder)


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        (np.full((N, CLASSES), np.nan), "not finite"),
        (np.full((N, CLASSES), np.inf), "not finite"),
        (np.full((N, CLASSES), -0.1), "outside 0 to 1"),
        (np.eye(N, CLASSES) * 2, "outside 0 to 1"),
        (np.zeros((N, CLASSES)), "do not sum to 1"),
        (np.zeros((CLASSES, N)), "has the shape"),
    ],
)
def test_a_defect_of_the_probabilities_is_named(
    tmp_path: Path, folder: int, shares: np.ndarray, words: str
) -> None:
    np.save(tmp_path / "predictions.npy", GOOD)
    np.save(tmp_path / "probabilities.npy", shares.astype(np.float32))
    with pytest.raises(ResultError, match=words):
        read(folder)


def test_an_archive_in_place_of_an_array_is_refused(tmp_path: Path, folder: int) -> None:
    with zipfile.ZipFile(tmp_path / "predictions.npy", "w") as archive:
        archive.writestr("predictions.npy", npy_bytes(GOOD))
    with pytest.raises(ResultError, match="not a plain"):
        read(folder)


def test_what_is_no_file_of_its_own_is_refused(tmp_path: Path, folder: int) -> None:
    target = tmp_path / "predictions.npy"
    np.save(tmp_path / "elsewhere.npy", GOOD)

    target.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(ResultError, match="it is a link"):
        read(folder)
    target.unlink()

    target.hardlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(ResultError, match="not a plain file of its own"):
        read(folder)
    target.unlink()

    os.mkfifo(target)  # opening it must not wait for a writer
    with pytest.raises(ResultError, match="not a plain file of its own"):
        read(folder)
    target.unlink()

    target.mkdir()
    with pytest.raises(ResultError, match="not a plain file of its own"):
        read(folder)


def test_a_device_is_refused(tmp_path: Path, folder: int) -> None:
    try:
        os.mknod(tmp_path / "predictions.npy", 0o666 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root can make a device")
    with pytest.raises(ResultError, match=r"not a plain file of its own|it is a link, a device"):
        read(folder)


def test_ten_gigabytes_are_refused_without_reading_them(tmp_path: Path, folder: int) -> None:
    with (tmp_path / "predictions.npy").open("wb") as stream:
        stream.truncate(10 << 30)
    with pytest.raises(ResultError, match="10,737,418,240 bytes long"):
        read(folder)


@given(st.integers(0, 127), st.binary(min_size=1, max_size=8))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_header_is_a_result_error_or_harmless(
    tmp_path: Path, folder: int, place: int, noise: bytes
) -> None:
    good = npy_bytes(GOOD)
    (tmp_path / "predictions.npy").write_bytes(good[:place] + noise + good[place + len(noise) :])
    try:
        results = read(folder)
    except ResultError:
        return
    assert results.predictions.shape == (N,)

"""The IDX format: what is written is read back, and every kind of bad file has its own clear error."""

from __future__ import annotations

import gzip
import hashlib
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from imagesets.idx import IdxError, read_idx, sha256_of_array, sha256_of_idx, write_idx

LABELS = np.arange(10, dtype=np.uint8)
GOOD = struct.pack(">4BI", 0, 0, 8, 1, 10) + LABELS.tobytes()


def written(folder: Path, content: bytes) -> Path:
    path = folder / "some-idx1-ubyte.gz"
    path.write_bytes(content)
    return path


@settings(max_examples=60)
@given(
    array=arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6)),
    name=st.sampled_from(["x", "x.gz"]),
)
def test_what_is_written_is_read_back(array: NDArray[np.uint8], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_idx(path, array)
        back = read_idx(path)
        assert back.dtype == np.uint8
        assert back.shape == array.shape
        assert np.array_equal(back, array)
        assert sha256_of_idx(path) == sha256_of_array(array)


def test_the_written_bytes_follow_the_format(tmp_path: Path) -> None:
    write_idx(tmp_path / "x", LABELS)
    assert (tmp_path / "x").read_bytes() == GOOD


def test_the_same_array_gives_the_same_compressed_bytes_whatever_the_name(tmp_path: Path) -> None:
    write_idx(tmp_path / "one.gz", LABELS)
    write_idx(tmp_path / "another.gz", LABELS)
    packed = (tmp_path / "one.gz").read_bytes()
    assert packed == (tmp_path / "another.gz").read_bytes()
    assert gzip.decompress(packed) == GOOD


def test_the_digest_is_of_the_uncompressed_content(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(GOOD))
    assert sha256_of_idx(path) == hashlib.sha256(GOOD).hexdigest()


def test_a_digest_is_the_same_for_an_array_in_another_memory_order(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert sha256_of_array(np.asfortranarray(array)) == sha256_of_array(array)


def test_gzip_is_recognised_by_content_and_not_by_name(tmp_path: Path) -> None:
    assert np.array_equal(read_idx(written(tmp_path, GOOD)), LABELS)
    plain_name = tmp_path / "some-idx1-ubyte"
    plain_name.write_bytes(gzip.compress(GOOD))
    assert np.array_equal(read_idx(plain_name), LABELS)


def test_the_values_can_be_changed_by_who_read_them(tmp_path: Path) -> None:
    labels = read_idx(written(tmp_path, GOOD))
    labels[0] = 9
    assert labels[0] == 9


def large_content() -> bytes:
    random = np.random.default_rng(1).integers(0, 256, 5000, dtype=np.uint8)
    return struct.pack(">4BI", 0, 0, 8, 1, 5000) + random.tobytes()


def corrupted(packed: bytes) -> bytes:
    """Return gzip data with one byte of its checksum changed, which only the very end reveals."""
    return packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]


BAD_FILES = [
    (b"", "too few for a header"),
    (b"\0\0", "too few for a header"),
    (b"PK\x03\x04" + GOOD, "not an IDX file: it starts with 50 4b 03 04"),
    (b"\0\0\x07" + GOOD[3:], "not an IDX file"),
    (b"\0\0\x0d" + GOOD[3:], "holds float32 values; only unsigned bytes"),
    (b"\0\0\x08\0", "has 0 dimensions"),
    (b"\0\0\x08\x05" + bytes(20), "has 5 dimensions"),
    (GOOD[:6], "ends inside the header"),
    (GOOD[:-1], "too short: 9 bytes of values, the header promises 10"),
    (GOOD + b"\0", "too long: the header promises 10"),
    (gzip.compress(GOOD[:-1]), "too short: 9 bytes"),
    (gzip.compress(GOOD + b"\0"), "too long"),
    (gzip.compress(large_content())[:2000], "truncated: its gzip data ends early"),
    (gzip.compress(GOOD)[:-4], "truncated: its gzip data ends early"),
    (corrupted(gzip.compress(GOOD)), "gzip data is corrupt"),
    (gzip.compress(GOOD)[:10] + b"\xff" * 20, "gzip data is corrupt"),
    (gzip.compress(GOOD) + b"garbage", "gzip data is corrupt"),
    (
        struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1),
        "more than the 4,294,967,296 allowed",
    ),
]


@pytest.mark.parametrize(("content", "fault"), BAD_FILES)
def test_a_bad_file_is_refused_by_name_with_its_own_error(tmp_path: Path, content: bytes, fault: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(IdxError) as refusal:
        read_idx(path)
    assert str(path) in str(refusal.value)
    assert fault in str(refusal.value)
    with pytest.raises(IdxError):
        sha256_of_idx(path)


def test_a_decompression_bomb_is_left_at_the_size_that_its_header_promises(tmp_path: Path) -> None:
    bomb = written(tmp_path, gzip.compress(GOOD + bytes(50_000_000), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(IdxError, match="too long"):
        read_idx(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_header_that_promises_much_allocates_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, struct.pack(">4BI", 0, 0, 8, 1, 2**32 - 1))
    tracemalloc.start()
    with pytest.raises(IdxError, match="too short"):
        read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_missing_file_is_the_usual_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("array", "fault"),
    [
        (np.zeros(3), "not float64"),
        (np.zeros((), dtype=np.uint8), "not 0"),
        (np.zeros((1, 1, 1, 1, 1), dtype=np.uint8), "not 5"),
    ],
)
def test_an_array_that_idx_cannot_hold_is_refused_and_leaves_no_file(
    tmp_path: Path, array: NDArray[np.uint8], fault: str
) -> None:
    with pytest.raises(IdxError, match=fault):
        write_idx(tmp_path / "x.gz", array)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    write_idx(path, LABELS)

    def disk_full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("imagesets.idx.os.fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_idx(path, LABELS[:3])
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == GOOD

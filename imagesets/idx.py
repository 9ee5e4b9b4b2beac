"""The IDX format of MNIST and its followers: read, write, digest.

A file is four magic bytes (0, 0, type code, number of dimensions), one big-endian 32-bit size per
dimension, then the values in C order. Only unsigned bytes (type code 8) with one to four dimensions
are taken: labels are (n,), images (n, h, w) or (n, h, w, c). Files may be gzip-compressed; that is
seen from the content, because mirrors and browsers unpack or rename files on the way.

Nothing here trusts the file: memory and decompression are bounded by the size that the header
promises, and that promise by `max_bytes`.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 4 * 2**30
CHUNK = 2**20

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
_OTHER_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
_MAX_DIMENSIONS = 4


class IdxError(ValueError):
    """A file is not the IDX file it should be. The message names the file and the fault."""


class IdxStream:
    """An IDX file whose header was read and found good.

    `shape` is what the header promises, `header` its bytes. `chunks()` gives the values, once.
    """

    def __init__(self, path: Path, file: BinaryIO, max_bytes: int) -> None:
        self.path = path
        self._file = file
        self.header, self.shape = _read_header(path, file)
        self.size = math.prod(self.shape)
        if self.size > max_bytes:
            raise IdxError(
                f"{path}: the header promises {self.size:,} bytes, more than the {max_bytes:,} allowed"
            )

    def chunks(self) -> Iterator[bytes]:
        """Yield the values' bytes; raise IdxError where there are fewer or more than promised."""
        left = self.size
        while left:
            chunk = _read(self.path, self._file, min(left, CHUNK))
            if not chunk:
                raise IdxError(
                    f"{self.path}: too short: {self.size - left:,} bytes of values, "
                    f"the header promises {self.size:,}"
                )
            left -= len(chunk)
            yield chunk
        # One byte more also makes gzip compare its checksum, which it does only at the very end.
        if _read(self.path, self._file, 1):
            raise IdxError(f"{self.path}: too long: the header promises {self.size:,} bytes of values")


@contextmanager
def open_idx(path: Path, *, max_bytes: int = MAX_BYTES) -> Iterator[IdxStream]:
    """Open an IDX file, gzip or plain, to stream it. Raises IdxError for a bad header."""
    with _open_uncompressed(path) as file:
        yield IdxStream(path, file, max_bytes)


def read_idx(path: Path, *, max_bytes: int = MAX_BYTES) -> NDArray[np.uint8]:
    """Return the values of an IDX file in their own shape: (n,), (n, h, w), (n, h, w, c) or (h, w).

    Raises IdxError, naming the file, for a wrong magic, an unsupported type or number of dimensions,
    too few or too many values, truncated or corrupt gzip data, and a promise over `max_bytes`.
    """
    with open_idx(path, max_bytes=max_bytes) as stream:
        # Grown as data arrives: a header alone, however large its promise, allocates nothing.
        values = bytearray()
        for chunk in stream.chunks():
            values += chunk
        return np.frombuffer(values, dtype=np.uint8).reshape(stream.shape)


def sha256_of_idx(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """Return the SHA-256 (hex) of the uncompressed file. Raises IdxError as `read_idx` does."""
    with open_idx(path, max_bytes=max_bytes) as stream:
        digest = hashlib.sha256(stream.header)
        for chunk in stream.chunks():
            digest.update(chunk)
        return digest.hexdigest()


def sha256_of_array(array: NDArray[np.uint8]) -> str:
    """Return the SHA-256 (hex) that the uncompressed IDX file of this array has. Reads it in pieces."""
    digest = hashlib.sha256(idx_header(array))
    for piece in _pieces(array):
        digest.update(piece)
    return digest.hexdigest()


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write an array as IDX, gzip-compressed where the name ends in .gz.

    The same array gives the same bytes (no time or name inside), and the file appears whole or not
    at all. Raises IdxError for another type than uint8 or other than one to four dimensions.
    """
    path = Path(path)
    header = idx_header(array)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                    _write(cast(BinaryIO, packed), header, array)
            else:
                _write(file, header, array)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def idx_header(array: NDArray[np.uint8]) -> bytes:
    """Return the IDX header of an array. Raises IdxError where the format has none for it."""
    if array.dtype != np.uint8:
        raise IdxError(f"only uint8 arrays can be written as IDX here, not {array.dtype}")
    if not 1 <= array.ndim <= _MAX_DIMENSIONS:
        raise IdxError(f"an IDX array has one to four dimensions, not {array.ndim}")
    if max(array.shape) >= 2**32:
        raise IdxError(f"an IDX dimension is below 2**32; this array has {array.shape}")
    return struct.pack(f">4B{array.ndim}I", 0, 0, _UNSIGNED_BYTE, array.ndim, *array.shape)


def uncompressed_chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's uncompressed content, whatever it holds; IdxError where its gzip data is broken."""
    with _open_uncompressed(path) as file:
        while chunk := _read(path, file, CHUNK):
            yield chunk


def _write(file: BinaryIO, header: bytes, array: NDArray[np.uint8]) -> None:
    file.write(header)
    for piece in _pieces(array):
        file.write(piece)


def _pieces(array: NDArray[np.uint8]) -> Iterator[bytes]:
    """Yield an array's bytes in C order, about CHUNK at a time: a memory map is never copied whole."""
    if not array.size:
        return
    rows = max(1, CHUNK * len(array) // array.size)
    for start in range(0, len(array), rows):
        yield array[start : start + rows].tobytes()


@contextmanager
def _open_uncompressed(path: Path) -> Iterator[BinaryIO]:
    with Path(path).open("rb") as raw:
        packed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        raw.seek(0)
        if not packed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw, mode="rb") as unpacked:
            yield cast(BinaryIO, unpacked)


def _read(path: Path, file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except EOFError as error:
        raise IdxError(f"{path}: truncated: its gzip data ends early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise IdxError(f"{path}: its gzip data is corrupt ({error})") from error


def _read_header(path: Path, file: BinaryIO) -> tuple[bytes, tuple[int, ...]]:
    magic = _read(path, file, 4)
    if len(magic) < 4:
        raise IdxError(f"{path}: not an IDX file: {len(magic)} bytes are too few for a header")
    zero, code, dimensions = magic[:2], magic[2], magic[3]
    if zero != b"\0\0" or (code != _UNSIGNED_BYTE and code not in _OTHER_TYPES):
        raise IdxError(f"{path}: not an IDX file: it starts with {magic.hex(' ')}")
    if code != _UNSIGNED_BYTE:
        raise IdxError(f"{path}: holds {_OTHER_TYPES[code]} values; only unsigned bytes are supported")
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise IdxError(f"{path}: has {dimensions} dimensions; one to four are supported")
    sizes = _read(path, file, 4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise IdxError(f"{path}: too short: it ends inside the header")
    return magic + sizes, struct.unpack(f">{dimensions}I", sizes)

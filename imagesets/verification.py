"""Is this file the one the spec pins? Asked of every file, whatever source it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from imagesets.idx import IdxError, uncompressed_chunks
from imagesets.specs import ImageSetError, ImageSetSpec

# Called with the step's name and the share of it that is done, 0 to 1.
Progress = Callable[[str, float], None]


class SourceError(ImageSetError):
    """One source could not give an image set, and why."""


class RefusedFileError(SourceError):
    """A source has a file of the right name with the wrong content."""


def verify_part(spec: ImageSetSpec, part: str, path: Path, progress: Progress) -> None:
    """Raise RefusedFileError, with expected and found digest, unless the file is the pinned one.

    Reads no more than the spec's size, so that a decompression bomb ends where a sound file would.
    """
    size_limit = spec.part_bytes(part)
    digest = hashlib.sha256()
    size = 0
    fault = "its content differs"
    broken = False
    try:
        for chunk in uncompressed_chunks(path):
            size += len(chunk)
            digest.update(chunk)
            progress(f"verifying {part}", min(size / size_limit, 1.0))
            if size > size_limit:
                fault, broken = f"longer than the {size_limit:,} bytes it should have", True
                break
    except IdxError as error:
        fault, broken = str(error).removeprefix(f"{path}: "), True
    expected, found = spec.files[part].sha256, digest.hexdigest()
    if found == expected and not broken:
        return
    if size < size_limit and not broken:
        fault = f"{size:,} bytes instead of {size_limit:,}"
    raise RefusedFileError(f"{path} refused: {fault}; expected SHA-256 {expected}, found {found}")

"""Prepared image sets on disk: four .npy files and a manifest, opened memory-mapped and read-only.

A set appears whole or not at all: it is written in a hidden folder beside its place and renamed. What
a killed process left behind is removed by the next one, which holds the lock and so knows it is alone.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagesets.idx import sha256_of_array
from imagesets.sources import Source, default_sources, obtain
from imagesets.specs import PARTS, ImageSetError, ImageSetSpec
from imagesets.verification import Progress
from imagesets.writing import write_prepared

MANIFEST = "manifest.json"


class StoreError(ImageSetError):
    """An image set could not be written or is not what its spec says."""


class NotPreparedError(ImageSetError):
    """The image set is not on this machine yet; the message names the command that prepares it."""


class DamagedSetError(StoreError):
    """A prepared image set's content is not what its spec pins."""


@dataclass(frozen=True, eq=False)
class PreparedSet:
    """A prepared image set. The arrays are uint8 memory maps that cannot be written to.

    Images are (n, h, w) or (n, h, w, c), labels (n,). `source` says in words where the data came from;
    `digest` is the spec's, to be stored with results.
    """

    spec: ImageSetSpec
    folder: Path
    source: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]

    @property
    def digest(self) -> str:
        return self.spec.digest

    def part_path(self, part: str) -> Path:
        """Return the .npy file of a part of PARTS, for a process that opens it by itself."""
        if part not in PARTS:
            raise ValueError(f"there is no part {part!r}; there are: {', '.join(PARTS)}")
        return _part_path(self.folder, part)

    def part(self, part: str) -> NDArray[np.uint8]:
        """Return the array of a part of PARTS."""
        array: NDArray[np.uint8] = getattr(self, part.replace("-", "_"))
        return array


def prepare(
    spec: ImageSetSpec,
    root: Path,
    *,
    sources: Sequence[Source] | None = None,
    progress: Progress | None = None,
    force: bool = False,
) -> PreparedSet:
    """Put an image set under `root` and open it. A sound one that is already there is left, unless `force`.

    Safe to run in several processes at once: one works, the others wait and find its result. Raises
    NoSourceError where no source has it, StoreError where it cannot be written or contradicts its spec.
    """
    report = progress or _silent
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root, spec.slug, report):
            if force or not _is_sound(spec, root, report):
                _prepare(spec, root, default_sources(spec) if sources is None else sources, report)
            return open_prepared(spec, root)
    except OSError as error:
        size = sum(map(spec.part_bytes, PARTS)) / 1e6
        raise StoreError(
            f"cannot write {spec.slug} to {root}: {error.strerror or error}. Nothing was left half-written; "
            f"the folder must be writable and have about {2 * size:.0f} MB free"
        ) from error


def open_prepared(spec: ImageSetSpec, root: Path) -> PreparedSet:
    """Open a prepared image set, copying nothing. Raises NotPreparedError where it is missing or unfit."""
    folder = root / spec.slug
    manifest = _read_manifest(spec, folder)
    arrays = {part.replace("-", "_"): _open_part(spec, folder, part) for part in PARTS}
    return PreparedSet(spec=spec, folder=folder, source=str(manifest["source"]), **arrays)


def check(spec: ImageSetSpec, root: Path, progress: Progress | None = None) -> PreparedSet:
    """Read a prepared set from end to end and compare its digests.

    Raises NotPreparedError where it is not there, DamagedSetError naming the file and both digests.
    """
    prepared = open_prepared(spec, root)
    for number, part in enumerate(PARTS):
        (progress or _silent)(f"checking {spec.slug}", number / len(PARTS))
        expected, found = spec.files[part].sha256, sha256_of_array(prepared.part(part))
        if found != expected:
            raise DamagedSetError(
                f"{prepared.part_path(part)} is damaged: expected SHA-256 {expected}, found {found}. "
                f"To repair it run: {_command(spec)}"
            )
    (progress or _silent)(f"checking {spec.slug}", 1.0)
    return prepared


def _silent(step: str, share: float) -> None:
    """Take the place of a progress callback where nobody watches."""


def _command(spec: ImageSetSpec) -> str:
    return f"python manage.py prepare_imageset {spec.slug}"


def _part_path(folder: Path, part: str) -> Path:
    return folder / f"{part}.npy"


def _is_sound(spec: ImageSetSpec, root: Path, progress: Progress) -> bool:
    try:
        check(spec, root, progress)
    except (NotPreparedError, DamagedSetError):
        return False
    return True


def _read_manifest(spec: ImageSetSpec, folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        digest, _ = manifest["digest"], manifest["source"]
    except FileNotFoundError:
        raise NotPreparedError(f"{spec.slug} is not prepared yet; run: {_command(spec)}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotPreparedError(
            f"{folder / MANIFEST} cannot be read ({error}); run: {_command(spec)}"
        ) from error
    if digest != spec.digest:
        raise NotPreparedError(f"{folder} holds another version of {spec.slug}; run: {_command(spec)}")
    return dict(manifest)


def _open_part(spec: ImageSetSpec, folder: Path, part: str) -> NDArray[np.uint8]:
    path = _part_path(folder, part)
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise NotPreparedError(f"{path} cannot be opened ({error}); run: {_command(spec)}") from error
    if array.dtype != np.uint8 or array.shape != spec.part_shape(part):
        raise NotPreparedError(
            f"{path} holds {array.dtype} {array.shape} instead of uint8 {spec.part_shape(part)}; "
            f"run: {_command(spec)}"
        )
    return array


def _prepare(spec: ImageSetSpec, root: Path, sources: Sequence[Source], progress: Progress) -> None:
    for leftover in root.glob(f".{spec.slug}.*.partial"):
        shutil.rmtree(leftover)
    staging = root / f".{spec.slug}.{secrets.token_hex(4)}.partial"
    staging.mkdir()
    try:
        obtained = obtain(spec, sources, staging / "fetched", progress)
        ready = staging / "ready"
        ready.mkdir()
        shapes = write_prepared(spec, obtained.files, ready, progress)
        _write_manifest(spec, ready / MANIFEST, shapes, obtained.source)
        _install(ready, root / spec.slug)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _install(ready: Path, folder: Path) -> None:
    """Put a complete folder in its place; where there is one already, replace its files one by one.

    The manifest comes last. Each file is whole and of pinned content at every moment, so a reader, or
    a process killed between two of them, meets nothing worse than before; and other processes keep the
    files they have open.
    """
    if not folder.exists():
        ready.rename(folder)
        return
    for part in PARTS:
        _part_path(ready, part).replace(_part_path(folder, part))
    (ready / MANIFEST).replace(folder / MANIFEST)


def _write_manifest(spec: ImageSetSpec, path: Path, shapes: dict[str, tuple[int, ...]], source: str) -> None:
    manifest = {
        "slug": spec.slug,
        "digest": spec.digest,
        "source": source,
        "prepared_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parts": {
            part: {
                "file": _part_path(path.parent, part).name,
                "shape": shapes[part],
                "idx_sha256": spec.files[part].sha256,
            }
            for part in PARTS
        },
    }
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _locked(root: Path, slug: str, progress: Progress) -> Iterator[None]:
    """Hold the set's lock. The system drops it with the process, so a kill leaves none behind."""
    with (root / f".{slug}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another process that prepares {slug}", 0.0)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield

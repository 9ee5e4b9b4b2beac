"""Where the four files of an image set come from: sources in order, every file verified.

A source only names or fetches files; `obtain` verifies each one as it arrives and goes on to the next
source when it is refused. So no source can be added that is trusted by mistake.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from imagesets.debian import INSTALLED_DATASETS, DebianSource
from imagesets.digits import make_digits
from imagesets.idx import write_idx
from imagesets.mirrors import MirrorSource
from imagesets.specs import PARTS, ImageSetError, ImageSetSpec
from imagesets.verification import Progress, RefusedFileError, SourceError, verify_part

logger = logging.getLogger(__name__)

# A folder of data kept beside a checkout, so that several checkouts share one copy.
BESIDE_PROJECT = Path(__file__).resolve().parents[2] / "shared" / "data"

# Labels are small: with them first, a wrong source is known before its large files are fetched.
_FETCH_ORDER = ("test-labels", "train-labels", "test-images", "train-images")

_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)


class NoSourceError(ImageSetError):
    """No source had the image set. The message lists each one tried and why it failed, and what to do."""


class Source(Protocol):
    """Something that may have an image set's files."""

    @property
    def name(self) -> str:
        """What a person is told about where the data came from."""

    def fetch(self, spec: ImageSetSpec, workdir: Path, progress: Progress, /) -> Iterator[tuple[str, Path]]:
        """Yield each part of PARTS and its file; raise SourceError or OSError where one cannot be had.

        `workdir` is an empty folder of its own for what must be written; it is removed afterwards.
        """


@dataclass(frozen=True)
class Obtained:
    """Four verified files and where they came from."""

    files: Mapping[str, Path]
    source: str


@dataclass(frozen=True)
class FolderSource:
    """A folder on this machine with the four files, gzip-compressed or not."""

    label: str
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.label} {self.folder}"

    def fetch(self, spec: ImageSetSpec, _workdir: Path, _progress: Progress) -> Iterator[tuple[str, Path]]:
        if not self.folder.is_dir():
            raise SourceError("there is no such folder")
        for part in _FETCH_ORDER:
            yield part, self._find(spec.files[part].name)

    def _find(self, file_name: str) -> Path:
        plain = file_name.removesuffix(".gz")
        # The dot is how some copies of MNIST spell it: train-images.idx3-ubyte.
        for name in (file_name, plain, plain.replace("-idx", ".idx")):
            if (self.folder / name).is_file():
                return self.folder / name
        raise SourceError(f"it has no {file_name}")


@dataclass(frozen=True)
class DigitsSource:
    """scikit-learn's own digits; see imagesets/digits.py."""

    @property
    def name(self) -> str:
        return f"scikit-learn {version('scikit-learn')}"

    def fetch(self, spec: ImageSetSpec, workdir: Path, _progress: Progress) -> Iterator[tuple[str, Path]]:
        for part, array in make_digits().items():
            path = workdir / spec.files[part].name
            write_idx(path, array)
            yield part, path


def default_sources(
    spec: ImageSetSpec, *, from_dir: Path | None = None, data_dir: Path | None = None
) -> list[Source]:
    """Return the sources of an image set in the order in which they are tried.

    A `from_dir` is the only source: who names a folder wants to hear what is wrong with it. Both folders
    may hold the files directly or in a folder named after the set.
    """
    if spec.slug == "digits":
        return [DigitsSource()]
    if from_dir is not None:
        return [FolderSource("folder", from_dir), FolderSource("folder", from_dir / spec.slug)]
    sources: list[Source] = []
    if data_dir is not None:
        folders = (data_dir / spec.slug, data_dir)
        sources += [FolderSource("HUMANMARK_DATA_DIR", folder) for folder in folders]
    if BESIDE_PROJECT.is_dir():
        sources.append(FolderSource("folder beside the project", BESIDE_PROJECT / spec.slug))
    if spec.debian_package:
        installed = FolderSource(
            f"installed Debian package {spec.debian_package}", INSTALLED_DATASETS / spec.slug
        )
        sources += [installed, DebianSource(spec.debian_package)]
    sources += [MirrorSource(url) for url in spec.mirrors]
    return sources


def obtain(spec: ImageSetSpec, sources: Sequence[Source], workdir: Path, progress: Progress) -> Obtained:
    """Return the four files from the first source that has them all, verified.

    Files that had to be fetched lie under `workdir`. Wrong files in earlier sources are logged as
    warnings. Raises NoSourceError when every source failed, OSError when the disk is full.
    """
    failures: list[str] = []
    refusals: list[str] = []
    for number, source in enumerate(sources):
        own_folder = workdir / f"{number}"
        own_folder.mkdir(parents=True)
        try:
            files = _verified(spec, source, own_folder, progress)
        except SourceError as error:
            failures.append(f"{source.name}: {error}")
            if isinstance(error, RefusedFileError):
                refusals.append(failures[-1])
        except OSError as error:
            if error.errno in _DISK_IS_FULL:
                raise
            failures.append(f"{source.name}: {error}")
        else:
            for refusal in refusals:
                logger.warning("%s: %s", spec.slug, refusal)
            return Obtained(files, source.name)
        # What a failed source fetched would only take the room that the next one needs.
        shutil.rmtree(own_folder)
    raise NoSourceError(_what_to_do(spec, failures))


def _verified(spec: ImageSetSpec, source: Source, workdir: Path, progress: Progress) -> Mapping[str, Path]:
    files = {}
    for part, path in source.fetch(spec, workdir, progress):
        verify_part(spec, part, path, progress)
        files[part] = path
    if missing := set(PARTS) - set(files):
        raise SourceError(f"it has no {', '.join(sorted(missing))}")
    return files


def _what_to_do(spec: ImageSetSpec, failures: Sequence[str]) -> str:
    tried = "; ".join(f"({number}) {failure}" for number, failure in enumerate(failures, start=1))
    return (
        f"no source has {spec.slug}. Tried: {tried}. What to do: set HUMANMARK_DATA_DIR to a folder with "
        f"the four files, or use the image set 'digits', which needs no source"
    )

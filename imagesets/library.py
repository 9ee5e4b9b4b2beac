"""The store as Django sees it: at the place that the settings name, each set opened once per process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.conf import settings

from imagesets.sources import default_sources
from imagesets.specs import get_spec
from imagesets.store import NotPreparedError, PreparedSet, check, open_prepared, prepare
from imagesets.verification import Progress


def open_imageset(slug: str) -> PreparedSet:
    """Return a prepared image set, memory-mapped. Raises UnknownImageSetError, NotPreparedError."""
    return _open_once(slug, _root())


def ensure_imageset(slug: str) -> PreparedSet:
    """Return an image set, preparing it first where that was not done yet. Raises ImageSetError."""
    try:
        return open_imageset(slug)
    except NotPreparedError:
        return prepare_imageset(slug)


def prepare_imageset(
    slug: str, *, from_dir: Path | None = None, progress: Progress | None = None
) -> PreparedSet:
    """Prepare an image set and return it; from `from_dir` alone, and in any case anew, where that is given.

    Raises UnknownImageSetError, NoSourceError, StoreError (all ImageSetError).
    """
    spec = get_spec(slug)
    sources = default_sources(spec, from_dir=from_dir, data_dir=settings.HUMANMARK_DATA_DIR)
    prepare(spec, _root(), sources=sources, progress=progress, force=from_dir is not None)
    _open_once.cache_clear()
    return open_imageset(slug)


def check_imageset(slug: str, *, progress: Progress | None = None) -> PreparedSet:
    """Compare a prepared set's content with its digests. Raises NotPreparedError, DamagedSetError."""
    return check(get_spec(slug), _root(), progress)


def _root() -> Path:
    return Path(settings.HUMANMARK_IMAGESET_ROOT)


@cache
def _open_once(slug: str, root: Path) -> PreparedSet:
    return open_prepared(get_spec(slug), root)

"""Secrets that are generated once and kept in a file only its owner can read."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def load_or_create_secret(file: Path, length: int = 50) -> str:
    """The file's secret; a new random one (url-safe, about `length` * 4/3 characters) where there is none.

    Two processes that start at once agree: the file appears whole, and only the first one's link succeeds.
    """
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            _create(file, secrets.token_urlsafe(length))
        secret = file.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{file} cannot be read or written ({error.strerror}); "
            "make the folder writable or set HUMANMARK_VAR_DIR to one that is"
        ) from None
    if len(secret) < length:
        raise ImproperlyConfigured(f"{file} is damaged (too short); delete it and a new one is made")
    return secret


def _create(file: Path, secret: str) -> None:
    handle, draft = tempfile.mkstemp(dir=file.parent)  # mkstemp makes it readable by the owner only
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(secret)
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()

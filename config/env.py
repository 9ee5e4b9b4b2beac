"""Typed readers of environment variables: a bad value stops the start with a line that names it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


def text(name: str, default: str = "") -> str:
    """The variable's value without surrounding space, or `default` where it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool) -> bool:
    """A yes/no variable; anything but 1/0, true/false, yes/no, on/off is refused."""
    value = os.environ.get(name)
    if value is None:
        return default
    word = value.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is not a yes/no value; use 1 or 0")


def integer(name: str, default: int, *, low: int, high: int) -> int:
    """A whole number within [low, high]."""
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number") from None
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name}={number} is out of range; allowed: {low} to {high}")
    return number


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    """A comma-separated list."""
    value = text(name)
    return [word.strip() for word in value.split(",") if word.strip()] if value else list(default)


def folder(name: str, default: Path | None) -> Path | None:
    """A folder's absolute path; it need not exist yet."""
    value = text(name)
    return Path(value).expanduser().resolve() if value else default


def database(name: str, sqlite_file: Path) -> dict[str, Any]:
    """Django's database settings from a URL such as postgresql://user:password@host:5432/name.

    Without the variable: SQLite in `sqlite_file`, in WAL mode, every transaction taking the write lock at
    its start, so that two writers wait for each other instead of failing half-way.
    """
    url = text(name)
    if not url:
        return _sqlite(sqlite_file)
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return _sqlite(Path(unquote(parts.path)))
    if parts.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured(
            f"{name}: scheme {parts.scheme!r} is not known; use postgresql:// or sqlite:///"
        )
    if not parts.path.strip("/"):
        raise ImproperlyConfigured(
            f"{name} has no database name; use postgresql://user:password@host:5432/name"
        )
    query = dict(parse_qsl(parts.query))
    pool_size = integer("HUMANMARK_DATABASE_POOL", 8, low=1, high=200)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", None) or unquote(parts.hostname or ""),
        "PORT": parts.port or "",
        "OPTIONS": {**query, "pool": {"min_size": 1, "max_size": pool_size, "timeout": 20}},
    }


def _sqlite(file: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": file,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            # NORMAL loses nothing when a process dies; FULL would only guard against a power cut.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;",
        },
    }

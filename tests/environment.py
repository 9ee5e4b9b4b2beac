"""The environment in which the suite's Django runs; to be set before the settings are read.

Nothing of the person's own site is touched: a temporary `var`, no `.env`, none of their HUMANMARK_ variables.
Only prepared image sets are shared, because preparing them again would take a minute.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KEPT = (
    "HUMANMARK_REQUIRE_SERVICES",
    "HUMANMARK_LOAD_ROUNDS",
    "HUMANMARK_TEST_DATABASE",
    "HUMANMARK_DATA_DIR",
    "HUMANMARK_IMAGESET_ROOT",
)


def clean_environment(folder: Path) -> dict[str, str]:
    """This process's environment without anything that configures a site, and with its files in `folder`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or (not name.startswith("HUMANMARK_") and name not in ("PORT", "HOST"))
    }
    image_sets = os.environ.get("HUMANMARK_IMAGESET_ROOT", str(ROOT / "var" / "imagesets"))
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "HUMANMARK_VAR_DIR": str(folder),
        "HUMANMARK_IMAGESET_ROOT": image_sets,
        "HUMANMARK_ENV_FILE": str(folder / "no.env"),
    }


def enter(database_url: str = "") -> Path:
    """Give this process the suite's environment; its temporary folder. xdist's workers inherit both."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return Path(os.environ["HUMANMARK_VAR_DIR"])
    folder = Path(tempfile.mkdtemp(prefix="humanmark-tests-"))
    environment = clean_environment(folder)
    if database_url:
        environment["HUMANMARK_DATABASE_URL"] = database_url
    os.environ.clear()
    os.environ.update(environment)
    return folder


def adapt_settings(settings: Any, folder: Path) -> None:
    """What differs from a real site, so that a unit test needs no service and no patience."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    in_memory = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    settings.CACHES = dict.fromkeys(settings.CACHES, in_memory)
    settings.CELERY_BROKER_URL = "memory://"
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        # In a file, as on a real site: a database in memory cannot be shared between threads under WAL.
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(folder / "test.sqlite3")

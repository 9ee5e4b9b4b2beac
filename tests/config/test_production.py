"""What a production start refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from config.checks import check_production, production_faults, refuse_unsafe_production
from tests.environment import ROOT, clean_environment

SAFE = {
    "PRODUCTION": True,
    "DEBUG": False,
    "SECRET_KEY": "A9-long_and-random.enough,0123456789abcdefghijklmnopqrstuvwxyz",
    "ALLOWED_HOSTS": ["labels.example.org"],
    "DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql"}},
    "HUMANMARK_EMBEDDED_REDIS": False,
}


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_safe_production_settings_have_no_fault() -> None:
    with override_settings(**SAFE):
        assert production_faults() == []
        assert check_production(None) == []
        refuse_unsafe_production()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"DEBUG": True}, "HUMANMARK_DEBUG"),
        ({"SECRET_KEY": "missing"}, "HUMANMARK_SECRET_KEY"),
        ({"SECRET_KEY": "short-Ab1"}, "HUMANMARK_SECRET_KEY"),
        ({"SECRET_KEY": "a" * 80}, "HUMANMARK_SECRET_KEY"),
        (
            {"SECRET_KEY": "django-insecure-0123456789abcdefghijklmnopqrstuvwxyzABCDEF"},
            "HUMANMARK_SECRET_KEY",
        ),
        ({"SECRET_KEY": "Change-me-0123456789abcdefghijklmnopqrstuvwxyzABCDEF"}, "HUMANMARK_SECRET_KEY"),
        ({"ALLOWED_HOSTS": []}, "HUMANMARK_ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": ["labels.example.org", "*"]}, "HUMANMARK_ALLOWED_HOSTS"),
        ({"DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3"}}}, "HUMANMARK_DATABASE_URL"),
        ({"HUMANMARK_EMBEDDED_REDIS": True}, "HUMANMARK_REDIS_URL"),
    ],
)
@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_an_unsafe_production_setting_is_refused_by_name(change: dict[str, object], named: str) -> None:
    with override_settings(**{**SAFE, **change}):
        assert len(production_faults()) == 1
        assert [message.level >= 40 for message in check_production(None)] == [True]
        with pytest.raises(ImproperlyConfigured, match=named):
            refuse_unsafe_production()


@override_settings(PRODUCTION=False)
def test_one_machine_may_run_without_any_of_them() -> None:
    refuse_unsafe_production()
    assert check_production(None) == []


@pytest.mark.site
@pytest.mark.parametrize(
    "command",
    [
        ["-c", "import config.wsgi"],
        ["manage.py", "run_site"],
        ["manage.py", "prepare_site"],
        ["-m", "celery", "-A", "config", "worker", "-P", "solo"],
    ],
)
def test_every_way_to_start_refuses_an_unsafe_production(command: list[str], tmp_path: Path) -> None:
    environment = {**clean_environment(tmp_path), "HUMANMARK_PRODUCTION": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    for name in ("HUMANMARK_SECRET_KEY", "HUMANMARK_ALLOWED_HOSTS", "HUMANMARK_DATABASE_URL"):
        assert name in done.stderr

"""The typed readers of environment variables, and the .env file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env
from tests.environment import ROOT, clean_environment

NAME = "HUMANMARK_TRIAL"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("Yes", True), (" on ", True), ("0", False), ("off", False), ("", False)],
)
def test_a_flag_takes_the_usual_words(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.flag(NAME, default=not expected) is expected


@pytest.mark.parametrize(
    ("read", "value", "complaint"),
    [
        (lambda: env.flag(NAME, default=False), "maybe", "not a yes/no value"),
        (lambda: env.integer(NAME, 1, low=1, high=9), "many", "not a whole number"),
        (lambda: env.integer(NAME, 1, low=1, high=9), "10", "allowed: 1 to 9"),
        (lambda: env.integer(NAME, 1, low=1, high=9), "0", "allowed: 1 to 9"),
        (lambda: env.database(NAME, Path("x")), "mysql://h/d", "'mysql' is not known"),
        (lambda: env.database(NAME, Path("x")), "postgresql://host", "no database name"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], object], value: str, complaint: str
) -> None:
    monkeypatch.setenv(NAME, value)
    with pytest.raises(ImproperlyConfigured, match=complaint) as caught:
        read()
    assert NAME in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unset_and_empty_variables_have_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "", "  "):
        if value is None:
            monkeypatch.delenv(NAME, raising=False)
        else:
            monkeypatch.setenv(NAME, value)
        assert env.text(NAME, "default") == "default"
        assert env.integer(NAME, 7, low=1, high=9) == 7
        assert env.words(NAME, ("a",)) == ["a"]
        assert env.folder(NAME, None) is None
        assert env.database(NAME, Path("file"))["NAME"] == Path("file")


def test_a_postgresql_url_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "postgresql://me:p%40ss@db.example:5433/labels?sslmode=require")
    read = env.database(NAME, Path("x"))
    assert (read["USER"], read["PASSWORD"], read["HOST"]) == ("me", "p@ss", "db.example")
    assert (int(read["PORT"]), read["NAME"], read["OPTIONS"]["sslmode"]) == (5433, "labels", "require")


def settings_value(expression: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    code = f"from django.conf import settings; print({expression})"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**clean_environment(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_env_file_is_read_and_the_environment_wins_over_it(tmp_path: Path) -> None:
    file = tmp_path / "site.env"
    file.write_text("PORT=9123\nHUMANMARK_PARALLEL_RUNS=5\n")
    expression = "settings.HUMANMARK_PORT, settings.CELERY_WORKER_CONCURRENCY"
    done = settings_value(expression, tmp_path, HUMANMARK_ENV_FILE=str(file), HUMANMARK_PARALLEL_RUNS="7")
    assert done.stdout.strip() == "9123 7"


def test_a_site_for_the_network_answers_under_the_names_of_this_machine(tmp_path: Path) -> None:
    done = settings_value("settings.ALLOWED_HOSTS", tmp_path, HOST="0.0.0.0")  # noqa: S104
    assert "localhost" in done.stdout
    assert "'0.0.0.0'" not in done.stdout
    assert "'*'" not in done.stdout


def test_the_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    first = settings_value("settings.SECRET_KEY", tmp_path).stdout
    assert len(first) > 50
    assert settings_value("settings.SECRET_KEY", tmp_path).stdout == first
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600

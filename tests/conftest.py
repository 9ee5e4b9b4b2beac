"""Set-up of the whole suite: its own environment, and private services where their programs are installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import environment
from tests.services import PostgresServer, RedisServer, find_chromium, find_postgres, missing_services

REQUIRED = os.environ.get("HUMANMARK_REQUIRE_SERVICES") == "1"
ON_POSTGRES = os.environ.get("HUMANMARK_TEST_DATABASE") == "postgresql"
IS_XDIST_WORKER = "PYTEST_XDIST_WORKER" in os.environ
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_serialized_rollback", "live_server"}
SLOW = ("site", "load", "faults", "browser")


def _database_for_the_suite() -> PostgresServer | None:
    """With HUMANMARK_TEST_DATABASE=postgresql the unit tests run on PostgreSQL instead of SQLite."""
    if not ON_POSTGRES or IS_XDIST_WORKER:
        return None
    programs = find_postgres()
    if programs is None:
        line = f"PostgreSQL: {missing_services()['PostgreSQL']}"
        pytest.exit(line, returncode=1 if REQUIRED else 0)
    server = PostgresServer(programs)
    server.start()
    return server


_suite_database = _database_for_the_suite()
_folder = environment.enter(_suite_database.url("humanmark") if _suite_database else "")

import django  # noqa: E402  the environment above decides what Django reads
from django.conf import settings  # noqa: E402

environment.adapt_settings(settings, _folder)
django.setup()
# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")

from django.core.cache import cache  # noqa: E402

from config.redis_server import find_redis_server  # noqa: E402
from tests.site import Site  # noqa: E402


def pytest_unconfigure(config: pytest.Config) -> None:
    if IS_XDIST_WORKER:
        return
    if _suite_database is not None:
        _suite_database.stop()
    shutil.rmtree(_folder, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Unit tests first: what is quick to fail fails first. The order is otherwise kept."""
    if ON_POSTGRES:
        # The rest ran on SQLite already and would do exactly the same again.
        config.hook.pytest_deselected(items=[item for item in items if not _uses_database(item)])
        items[:] = [item for item in items if _uses_database(item)]
    items.sort(key=_slowness)


def _uses_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(fixtures & DATABASE_FIXTURES)


def _slowness(item: pytest.Item) -> int:
    return max((SLOW.index(mark.name) + 1 for mark in item.iter_markers() if mark.name in SLOW), default=0)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes make unreadable names, and those with a time in them (gzip) differ between xdist's processes."""
    return argname if isinstance(val, bytes) and len(val) > 8 else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for name, consequence in missing_services().items():
        terminalreporter.write_line(f"Not here: {name}: {consequence}", yellow=True)


def need(found: object, name: str) -> None:
    """Leave the test out where a program is missing; with HUMANMARK_REQUIRE_SERVICES=1 let it fail."""
    if not found:
        line = f"{name}: {missing_services().get(name, 'not here')}"
        if REQUIRED:
            pytest.fail(line, pytrace=False)
        pytest.skip(line)


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A private PostgreSQL server; `new_database()` gives the URL of an empty database."""
    programs = find_postgres()
    need(programs, "PostgreSQL")
    assert programs is not None
    server = PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres: PostgresServer) -> str:
    """One database for the whole session."""
    return postgres.new_database()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A private Redis server on TCP, as production has it."""
    program = find_redis_server()
    need(program, "Redis")
    assert program is not None
    server = RedisServer(program)
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = find_chromium()
    need(path, "Chromium")
    assert path is not None
    return path


@pytest.fixture
def make_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """`make_site("sqlite" or "postgresql", **settings)`: a real site, ready; stopped at the end."""
    need(find_redis_server(), "Redis")
    sites: list[Site] = []

    def make(database: str = "sqlite", *, start: bool = True, redis_url: str = "", **settings: str) -> Site:
        url = ""
        if database == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            url = server.new_database()
        folder = tmp_path / f"site-{len(sites)}"
        folder.mkdir()
        site = Site(folder, database_url=url, redis_url=redis_url, settings=settings)
        sites.append(site)
        return site.start() if start else site

    try:
        yield make
    finally:
        for site in sites:
            site.stop()

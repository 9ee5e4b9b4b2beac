"""`/healthz`, and the small programs that ask it."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from config import health
from config.probe import is_healthy
from tests.services import free_port

pytestmark = pytest.mark.django_db


def test_a_site_that_can_work_answers_200(
    client: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(health, "redis_answers", lambda: True)
    with django_assert_num_queries(1):
        response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": True, "redis": True}
    assert "no-store" in response["Cache-Control"]


def test_a_site_without_redis_answers_503_and_says_so(client: Client) -> None:
    """The suite's own Redis socket does not exist."""
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "database": True, "redis": False}


def test_a_site_without_its_database_answers_503_and_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(health, "redis_answers", lambda: True)
    monkeypatch.setattr(connection, "cursor", refuse)
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["database"] is False


def test_health_is_only_read(client: Client) -> None:
    assert client.post("/healthz").status_code == 405


def test_the_probe_calls_a_silent_address_unhealthy() -> None:
    assert not is_healthy("127.0.0.1", free_port(), "localhost", seconds=1)


def test_a_worker_that_is_not_there_does_not_pass_the_check() -> None:
    with pytest.raises(CommandError, match="does not answer"):
        call_command("check_worker", "runs", seconds=0.1)

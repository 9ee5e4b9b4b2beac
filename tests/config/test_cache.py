"""The cache when Redis is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.cache import caches
from django.test import Client
from pytest_django import Settings

from benchmarks import worker_health


@pytest.fixture
def no_redis(settings: Settings, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path / 'nobody-listens.sock'}"
    settings.CACHES = {
        "default": {"BACKEND": "config.cache.ForgivingRedisCache", "LOCATION": nowhere},
        "workers": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": nowhere},
    }


@pytest.mark.usefixtures("no_redis")
def test_nothing_is_found_and_nothing_raises_while_redis_is_away() -> None:
    cache = caches["default"]
    assert cache.add("a lock", True) is True
    assert cache.get("a key", "a default") == "a default"
    cache.set("a key", 1)
    assert cache.delete("a key") is False


@pytest.mark.usefixtures("no_redis")
def test_that_redis_is_away_is_told_where_somebody_waits_for_a_worker() -> None:
    with pytest.raises(worker_health.QueueAwayError):
        worker_health.seconds_since_worker()


@pytest.mark.django_db
@pytest.mark.usefixtures("no_redis")
def test_signing_in_works_while_redis_is_away(client: Client, django_user_model: type) -> None:
    django_user_model.objects.create_user("ada", password="correct horse battery")  # type: ignore[attr-defined]
    answer = client.post("/accounts/login/", {"login": "ada", "password": "correct horse battery"})
    assert answer.status_code == 302

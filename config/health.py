"""`/healthz`: whether this web process can do its work."""

from __future__ import annotations

import logging
from functools import cache

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)
SECONDS = 2


@cache
def _redis_client() -> redis.Redis:
    url = settings.HUMANMARK_REDIS_URL or f"unix://{settings.HUMANMARK_REDIS_SOCKET}"
    return redis.Redis.from_url(
        url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS, retry=Retry(NoBackoff(), 0)
    )


def database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        logger.warning("The database does not answer: %s", error)
        return False
    return True


def redis_answers() -> bool:
    try:
        return bool(_redis_client().ping())
    except redis.RedisError as error:
        logger.warning("Redis does not answer: %s", error)
        return False


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> JsonResponse:
    """200 where the database and Redis answer, 503 otherwise, and in both cases which of them does."""
    database, broker = database_answers(), redis_answers()
    well = database and broker
    body = {"status": "ok" if well else "unavailable", "database": database, "redis": broker}
    return JsonResponse(body, status=200 if well else 503)

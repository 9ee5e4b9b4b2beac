"""Whether any worker is alive, told through the cache: a page can ask without waiting for an answer."""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.signals import heartbeat_sent
from django.core.cache import caches
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

SEEN = "benchmarks:worker-seen"
WRITE_SECONDS = 5.0
KEEP_SECONDS = 86_400

_last_write = 0.0


class QueueAwayError(Exception):
    """Redis does not answer, so nothing is known of the workers."""


@heartbeat_sent.connect
def note_heartbeat(**kwargs: Any) -> None:
    """Called in a worker's main process, also while all its pool processes are busy."""
    global _last_write
    now = time.monotonic()
    if now - _last_write < WRITE_SECONDS:
        return
    _last_write = now
    try:
        caches["workers"].set(SEEN, time.time(), KEEP_SECONDS)
    except (RedisError, OSError) as error:
        logger.warning("the worker's heartbeat could not be stored: %s", error)


def seconds_since_worker() -> float | None:
    """Seconds since any worker was heard of; None if none was within a day. Raises QueueAwayError."""
    try:
        seen = caches["workers"].get(SEEN)
    except (RedisError, OSError) as error:
        raise QueueAwayError(str(error)) from error
    return None if seen is None else max(0.0, time.time() - float(seen))

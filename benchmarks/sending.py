"""Putting a run's message in the queue, and looking at the queue. Nothing here raises when Redis is away."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from celery import current_app
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from benchmarks import runs

logger = logging.getLogger(__name__)

EVALUATE_RUN = "benchmarks.evaluate_run"


def send(public_id: uuid.UUID) -> bool:
    """Ask the workers to evaluate a run. False: the queue did not take it; the reaper sends it again."""
    try:
        current_app.send_task(EVALUATE_RUN, args=[str(public_id)], retry=False)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("run %s stays queued; its message could not be sent: %s", public_id, error)
        return False
    runs.mark_sent(public_id, timezone.now())
    return True


def messages_waiting() -> int | None:
    """How many messages of runs wait in the queue; None where the queue cannot be asked."""
    queue = settings.CELERY_TASK_ROUTES[EVALUATE_RUN]["queue"]
    try:
        with current_app.connection_for_read(transport_options={"max_retries": 1}) as connection:
            channel: Any = connection.default_channel
            waiting: int = channel.queue_declare(queue=queue).message_count
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("the queue cannot be asked: %s", error)
        return None
    return waiting

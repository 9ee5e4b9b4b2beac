"""The queue's end of the models' half. Messages are distrusted: they carry an id, everything else is read."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from celery import shared_task
from django.utils import timezone

# Imported for their signal handlers, which must be connected before a worker forks its pool.
from benchmarks import reaper, sending, shutdown, worker_health  # noqa: F401
from benchmarks.evaluation import evaluate

logger = logging.getLogger(__name__)


@shared_task(name=sending.EVALUATE_RUN, bind=True)
def evaluate_run(self: Any, run_id: object = None) -> None:
    """Evaluate the run with this public id; a message that names no queued run does nothing."""
    try:
        public_id = uuid.UUID(str(run_id))
    except ValueError:
        logger.warning("message ignored: %.80r is not the id of a run", run_id)
        return
    evaluate(public_id, str(self.request.hostname or "unknown worker"))


@shared_task(name="benchmarks.reap_dead_runs")
def reap_dead_runs() -> None:
    reaper.reap_dead_runs(timezone.now())

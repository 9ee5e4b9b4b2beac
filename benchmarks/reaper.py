"""Housekeeping of the queue: runs whose worker died, and runs whose message was lost."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from benchmarks import runs, sending
from benchmarks.models import Run

logger = logging.getLogger(__name__)

# A run without any message was committed a moment ago: leave its own process the time to send it.
SEND_AFTER = timedelta(seconds=5)
SEND_AGAIN_AFTER = timedelta(seconds=60)
MOST_SENT_AT_ONCE = 100


@dataclass(frozen=True)
class Reaped:
    """How many runs were put back, given up on, and sent again."""

    requeued: int = 0
    failed: int = 0
    sent: int = 0


def reap_dead_runs(now: datetime, send: Callable[[uuid.UUID], bool] | None = None) -> Reaped:
    """Free the runs that nobody works on any more. Safe to run twice, also at the same time.

    A heartbeat or a message from the future counts as old: the clock was set back since.
    """
    requeued = failed = 0
    for run in _dead(now):
        if run.attempt < runs.MAX_ATTEMPTS:
            requeued += runs.requeue_dead(run, "The worker stopped answering. Waiting for another one.")
        else:
            failed += runs.fail_dead(run, _reason(run), now)
    sent = _send_lost(now, send or sending.send)
    if requeued or failed or sent:
        logger.info("reaper: %d runs requeued, %d given up on, %d sent again", requeued, failed, sent)
    return Reaped(requeued, failed, sent)


def _dead(now: datetime) -> Iterable[Run]:
    stale = timedelta(seconds=settings.HUMANMARK_STALE_SECONDS)
    silent = Q(heartbeat_at__lt=now - stale) | Q(heartbeat_at__gt=now + stale)
    return list(Run.objects.filter(silent, state=Run.State.RUNNING).order_by("queued_at", "pk"))


def _reason(run: Run) -> str:
    return (
        f"The worker stopped answering {run.attempt} times while it worked on this run, most likely because "
        "the machine ran out of memory or was switched off. The run was given up on; “Run again” starts anew."
    )


def _send_lost(now: datetime, send: Callable[[uuid.UUID], bool]) -> int:
    """Send the runs that never reached the queue, and as many old ones as the queue has too few messages.

    A long queue is not a lost one: only the difference between runs and messages is sent again, the longest
    waiting first. A message too many does no harm, because a run is claimed once.
    """
    waiting = Run.objects.waiting()
    never_sent = waiting.filter(sent_at__isnull=True)
    due = list(
        never_sent.exclude(attempt=0, queued_at__gt=now - SEND_AFTER, queued_at__lte=now)
        .values_list("public_id", flat=True)[:MOST_SENT_AT_ONCE]
    )  # fmt: skip
    old = waiting.filter(Q(sent_at__lt=now - SEND_AGAIN_AFTER) | Q(sent_at__gt=now + SEND_AGAIN_AFTER))
    candidates = list(old.order_by("sent_at", "pk").values_list("public_id", flat=True)[:MOST_SENT_AT_ONCE])
    if candidates:
        in_queue = sending.messages_waiting()
        missing = 0 if in_queue is None else waiting.filter(sent_at__isnull=False).count() - in_queue
        due += candidates[: max(missing, 0)]
    return sum(_send_until_refused(due, send))


def _send_until_refused(due: list[uuid.UUID], send: Callable[[uuid.UUID], bool]) -> Iterable[bool]:
    for public_id in due:
        if not send(public_id):
            return  # The queue is away; the next round tries the rest.
        yield True

"""The guarded state changes of a run.

Every change is one compare-and-swap update on (pk, state, claim), and says whether it happened. A worker
that was given up on no longer holds the claim, so whatever it still writes changes nothing. The clock is a
parameter.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from benchmarks.models import Run, RunPredictions, RunQuerySet

MAX_ATTEMPTS = 3
LOG_TAIL_CHARACTERS = 8_000


@dataclass(frozen=True)
class Beat:
    """What a worker reports while it works on a run. Memory is the highest seen so far."""

    stage: str
    progress: float | None = None
    message: str = ""
    log_tail: str = ""
    wall_seconds: float | None = None
    peak_memory_bytes: int | None = None


@dataclass(frozen=True)
class Ending:
    """What is known of the training child after its end, whatever the end was."""

    log_tail: str = ""
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    isolation: str = ""


@dataclass(frozen=True)
class Result:
    """The score of a run. `labels` holds one byte per test image: the class that the model chose."""

    n_images: int
    n_correct: int
    accuracy: float
    interval: tuple[float, float]
    per_class: list[float | None]
    confusion: list[list[int]]
    labels: bytes
    scorer_version: str


def claim(public_id: uuid.UUID, worker: str, now: datetime) -> Run | None:
    """Take up a queued run; None where it is not queued (unknown, taken by another worker, or ended)."""
    mark = uuid.uuid4()
    taken = Run.objects.filter(public_id=public_id, state=Run.State.QUEUED).update(
        state=Run.State.RUNNING,
        claim=mark,
        worker=worker[:120],
        attempt=F("attempt") + 1,
        started_at=now,
        heartbeat_at=now,
        stage="starting",
        progress=None,
        message="",
        reason="",
    )
    if not taken:
        return None
    return Run.objects.select_related("submission").filter(claim=mark).first()


def heartbeat(run: Run, beat: Beat, now: datetime) -> bool:
    """Say that the worker is alive and how far it is. False: the run is no longer its own."""
    return _held(run).update(
        heartbeat_at=now,
        stage=_text(beat.stage, 40),
        progress=beat.progress,
        message=_text(beat.message, 200),
        log_tail=_tail(beat.log_tail),
        wall_seconds=beat.wall_seconds,
        peak_memory_bytes=beat.peak_memory_bytes,
    ) == 1  # fmt: skip


def touch(run: Run, stage: str, now: datetime) -> bool:
    """A heartbeat of a phase that has nothing to report but its name."""
    return _held(run).update(heartbeat_at=now, stage=_text(stage, 40)) == 1


def finish_scored(run: Run, result: Result, ending: Ending, now: datetime) -> bool:
    """Store score and predictions together, once."""
    with transaction.atomic():
        low, high = result.interval
        stored = _held(run).update(
            state=Run.State.SCORED,
            finished_at=now,
            stage="",
            progress=1.0,
            message="",
            scorer_version=result.scorer_version,
            n_images=result.n_images,
            n_correct=result.n_correct,
            accuracy=result.accuracy,
            interval_low=low,
            interval_high=high,
            per_class=result.per_class,
            confusion=result.confusion,
            **_fields(ending),
        )
        if stored:
            RunPredictions.objects.create(run=run, labels=result.labels)
    return stored == 1


def finish_failed(run: Run, reason: str, ending: Ending, now: datetime) -> bool:
    return _end(_held(run), Run.State.FAILED, reason, now, **_fields(ending))


def time_out(run: Run, reason: str, ending: Ending, now: datetime) -> bool:
    return _end(_held(run), Run.State.TIMED_OUT, reason, now, **_fields(ending))


def hand_back(run: Run, message: str) -> bool:
    """Put a run back in the queue because its worker shuts down; the attempt does not count."""
    return _requeue(_held(run), message, attempt=F("attempt") - 1)


def requeue_dead(run: Run, message: str) -> bool:
    """Put a run back whose worker stopped answering, unless it answered after `run` was read."""
    return _requeue(_held(run).filter(heartbeat_at=run.heartbeat_at), message)


def fail_dead(run: Run, reason: str, now: datetime) -> bool:
    """Give up on a run whose workers all stopped answering; its last log stays."""
    return _end(_held(run).filter(heartbeat_at=run.heartbeat_at), Run.State.FAILED, reason, now)


def cancel(run: Run, reason: str, now: datetime) -> bool:
    """Stop a run that has not ended; a worker that holds it notices at its next heartbeat."""
    going = Run.objects.filter(pk=run.pk, state__in=[Run.State.QUEUED, Run.State.RUNNING])
    return _end(going, Run.State.CANCELLED, reason, now)


def mark_sent(public_id: uuid.UUID, now: datetime) -> None:
    Run.objects.filter(public_id=public_id).update(sent_at=now)


def _held(run: Run) -> RunQuerySet:
    return Run.objects.filter(pk=run.pk, state=Run.State.RUNNING, claim=run.claim)


def _end(runs: RunQuerySet, state: Run.State, reason: str, now: datetime, **fields: Any) -> bool:
    ended = runs.update(
        state=state, reason=_text(reason, 2000), finished_at=now, stage="", message="", **fields
    )
    return ended == 1


def _requeue(runs: RunQuerySet, message: str, **fields: Any) -> bool:
    """The run keeps its place (`queued_at`); its old message may be gone, so it counts as not sent."""
    requeued = runs.update(
        state=Run.State.QUEUED,
        claim=None,
        sent_at=None,
        started_at=None,
        heartbeat_at=None,
        stage="",
        progress=None,
        message=_text(message, 200),
        **fields,
    )
    return requeued == 1


def _fields(ending: Ending) -> dict[str, Any]:
    return {
        "log_tail": _tail(ending.log_tail),
        "wall_seconds": ending.wall_seconds,
        "cpu_seconds": ending.cpu_seconds,
        "peak_memory_bytes": ending.peak_memory_bytes,
        "versions": {_text(name, 40): _text(version, 80) for name, version in ending.versions.items()},
        "isolation": _text(ending.isolation, 120),
    }


def _tail(log: str) -> str:
    """The end of a log, without the folder that this worker happens to live in."""
    return _text(log.replace(f"{settings.BASE_DIR}/", "")[-LOG_TAIL_CHARACTERS:], LOG_TAIL_CHARACTERS)


def _text(value: str, longest: int) -> str:
    """Text as PostgreSQL takes it: no NUL (a child may print one), not longer than its column."""
    return value.replace("\x00", "")[:longest]

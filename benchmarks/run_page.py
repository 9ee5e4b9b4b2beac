"""What a run's page and its JSON say about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from benchmarks import worker_health
from benchmarks.leaderboard import Row, people_of
from benchmarks.models import Run
from imagesets.specs import BUILT_IN

SILENT_SECONDS = 30
SHADES = 10


@dataclass(frozen=True)
class ClassLine:
    name: str
    n: int
    recall: float | None
    most_confused: str


@dataclass(frozen=True)
class Cell:
    """A count of the confusion matrix; `level` 0 to 9 is its share of the true class."""

    count: int
    level: int


@dataclass(frozen=True)
class RunPage:
    run: Run
    now: datetime
    place: int | None
    elapsed: float | None
    warning: str
    classes: list[ClassLine]
    confusion: list[tuple[str, list[Cell]]]
    class_names: list[str]
    people: Row | None


def run_page(run: Run, now: datetime) -> RunPage:
    names = class_names(run)
    return RunPage(
        run=run,
        now=now,
        place=queue_place(run),
        elapsed=elapsed_seconds(run, now),
        warning=warning(run, now),
        classes=[_class_line(run, names, index) for index in range(len(run.confusion))],
        confusion=[(names[index], _cells(counts)) for index, counts in enumerate(run.confusion)],
        class_names=names,
        people=people_of(run.submission.image_set) if run.state == Run.State.SCORED else None,
    )


def run_as_json(run: Run) -> dict[str, Any]:
    """A run for programs. Numbers are exact; those that are not known yet are null."""
    return {
        "run": str(run.public_id),
        "url": run.get_absolute_url(),
        "name": run.submission.name,
        "state": run.state,
        "reason": run.reason,
        "queue_place": queue_place(run),
        "stage": run.stage,
        "progress": run.progress,
        "message": run.message,
        "accuracy": run.accuracy,
        "interval": None if run.accuracy is None else [run.interval_low, run.interval_high],
        "n_correct": run.n_correct,
        "n": run.n_images,
        "per_class": run.per_class,
        "confusion": run.confusion,
        "seconds": run.wall_seconds,
        **run.run_record(),
    }


def queue_place(run: Run) -> int | None:
    """1 for the run that is taken up next; None when it does not wait."""
    if run.state != Run.State.QUEUED:
        return None
    earlier = Q(queued_at__lt=run.queued_at) | Q(queued_at=run.queued_at, pk__lt=run.pk)
    return Run.objects.waiting().filter(earlier).count() + 1


def elapsed_seconds(run: Run, now: datetime) -> float | None:
    """Since it was queued while it waits, since it was taken up while it runs."""
    since = {Run.State.QUEUED: run.queued_at, Run.State.RUNNING: run.started_at}.get(Run.State(run.state))
    return None if since is None else max(0.0, (now - since).total_seconds())


def warning(run: Run, now: datetime) -> str:
    """A sentence when nobody seems to work on a run that has not ended."""
    if run.state == Run.State.RUNNING and run.heartbeat_at is not None:
        silent = (now - run.heartbeat_at).total_seconds()
        if silent > SILENT_SECONDS:
            return (
                f"The worker has not answered for {silent:.0f} s. If it stays silent, the run goes back to "
                "the queue by itself."
            )
    if run.state == Run.State.QUEUED and (now - run.queued_at).total_seconds() > SILENT_SECONDS:
        return _queue_warning()
    return ""


def _queue_warning() -> str:
    kept = "Your run is stored and starts as soon as one is back."
    try:
        seen = worker_health.seconds_since_worker()
    except worker_health.QueueAwayError:
        return f"The queue does not answer, so no worker can take the run up. {kept}"
    if seen is None or seen > SILENT_SECONDS:
        silence = f"{SILENT_SECONDS} s" if seen is None else f"{seen:.0f} s"
        return f"No worker has answered for {silence}. {kept}"
    return ""


def class_names(run: Run) -> list[str]:
    spec = BUILT_IN.get(run.submission.image_set)
    return list(spec.class_names) if spec else [f"class {index}" for index in range(len(run.confusion))]


def _class_line(run: Run, names: list[str], index: int) -> ClassLine:
    counts = run.confusion[index]
    wrong = [(count, other) for other, count in enumerate(counts) if other != index and count]
    count, other = max(wrong, key=lambda pair: (pair[0], -pair[1]), default=(0, 0))
    confused = f"{names[other]} ({count})" if count else ""
    return ClassLine(names[index], sum(counts), run.per_class[index], confused)


def _cells(counts: list[int]) -> list[Cell]:
    total = sum(counts) or 1
    return [Cell(count, min(SHADES - 1, SHADES * count // total)) for count in counts]

"""Rows for the tests of the models' half."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from annotate.intervals import wilson_interval
from annotate.models import Study, StudyResult
from benchmarks import runs
from benchmarks.models import Claim, Run, Submission
from benchmarks.sklearn_spec import spec_digest

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SPEC: dict[str, Any] = {"steps": [{"name": "NearestCentroid", "params": {}}]}
DIGITS_TEST_IMAGES = 600

_numbers = itertools.count(1)


def make_submission(owner: User | None, name: str = "", **fields: Any) -> Submission:
    defaults: dict[str, Any] = {
        "name": name or f"model {next(_numbers)}",
        "kind": Submission.Kind.SKLEARN,
        "image_set": "digits",
        "spec": SPEC,
        "spec_digest": spec_digest(SPEC),
    }
    return Submission.objects.create(owner=owner, **{**defaults, **fields})


def make_run(owner: User, *, submission: Submission | None = None, **fields: Any) -> Run:
    """A queued run whose message was sent just now."""
    defaults: dict[str, Any] = {"queued_at": NOW, "sent_at": NOW}
    return Run.objects.create(submission=submission or make_submission(owner), **{**defaults, **fields})


def take_up(run: Run, now: datetime = NOW, worker: str = "worker-1") -> Run:
    claimed = runs.claim(run.public_id, worker, now)
    assert claimed is not None
    return claimed


def result(n_correct: int = 540, n: int = DIGITS_TEST_IMAGES) -> runs.Result:
    return runs.Result(
        n_images=n,
        n_correct=n_correct,
        accuracy=n_correct / n,
        interval=wilson_interval(n_correct, n),
        per_class=[n_correct / n, n_correct / n, *[None] * 8],
        confusion=[[n_correct // 2, (n - n_correct) // 2, *[0] * 8] for _ in range(2)] + [[0] * 10] * 8,
        labels=bytes(n),
        scorer_version="1",
    )


def make_scored_run(owner: User, n_correct: int = 540, *, n: int = DIGITS_TEST_IMAGES, **fields: Any) -> Run:
    run = take_up(make_run(owner, **fields))
    ending = runs.Ending(
        wall_seconds=2.5, cpu_seconds=2.0, peak_memory_bytes=1 << 20, versions={"numpy": "2"}
    )
    assert runs.finish_scored(run, result(n_correct, n), ending, NOW + timedelta(seconds=3))
    return Run.objects.get(pk=run.pk)


def make_study_result(
    accuracy: float | None = 0.83, *, n_done: int = 100, n_images: int = 100, **study_fields: Any
) -> StudyResult:
    """A study with its stored result; unfinished where `n_done` is less than `n_images`."""
    defaults: dict[str, Any] = {
        "title": f"study {next(_numbers)}",
        "image_set": "digits",
        "n_images": n_images,
        "labels_per_image": 3,
        "state": Study.State.CLOSED if n_done == n_images else Study.State.OPEN,
        "opened_at": NOW,
        "closed_at": NOW if n_done == n_images else None,
    }
    study = Study.objects.create(**{**defaults, **study_fields})
    fields: dict[str, Any] = {}
    if accuracy is not None:
        low, high = wilson_interval(accuracy * n_done, n_done)
        fields = {
            "accuracy": accuracy,
            "accuracy_worst": accuracy - 0.01,
            "accuracy_best": accuracy + 0.01,
            "interval_low": low,
            "interval_high": high,
            "tie_share": 0.04,
            "single_accuracy": accuracy - 0.05,
        }
    return StudyResult.objects.create(
        study=study,
        computed_at=NOW,
        n_annotations=3 * n_done,
        n_annotators=12,
        n_images=n_done,
        is_complete=n_done == n_images,
        **fields,
    )


def make_claim(accuracy: float = 0.9, *, name: str = "", **fields: Any) -> Claim:
    submission = make_submission(None, name, kind=Submission.Kind.CLAIMED, spec={})
    defaults: dict[str, Any] = {"n_images": 10_000, "source": "a paper", "key": f"key-{next(_numbers)}"}
    return Claim.objects.create(submission=submission, accuracy=accuracy, **{**defaults, **fields})

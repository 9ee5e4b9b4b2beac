"""New submissions and runs: stored in one transaction, sent to the workers after it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from benchmarks import sending
from benchmarks.models import Run, Submission
from benchmarks.sklearn_spec import spec_digest, validate_spec
from imagesets.specs import get_spec

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# A guard against floods, not a quota: nobody watches this many runs a day.
MOST_RUNS_A_DAY = 500


class TooManyRunsError(Exception):
    """The person started so many runs within a day that no more are taken; the message says so."""


def submit(
    owner: User,
    name: str,
    image_set: str,
    spec: object,
    seed: int = 0,
    *,
    is_private: bool = False,
    now: datetime | None = None,
) -> Run:
    """Store a submission with its first run, and queue it.

    Raises SpecError for a spec that cannot be run, UnknownImageSetError, TooManyRunsError; then nothing is
    stored. Redis being away is no error: the run stays queued and the reaper sends it.
    """
    valid = checked_spec(spec, image_set)
    with transaction.atomic():
        submission = Submission.objects.create(
            owner=owner,
            name=name,
            kind=Submission.Kind.SKLEARN,
            image_set=image_set,
            spec=valid,
            spec_digest=spec_digest(valid),
            state=Submission.State.PRIVATE if is_private else Submission.State.PUBLISHED,
        )
        return _queue(submission, owner, seed, now or timezone.now())


def rerun(run: Run, user: User, seed: int | None = None, now: datetime | None = None) -> Run:
    """Queue a new run of the same submission, with the same seed unless another is given."""
    with transaction.atomic():
        return _queue(run.submission, user, run.seed if seed is None else seed, now or timezone.now())


def checked_spec(spec: object, image_set: str) -> dict[str, Any]:
    """The spec in its full form. Raises SpecError, UnknownImageSetError."""
    images = get_spec(image_set)
    return validate_spec(
        spec,
        n_train=images.n_train,
        n_features=math.prod(images.image_shape),
        n_classes=images.n_classes,
    )


def _queue(submission: Submission, user: User, seed: int, now: datetime) -> Run:
    today = Run.objects.filter(submission__owner=user, queued_at__gt=now - timedelta(days=1))
    if not user.is_staff and today.count() >= MOST_RUNS_A_DAY:
        raise TooManyRunsError(
            f"You started {MOST_RUNS_A_DAY} runs in the last 24 hours, which is the most. "
            "Nothing was queued; try again tomorrow."
        )
    digest = get_spec(submission.image_set).digest
    run = Run.objects.create(submission=submission, seed=seed, queued_at=now, image_set_digest=digest)
    # Looked up when it runs, so that a test can put another function in its place.
    transaction.on_commit(partial(_send, run))
    return run


def _send(run: Run) -> None:
    sending.send(run.public_id)

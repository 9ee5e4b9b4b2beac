"""A submission and its first run appear together, or nothing does."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from celery import current_app
from django.contrib.auth.models import User
from kombu.exceptions import OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks

from benchmarks import sending, submitting
from benchmarks.models import Run, Submission
from benchmarks.sklearn_spec import SpecError
from imagesets.specs import UnknownImageSetError, get_spec
from tests.benchmarks.records import NOW, SPEC, make_run

pytestmark = pytest.mark.django_db


def test_a_submission_is_stored_with_one_queued_run(owner: User) -> None:
    run = submitting.submit(owner, "Centroids", "digits", SPEC, seed=7, now=NOW)
    submission = Submission.objects.get()
    assert (submission.owner, submission.name, submission.spec) == (owner, "Centroids", SPEC)
    assert submission.state == Submission.State.PUBLISHED
    assert (run.submission, run.state, run.seed, run.queued_at) == (submission, "queued", 7, NOW)
    assert run.image_set_digest == get_spec("digits").digest


def test_the_message_is_sent_after_the_commit_and_never_before(
    owner: User, sent: list[uuid.UUID], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        run = submitting.submit(owner, "Centroids", "digits", SPEC)
        assert sent == []
    assert sent == [run.public_id]


def test_redis_away_is_no_error_and_the_run_stays_queued_as_not_sent(
    owner: User,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(current_app, "send_task", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        submitting.submit(owner, "Centroids", "digits", SPEC)
    stored = Run.objects.get()
    assert (stored.state, stored.sent_at) == (Run.State.QUEUED, None)


def test_the_message_holds_the_public_id_only(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[tuple[str, Any]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args, **options: messages.append((name, args)))
    run = make_run(owner, sent_at=None)
    assert sending.send(run.public_id)
    assert messages == [("benchmarks.evaluate_run", [str(run.public_id)])]
    assert Run.objects.get().sent_at is not None


@pytest.mark.parametrize(
    ("image_set", "spec", "error"),
    [
        ("digits", {"steps": [{"name": "Nothing", "params": {}}]}, SpecError),
        ("digits", {"steps": [{"name": "SVC", "params": {"C": -1}}]}, SpecError),
        ("nowhere", SPEC, UnknownImageSetError),
    ],
)
def test_what_cannot_run_is_refused_and_nothing_is_stored(
    image_set: str, spec: object, error: type[Exception], owner: User
) -> None:
    with pytest.raises(error):
        submitting.submit(owner, "Bad", image_set, spec)
    assert not Submission.objects.exists()
    assert not Run.objects.exists()


def test_a_rerun_is_a_new_run_of_the_same_submission(owner: User) -> None:
    first = submitting.submit(owner, "Centroids", "digits", SPEC, seed=3)
    same, other = submitting.rerun(first, owner), submitting.rerun(first, owner, seed=4)
    assert (same.submission, same.seed, other.seed) == (first.submission, 3, 4)
    assert Submission.objects.count() == 1
    assert Run.objects.count() == 3


def test_a_flood_is_refused_in_words_and_staff_may_go_on(
    owner: User, staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "MOST_RUNS_A_DAY", 2)
    for _ in range(2):
        submitting.submit(owner, "Centroids", "digits", SPEC)
        submitting.submit(staff, "Centroids", "digits", SPEC)
    with pytest.raises(submitting.TooManyRunsError, match="2 runs in the last 24 hours"):
        submitting.submit(owner, "Centroids", "digits", SPEC)
    submitting.submit(staff, "Centroids", "digits", SPEC)
    assert Submission.objects.filter(owner=owner).count() == 2

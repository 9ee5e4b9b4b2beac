"""The state machine of a run: who may change what, and what a late worker can no longer do."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from pytest_django import Settings

from benchmarks import runs
from benchmarks.models import Run, RunPredictions
from tests.benchmarks.records import NOW, make_run, result, take_up

pytestmark = pytest.mark.django_db

STATES = ["queued", "running", "scored", "failed", "cancelled", "timed_out"]
Change = Callable[[Run], bool]
WORKER_CHANGES: dict[str, Change] = {
    "heartbeat": lambda run: runs.heartbeat(run, runs.Beat("fitting"), NOW),
    "touch": lambda run: runs.touch(run, "preparing", NOW),
    "finish_scored": lambda run: runs.finish_scored(run, result(), runs.Ending(), NOW),
    "finish_failed": lambda run: runs.finish_failed(run, "It failed.", runs.Ending(), NOW),
    "time_out": lambda run: runs.time_out(run, "Too long.", runs.Ending(), NOW),
    "hand_back": lambda run: runs.hand_back(run, "The worker stops."),
    "requeue_dead": lambda run: runs.requeue_dead(run, "The worker is silent."),
    "fail_dead": lambda run: runs.fail_dead(run, "Given up.", NOW),
}
CHANGES: dict[str, Change] = {
    **WORKER_CHANGES,
    "claim": lambda run: runs.claim(run.public_id, "worker-2", NOW) is not None,
    "cancel": lambda run: runs.cancel(run, "Cancelled.", NOW),
}
ALLOWED = {"queued": {"claim", "cancel"}, "running": {"cancel", *WORKER_CHANGES}}
LEADS_TO = {
    "claim": "running", "cancel": "cancelled", "heartbeat": "running", "touch": "running",
    "finish_scored": "scored", "finish_failed": "failed", "time_out": "timed_out", "hand_back": "queued",
    "requeue_dead": "queued", "fail_dead": "failed",
}  # fmt: skip


def run_in(state: str, owner: User) -> Run:
    run = make_run(owner)
    if state == "queued":
        return run
    held = take_up(run)
    endings: dict[str, Change] = {
        "scored": WORKER_CHANGES["finish_scored"],
        "failed": WORKER_CHANGES["finish_failed"],
        "cancelled": CHANGES["cancel"],
        "timed_out": WORKER_CHANGES["time_out"],
    }
    if state in endings:
        assert endings[state](held)
    return held


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("state", STATES)
def test_a_change_happens_only_from_the_states_it_may_leave(state: str, change: str, owner: User) -> None:
    run = run_in(state, owner)
    before = Run.objects.filter(pk=run.pk).values().get()
    happened = CHANGES[change](run)
    after = Run.objects.filter(pk=run.pk).values().get()
    assert happened == (change in ALLOWED.get(state, set()))
    if happened:
        assert after["state"] == LEADS_TO[change]
    else:
        assert after == before


@pytest.mark.parametrize("change", WORKER_CHANGES)
def test_a_worker_that_lost_its_claim_changes_nothing(change: str, owner: User) -> None:
    late = take_up(make_run(owner))
    assert runs.requeue_dead(late, "The worker is silent.")
    take_up(late, worker="worker-2")
    before = Run.objects.filter(pk=late.pk).values().get()
    assert not WORKER_CHANGES[change](late)
    assert Run.objects.filter(pk=late.pk).values().get() == before
    assert not RunPredictions.objects.exists()


def test_only_the_first_of_two_deliveries_takes_the_run_up(owner: User) -> None:
    run = make_run(owner)
    assert runs.claim(run.public_id, "worker-1", NOW) is not None
    assert runs.claim(run.public_id, "worker-2", NOW) is None
    assert Run.objects.get().worker == "worker-1"


def test_an_unknown_run_is_not_taken_up() -> None:
    assert runs.claim(uuid.uuid4(), "worker-1", NOW) is None


def test_a_run_is_scored_once(owner: User) -> None:
    run = take_up(make_run(owner))
    assert runs.finish_scored(run, result(500), runs.Ending(), NOW)
    assert not runs.finish_scored(run, result(599), runs.Ending(), NOW)
    assert Run.objects.get().n_correct == 500
    assert RunPredictions.objects.count() == 1


def test_score_and_predictions_are_stored_together_or_not_at_all(owner: User) -> None:
    run = take_up(make_run(owner))
    RunPredictions.objects.create(run=run, labels=b"left behind")
    with pytest.raises(IntegrityError), transaction.atomic():
        runs.finish_scored(run, result(), runs.Ending(), NOW)
    assert Run.objects.get().state == Run.State.RUNNING


def test_every_attempt_is_counted_but_not_those_that_a_stopping_worker_hands_back(owner: User) -> None:
    run = take_up(make_run(owner))
    assert runs.hand_back(run, "The worker stops.")
    run = take_up(run)
    assert run.attempt == 1
    assert runs.requeue_dead(run, "The worker is silent.")
    assert take_up(run).attempt == 2


def test_a_requeued_run_keeps_its_place_and_counts_as_not_sent(owner: User) -> None:
    run = take_up(make_run(owner), now=NOW + timedelta(minutes=5))
    runs.requeue_dead(run, "The worker is silent.")
    stored = Run.objects.get()
    assert (stored.queued_at, stored.sent_at, stored.claim, stored.started_at) == (NOW, None, None, None)


def test_a_run_that_answers_after_the_reaper_read_it_is_left_alone(owner: User) -> None:
    run = take_up(make_run(owner))
    seen_by_the_reaper = Run.objects.get()
    runs.heartbeat(run, runs.Beat("fitting"), NOW + timedelta(seconds=50))
    assert not runs.requeue_dead(seen_by_the_reaper, "The worker is silent.")
    assert not runs.fail_dead(seen_by_the_reaper, "Given up.", NOW)


def test_a_heartbeat_stores_what_the_page_shows(owner: User) -> None:
    run = take_up(make_run(owner))
    later = NOW + timedelta(seconds=2)
    beat = runs.Beat("fitting", 0.25, "epoch 5 of 20", "line\n", wall_seconds=2.0, peak_memory_bytes=99)
    assert runs.heartbeat(run, beat, later)
    stored = Run.objects.get()
    assert (stored.stage, stored.progress, stored.message) == ("fitting", 0.25, "epoch 5 of 20")
    assert (stored.log_tail, stored.heartbeat_at, stored.peak_memory_bytes) == ("line\n", later, 99)


def test_texts_are_cut_to_what_a_database_takes(owner: User) -> None:
    run = take_up(make_run(owner))
    runs.heartbeat(run, runs.Beat("s" * 100, message="a\x00b" * 100, log_tail="x" * 20_000 + "end"), NOW)
    stored = Run.objects.get()
    assert len(stored.stage) == 40
    assert len(stored.message) == 200
    assert "\x00" not in stored.message
    assert len(stored.log_tail) == runs.LOG_TAIL_CHARACTERS
    assert stored.log_tail.endswith("end")


def test_a_failed_run_keeps_reason_log_and_resources(owner: User) -> None:
    run = take_up(make_run(owner))
    ending = runs.Ending("last words", 3.0, 2.0, 1024, {"numpy": "2"}, "limits only")
    assert runs.finish_failed(run, "It ran out of memory.", ending, NOW)
    stored = Run.objects.get()
    assert (stored.reason, stored.log_tail) == ("It ran out of memory.", "last words")
    assert (stored.wall_seconds, stored.cpu_seconds, stored.peak_memory_bytes) == (3.0, 2.0, 1024)
    assert (stored.versions, stored.isolation) == ({"numpy": "2"}, "limits only")


def test_a_log_does_not_tell_where_the_worker_lives(owner: User, settings: Settings) -> None:
    run = take_up(make_run(owner))
    log = f"{settings.BASE_DIR}/.venv/lib/sklearn/linear_model.py:599: ConvergenceWarning"
    runs.finish_failed(run, "It failed.", runs.Ending(log_tail=log), NOW)
    assert Run.objects.get().log_tail == ".venv/lib/sklearn/linear_model.py:599: ConvergenceWarning"

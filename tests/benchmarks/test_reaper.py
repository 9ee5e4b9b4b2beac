"""Runs that nobody works on are freed; a long queue is not mistaken for a lost one."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from benchmarks import runs, sending
from benchmarks.models import Run
from benchmarks.reaper import Reaped, reap_dead_runs
from tests.benchmarks.records import NOW, make_run, take_up

pytestmark = pytest.mark.django_db

STALE = timedelta(seconds=41)


@pytest.fixture(autouse=True)
def _stale_after_40_seconds(settings: Settings) -> None:
    settings.HUMANMARK_STALE_SECONDS = 40


def queue_holds(messages: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "messages_waiting", lambda: messages)


def test_a_run_whose_worker_is_silent_is_queued_and_sent_again(owner: User, sent: list[uuid.UUID]) -> None:
    run = take_up(make_run(owner))
    assert reap_dead_runs(NOW + STALE) == Reaped(requeued=1, sent=1)
    assert Run.objects.get().state == Run.State.QUEUED
    assert sent == [run.public_id]


def test_a_run_with_a_fresh_heartbeat_is_left_alone(owner: User, sent: list[uuid.UUID]) -> None:
    take_up(make_run(owner))
    assert reap_dead_runs(NOW + timedelta(seconds=39)) == Reaped()
    assert Run.objects.get().state == Run.State.RUNNING


def test_after_three_silent_workers_the_run_fails_with_a_plain_reason(
    owner: User, sent: list[uuid.UUID]
) -> None:
    now, run = NOW, make_run(owner)
    for _ in range(2):
        take_up(run, now)
        now += STALE
        assert reap_dead_runs(now).requeued == 1
    take_up(run, now)
    assert reap_dead_runs(now + STALE) == Reaped(failed=1)
    stored = Run.objects.get()
    assert stored.state == Run.State.FAILED
    assert stored.reason.startswith("The worker stopped answering 3 times")


def test_a_heartbeat_from_the_future_is_a_dead_one_since_the_clock_was_set_back(
    owner: User, sent: list[uuid.UUID]
) -> None:
    take_up(make_run(owner), now=NOW + timedelta(hours=1))
    assert reap_dead_runs(NOW).requeued == 1


def test_the_reaper_twice_in_a_row_does_its_work_once(
    owner: User, sent: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_holds(1, monkeypatch)
    take_up(make_run(owner))
    reap_dead_runs(NOW + STALE)
    assert reap_dead_runs(NOW + STALE) == Reaped()


def test_a_run_that_never_reached_the_queue_is_sent(owner: User, sent: list[uuid.UUID]) -> None:
    run = make_run(owner, sent_at=None)
    assert reap_dead_runs(NOW + timedelta(seconds=6)).sent == 1
    assert sent == [run.public_id]


def test_a_run_committed_a_moment_ago_is_left_to_its_own_process(owner: User, sent: list[uuid.UUID]) -> None:
    make_run(owner, sent_at=None)
    assert reap_dead_runs(NOW + timedelta(seconds=1)).sent == 0


def test_a_lost_message_is_sent_again_after_a_minute(
    owner: User, sent: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_holds(0, monkeypatch)
    run = make_run(owner)
    assert reap_dead_runs(NOW + timedelta(seconds=59)).sent == 0
    assert reap_dead_runs(NOW + timedelta(seconds=61)).sent == 1
    assert sent == [run.public_id]


def test_a_long_queue_is_not_flooded(
    owner: User, sent: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        make_run(owner)
    queue_holds(5, monkeypatch)
    assert reap_dead_runs(NOW + timedelta(hours=3)).sent == 0
    queue_holds(3, monkeypatch)
    assert reap_dead_runs(NOW + timedelta(hours=3)).sent == 2


def test_the_longest_waiting_message_is_the_one_sent_again(
    owner: User, sent: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_holds(1, monkeypatch)
    make_run(owner, sent_at=NOW)
    old = make_run(owner, sent_at=NOW - timedelta(minutes=9))
    reap_dead_runs(NOW + timedelta(minutes=2))
    assert sent == [old.public_id]


@pytest.mark.parametrize("state", ["running", "cancelled"])
def test_a_run_that_does_not_wait_is_never_sent(
    state: str, owner: User, sent: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_holds(0, monkeypatch)
    now = NOW + timedelta(minutes=5)
    run = make_run(owner)
    if state == "running":
        take_up(run, now)
    else:
        runs.cancel(run, "Cancelled.", NOW)
    assert reap_dead_runs(now).sent == 0


def test_while_the_queue_is_away_nothing_is_lost_and_the_next_round_sends(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[uuid.UUID] = []

    def refuse(public_id: uuid.UUID) -> bool:
        tried.append(public_id)
        return False

    first, second = make_run(owner, sent_at=None), make_run(owner, sent_at=None)
    now = NOW + timedelta(minutes=1)
    assert reap_dead_runs(now, send=refuse).sent == 0
    assert tried == [first.public_id]
    delivered: list[uuid.UUID] = []

    def accept(public_id: uuid.UUID) -> bool:
        delivered.append(public_id)
        return True

    assert reap_dead_runs(now, send=accept).sent == 2
    assert delivered == [first.public_id, second.public_id]


def test_when_the_queue_cannot_be_asked_old_messages_are_not_sent_again(
    owner: User, sent: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_holds(None, monkeypatch)
    make_run(owner)
    assert reap_dead_runs(NOW + timedelta(hours=1)).sent == 0

"""A run's page in every state, its JSON, and who may rerun or cancel it."""

from __future__ import annotations

import json
import time
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache, caches
from django.test import Client
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisConnectionError

from benchmarks import runs, worker_health
from benchmarks.models import Run, Submission
from benchmarks.run_page import queue_place, run_page
from tests.benchmarks.records import (
    NOW,
    make_claim,
    make_run,
    make_scored_run,
    make_study_result,
    make_submission,
    take_up,
)

pytestmark = pytest.mark.django_db


def html_of(client: Client, run: Run) -> str:
    response = client.get(f"/runs/{run.public_id}/")
    assert response.status_code == 200
    return response.content.decode()


def test_a_queued_run_says_its_place_in_the_line(client: Client, owner: User) -> None:
    make_run(owner, queued_at=NOW - timedelta(minutes=1))
    run = make_run(owner)
    assert "2nd in line" in html_of(client, run)
    assert queue_place(run) == 2


def test_a_running_run_shows_progress_log_and_memory(client: Client, owner: User) -> None:
    run = take_up(make_run(owner), now=timezone.now())
    runs.heartbeat(run, runs.Beat("fitting", 0.25, "epoch 5", "the log", 3.0, 200 << 20), timezone.now())
    html = html_of(client, run)
    assert 'value="0.2500"' in html
    assert "Epoch 5" in html
    assert "the log" in html
    assert "200 MB" in html
    assert 'hx-trigger="every 1500ms"' in html


def test_a_scored_run_stands_next_to_the_people_and_polls_no_more(client: Client, owner: User) -> None:
    make_study_result(0.85)
    html = html_of(client, make_scored_run(owner, 540))
    assert "90.0 %" in html
    assert "540 of 600 right" in html
    assert "People, majority of 3" in html
    assert "85.0 %" in html
    assert "every 1500ms" not in html
    assert "Confusion" in html


def test_a_claimed_human_row_beside_it_is_marked_as_claimed(client: Client, owner: User) -> None:
    make_claim(0.835, is_human=True, n_images=1000)
    assert "badge-claimed" in html_of(client, make_scored_run(owner))


def test_a_failed_run_says_why_and_keeps_its_log(client: Client, owner: User) -> None:
    run = take_up(make_run(owner))
    runs.finish_failed(run, "It used too much memory.", runs.Ending("Traceback <x>"), NOW)
    html = html_of(client, run)
    assert "It used too much memory." in html
    assert "Traceback &lt;x&gt;" in html


@pytest.mark.parametrize("state", ["queued", "running", "scored"])
def test_the_live_part_is_the_same_as_in_the_page(
    state: str, client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_scored_run(owner) if state == "scored" else make_run(owner)
    if state == "running":
        take_up(run)
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW + timedelta(seconds=50))
    part = client.get(f"/runs/{run.public_id}/live/").content.decode()
    assert part.startswith('<div id="run"')
    assert "<html" not in part
    assert part.strip() in html_of(client, run)


def test_when_no_worker_answers_the_page_says_so(client: Client, owner: User) -> None:
    run = make_run(owner, queued_at=timezone.now() - timedelta(seconds=40))
    assert "No worker has answered for 30 s." in html_of(client, run)
    cache.set(worker_health.SEEN, time.time() - 100)
    assert "No worker has answered for 100 s." in html_of(client, run)


def test_when_workers_are_busy_or_the_run_is_new_there_is_no_warning(client: Client, owner: User) -> None:
    assert "No worker" not in html_of(client, make_run(owner, queued_at=timezone.now()))
    cache.set(worker_health.SEEN, time.time())
    old = make_run(owner, queued_at=timezone.now() - timedelta(minutes=9))
    assert "No worker" not in html_of(client, old)


def test_when_redis_is_away_the_page_says_so(
    client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(key: str) -> None:
        raise RedisConnectionError("refused")

    monkeypatch.setattr(caches["workers"], "get", away)
    run = make_run(owner, queued_at=timezone.now() - timedelta(minutes=1))
    assert "The queue does not answer" in run_page(run, timezone.now()).warning


def test_a_silent_worker_is_mentioned(client: Client, owner: User) -> None:
    run = take_up(make_run(owner), now=timezone.now() - timedelta(seconds=35))
    assert "The worker has not answered for 35 s." in html_of(client, run)


def test_a_workers_heartbeat_is_noted_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_health, "_last_write", -1e9)
    assert worker_health.seconds_since_worker() is None
    worker_health.note_heartbeat()
    seen = worker_health.seconds_since_worker()
    assert seen is not None
    assert seen < 5


def test_the_json_is_exact(client: Client, owner: User) -> None:
    run = make_scored_run(owner, 541, seed=9)
    answer = client.get(f"/runs/{run.public_id}.json").json()
    assert answer["accuracy"] == 541 / 600
    assert (answer["state"], answer["n_correct"], answer["n"], answer["seed"]) == ("scored", 541, 600, 9)
    assert answer["interval"] == [run.interval_low, run.interval_high]
    assert (answer["seconds"], answer["spec"]) == (2.5, run.submission.spec)
    assert answer["versions"] == {"numpy": "2"}


def test_the_json_of_a_run_that_goes_on_has_nulls_and_no_zeros(client: Client, owner: User) -> None:
    answer = client.get(f"/runs/{make_run(owner).public_id}.json").json()
    assert (answer["state"], answer["queue_place"]) == ("queued", 1)
    assert answer["accuracy"] is answer["interval"] is answer["n"] is answer["progress"] is None


def test_the_run_record_is_a_file_with_what_a_repetition_needs(client: Client, owner: User) -> None:
    run = make_scored_run(owner)
    response = client.get(f"/runs/{run.public_id}/record.json")
    assert response.headers["Content-Disposition"] == f'attachment; filename="run-{run.public_id}.json"'
    record = json.loads(response.content)
    assert {"spec", "spec_digest", "seed", "image_set_digest", "versions", "scorer_version"} <= record.keys()


PAGES = ["/runs/{}/", "/runs/{}/live/", "/runs/{}.json", "/runs/{}/record.json"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("state", [Submission.State.PRIVATE, Submission.State.WITHDRAWN])
def test_what_is_not_published_is_not_found_by_others(
    state: str, page: str, client: Client, owner: User, member: User, staff: User
) -> None:
    run = make_scored_run(owner, submission=make_submission(owner, state=state))
    path = page.format(run.public_id)
    assert client.get(path).status_code == 404
    for user, status in ((member, 404), (owner, 200), (staff, 200)):
        client.force_login(user)
        assert client.get(path).status_code == status


@pytest.mark.parametrize("page", PAGES)
def test_an_unknown_run_is_not_found(page: str, client: Client) -> None:
    assert client.get(page.format(uuid.uuid4())).status_code == 404


@pytest.mark.parametrize("action", ["rerun", "cancel"])
def test_only_the_owner_or_staff_act_and_only_by_post(
    action: str, client: Client, owner: User, member: User, staff: User
) -> None:
    run = make_run(owner)
    path = f"/runs/{run.public_id}/{action}/"
    assert client.post(path).headers["Location"] == f"/accounts/login/?next={path}"
    client.force_login(member)
    assert client.post(path).status_code == 404
    client.force_login(owner)
    assert client.get(path).status_code == 405
    assert Run.objects.filter(state="queued").count() == 1
    client.force_login(staff)
    assert client.post(path).status_code == 302


def test_others_see_no_buttons(client: Client, owner: User, member: User) -> None:
    run = make_scored_run(owner)
    client.force_login(member)
    assert "Run again" not in html_of(client, run)
    client.force_login(owner)
    assert "Run again" in html_of(client, run)


def test_cancel_ends_the_run_and_says_who_did_it(client: Client, owner: User) -> None:
    client.force_login(owner)
    run = make_run(owner)
    client.post(f"/runs/{run.public_id}/cancel/")
    assert (Run.objects.get().state, Run.objects.get().reason) == ("cancelled", "Cancelled by owner.")


def test_cancelling_an_ended_run_changes_nothing_and_says_so(client: Client, owner: User) -> None:
    client.force_login(owner)
    run = make_scored_run(owner)
    response = client.post(f"/runs/{run.public_id}/cancel/", follow=True)
    assert "The run had already ended; nothing was changed." in response.content.decode()
    assert Run.objects.get().state == "scored"


def test_rerun_queues_the_same_submission_with_the_seed_given(client: Client, owner: User) -> None:
    client.force_login(owner)
    run = make_scored_run(owner, seed=1)
    response = client.post(f"/runs/{run.public_id}/rerun/", {"seed": "5"})
    again = Run.objects.exclude(pk=run.pk).get()
    assert (again.submission, again.seed, again.state) == (run.submission, 5, "queued")
    assert response.headers["Location"] == f"/runs/{again.public_id}/"


def test_a_bad_seed_queues_nothing(client: Client, owner: User) -> None:
    client.force_login(owner)
    run = make_scored_run(owner)
    response = client.post(f"/runs/{run.public_id}/rerun/", {"seed": "x"}, follow=True)
    assert "The seed must be a whole number" in response.content.decode()
    assert Run.objects.count() == 1

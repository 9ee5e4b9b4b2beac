"""The admin shows everything and lets nobody type in a score."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from benchmarks.models import Run
from tests.benchmarks.records import make_claim, make_run, make_scored_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password="a-long-password-4"))
    return client


@pytest.mark.parametrize("query", ["", "?q=model", "?state__exact=published"])
def test_the_lists_work(query: str, admin: Client, owner: User) -> None:
    make_scored_run(owner)
    make_claim()
    assert admin.get(f"/admin/benchmarks/submission/{query}").status_code == 200


@pytest.mark.parametrize("model", ["run", "claim"])
def test_runs_and_claims_can_be_searched(model: str, admin: Client, owner: User) -> None:
    make_scored_run(owner)
    make_claim()
    assert admin.get(f"/admin/benchmarks/{model}/?q=model").status_code == 200
    assert admin.get(f"/admin/benchmarks/{model}/add/").status_code == 403


def test_a_score_cannot_be_typed_in(admin: Client, owner: User) -> None:
    run = make_scored_run(owner, 540)
    admin.post(f"/admin/benchmarks/run/{run.pk}/change/", {"accuracy": "1.0", "state": "failed", "seed": "4"})
    stored = Run.objects.get()
    assert (stored.accuracy, stored.state, stored.seed) == (0.9, "scored", 0)


def test_a_run_cannot_be_deleted(admin: Client, owner: User) -> None:
    run = make_run(owner)
    assert admin.post(f"/admin/benchmarks/run/{run.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Run.objects.exists()


def test_a_submissions_page_shows_its_runs(admin: Client, owner: User) -> None:
    run = make_run(owner)
    html = admin.get(f"/admin/benchmarks/submission/{run.submission_id}/change/").content.decode()
    assert str(run.public_id) in html

"""A member's submissions, one submission with its runs, and its visibility."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from benchmarks.models import Submission
from tests.benchmarks.records import make_claim, make_run, make_scored_run, make_submission

pytestmark = pytest.mark.django_db


def test_the_list_holds_ones_own_submissions_only(client: Client, owner: User, member: User) -> None:
    make_scored_run(owner, submission=make_submission(owner, "mine"))
    make_submission(member, "theirs")
    client.force_login(owner)
    html = client.get("/submissions/").content.decode()
    assert "mine" in html
    assert "theirs" not in html
    assert "90.0" in html


def test_the_list_is_for_members(client: Client) -> None:
    assert client.get("/submissions/").headers["Location"] == "/accounts/login/?next=/submissions/"


def test_an_empty_list_says_what_to_do_next(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert "You have not submitted anything yet." in client.get("/submissions/").content.decode()


@pytest.mark.parametrize("count", [1, 30])
def test_the_list_costs_a_constant_number_of_queries(
    count: int, client: Client, owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(count):
        make_run(owner)
    client.force_login(owner)
    with django_assert_num_queries(5):
        client.get("/submissions/")


def test_a_submission_lists_its_runs_and_its_specification(client: Client, owner: User) -> None:
    submission = make_submission(owner, "forest")
    for correct in (500, 540):
        make_scored_run(owner, correct, submission=submission)
    html = client.get(submission.get_absolute_url()).content.decode()
    assert "83.3" in html
    assert "90.0" in html
    assert "NearestCentroid" in html
    assert "Withdraw" not in html


def test_a_claim_shows_its_source_and_that_nobody_checked_it(client: Client) -> None:
    claim = make_claim(
        0.835, n_images=1000, details='Parameters: {"C": 1}', source_url="https://example.org/t"
    )
    html = client.get(claim.submission.get_absolute_url()).content.decode()
    assert "nobody checked it here" in html
    assert "83.5 %" in html
    assert "81.1–85.7" in html
    assert 'href="https://example.org/t"' in html
    assert "Parameters: {&quot;C&quot;: 1}" in html


def test_a_claims_source_is_never_a_script(client: Client) -> None:
    claim = make_claim(details="see javascript:alert(1) <b>x</b>")
    html = client.get(claim.submission.get_absolute_url()).content.decode()
    assert 'href="javascript' not in html
    assert "<b>x</b>" not in html


@pytest.mark.parametrize("state", [Submission.State.PRIVATE, Submission.State.WITHDRAWN])
def test_what_is_not_published_is_not_found_by_others(
    state: str, client: Client, owner: User, member: User
) -> None:
    path = make_submission(owner, state=state).get_absolute_url()
    assert client.get(path).status_code == 404
    client.force_login(member)
    assert client.get(path).status_code == 404
    client.force_login(owner)
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("state", list(Submission.State))
def test_the_owner_decides_who_sees_it(state: str, client: Client, owner: User) -> None:
    client.force_login(owner)
    submission = make_submission(owner)
    response = client.post(f"{submission.get_absolute_url()}state/", {"state": state})
    assert response.headers["Location"] == submission.get_absolute_url()
    submission.refresh_from_db()
    assert submission.state == state


def test_an_unknown_state_changes_nothing(client: Client, owner: User) -> None:
    client.force_login(owner)
    submission = make_submission(owner)
    response = client.post(f"{submission.get_absolute_url()}state/", {"state": "famous"}, follow=True)
    assert "“famous” is no state; allowed: private, published, withdrawn." in response.content.decode()
    submission.refresh_from_db()
    assert submission.state == Submission.State.PUBLISHED


def test_only_the_owner_changes_it_and_only_by_post(client: Client, owner: User, member: User) -> None:
    submission = make_submission(owner)
    path = f"{submission.get_absolute_url()}state/"
    assert client.post(path, {"state": "withdrawn"}).headers["Location"] == f"/accounts/login/?next={path}"
    client.force_login(member)
    assert client.post(path, {"state": "withdrawn"}).status_code == 404
    client.force_login(owner)
    assert client.get(path).status_code == 405
    submission.refresh_from_db()
    assert submission.state == Submission.State.PUBLISHED


def test_a_withdrawn_submission_can_be_published_again(client: Client, owner: User) -> None:
    client.force_login(owner)
    submission = make_submission(owner, state=Submission.State.WITHDRAWN)
    assert "Publish" in client.get(submission.get_absolute_url()).content.decode()
    client.post(f"{submission.get_absolute_url()}state/", {"state": "published"})
    assert Submission.objects.visible_to(owner).filter(state="published").exists()

"""Submitting by page and by JSON: what is accepted, and how what is not is refused."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.text import slugify
from pytest_django import DjangoCaptureOnCommitCallbacks

from benchmarks import submitting
from benchmarks.models import Run, Submission
from benchmarks.sklearn_catalog import EXAMPLE_SPECS
from tests.benchmarks.records import SPEC

pytestmark = pytest.mark.django_db

GOOD = {"name": "Centroids", "image_set": "digits", "spec": json.dumps(SPEC), "seed": "7"}


def spec_of(name: str = "SVC", **params: Any) -> str:
    return json.dumps({"steps": [{"name": name, "params": params}]})


BAD_SPECS = {
    "unknown estimator": (spec_of("SuperNet"), ["steps[0].name", "SuperNet", "LogisticRegression", "SVC"]),
    "unknown parameter": (spec_of("SVC", colour=1), ["steps[0].params.colour", "gamma", "kernel"]),
    "parameter out of range": (spec_of("SVC", C=-1), ["steps[0].params.C", "-1", "a float in (0, inf)"]),
    "wrong type": (spec_of("SVC", C="much"), ["steps[0].params.C", "much", "a float in (0, inf)"]),
    "steps of the wrong type": ('{"steps": 5}', ["steps", "5", "a list of 1 to"]),
    "train_size out of range": (
        json.dumps({**SPEC, "train_size": 10**9}),
        ["train_size", "1000000000", "1197"],
    ),
    "not JSON": ("import os", ["spec", "not JSON at line 1, column 1", "one JSON object"]),
    "a list": ("[]", ["spec", "one JSON object"]),
    "empty": ("", ["required"]),
    "too long": (json.dumps({"steps": ["x" * 70_000]}), ["spec", "too long", "65,536 bytes"]),
    "nested bomb": ("[" * 60_000, ["spec", "nested too deep", "at most 10 levels"]),
    "NaN": ('{"steps": [{"name": "SVC", "params": {"C": NaN}}]}', ["spec", "NaN", "finite numbers"]),
}


@pytest.fixture
def signed_in(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def nothing_was_queued() -> bool:
    return not Submission.objects.exists() and not Run.objects.exists()


def post_json(client: Client, body: Any, **headers: str) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post(
        "/submit/", text, content_type="application/json", headers={"Accept": "application/json", **headers}
    )


def test_the_page_asks_strangers_to_sign_in(client: Client) -> None:
    assert client.get("/submit/").headers["Location"] == "/accounts/login/?next=/submit/"
    assert client.post("/submit/", GOOD).headers["Location"] == "/accounts/login/?next=/submit/"
    assert nothing_was_queued()


def test_a_program_that_is_not_signed_in_is_told_so_as_json(client: Client) -> None:
    response = post_json(client, GOOD)
    assert (response.status_code, response.json()) == (401, {"errors": {"__all__": ["Sign in first."]}})


def test_the_page_cannot_be_deleted(signed_in: Client) -> None:
    assert signed_in.delete("/submit/").status_code == 405


def test_the_form_holds_an_example_that_works_as_it_stands(signed_in: Client) -> None:
    form = signed_in.get("/submit/").context["form"]
    response = signed_in.post("/submit/", {**form.initial, "image_set": "fashion-mnist"})
    assert response.status_code == 302


@pytest.mark.parametrize("title", EXAMPLE_SPECS)
def test_every_example_can_be_chosen(title: str, signed_in: Client) -> None:
    form = signed_in.get("/submit/", {"example": slugify(title)}).context["form"]
    assert json.loads(form.initial["spec"]) == EXAMPLE_SPECS[title]


def test_an_unknown_example_gives_the_first(signed_in: Client) -> None:
    form = signed_in.get("/submit/", {"example": "nonsense"}).context["form"]
    assert json.loads(form.initial["spec"]) == next(iter(EXAMPLE_SPECS.values()))


def test_a_submission_without_a_name_is_named_after_its_estimator(signed_in: Client) -> None:
    signed_in.post("/submit/", {**GOOD, "name": "", "spec": spec_of("SVC", C=10)})
    assert Run.objects.get().submission.name == "SVC(C=10)"


def test_a_good_submission_is_queued_and_leads_to_its_run(
    signed_in: Client,
    owner: User,
    sent: list[uuid.UUID],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        response = signed_in.post("/submit/", GOOD)
    run = Run.objects.get()
    assert response.headers["Location"] == f"/runs/{run.public_id}/"
    assert (run.submission.owner, run.submission.name, run.seed) == (owner, "Centroids", 7)
    assert sent == [run.public_id]


def test_a_submission_can_be_kept_private(signed_in: Client) -> None:
    signed_in.post("/submit/", {**GOOD, "is_private": "on"})
    assert Submission.objects.get().state == Submission.State.PRIVATE


@pytest.mark.parametrize("case", BAD_SPECS)
def test_a_bad_spec_gets_a_form_error_that_names_field_and_allowed_values(
    case: str, signed_in: Client
) -> None:
    spec, words = BAD_SPECS[case]
    response = signed_in.post("/submit/", {**GOOD, "spec": spec})
    assert response.status_code == 400
    error = str(response.context["form"].errors["spec"][0])
    assert all(word in error for word in words), error
    assert "Nothing was queued." in response.content.decode()
    assert nothing_was_queued()


@pytest.mark.parametrize("case", BAD_SPECS)
def test_a_bad_spec_gets_the_same_error_as_json(case: str, signed_in: Client) -> None:
    spec, words = BAD_SPECS[case]
    response = signed_in.post("/submit/", {**GOOD, "spec": spec}, headers={"Accept": "application/json"})
    assert response.status_code == 400
    (error,) = response.json()["errors"]["spec"]
    assert all(word in error for word in words), error
    assert nothing_was_queued()


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_ten_megabytes_get_an_error_that_names_field_and_limit(accept: str, signed_in: Client) -> None:
    response = signed_in.post("/submit/", {**GOOD, "spec": "x" * 10_000_000}, headers={"Accept": accept})
    assert response.status_code == 400
    text = response.content.decode()
    assert "spec: a request of 10,000," in text
    assert "at most 65,536 bytes" in text
    assert nothing_was_queued()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "x" * 121, "at most 120 characters"),
        ("image_set", "cifar-1000", "allowed: fashion-mnist, mnist, digits"),
        ("seed", "-1", "from 0 to 2147483647"),
        ("seed", "2147483648", "from 0 to 2147483647"),
        ("seed", "many", "from 0 to 2147483647"),
    ],
)
def test_every_other_field_names_what_it_allows(
    field: str, value: str, words: str, signed_in: Client
) -> None:
    response = signed_in.post("/submit/", {**GOOD, field: value}, headers={"Accept": "application/json"})
    assert response.status_code == 400
    assert words in response.json()["errors"][field][0]
    assert nothing_was_queued()


@pytest.mark.parametrize("spec", [SPEC, json.dumps(SPEC)])
def test_a_json_body_may_hold_the_spec_as_object_or_text(spec: Any, signed_in: Client) -> None:
    response = post_json(signed_in, {"name": "Centroids", "image_set": "digits", "spec": spec, "seed": 7})
    run = Run.objects.get()
    assert response.status_code == 201
    assert response.json() == {"run": str(run.public_id), "url": f"/runs/{run.public_id}/", "state": "queued"}
    assert run.submission.spec == SPEC


@pytest.mark.parametrize("body", ["{", "[]", "7", '{"name": 1e999}', "[" * 5000, '{"spec": {"steps": []}}'])
def test_a_bad_json_body_is_refused_in_the_same_shape(body: str, signed_in: Client) -> None:
    response = post_json(signed_in, body)
    assert response.status_code == 400
    assert response.json()["errors"]
    assert nothing_was_queued()


def test_without_the_csrf_token_nothing_is_taken(owner: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    assert strict.post("/submit/", GOOD).status_code == 403
    assert post_json(strict, GOOD).status_code == 403
    assert nothing_was_queued()


def test_with_the_csrf_token_in_a_header_a_program_may_submit(owner: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    strict.get("/submit/")
    assert post_json(strict, GOOD, **{"X-CSRFToken": strict.cookies["csrftoken"].value}).status_code == 201


def test_a_flood_is_answered_with_429_and_words(signed_in: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "MOST_RUNS_A_DAY", 1)
    signed_in.post("/submit/", GOOD)
    response = signed_in.post("/submit/", GOOD)
    assert response.status_code == 429
    assert "Nothing was queued; try again tomorrow." in response.content.decode()
    assert Run.objects.count() == 1


def test_the_live_check_says_what_fits_and_what_does_not(signed_in: Client) -> None:
    good = signed_in.post("/submit/check/", GOOD).content.decode()
    assert "Fits." in good
    assert "NearestCentroid" in good
    bad = signed_in.post("/submit/check/", {**GOOD, "spec": spec_of("SVC", C=-1)}).content.decode()
    assert "steps[0].params.C: -1 is not allowed; allowed: a float in (0, inf)" in bad
    assert nothing_was_queued()


def test_the_live_check_is_for_members_who_post(client: Client, signed_in: Client) -> None:
    assert signed_in.get("/submit/check/").status_code == 405
    assert Client().post("/submit/check/", GOOD).status_code == 302


def test_the_list_of_estimators_names_parameters_and_what_they_allow(client: Client) -> None:
    html = client.get("/submit/estimators/").content.decode()
    assert "<code>LogisticRegression</code>" in html
    assert "a float in (0, inf)" in html
    partial = client.get("/submit/estimators/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in partial

"""The pages about studies: who may see and do what, what they show, and what they cost."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotate.export import annotation_rows, csv_lines
from annotate.models import Annotation, Study
from annotate.studies import close_study, pause_study
from tests.annotate.rows import NOW, draft_study, label_everything, person_in, running_study

pytestmark = pytest.mark.django_db

# Staff who made the study, other staff, a signed-in researcher, nobody in particular.
ROLES = ("owner", "staff", "outsider", "anonymous")
STEPS = ("open", "pause", "close")


def client_of(role: str) -> Client:
    client = Client()
    if role != "anonymous":
        is_staff = role in ("owner", "staff")
        user, _ = User.objects.get_or_create(username=role, defaults={"is_staff": is_staff})
        client.force_login(user)
    return client


def owned(study: Study) -> Study:
    study.created_by, _ = User.objects.get_or_create(username="owner", defaults={"is_staff": True})
    study.save(update_fields=["created_by"])
    return study


def call(role: str, method: str, page: str, study: Study | None = None) -> Any:
    url = reverse(f"annotate:{page}", args=[study.link_key] if study else [])
    return getattr(client_of(role), method)(url)


def is_sent_to_sign_in(response: Any) -> bool:
    location: str = response.headers.get("Location", "")
    return response.status_code == 302 and location.startswith(reverse("account_login"))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("method", "page"),
    [
        ("get", "new_study"),
        ("post", "new_study"),
        ("get", "annotations_csv"),
        *[("post", step) for step in STEPS],
    ],
)
def test_only_staff_reach_the_pages_of_staff(role: str, method: str, page: str) -> None:
    study = owned(running_study() if page != "open" else draft_study())
    state = study.state
    response = call(role, method, page, None if page == "new_study" else study)
    study.refresh_from_db()
    if role in ("owner", "staff"):
        assert not is_sent_to_sign_in(response)
        assert response.status_code in (200, 302)
    else:
        assert is_sent_to_sign_in(response) if role == "anonymous" else response.status_code == 403
        assert (study.state, Study.objects.count()) == (state, 1)


@pytest.mark.parametrize("role", ROLES)
def test_a_draft_is_shown_to_staff_alone(role: str) -> None:
    study = owned(draft_study(title="Not yet"))
    expected = 200 if role in ("owner", "staff") else 404
    assert call(role, "get", "study", study).status_code == expected
    listed = call(role, "get", "studies").content.decode()
    assert ("Not yet" in listed) is (expected == 200)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("state", ["open", "paused", "closed"])
def test_everybody_sees_a_study_that_was_opened_and_staff_alone_its_running_numbers(
    role: str, state: str
) -> None:
    study = owned(running_study(n_images=2, labels_per_image=1))
    label_everything(study, person_in(study), {})
    if state != "open":
        (pause_study if state == "paused" else close_study)(study)
    text = call(role, "get", "study", study).content.decode()
    is_staff = role in ("owner", "staff")
    assert ("Confusion" in text) is (state == "closed")
    assert ("Annotators</h2>" in text) is is_staff
    assert (reverse("annotate:annotations_csv", args=[study.link_key]) in text) is is_staff
    assert "2 of 2 labels" in text


@pytest.mark.parametrize("step", STEPS)
def test_a_step_must_be_posted(step: str) -> None:
    study = running_study()
    assert call("staff", "get", step, study).status_code == 405
    study.refresh_from_db()
    assert study.state == "open"


@pytest.mark.parametrize("step", STEPS)
def test_a_step_without_csrf_token_is_refused(step: str) -> None:
    study = draft_study() if step == "open" else running_study()
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create(username="staff", is_staff=True))
    assert client.post(reverse(f"annotate:{step}", args=[study.link_key])).status_code == 403


def test_staff_open_pause_resume_and_close_a_study() -> None:
    study, client = draft_study(), client_of("staff")
    for step, state in [("open", "open"), ("pause", "paused"), ("open", "open"), ("close", "closed")]:
        response = client.post(reverse(f"annotate:{step}", args=[study.link_key]), follow=True)
        assert response.redirect_chain == [(study.get_absolute_url(), 302)]
        study.refresh_from_db()
        assert study.state == state
    assert "its result is final" in response.content.decode()


@pytest.mark.parametrize("step", STEPS)
def test_a_step_too_late_says_that_nothing_was_changed(step: str) -> None:
    study = close_study(running_study())
    url = reverse(f"annotate:{step}", args=[study.link_key])
    text = client_of("staff").post(url, follow=True).content.decode()
    assert "Nothing was changed: the study is closed" in text


@pytest.mark.parametrize("page", ["study", "annotations_csv", "open", "pause", "close"])
def test_an_unknown_study_is_not_found(page: str) -> None:
    client = client_of("staff")
    method = client.post if page in STEPS else client.get
    assert method(reverse(f"annotate:{page}", args=["nonsense"])).status_code == 404


# --- the form -------------------------------------------------------------------------------------

FIELDS: dict[str, object] = {
    "title": "Digits", "image_set": "digits", "n_images": 20, "labels_per_image": 3, "sampling": "simple",
    "seed": 5, "guest_policy": "guests", "instructions": "Choose.", "consent_text": "We store.",
    "consent_version": "1",
}  # fmt: skip


def test_staff_create_a_draft_by_the_form() -> None:
    response = client_of("staff").post(reverse("annotate:new_study"), FIELDS)
    study = Study.objects.get()
    assert response.headers["Location"] == study.get_absolute_url()
    assert (study.state, study.n_images, study.seed, study.is_simulated) == ("draft", 20, 5, False)
    assert study.created_by == User.objects.get(username="staff")


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("n_images", 601, "Digits (8x8) has 1 to 600 test images"),
        ("n_images", "many", "Enter a whole number"),
        ("labels_per_image", 0, "greater than or equal to 1"),
        ("image_set", "nonsense", "Select a valid choice"),
        ("title", "", "This field is required"),
    ],
)
def test_the_form_names_the_field_and_what_is_allowed(field: str, value: object, named: str) -> None:
    response = client_of("staff").post(reverse("annotate:new_study"), FIELDS | {field: value})
    assert response.status_code == 200
    assert named in " ".join(response.context["form"].errors[field])
    assert not Study.objects.exists()


# --- what the pages show and cost -----------------------------------------------------------------


def test_the_csv_export_is_what_the_database_holds() -> None:
    study = running_study(n_images=5, labels_per_image=2)
    for _ in range(2):
        label_everything(study, person_in(study), {1: 4})
    response = call("staff", "get", "annotations_csv", study)
    assert (
        response.headers["Content-Disposition"] == f'attachment; filename="annotations-{study.link_key}.csv"'
    )
    text = b"".join(response).decode()
    assert text == "".join(csv_lines(annotation_rows(study)))
    assert len(list(csv.reader(io.StringIO(text)))) == Annotation.objects.count() + 1 == 11


def test_everything_about_a_rehearsal_says_simulated() -> None:
    study = running_study(n_images=2, labels_per_image=1, is_simulated=True)
    label_everything(study, person_in(study), {})
    close_study(study, NOW)
    for role in ("staff", "anonymous"):
        text = call(role, "get", "study", study).content.decode()
        assert "are <strong>simulated</strong>" in text
        assert "Result (simulated)" in text.replace("\n", "")
        assert "badge-simulated" in call(role, "get", "studies").content.decode()
    disposition = call("staff", "get", "annotations_csv", study).headers["Content-Disposition"]
    assert "-simulated.csv" in disposition


def test_a_texts_markup_is_shown_and_not_run() -> None:
    study = running_study(title="<script>alert(1)</script>", consent_text="<b onclick=x>", instructions="<i>")
    client = Client()
    for page in ("study", "studies", "consent"):
        text = client.get(
            reverse(f"annotate:{page}", args=[] if page == "studies" else [study.link_key])
        ).content
        assert b"<script>alert" not in text
        assert b"<b onclick" not in text


@pytest.mark.parametrize("role", ["staff", "anonymous"])
def test_the_list_costs_as_many_queries_for_many_studies_as_for_one(
    role: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client, url = client_of(role), reverse("annotate:studies")
    running_study()
    client.get(url)
    expected = 3 if role == "staff" else 1
    for _ in range(2):
        with django_assert_num_queries(expected):
            client.get(url)
        for _ in range(4):
            label_everything(study := running_study(), person_in(study), {})


@pytest.mark.parametrize(("role", "expected"), [("staff", 9), ("anonymous", 4)])
def test_the_study_page_costs_as_many_queries_for_many_annotators_as_for_one(
    role: str, expected: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    study = running_study(n_images=3, labels_per_image=8)
    client = client_of(role)
    for _ in range(2):
        with django_assert_num_queries(expected):
            client.get(study.get_absolute_url())
        for _ in range(4):
            label_everything(study, person_in(study), {})

"""The annotator's pages, from the link to the thanks."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from annotate.joining import GUEST_COOKIE, SIMULATION_HEADER
from annotate.labelling import PAGE_IMAGES
from annotate.models import Annotation, Annotator, Slot
from annotate.studies import close_study, pause_study
from annotate.tokens import simulation_pass
from tests.annotate.rows import draft_study, label_everything, person_in, running_study
from tests.annotate.visitor import Visitor, answer_to, message

pytestmark = pytest.mark.django_db


def test_a_guest_goes_from_the_link_to_the_thanks() -> None:
    visitor = Visitor(running_study(n_images=15, labels_per_image=1))
    consent = visitor.get("consent")
    assert visitor.study.consent_text.encode() in consent.content
    assert visitor.agree().headers["Location"] == visitor.url("classes")
    classes = visitor.get("classes")
    assert classes.content.count(b'class="strip"') == 10
    assert visitor.url("label").encode() in classes.content
    page = visitor.settings()
    held, answered = page["images"], 0
    assert len(held) == PAGE_IMAGES
    while held:
        image = held.pop(0)
        reply = visitor.post(
            message(page["person"], answer_to(image, 3), wanted=3, holding=tuple(i["slot"] for i in held))
        )
        held += reply.json()["images"]
        answered += 1
        assert (reply.json()["answered"], reply.json()["total"]) == (answered, 15)
    assert reply.json()["finished"]
    assert visitor.settings()["finished"]
    thanks = visitor.get("thanks").content.decode()
    assert '<p class="figure">15</p>' in thanks
    assert "0.7 s" in thanks
    assert Annotation.objects.filter(outcome="counted").count() == 15


def test_two_clicks_lead_to_the_first_image() -> None:
    """The button on the consent page, the button on the classes page."""
    visitor = Visitor(running_study())
    first_click = visitor.client.post(
        visitor.url("consent"),
        {"consent_version": "1", "csrfmiddlewaretoken": _token(visitor)},
        follow=True,
    )
    assert first_click.redirect_chain == [(visitor.url("classes"), 302)]
    assert f'href="{visitor.url("label")}"' in first_click.content.decode()
    assert 'src="data:image/png' in visitor.get("label").content.decode() or visitor.settings()["images"]


def _token(visitor: Visitor) -> str:
    visitor.get("consent")
    return visitor.client.cookies["csrftoken"].value


def test_a_double_click_on_agree_is_one_person() -> None:
    visitor = Visitor(running_study())
    fields = {"consent_version": "1", "csrfmiddlewaretoken": _token(visitor)}
    for _ in range(2):
        response = visitor.client.post(visitor.url("consent"), fields)
        assert response.headers["Location"] == visitor.url("classes")
    assert Annotator.objects.count() == 1


def test_opening_the_link_alone_stores_nobody() -> None:
    Visitor(running_study()).get("consent")
    assert not Annotator.objects.exists()


def test_somebody_known_goes_from_the_link_to_the_classes() -> None:
    visitor = Visitor(running_study())
    visitor.agree()
    assert visitor.get("consent").headers["Location"] == visitor.url("classes")


@pytest.mark.parametrize("page", ["classes", "label", "thanks"])
def test_a_page_behind_the_consent_leads_a_stranger_to_it(page: str) -> None:
    visitor = Visitor(running_study())
    assert visitor.get(page).headers["Location"] == visitor.url("consent")


def test_a_browser_that_refuses_cookies_is_told_so() -> None:
    visitor = Visitor(running_study())
    token = _token(visitor)
    del visitor.client.cookies[GUEST_COOKIE]
    response = visitor.client.post(
        visitor.url("consent"), {"csrfmiddlewaretoken": token, "consent_version": "1"}
    )
    assert response.status_code == 403
    assert "refused our cookie" in response.content.decode()
    assert not Annotator.objects.exists()


def test_a_forged_guest_cookie_is_no_person() -> None:
    visitor = Visitor(running_study())
    visitor.agree()
    stranger = Visitor(visitor.study)
    stranger.client.cookies[GUEST_COOKIE] = str(visitor.annotator().guest_key)
    assert stranger.get("label").headers["Location"] == stranger.url("consent")


def test_a_page_whose_text_changed_meanwhile_asks_again() -> None:
    visitor = Visitor(running_study())
    fields = {"csrfmiddlewaretoken": _token(visitor), "consent_version": "0"}
    response = visitor.client.post(visitor.url("consent"), fields)
    assert response.status_code == 403
    assert "has changed meanwhile" in response.content.decode()


def test_a_consent_without_csrf_token_is_refused() -> None:
    visitor = Visitor(running_study())
    visitor.get("consent")
    assert visitor.client.post(visitor.url("consent"), {"consent_version": "1"}).status_code == 403
    assert not Annotator.objects.exists()


def test_a_member_joins_with_their_account() -> None:
    visitor = Visitor(running_study(guest_policy="members"))
    visitor.client.force_login(User.objects.create(username="member"))
    visitor.agree()
    assert visitor.annotator().user == User.objects.get()


def test_a_guest_is_told_to_sign_in_where_the_study_is_for_members() -> None:
    visitor = Visitor(running_study(guest_policy="members"))
    response = visitor.agree()
    assert response.status_code == 403
    assert "sign in first" in response.content.decode()


@pytest.mark.parametrize("page", ["consent", "classes", "label", "thanks", "answers"])
def test_a_draft_and_an_unknown_study_are_not_found(page: str) -> None:
    for link_key in (draft_study().link_key, "nonsense"):
        url = reverse(f"annotate:{page}", args=[link_key])
        client = Visitor(draft_study()).client
        response = client.post(url, b"{}", "application/json") if page == "answers" else client.get(url)
        assert response.status_code == 404


@pytest.mark.parametrize(
    ("page", "method"), [("classes", "post"), ("label", "post"), ("thanks", "put"), ("consent", "delete")]
)
def test_a_wrong_method_is_refused(page: str, method: str) -> None:
    visitor = Visitor(running_study())
    visitor.client = type(visitor.client)()
    assert getattr(visitor.client, method)(visitor.url(page)).status_code == 405


def test_a_paused_study_says_so_and_loses_nobody() -> None:
    visitor, newcomer = Visitor(running_study()), Visitor(running_study())
    visitor.agree()
    pause_study(visitor.study)
    newcomer.study = visitor.study
    assert "paused" in newcomer.get("consent").content.decode()
    page = visitor.settings()
    assert (page["images"], page["finished"], page["paused"]) == ([], False, True)


def test_a_closed_study_shows_where_the_result_is() -> None:
    visitor, newcomer = Visitor(running_study()), Visitor(running_study())
    visitor.agree()
    close_study(visitor.study)
    newcomer.study = visitor.study
    assert visitor.study.get_absolute_url() in newcomer.get("consent").content.decode()
    assert visitor.settings()["finished"]
    assert visitor.study.get_absolute_url() in visitor.get("thanks").content.decode()


def test_a_study_that_is_full_thanks_a_newcomer() -> None:
    visitor = Visitor(running_study(n_images=2, labels_per_image=1))
    label_everything(visitor.study, person_in(visitor.study), {})
    visitor.agree()
    assert visitor.settings()["finished"]
    assert '<p class="figure">0</p>' in visitor.get("thanks").content.decode()


def test_the_thanks_offer_other_open_studies_but_no_rehearsal() -> None:
    visitor = Visitor(running_study(title="This one"))
    other, rehearsal = running_study(title="Another"), running_study(title="Rehearsal", is_simulated=True)
    visitor.agree()
    thanks = visitor.get("thanks").content.decode()
    assert other.title in thanks
    assert rehearsal.title not in thanks


def test_people_are_kept_out_of_a_rehearsal_and_its_crowd_is_let_in() -> None:
    study = running_study(is_simulated=True)
    visitor = Visitor(study)
    fields = {"csrfmiddlewaretoken": _token(visitor), "consent_version": "1"}
    refused = visitor.client.post(visitor.url("consent"), fields)
    assert refused.status_code == 403
    crowd = Visitor(study)
    fields["csrfmiddlewaretoken"] = _token(crowd)
    headers = {SIMULATION_HEADER: simulation_pass(study)}
    assert crowd.client.post(crowd.url("consent"), fields, headers=headers).status_code == 302
    assert crowd.annotator().is_simulated
    assert "simulated rehearsal" in crowd.get("label").content.decode()


def test_the_pages_of_a_person_are_never_cached() -> None:
    visitor = Visitor(running_study())
    visitor.agree()
    for page in ("consent", "classes", "label", "thanks"):
        assert "no-store" in visitor.get(page).headers["Cache-Control"]


def test_a_reload_shows_the_same_images_and_lends_no_more() -> None:
    visitor = Visitor(running_study(n_images=40))
    visitor.agree()
    first, again = visitor.settings(), visitor.settings()
    assert {image["slot"] for image in first["images"]} == {image["slot"] for image in again["images"]}
    assert Slot.objects.filter(annotator=visitor.annotator()).count() == PAGE_IMAGES

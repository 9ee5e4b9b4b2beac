"""Who a person is in a study: guest, member, first one then the other, simulated; and who may not join."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import AnonymousUser, User

from annotate.joining import CannotJoinError, find_annotator, join
from annotate.models import Annotator, Study
from annotate.studies import close_study, pause_study
from annotate.tokens import simulation_pass
from tests.annotate.rows import NOW, draft_study, person_in, running_study

pytestmark = pytest.mark.django_db

NOBODY = AnonymousUser()


def come(study: Study, guest: uuid.UUID, user: User | None = None, **fields: str) -> Annotator:
    """Agree to the study's present text."""
    values = {"consent_version": study.consent_version, "simulation": ""} | fields
    return join(study, user or NOBODY, guest, values["consent_version"], values["simulation"], NOW)


@pytest.fixture
def member() -> User:
    return User.objects.create(username="member")


@pytest.fixture
def another() -> User:
    return User.objects.create(username="another")


def test_a_guest_joins_with_their_consent_on_record() -> None:
    study, key = running_study(consent_version="2026-03"), uuid.uuid4()
    person = come(study, key)
    assert (person.guest_key, person.user, person.is_simulated, person.state) == (key, None, False, "active")
    assert (person.consented_at, person.consent_version) == (NOW, "2026-03")


def test_a_double_click_is_one_person() -> None:
    study, key = running_study(), uuid.uuid4()
    assert come(study, key) == come(study, key)
    assert Annotator.objects.count() == 1


def test_two_guests_are_two_people() -> None:
    study = running_study()
    assert come(study, uuid.uuid4()) != come(study, uuid.uuid4())


def test_one_guest_is_another_annotator_in_each_study() -> None:
    key = uuid.uuid4()
    first, second = come(running_study(), key), come(running_study(), key)
    assert first.pseudonym != second.pseudonym


def test_a_member_is_the_same_person_on_every_computer(member: User) -> None:
    study = running_study()
    person = come(study, uuid.uuid4(), member)
    assert person.user == member
    assert come(study, uuid.uuid4(), member) == person
    assert find_annotator(study, member, None) == person


def test_a_guest_who_signs_in_later_stays_the_same_person(member: User) -> None:
    study, key = running_study(), uuid.uuid4()
    person = come(study, key)
    assert find_annotator(study, member, key) == person
    person.refresh_from_db()
    assert person.user == member
    assert find_annotator(study, member, uuid.uuid4()) == person


def test_a_member_who_signs_out_again_stays_the_same_person(member: User) -> None:
    study, key = running_study(), uuid.uuid4()
    assert come(study, key, member) == come(study, key)


def test_a_member_who_was_also_a_guest_elsewhere_keeps_the_members_annotator(member: User) -> None:
    study, key = running_study(), uuid.uuid4()
    as_member, as_guest = come(study, uuid.uuid4(), member), come(study, key)
    assert find_annotator(study, member, key) == as_member
    as_guest.refresh_from_db()
    assert as_guest.user is None


def test_two_members_at_one_computer_are_two_people(member: User, another: User) -> None:
    study, key = running_study(), uuid.uuid4()
    first = come(study, key, member)
    second = come(study, key, another)
    assert first != second
    assert (second.user, find_annotator(study, another, key)) == (another, second)
    assert come(study, key, another) == second
    assert find_annotator(study, member, key) == first


def test_nobody_is_found_without_cookie_and_account() -> None:
    assert find_annotator(running_study(), NOBODY, None) is None


# --- who may not ----------------------------------------------------------------------------------


def test_guests_may_not_join_a_study_for_members(member: User) -> None:
    study = running_study(guest_policy="members")
    with pytest.raises(CannotJoinError, match="please sign in first"):
        come(study, uuid.uuid4())
    assert come(study, uuid.uuid4(), member).user == member


@pytest.mark.parametrize("version", ["", "2", "1 "])
def test_a_text_that_changed_meanwhile_must_be_read_again(version: str) -> None:
    study = running_study()
    with pytest.raises(CannotJoinError, match="has changed meanwhile"):
        come(study, uuid.uuid4(), consent_version=version)
    assert not Annotator.objects.exists()


def test_somebody_who_agreed_before_the_text_changed_goes_on() -> None:
    study, key = running_study(), uuid.uuid4()
    person = come(study, key)
    study.consent_version = "2"
    study.save(update_fields=["consent_version"])
    assert come(study, key, consent_version="1") == person
    assert person.consent_version == "1"


def test_nobody_new_joins_a_draft_a_paused_or_a_closed_study() -> None:
    for study in (draft_study(), pause_study(running_study()), close_study(running_study())):
        with pytest.raises(CannotJoinError, match=f"is {study.state}; nobody can join"):
            come(study, uuid.uuid4())


def test_somebody_who_joined_before_is_known_in_a_paused_and_a_closed_study() -> None:
    study, key = running_study(), uuid.uuid4()
    person = come(study, key)
    assert come(pause_study(study), key) == person
    assert come(close_study(study), key) == person


# --- simulated crowds -----------------------------------------------------------------------------


def test_a_simulated_crowd_needs_the_pass_of_its_study() -> None:
    study, other = running_study(is_simulated=True), running_study(is_simulated=True)
    for forged in ("", "pass", simulation_pass(other)):
        with pytest.raises(CannotJoinError, match="people cannot take part"):
            come(study, uuid.uuid4(), simulation=forged)
    person = come(study, uuid.uuid4(), simulation=simulation_pass(study))
    assert person.is_simulated


def test_people_cannot_join_a_simulated_study_even_as_members(member: User) -> None:
    with pytest.raises(CannotJoinError, match="people cannot take part"):
        come(running_study(is_simulated=True), uuid.uuid4(), member)


def test_a_pass_makes_nobody_simulated_in_a_study_of_people() -> None:
    study = running_study()
    person = come(study, uuid.uuid4(), simulation=simulation_pass(study))
    assert not person.is_simulated


def test_somebody_known_in_a_simulated_study_is_a_simulated_one() -> None:
    study = running_study(is_simulated=True)
    assert person_in(study).is_simulated

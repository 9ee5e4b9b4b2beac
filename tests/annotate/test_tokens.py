"""Keys and tokens that leave the server: bound to one person, worthless when forged, changed or lent."""

from __future__ import annotations

import uuid
from time import time

import pytest
from django.core import signing
from django.test.utils import freeze_time
from hypothesis import example, given
from hypothesis import strategies as st

from annotate.models import Annotator, Study
from annotate.tokens import (
    PASS_LIFETIME,
    BadTokenError,
    is_simulation_pass,
    person_key,
    read_person_key,
    read_slot_token,
    simulation_pass,
    slot_token,
)

ME = Annotator(pseudonym=uuid.UUID(int=1))
ANOTHER = Annotator(pseudonym=uuid.UUID(int=2))
HERE = Study(link_key="here")
ELSEWHERE = Study(link_key="elsewhere")

# Also lone surrogates, which JSON can carry and UTF-8 cannot.
any_text = st.text(st.characters(exclude_categories=()), max_size=80)


def test_a_person_key_names_its_person() -> None:
    assert read_person_key(person_key(ME)) == ME.pseudonym


@given(any_text)
@example("\ud800:\ud800")
@example("\x00")
@example(str(ME.pseudonym))
def test_a_forged_person_key_is_refused(key: str) -> None:
    with pytest.raises(BadTokenError):
        read_person_key(key)


@given(st.integers(0, 200), st.characters(exclude_categories=()))
def test_a_person_key_with_one_character_changed_is_refused(place: int, character: str) -> None:
    key = person_key(ME)
    place %= len(key)
    if key[place] == character:
        return
    changed = key[:place] + character + key[place + 1 :]
    try:
        assert read_person_key(changed) == ME.pseudonym
    except BadTokenError:
        return
    assert changed == key


def test_a_key_signed_for_another_purpose_is_no_person_key() -> None:
    with pytest.raises(BadTokenError):
        read_person_key(signing.Signer(salt="somewhere.else").sign(str(ME.pseudonym)))


@given(st.integers(1, 2**63 - 1).filter(lambda number: number < 10**18))
def test_a_slot_token_names_its_slot_to_its_person_alone(slot_id: int) -> None:
    token = slot_token(ME, slot_id)
    assert read_slot_token(ME, token) == slot_id
    with pytest.raises(BadTokenError, match="somebody else"):
        read_slot_token(ANOTHER, token)


def test_a_slot_token_with_another_number_is_refused() -> None:
    _, _, signature = slot_token(ME, 5).partition(".")
    for number in (4, 6, 50, 10**17):
        with pytest.raises(BadTokenError):
            read_slot_token(ME, f"{number}.{signature}")


@given(any_text)
@example("5.\ud800")
@example("5")
@example("5.")
@example(f"{'9' * 19}.{'a' * 24}")
@example(f"{'9' * 4400}.{'a' * 24}")
@example(f"-5.{'a' * 24}")
@example(f"٥.{'a' * 24}")
@example(f"²5.{'a' * 24}")
@example(f" 5.{'a' * 24}")
def test_a_forged_slot_token_is_refused(token: str) -> None:
    with pytest.raises(BadTokenError):
        read_slot_token(ME, token)


def test_a_simulation_pass_lets_a_crowd_into_its_study_alone() -> None:
    value = simulation_pass(HERE)
    assert is_simulation_pass(HERE, value)
    assert not is_simulation_pass(ELSEWHERE, value)


def test_a_simulation_pass_expires() -> None:
    value = simulation_pass(HERE)
    with freeze_time(time() + PASS_LIFETIME.total_seconds() - 60):
        assert is_simulation_pass(HERE, value)
    with freeze_time(time() + PASS_LIFETIME.total_seconds() + 60):
        assert not is_simulation_pass(HERE, value)


@given(any_text)
@example("")
@example("here")
@example("here:1uWvVu:xyz")
def test_a_forged_simulation_pass_lets_nobody_in(value: str) -> None:
    assert not is_simulation_pass(HERE, value)


def test_a_pass_signed_for_another_purpose_lets_nobody_in() -> None:
    assert not is_simulation_pass(HERE, signing.TimestampSigner(salt="annotate.person").sign("here"))

"""The labelling page's message: whatever arrives is read or refused with a reason, never an accident."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from annotate.answer_message import (
    MAX_ANSWERS,
    MAX_BYTES,
    MAX_HOLDING,
    MAX_MILLISECONDS,
    MAX_WANTED,
    AnswerMessage,
    MessageError,
    read_message,
)

ID = "6f1b2f0e-8f2b-4c0e-9d55-0d6f3f1f7a01"
OTHER_ID = "6f1b2f0e-8f2b-4c0e-9d55-0d6f3f1f7a02"


def answer(**changes: Any) -> dict[str, Any]:
    return {"slot": "1.x", "client_id": ID, "choice": 3, "revision": 0, "milliseconds": 812} | changes


def body(**changes: Any) -> bytes:
    message = {"person": "key", "answers": [answer()], "holding": ["2.y"], "wanted": 5}
    return json.dumps(message | changes).encode()


def read(raw: bytes, *, offers_cannot_tell: bool = False) -> AnswerMessage:
    return read_message(raw, 10, offers_cannot_tell=offers_cannot_tell)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["person", "answers", "holding", "wanted", "device", "slot", "client_id", "choice", "revision"]
near_answers = st.fixed_dictionaries(
    {},
    optional={
        "slot": st.text(max_size=300) | json_values,
        "client_id": st.uuids().map(str) | json_values,
        "choice": st.integers(-2, 12) | json_values,
        "revision": st.integers(-2, 2_000_000) | json_values,
        "milliseconds": st.integers(-2, 10**8) | json_values,
    },
)
near_messages = st.fixed_dictionaries(
    {"person": st.just("key") | json_values},
    optional={
        "answers": st.lists(near_answers | json_values, max_size=6) | json_values,
        "holding": st.lists(st.text(max_size=8) | json_values, max_size=6) | json_values,
        "wanted": st.integers(-2, 25) | json_values,
        "device": st.dictionaries(st.sampled_from(["screen_width", "image_scale", "is_touch"]), json_values)
        | json_values,
    },
)


def read_or_refuse(raw: bytes, *, offers_cannot_tell: bool) -> None:
    try:
        message = read(raw, offers_cannot_tell=offers_cannot_tell)
    except MessageError as error:
        reason = str(error)
    else:
        check_limits(message, offers_cannot_tell=offers_cannot_tell)
        return
    assert 0 < len(reason) < 200


def check_limits(message: AnswerMessage, *, offers_cannot_tell: bool) -> None:
    for item in message.answers:
        allows_none = item.choice is None and offers_cannot_tell
        assert allows_none or (item.choice is not None and 0 <= item.choice < 10)
        assert 0 <= item.milliseconds <= MAX_MILLISECONDS
        assert item.revision >= 0
    assert 0 <= message.wanted <= MAX_WANTED
    assert 0 <= message.image_scale <= 32_767
    assert message.screen_width >= 0


@given(st.binary(max_size=200), st.booleans())
@example(b"\xff\xfe", False)
@example(b"\xef\xbb\xbf{}", False)
@example(b"", False)
@example(b"9" * 5000, False)
def test_arbitrary_bytes_are_refused_with_a_reason(raw: bytes, offers_cannot_tell: bool) -> None:
    read_or_refuse(raw, offers_cannot_tell=offers_cannot_tell)


@given(json_values | near_messages, st.booleans())
def test_arbitrary_json_is_read_or_refused_with_a_reason(value: Any, offers_cannot_tell: bool) -> None:
    read_or_refuse(json.dumps(value).encode(), offers_cannot_tell=offers_cannot_tell)


@pytest.mark.parametrize("field", [*FIELDS, "milliseconds"])
def test_a_deep_nest_in_any_field_is_refused_with_a_reason(field: str) -> None:
    for depth in (*range(1, 40), *range(800, 1100, 3), 20_000):
        nest = "[" * depth + "]" * depth
        inner = json.dumps(answer(**{field: "HERE"})).replace('"HERE"', nest)
        outer = json.dumps({"person": "key", "wanted": 1, field: "HERE"}).replace('"HERE"', nest)
        read_or_refuse(outer.encode(), offers_cannot_tell=False)
        read_or_refuse(
            b'{"person": "key", "wanted": 1, "answers": [%s]}' % inner.encode(), offers_cannot_tell=True
        )


def test_a_good_message_is_read_as_it_was_sent() -> None:
    device = {"screen_width": 1280, "image_scale": 12, "is_touch": True}
    message = read(body(device=device))
    assert (message.person, message.wanted, message.holding) == ("key", 5, ["2.y"])
    assert (message.screen_width, message.image_scale, message.is_touch) == (1280, 12, True)
    [item] = message.answers
    assert item.client_id == uuid.UUID(ID)
    assert (item.token, item.choice, item.revision, item.milliseconds) == ("1.x", 3, 0, 812)
    assert message.rejected == {}


@given(st.lists(near_answers | json_values, max_size=10), st.integers(0, 10))
def test_a_bad_answer_does_not_hold_up_the_others(bad: list[Any], place: int) -> None:
    """Every answer is either read or rejected with a reason, the good one among them always read."""
    answers = [*bad[:place], answer(client_id=OTHER_ID), *bad[place:]]
    message = read(json.dumps({"person": "key", "wanted": 0, "answers": answers}).encode())
    assert uuid.UUID(OTHER_ID) in {item.client_id for item in message.answers}
    assert all(message.rejected.values())
    refused = {str(raw.get("client_id")) if isinstance(raw, dict) else "None" for raw in bad}
    assert set(message.rejected) <= refused


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"choice": 10}, "choice: 10 is not allowed; allowed: a whole number from 0 to 9"),
        ({"choice": -1}, "choice: -1 is not allowed"),
        ({"choice": None}, "choice: None is not allowed"),
        ({"choice": True}, "choice: True is not allowed"),
        ({"choice": 3.0}, "choice: 3.0 is not allowed"),
        ({"choice": "3"}, "choice: 3 is not allowed"),
        ({"revision": -1}, "revision: -1 is not allowed"),
        ({"milliseconds": MAX_MILLISECONDS + 1}, f"allowed: a whole number from 0 to {MAX_MILLISECONDS}"),
        ({"milliseconds": 10**30}, "milliseconds: 1000000"),
        ({"slot": ""}, "slot: must be a text of 1 to 200 characters"),
        ({"slot": "1" * 201}, "slot: must be a text of 1 to 200 characters"),
        ({"slot": 1}, "slot: must be a text"),
    ],
)
def test_an_answer_that_makes_no_sense_is_rejected_by_its_field(changes: dict[str, Any], reason: str) -> None:
    message = read(body(answers=[answer(**changes)]))
    assert message.answers == []
    assert reason in message.rejected[ID]


def test_a_client_id_must_be_a_uuid() -> None:
    assert read(body(answers=[answer(client_id="mine")])).rejected == {"mine": "client_id: must be a UUID"}


def test_cannot_tell_is_an_answer_only_where_the_study_offers_it() -> None:
    raw = body(answers=[answer(choice=None)])
    assert read(raw).rejected
    [item] = read(raw, offers_cannot_tell=True).answers
    assert item.choice is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"person": None}, "person: must be a text"),
        ({"answers": {}}, f"answers: must be a list of at most {MAX_ANSWERS}"),
        ({"answers": [answer()] * (MAX_ANSWERS + 1)}, f"answers: must be a list of at most {MAX_ANSWERS}"),
        ({"holding": ["x"] * (MAX_HOLDING + 1)}, f"holding: must be a list of at most {MAX_HOLDING}"),
        ({"wanted": MAX_WANTED + 1}, f"allowed: a whole number from 0 to {MAX_WANTED}"),
        ({"wanted": None}, "wanted: None is not allowed"),
        ({"padding": "x" * MAX_BYTES}, f"allowed: {MAX_BYTES}"),
    ],
)
def test_a_message_beyond_the_limits_is_refused_by_its_field(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        read(body(**changes))


@pytest.mark.parametrize("raw", [b"", b"{", b"[1", b"{'a': 1}", b"\xc3\x28"])
def test_what_is_not_json_is_said_to_be_so(raw: bytes) -> None:
    with pytest.raises(MessageError, match="the message is not JSON"):
        read(raw)


def test_json_that_is_no_object_is_said_to_be_so() -> None:
    with pytest.raises(MessageError, match="must be a JSON object"):
        read(b"[]")


@given(json_values)
def test_an_odd_device_fact_becomes_0_and_never_costs_an_answer(value: Any) -> None:
    message = read(body(device={"screen_width": value, "image_scale": value, "is_touch": value}))
    assert len(message.answers) == 1
    if isinstance(value, bool) or not isinstance(value, int):
        assert (message.screen_width, message.image_scale) == (0, 0)
    assert message.is_touch is (value is True)


def test_the_longest_queue_of_the_page_fits_into_one_message() -> None:
    """50 answers and 12 held images with real tokens stay below the byte limit."""
    token = f"{10**12}." + "a" * 24
    answers = [
        answer(slot=token, client_id=str(uuid.UUID(int=i)), milliseconds=10**7) for i in range(MAX_ANSWERS)
    ]
    raw = body(person="k" * 90, answers=answers, holding=[token] * 32)
    assert len(raw) < MAX_BYTES
    assert len(read(raw).answers) == MAX_ANSWERS

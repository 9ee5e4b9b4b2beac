"""The labelling page's message, checked. Pure: a decoded JSON value in, plain values out."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

MAX_ANSWERS = 50
MAX_HOLDING = 100
MAX_WANTED = 20
MAX_MILLISECONDS = 24 * 3600 * 1000
MAX_BYTES = 64 * 1024


class MessageError(ValueError):
    """Says which field is wrong, its value, and what is allowed."""


@dataclass(frozen=True)
class AnswerItem:
    """One answer before its slot token has been read."""

    token: str
    client_id: uuid.UUID
    choice: int | None
    revision: int
    milliseconds: int


@dataclass(frozen=True)
class AnswerMessage:
    person: str
    answers: list[AnswerItem]
    rejected: dict[str, str]
    holding: list[str]
    wanted: int
    screen_width: int
    image_scale: int
    is_touch: bool


def read_message(body: bytes, n_classes: int, *, offers_cannot_tell: bool) -> AnswerMessage:
    """Read the whole message. Raises MessageError where it is no message at all.

    A single answer that makes no sense is reported in `rejected` (client id -> reason) and does not hold up
    the others in the queue.
    """
    if len(body) > MAX_BYTES:
        raise MessageError(f"the message has {len(body)} bytes; allowed: {MAX_BYTES}")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise MessageError("the message is not JSON") from None
    if not isinstance(message, dict):
        raise MessageError("the message must be a JSON object")
    raw_answers = _list(message, "answers", MAX_ANSWERS)
    answers, rejected = [], {}
    for raw in raw_answers:
        try:
            answers.append(_read_answer(raw, n_classes, offers_cannot_tell))
        except MessageError as error:
            client_id = raw.get("client_id") if isinstance(raw, dict) else None
            rejected[str(client_id)] = str(error)
    device = message.get("device")
    device = device if isinstance(device, dict) else {}
    return AnswerMessage(
        person=_text(message, "person"),
        answers=answers,
        rejected=rejected,
        holding=[str(token) for token in _list(message, "holding", MAX_HOLDING)],
        wanted=_integer(message, "wanted", 0, MAX_WANTED),
        screen_width=_clipped(device.get("screen_width"), 100_000),
        image_scale=_clipped(device.get("image_scale"), 1_000),
        is_touch=device.get("is_touch") is True,
    )


def _read_answer(raw: Any, n_classes: int, offers_cannot_tell: bool) -> AnswerItem:
    if not isinstance(raw, dict):
        raise MessageError("answers: each must be a JSON object")
    try:
        client_id = uuid.UUID(_text(raw, "client_id"))
    except ValueError:
        raise MessageError("client_id: must be a UUID") from None
    choice = raw.get("choice")
    if choice is not None or not offers_cannot_tell:
        choice = _integer(raw, "choice", 0, n_classes - 1)
    return AnswerItem(
        token=_text(raw, "slot"),
        client_id=client_id,
        choice=choice,
        revision=_integer(raw, "revision", 0, 1_000_000),
        milliseconds=_integer(raw, "milliseconds", 0, MAX_MILLISECONDS),
    )


def _text(raw: dict[str, Any], field: str) -> str:
    value = raw.get(field)
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise MessageError(f"{field}: must be a text of 1 to 200 characters")
    return value


def _integer(raw: dict[str, Any], field: str, low: int, high: int) -> int:
    value = raw.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise MessageError(
            f"{field}: {str(value)[:40]} is not allowed; allowed: a whole number from {low} to {high}"
        )
    return value


def _list(raw: dict[str, Any], field: str, longest: int) -> list[Any]:
    value = raw.get(field, [])
    if not isinstance(value, list) or len(value) > longest:
        raise MessageError(f"{field}: must be a list of at most {longest}")
    return value


def _clipped(value: Any, high: int) -> int:
    """A device fact is a remark, not a condition: anything odd becomes 0."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 <= value <= high else 0

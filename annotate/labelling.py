"""What the labelling page is given: lent images as pictures, progress, and nothing that tells the answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np

from annotate.answer_message import AnswerItem, AnswerMessage
from annotate.assignment import Answer, Handout, answer_and_lend
from annotate.models import Annotator, Slot, Study
from annotate.tokens import BadTokenError, read_slot_token, slot_token
from imagesets.library import ensure_imageset
from imagesets.pictures import class_examples, data_uri

PAGE_IMAGES = 12
EXAMPLES_PER_CLASS = 8
EXAMPLES_SEED = 1


def hand_out(annotator: Annotator, wanted: int, now: datetime) -> dict[str, Any]:
    """The page's first images and the person's progress."""
    return _as_page_data(annotator, answer_and_lend(annotator.pk, [], [], wanted, now))


def take_in(annotator: Annotator, message: AnswerMessage, now: datetime) -> dict[str, Any]:
    """Store a message's answers and hand out the next images; says which answers left the queue."""
    answers, rejected = [], dict(message.rejected)
    for item in message.answers:
        try:
            answers.append(_as_answer(annotator, item, message))
        except BadTokenError as error:
            rejected[str(item.client_id)] = str(error)
    holding = [slot_id for token in message.holding if (slot_id := _known_slot(annotator, token)) is not None]
    handout = answer_and_lend(annotator.pk, answers, holding, message.wanted, now)
    page_data = _as_page_data(annotator, handout)
    # Whether an answer counts or is kept as extra is not told: it makes no difference to the person.
    page_data["stored"] = [str(answer.client_id) for answer in answers]
    page_data["rejected"] = rejected
    return page_data


@cache
def class_strips(image_set: str) -> list[dict[str, str]]:
    """Each class with a strip of examples from the training split, which is never scored."""
    prepared = ensure_imageset(image_set)
    names = prepared.spec.class_names
    chosen = class_examples(prepared.train_labels, len(names), EXAMPLES_PER_CLASS, EXAMPLES_SEED)
    return [
        {"name": name, "strip": data_uri(np.concatenate(list(prepared.train_images[indices]), axis=1))}
        for name, indices in zip(names, chosen, strict=True)
    ]


def _as_answer(annotator: Annotator, item: AnswerItem, message: AnswerMessage) -> Answer:
    return Answer(
        slot_id=read_slot_token(annotator, item.token),
        client_id=item.client_id,
        choice=item.choice,
        revision=item.revision,
        milliseconds=item.milliseconds,
        screen_width=message.screen_width,
        image_scale=message.image_scale,
        is_touch=message.is_touch,
    )


def _known_slot(annotator: Annotator, token: str) -> int | None:
    try:
        return read_slot_token(annotator, token)
    except BadTokenError:
        return None


def _as_page_data(annotator: Annotator, handout: Handout) -> dict[str, Any]:
    study = annotator.study
    return {
        "images": _pictures(annotator, study, handout.slots),
        "answered": handout.answered,
        "total": study.total_per_annotator,
        "finished": handout.is_finished,
        "paused": study.state == Study.State.PAUSED,
    }


def _pictures(annotator: Annotator, study: Study, slots: Sequence[Slot]) -> list[dict[str, str]]:
    images = ensure_imageset(study.image_set).test_images
    return [
        {"slot": slot_token(annotator, slot.pk), "src": data_uri(images[slot.study_image.image_index])}
        for slot in slots
    ]

"""Rows that tests of the people's half begin with: studies of `digits`, people in them, answers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from annotate.assignment import Answer, Handout, answer_and_lend
from annotate.models import Annotation, Annotator, Slot, Study
from annotate.studies import create_study, open_study

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def draft_study(n_images: int = 4, labels_per_image: int = 2, **fields: Any) -> Study:
    fields = {"title": "How well do people read digits?", "seed": 11, **fields}
    return create_study(image_set="digits", n_images=n_images, labels_per_image=labels_per_image, **fields)


def running_study(n_images: int = 4, labels_per_image: int = 2, **fields: Any) -> Study:
    return open_study(draft_study(n_images, labels_per_image, **fields), NOW)


def person_in(study: Study, **fields: Any) -> Annotator:
    """Somebody who agreed to the study's text."""
    fields = {"guest_key": uuid.uuid4(), "is_simulated": study.is_simulated} | fields
    return Annotator.objects.create(
        study=study, consented_at=NOW, consent_version=study.consent_version, **fields
    )


def an_answer(slot: Slot | int, choice: int | None = 0, revision: int = 0, **fields: Any) -> Answer:
    fields = {"client_id": uuid.uuid4(), "milliseconds": 900, **fields}
    slot_id = slot if isinstance(slot, int) else slot.pk
    return Answer(slot_id=slot_id, choice=choice, revision=revision, **fields)


def lend(person: Annotator, wanted: int, at: datetime = NOW, holding: tuple[Slot, ...] = ()) -> Handout:
    return answer_and_lend(person.pk, [], [slot.pk for slot in holding], wanted, at)


def send(person: Annotator, *answers: Answer, at: datetime = NOW) -> Handout:
    return answer_and_lend(person.pk, answers, [], 0, at)


def annotation_of(person: Annotator, slot: Slot) -> Annotation:
    return Annotation.objects.get(annotator=person, study_image=slot.study_image_id)


def label_everything(
    study: Study, person: Annotator, choices: Mapping[int, int | None], at: datetime = NOW
) -> int:
    """The person answers every image they get; `choices` names an answer by position, else class 0."""
    answered = 0
    while slots := lend(person, 12, at).slots:
        answers = [
            an_answer(slot, choices.get(slot.study_image.position, 0), milliseconds=1000 + answered)
            for slot in slots
        ]
        send(person, *answers, at=at)
        answered += len(answers)
        at += timedelta(seconds=1)
    return answered

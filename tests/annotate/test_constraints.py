"""What must never be true is refused by the database itself, whoever writes the row."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, models, transaction

from annotate.models import Annotation, Annotator, ReplacedAnswer, Slot, Study, StudyImage, StudyResult
from tests.annotate.rows import NOW, an_answer, annotation_of, lend, person_in, running_study, send

pytestmark = pytest.mark.django_db


class Rows:
    """A running study in which one person has filled one slot and holds another."""

    def __init__(self) -> None:
        self.study = running_study(n_images=4, labels_per_image=2)
        self.person, self.other = person_in(self.study), person_in(self.study)
        self.filled, self.lent = lend(self.person, 2).slots
        send(self.person, an_answer(self.filled, 1), an_answer(self.filled, 2, revision=1))
        self.annotation = annotation_of(self.person, self.filled)
        self.replaced = self.annotation.replaced.get()
        self.free = Slot.objects.filter(study=self.study, annotator__isnull=True).earliest("pk")
        self.user = User.objects.create(username="member")

    def annotation_by_other(self, **fields: Any) -> Annotation:
        fields = {"outcome": "extra", "choice": 1, "client_id": uuid.uuid4()} | fields
        return Annotation.objects.create(
            study_image=self.free.study_image, annotator=self.other, milliseconds=1, answered_at=NOW, **fields
        )

    def result(self, **fields: Any) -> StudyResult:
        counts = {"n_annotations": 8, "n_annotators": 2, "is_complete": True}
        return StudyResult.objects.create(study=self.study, computed_at=NOW, **counts, **fields)

    def change(self, row: models.Model, **fields: Any) -> None:
        type(row)._default_manager.filter(pk=row.pk).update(**fields)


def person_of_user(rows: Rows) -> Annotator:
    return person_in(rows.study, user=rows.user)


def good_result(**changes: Any) -> Callable[[Rows], StudyResult]:
    fields = {"n_images": 4, "accuracy": 0.5, "accuracy_worst": 0.4, "accuracy_best": 0.6} | changes
    return lambda rows: rows.result(**fields)


REFUSED: dict[str, list[Callable[[Rows], object]]] = {
    "study_state_known": [lambda rows: rows.change(rows.study, state="ended")],
    "study_size_in_range": [
        lambda rows: rows.change(rows.study, labels_per_image=0),
        lambda rows: rows.change(rows.study, labels_per_image=101),
        lambda rows: rows.change(rows.study, n_images=0),
    ],
    "study_opened_when_not_draft": [lambda rows: rows.change(rows.study, opened_at=None)],
    "image_once_per_study": [
        lambda rows: StudyImage.objects.create(
            study=rows.study, image_index=rows.filled.study_image.image_index, position=99
        )
    ],
    "position_once_per_study": [
        lambda rows: StudyImage.objects.create(study=rows.study, image_index=599, position=0)
    ],
    "one_annotator_per_user_and_study": [lambda rows: (person_of_user(rows), person_of_user(rows))],
    "one_annotator_per_guest_and_study": [
        lambda rows: person_in(rows.study, guest_key=rows.person.guest_key)
    ],
    "annotator_state_known": [lambda rows: rows.change(rows.person, state="bored")],
    "slot_number_once_per_image": [
        lambda rows: Slot.objects.create(
            study=rows.study, study_image=rows.free.study_image, number=rows.free.number, shuffle=1
        )
    ],
    "nobody_twice_on_an_image": [
        lambda rows: Slot.objects.filter(study_image=rows.filled.study_image).update(
            annotator=rows.person, leased_until=None, filled_at=NOW
        )
    ],
    "slot_is_free_lent_or_filled": [
        lambda rows: rows.change(rows.free, leased_until=NOW),
        lambda rows: rows.change(rows.free, filled_at=NOW),
        lambda rows: rows.change(rows.free, annotator=rows.other),
        lambda rows: rows.change(rows.lent, filled_at=NOW),
        lambda rows: rows.change(rows.lent, annotator=None),
        lambda rows: rows.change(rows.filled, leased_until=NOW),
        lambda rows: rows.change(rows.filled, annotator=None),
    ],
    "one_answer_per_person_and_image": [
        lambda rows: (rows.annotation_by_other(), rows.annotation_by_other())
    ],
    "one_answer_per_client_id": [
        lambda rows: Annotation.objects.create(
            study_image=rows.lent.study_image, annotator=rows.person, client_id=rows.annotation.client_id,
            outcome="extra", choice=1, milliseconds=1, answered_at=NOW,
        )
    ],
    "choice_is_a_class": [lambda rows: rows.change(rows.annotation, choice=100)],
    "counted_exactly_when_in_a_slot": [
        lambda rows: rows.change(rows.annotation, slot=None),
        lambda rows: rows.change(rows.annotation, choice=None),
        lambda rows: rows.change(rows.annotation, outcome="extra"),
        lambda rows: rows.annotation_by_other(outcome="counted"),
        lambda rows: rows.annotation_by_other(outcome="cannot_tell", choice=1),
        lambda rows: rows.annotation_by_other(outcome="bored"),
    ],
    "replaced_answer_once_per_client_id": [
        lambda rows: ReplacedAnswer.objects.create(
            annotation=rows.annotation, revision=7, client_id=rows.replaced.client_id, milliseconds=1,
            answered_at=NOW,
        )
    ],
    "result_accuracy_in_range": [
        good_result(n_images=0),
        good_result(accuracy=None),
        good_result(accuracy=0.7),
        good_result(accuracy=0.3),
        good_result(accuracy_worst=-0.1),
        good_result(accuracy_best=1.1),
    ],
}  # fmt: skip
CASES = [(name, act) for name, acts in REFUSED.items() for act in acts]
IDS = [f"{name}-{number}" for name, acts in REFUSED.items() for number in range(len(acts))]


@pytest.mark.parametrize(("name", "act"), CASES, ids=IDS)
def test_the_database_refuses(name: str, act: Callable[[Rows], object]) -> None:
    rows = Rows()
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        act(rows)
    # SQLite names a check, but of a unique constraint only the columns.
    if connection.vendor == "postgresql" or "CHECK" in str(refusal.value):
        assert name in str(refusal.value)
    else:
        assert "UNIQUE" in str(refusal.value)


def test_every_named_constraint_has_its_case() -> None:
    named = {
        constraint.name
        for model in apps.get_app_config("annotate").get_models()
        for constraint in model._meta.constraints
    }
    assert set(REFUSED) == named


@pytest.mark.parametrize("field", ["link_key", "pseudonym", "slot"])
def test_the_database_refuses_a_second_row_with_the_same(field: str) -> None:
    rows = Rows()
    acts: dict[str, Callable[[], object]] = {
        "link_key": lambda: rows.change(running_study(), link_key=rows.study.link_key),
        "pseudonym": lambda: rows.change(rows.other, pseudonym=rows.person.pseudonym),
        "slot": lambda: rows.annotation_by_other(outcome="counted", slot=rows.filled),
    }
    with pytest.raises(IntegrityError, match=rf"(?i)unique.*{field}"), transaction.atomic():
        acts[field]()


def test_a_person_with_answers_cannot_be_deleted() -> None:
    rows = Rows()
    with pytest.raises(models.ProtectedError):
        rows.person.delete()
    with pytest.raises(models.ProtectedError):
        Study.objects.filter(pk=rows.study.pk).delete()


def test_deleting_an_account_keeps_the_answers_of_its_person() -> None:
    rows = Rows()
    person = person_of_user(rows)
    rows.user.delete()
    person.refresh_from_db()
    assert person.user is None

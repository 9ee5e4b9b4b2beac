"""What paused and closed studies and excluded people are lent and may send; when a person is finished."""

from __future__ import annotations

from datetime import timedelta

import pytest

from annotate.assignment import LEASE, release_lent_slots
from annotate.models import Annotation, Annotator, Slot
from annotate.studies import close_study, open_study, pause_study
from tests.annotate.rows import (
    NOW,
    an_answer,
    annotation_of,
    label_everything,
    lend,
    person_in,
    running_study,
    send,
)

pytestmark = pytest.mark.django_db

LATER = NOW + LEASE + timedelta(seconds=1)


def test_a_paused_study_lends_nothing_and_takes_answers_on_their_way() -> None:
    study = running_study()
    person = person_in(study)
    first, second = lend(person, 2).slots
    send(person, an_answer(first, 1))
    pause_study(study)
    handout = lend(person, 5)
    assert (handout.slots, handout.is_finished, handout.answered) == ([], False, 1)
    send(person, an_answer(second, 1), an_answer(first, 2, revision=1))
    assert annotation_of(person, second).outcome == "counted"
    assert annotation_of(person, first).choice == 2


def test_a_resumed_study_lends_again() -> None:
    study = running_study()
    pause_study(study)
    open_study(study)
    assert len(lend(person_in(study), 2).slots) == 2


def test_a_closed_study_lends_nothing_and_keeps_late_answers_as_extra() -> None:
    study = running_study()
    person = person_in(study)
    first, second = lend(person, 2).slots
    send(person, an_answer(first, 1))
    close_study(study, NOW)
    handout = send(person, an_answer(second, 4))
    assert (handout.slots, handout.is_finished) == ([], True)
    assert annotation_of(person, second).outcome == "extra"
    assert Slot.objects.filled().count() == 1
    assert lend(person, 5).slots == []


def test_a_change_after_the_study_closed_is_kept_as_history_and_changes_nothing() -> None:
    study = running_study()
    person = person_in(study)
    [slot] = lend(person, 1).slots
    send(person, an_answer(slot, 1))
    close_study(study, NOW)
    changes = [an_answer(slot, 2, revision=1), an_answer(slot, None, revision=1)]
    send(person, *changes)
    send(person, *changes)
    stored = annotation_of(person, slot)
    assert (stored.choice, stored.outcome, stored.slot_id) == (1, "counted", slot.pk)
    assert {kept.client_id for kept in stored.replaced.all()} == {change.client_id for change in changes}


def test_closing_takes_lent_slots_back() -> None:
    study = running_study()
    lend(person_in(study), 3)
    close_study(study, NOW)
    assert Slot.objects.free().count() == Slot.objects.count()


def test_taking_slots_back_leaves_filled_ones_and_other_studies_alone() -> None:
    study, other = running_study(), running_study()
    person, elsewhere = person_in(study), person_in(other)
    slots = lend(person, 3).slots
    lend(elsewhere, 2)
    send(person, an_answer(slots[0]))
    assert release_lent_slots(study) == 2
    assert Slot.objects.filter(annotator=person).count() == 1
    assert Slot.objects.filter(annotator=elsewhere).count() == 2


@pytest.mark.parametrize("state", [Annotator.State.EXCLUDED, Annotator.State.WITHDRAWN])
def test_somebody_who_left_is_lent_nothing_and_their_answers_are_kept_as_extra(
    state: Annotator.State,
) -> None:
    person = person_in(running_study())
    [slot] = lend(person, 1).slots
    Annotator.objects.filter(pk=person.pk).update(state=state)
    handout = send(person, an_answer(slot))
    assert (handout.slots, handout.is_finished) == ([], True)
    assert annotation_of(person, slot).outcome == "extra"


# --- finished: nothing is left for this person, now or by waiting ---------------------------------


def test_a_person_who_holds_images_is_not_finished() -> None:
    person = person_in(running_study(n_images=2, labels_per_image=1))
    slots = lend(person, 2).slots
    assert not send(person, an_answer(slots[0])).is_finished
    assert send(person, an_answer(slots[1])).is_finished


def test_a_person_is_not_finished_while_others_hold_images_that_may_come_back() -> None:
    study = running_study(n_images=2, labels_per_image=1)
    first, second = person_in(study), person_in(study)
    [slot] = lend(first, 1).slots
    [other_slot] = lend(second, 1).slots
    assert not send(second, an_answer(other_slot)).is_finished
    assert send(first, an_answer(slot)).is_finished
    assert lend(second, 5).is_finished


def test_free_places_of_images_that_a_person_has_answered_are_no_work_for_them() -> None:
    study = running_study(n_images=3, labels_per_image=4)
    person = person_in(study)
    assert label_everything(study, person, {}) == 3
    assert lend(person, 5).is_finished
    assert Slot.objects.free().count() == 9


def test_somebody_new_is_finished_at_once_in_a_study_that_is_full() -> None:
    study = running_study(n_images=2, labels_per_image=1)
    label_everything(study, person_in(study), {})
    assert lend(person_in(study), 5).is_finished


def test_asking_for_nothing_tells_whether_there_would_be_something() -> None:
    study = running_study(n_images=2, labels_per_image=1)
    person = person_in(study)
    assert not lend(person, 0).is_finished
    label_everything(study, person_in(study), {})
    assert lend(person, 0).is_finished


def test_an_image_given_back_makes_work_again_for_somebody_who_was_finished() -> None:
    study = running_study(n_images=1, labels_per_image=1, offers_cannot_tell=True)
    unsure, other = person_in(study), person_in(study)
    [slot] = lend(unsure, 1).slots
    send(unsure, an_answer(slot, 3))
    assert lend(other, 1).is_finished
    send(unsure, an_answer(slot, None, revision=1))
    assert [lent.pk for lent in lend(other, 1).slots] == [slot.pk]


def test_the_count_of_answered_images_counts_each_image_once() -> None:
    person = person_in(running_study(offers_cannot_tell=True))
    first, second = lend(person, 2).slots
    handout = send(person, an_answer(first, 1), an_answer(first, 2, revision=1), an_answer(second, None))
    assert handout.answered == Annotation.objects.count() == 2

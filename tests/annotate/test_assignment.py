"""Lending and filling slots, case by case: what happens to each answer, and who is lent what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from annotate.assignment import LEASE, release_lent_slots
from annotate.models import Annotation, Annotator, ReplacedAnswer, Slot, Study
from tests.annotate.rows import NOW, an_answer, annotation_of, lend, person_in, running_study, send

pytestmark = pytest.mark.django_db

LATER = NOW + LEASE + timedelta(seconds=1)


def images_of(slots: list[Slot]) -> list[int]:
    return [slot.study_image_id for slot in slots]


# --- lending --------------------------------------------------------------------------------------


def test_a_batch_holds_distinct_images_lent_to_the_person_until_the_lease_ends() -> None:
    person = person_in(running_study(n_images=5, labels_per_image=4))
    slots = lend(person, 4).slots
    assert len(set(images_of(slots))) == 4
    for slot in Slot.objects.filter(pk__in=[slot.pk for slot in slots]):
        assert (slot.annotator, slot.leased_until, slot.filled_at) == (person, NOW + LEASE, None)


def test_a_person_is_lent_as_many_images_as_there_are_and_none_twice() -> None:
    person = person_in(running_study(n_images=3, labels_per_image=5))
    assert sorted(images_of(lend(person, 20).slots)) == sorted(set(images_of(lend(person, 20).slots)))
    assert Slot.objects.filter(annotator=person).count() == 3


def test_a_reload_hands_out_the_same_images_again() -> None:
    person = person_in(running_study(n_images=9))
    first = lend(person, 4).slots
    again = lend(person, 4).slots
    assert {slot.pk for slot in first} == {slot.pk for slot in again}


def test_images_that_the_page_holds_are_not_handed_out_again() -> None:
    person = person_in(running_study(n_images=9))
    first = lend(person, 4).slots
    more = lend(person, 3, holding=tuple(first)).slots
    assert len(more) == 3
    assert not set(images_of(first)) & set(images_of(more))


def test_two_tabs_share_the_images_of_one_person() -> None:
    person = person_in(running_study(n_images=9))
    first_tab = lend(person, 4).slots
    second_tab = lend(person, 4).slots
    send(person, an_answer(first_tab[0], 1))
    same = next(slot for slot in second_tab if slot.pk == first_tab[0].pk)
    send(person, an_answer(same, 2))
    assert Annotation.objects.count() == 1
    assert Slot.objects.filled().count() == 1


def test_two_people_are_never_lent_one_slot() -> None:
    study = running_study(n_images=4, labels_per_image=2)
    slots = [slot.pk for _ in range(2) for slot in lend(person_in(study), 4).slots]
    assert len(set(slots)) == 8


def test_the_order_of_images_differs_from_person_to_person() -> None:
    study = running_study(n_images=40, labels_per_image=8)
    orders = {tuple(images_of(lend(person_in(study), 5).slots)) for _ in range(8)}
    assert len(orders) > 5


def test_a_lease_that_ran_out_is_lent_on_only_when_no_free_slot_is_left() -> None:
    study = running_study(n_images=4, labels_per_image=1)
    slow, second, third = person_in(study), person_in(study), person_in(study)
    [kept] = lend(slow, 1).slots
    got = lend(second, 3, at=LATER).slots
    assert kept.pk not in {slot.pk for slot in got}
    assert [slot.pk for slot in lend(third, 3, at=LATER).slots] == [kept.pk]


def test_a_free_slot_comes_before_a_run_out_one_even_where_many_places_of_few_images_are_free() -> None:
    study = running_study(n_images=10, labels_per_image=60)
    slow = person_in(study)
    kept = {slot.pk for slot in lend(slow, 10).slots}
    for _ in range(40):
        got = lend(person_in(study), 10, at=LATER).slots
        assert len(got) == 10
        assert not kept & {slot.pk for slot in got}


def test_a_lease_that_still_runs_is_lent_to_nobody_else() -> None:
    study = running_study(n_images=1, labels_per_image=1)
    lend(person_in(study), 1)
    handout = lend(person_in(study), 1, at=NOW + LEASE - timedelta(seconds=1))
    assert handout.slots == []
    assert not handout.is_finished


def test_a_person_who_keeps_answering_keeps_the_images_held() -> None:
    study = running_study(n_images=3, labels_per_image=1)
    person = person_in(study)
    slots = lend(person, 3).slots
    send(person, an_answer(slots[0]), at=NOW + LEASE * 0.6)
    assert lend(person_in(study), 3, at=LATER).slots == []
    held = Slot.objects.filter(annotator=person, filled_at__isnull=True)
    assert {slot.leased_until for slot in held} == {NOW + LEASE * 1.6}


def test_an_image_once_answered_is_never_lent_to_that_person_again() -> None:
    study = running_study(n_images=2, labels_per_image=5, offers_cannot_tell=True)
    person = person_in(study)
    first, second = lend(person, 2).slots
    send(person, an_answer(first, 1), an_answer(second, None))
    assert lend(person, 5, at=LATER).slots == []


def test_a_limit_per_person_counts_answered_and_held_images() -> None:
    study = running_study(n_images=9, images_per_annotator=5)
    person = person_in(study)
    slots = lend(person, 3).slots
    assert len(lend(person, 12, holding=tuple(slots)).slots) == 2
    held = lend(person, 12).slots
    handout = send(person, *[an_answer(slot) for slot in held])
    assert (handout.answered, handout.is_finished) == (5, True)
    assert lend(person, 12).slots == []


# --- answers that arrive late, twice, or in the wrong order ---------------------------------------


def test_an_answer_fills_its_slot_and_keeps_what_is_known_about_it() -> None:
    person = person_in(running_study())
    [slot] = lend(person, 1).slots
    answer = an_answer(slot, 7, milliseconds=1234, screen_width=390, image_scale=4, is_touch=True)
    handout = send(person, answer)
    assert handout.answered == 1
    stored = annotation_of(person, slot)
    assert (stored.slot_id, stored.outcome, stored.choice) == (slot.pk, "counted", 7)
    assert (stored.client_id, stored.milliseconds, stored.revision) == (answer.client_id, 1234, 0)
    assert (stored.screen_width, stored.image_scale, stored.is_touch) == (390, 4, True)
    slot.refresh_from_db()
    assert (slot.annotator, slot.leased_until, slot.filled_at) == (person, None, NOW)


def test_a_late_answer_counts_while_its_slot_was_lent_to_nobody_else() -> None:
    person = person_in(running_study())
    [slot] = lend(person, 1).slots
    send(person, an_answer(slot), at=LATER)
    assert annotation_of(person, slot).outcome == "counted"


def test_a_late_answer_counts_in_a_slot_that_was_taken_back_and_is_free() -> None:
    study = running_study()
    person = person_in(study)
    [slot] = lend(person, 1).slots
    release_lent_slots(study)
    send(person, an_answer(slot))
    assert annotation_of(person, slot).slot_id == slot.pk


def test_a_late_answer_for_a_slot_that_was_lent_on_is_kept_as_extra() -> None:
    study = running_study(n_images=1, labels_per_image=1)
    slow, quick = person_in(study), person_in(study)
    [slot] = lend(slow, 1).slots
    [lent_on] = lend(quick, 1, at=LATER).slots
    assert lent_on.pk == slot.pk
    send(slow, an_answer(slot, 3), at=LATER)
    assert annotation_of(slow, slot).outcome == "extra"
    send(quick, an_answer(slot, 4), at=LATER)
    assert annotation_of(quick, slot).outcome == "counted"


def lose_one_slot_and_get_another(study: Study) -> tuple[Annotator, Slot, Slot]:
    """A person whose slot was lent on, and who was then lent the other slot of the same image."""
    slow, other, quick = person_in(study), person_in(study), person_in(study)
    [lost] = lend(slow, 1).slots
    [kept] = lend(other, 1, at=NOW + timedelta(seconds=1)).slots
    assert [slot.pk for slot in lend(quick, 1, at=LATER).slots] == [lost.pk]
    even_later = LATER + timedelta(seconds=1)
    [held_now] = lend(slow, 1, at=even_later).slots
    assert held_now.pk == kept.pk
    return slow, lost, held_now


def test_a_late_answer_fills_the_other_slot_of_the_image_that_the_person_was_lent_since() -> None:
    slow, lost, held_now = lose_one_slot_and_get_another(running_study(n_images=1))
    send(slow, an_answer(lost, 5), at=LATER)
    assert annotation_of(slow, lost).slot_id == held_now.pk
    send(slow, an_answer(held_now, 6), at=LATER)
    assert (Slot.objects.filled().count(), Annotation.objects.count()) == (1, 1)


def test_cannot_tell_for_a_lost_slot_frees_the_one_that_the_person_was_lent_since() -> None:
    study = running_study(n_images=1, offers_cannot_tell=True)
    slow, lost, held_now = lose_one_slot_and_get_another(study)
    handout = send(slow, an_answer(lost, None), at=LATER)
    assert handout.is_finished
    held_now.refresh_from_db()
    assert held_now.annotator is None


def test_the_same_message_again_changes_nothing() -> None:
    person = person_in(running_study())
    [slot] = lend(person, 1).slots
    answer = an_answer(slot, 1)
    for minutes in range(3):
        send(person, answer, at=NOW + timedelta(minutes=minutes))
    assert annotation_of(person, slot).answered_at == NOW
    assert ReplacedAnswer.objects.count() == 0


def test_a_replaced_answer_that_arrives_again_changes_nothing() -> None:
    person = person_in(running_study())
    [slot] = lend(person, 1).slots
    first, second = an_answer(slot, 1), an_answer(slot, 2, revision=1)
    send(person, first, second)
    send(person, first)
    assert (annotation_of(person, slot).choice, ReplacedAnswer.objects.count()) == (2, 1)


def test_an_older_revision_that_arrives_later_is_history_only() -> None:
    person = person_in(running_study())
    [slot] = lend(person, 1).slots
    newer, older = an_answer(slot, 2, revision=1), an_answer(slot, 1, revision=0)
    send(person, newer)
    send(person, older)
    stored = annotation_of(person, slot)
    assert (stored.choice, stored.client_id) == (2, newer.client_id)
    [kept] = stored.replaced.all()
    assert (kept.client_id, kept.choice, kept.revision) == (older.client_id, 1, 0)


def test_answers_with_the_same_revision_from_two_tabs_are_all_kept() -> None:
    """Each tab counts its own revisions, so a number may come twice; the last to arrive stands."""
    person = person_in(running_study())
    [slot] = lend(person, 1).slots
    answers = [
        an_answer(slot, choice, revision) for choice, revision in [(1, 0), (2, 0), (3, 1), (4, 0), (5, 1)]
    ]
    for answer in answers:
        send(person, answer)
    stored = annotation_of(person, slot)
    assert stored.choice == 5
    kept = [*stored.replaced.values_list("client_id", flat=True), stored.client_id]
    assert sorted(kept) == sorted(answer.client_id for answer in answers)


def test_one_client_id_on_two_images_is_stored_for_the_first_alone() -> None:
    person = person_in(running_study())
    first, second = lend(person, 2).slots
    answer = an_answer(first, 1)
    send(person, answer, replace(answer, slot_id=second.pk))
    send(person, replace(answer, slot_id=second.pk))
    assert [annotation.study_image_id for annotation in Annotation.objects.all()] == [first.study_image_id]


def test_an_answer_for_a_slot_of_another_study_is_not_stored() -> None:
    person, elsewhere = person_in(running_study()), running_study()
    slot = Slot.objects.filter(study=elsewhere).earliest("pk")
    send(person, an_answer(slot))
    assert Annotation.objects.count() == 0


# --- undo and cannot tell -------------------------------------------------------------------------


def test_a_changed_answer_stays_in_its_slot_and_keeps_its_history() -> None:
    person = person_in(running_study())
    [slot] = lend(person, 1).slots
    first = an_answer(slot, 1, milliseconds=500)
    send(person, first)
    send(person, an_answer(slot, 2, revision=1, milliseconds=700), at=LATER)
    stored = annotation_of(person, slot)
    assert (stored.slot_id, stored.choice, stored.revision, stored.milliseconds) == (slot.pk, 2, 1, 700)
    [before] = stored.replaced.all()
    assert (before.client_id, before.choice, before.revision) == (first.client_id, 1, 0)
    assert (before.milliseconds, before.answered_at) == (500, NOW)


def test_cannot_tell_is_stored_and_gives_the_slot_to_somebody_else() -> None:
    study = running_study(n_images=1, labels_per_image=1, offers_cannot_tell=True)
    unsure, sure = person_in(study), person_in(study)
    [slot] = lend(unsure, 1).slots
    assert send(unsure, an_answer(slot, None)).is_finished
    stored = annotation_of(unsure, slot)
    assert (stored.outcome, stored.choice, stored.slot) == ("cannot_tell", None, None)
    assert [lent.pk for lent in lend(sure, 1).slots] == [slot.pk]


def test_an_answer_changed_to_cannot_tell_gives_its_slot_back() -> None:
    person = person_in(running_study(offers_cannot_tell=True))
    [slot] = lend(person, 1).slots
    send(person, an_answer(slot, 1), an_answer(slot, None, revision=1))
    assert annotation_of(person, slot).outcome == "cannot_tell"
    slot.refresh_from_db()
    assert (slot.annotator, slot.filled_at) == (None, None)


def test_cannot_tell_changed_to_a_class_counts_while_the_slot_is_free() -> None:
    person = person_in(running_study(offers_cannot_tell=True))
    [slot] = lend(person, 1).slots
    send(person, an_answer(slot, None))
    send(person, an_answer(slot, 4, revision=1))
    send(person, an_answer(slot, None, revision=2), an_answer(slot, 5, revision=3))
    stored = annotation_of(person, slot)
    assert (stored.outcome, stored.choice, stored.slot_id) == ("counted", 5, slot.pk)
    assert stored.replaced.count() == 3


def test_cannot_tell_changed_to_a_class_is_extra_once_somebody_else_has_the_slot() -> None:
    study = running_study(n_images=1, labels_per_image=1, offers_cannot_tell=True)
    unsure, sure = person_in(study), person_in(study)
    [slot] = lend(unsure, 1).slots
    send(unsure, an_answer(slot, None))
    lend(sure, 1)
    send(unsure, an_answer(slot, 4, revision=1))
    assert annotation_of(unsure, slot).outcome == "extra"
    send(sure, an_answer(slot, 4))
    assert annotation_of(sure, slot).outcome == "counted"

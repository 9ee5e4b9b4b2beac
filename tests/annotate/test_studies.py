"""A study's life: draft, sample, open, paused, closed; and what is refused on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from annotate import studies
from annotate.assignment import SHUFFLE_RANGE
from annotate.models import MAX_LABELS_PER_IMAGE, Slot, Study, StudyResult
from annotate.sampling import simple_sample, stratified_sample
from annotate.studies import StudyStateError, close_study, create_study, open_study, pause_study
from annotate.tasks import refresh_open_studies
from imagesets.library import ensure_imageset
from tests.annotate.rows import (
    NOW,
    an_answer,
    draft_study,
    label_everything,
    lend,
    person_in,
    running_study,
    send,
)

pytestmark = pytest.mark.django_db


def as_another_process_sees_it(study: Study) -> Study:
    return Study.objects.get(pk=study.pk)


# --- creating -------------------------------------------------------------------------------------


def test_a_draft_has_no_sample_yet_and_a_link_that_cannot_be_guessed() -> None:
    first, second = draft_study(), draft_study()
    assert (first.state, first.images.count(), first.slots.count()) == ("draft", 0, 0)
    assert first.link_key != second.link_key
    assert len(first.link_key) >= 11
    assert first.link_key.isalnum()


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("title", "", "cannot be blank"),
        ("title", "x" * 121, "at most 120 characters"),
        ("image_set", "nonsense", "there is no image set 'nonsense'; there are: digits"),
        ("n_images", 0, "greater than or equal to 1"),
        ("n_images", 601, "601 is not possible; Digits (8x8) has 1 to 600 test images"),
        ("labels_per_image", 0, "greater than or equal to 1"),
        ("labels_per_image", MAX_LABELS_PER_IMAGE + 1, f"less than or equal to {MAX_LABELS_PER_IMAGE}"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", 2**31, "less than or equal to 2147483647"),
        ("sampling", "any", "not a valid choice"),
        ("guest_policy", "nobody", "not a valid choice"),
        ("images_per_annotator", 0, "greater than or equal to 1"),
        ("consent_text", "", "cannot be blank"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused_by_field(field: str, value: Any, named: str) -> None:
    good: dict[str, Any] = {"title": "t", "image_set": "digits", "n_images": 5, "labels_per_image": 3}
    with pytest.raises(ValidationError) as refusal:
        create_study(**good | {field: value})
    assert named in " ".join(refusal.value.message_dict[field])
    assert not Study.objects.exists()


# --- the sample -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 5, 2**31 - 1])
def test_the_simple_sample_is_the_pure_functions_in_its_order(seed: int) -> None:
    study = running_study(n_images=40, labels_per_image=1, seed=seed)
    indices = study.images.order_by("position").values_list("image_index", flat=True)
    assert list(indices) == simple_sample(600, 40, seed).tolist()


def test_the_stratified_sample_is_the_pure_functions_and_holds_each_class_equally() -> None:
    study = running_study(n_images=50, labels_per_image=1, sampling="stratified", seed=3)
    labels = ensure_imageset("digits").test_labels
    indices = list(study.images.order_by("position").values_list("image_index", flat=True))
    assert indices == stratified_sample(labels, 50, 3).tolist()
    assert sorted(labels[indices].tolist()) == sorted(list(range(10)) * 5)


def test_the_whole_test_split_can_be_the_sample() -> None:
    study = running_study(n_images=600, labels_per_image=1)
    assert sorted(study.images.values_list("image_index", flat=True)) == list(range(600))


def test_every_image_has_its_slots_numbered_and_free() -> None:
    study = running_study(n_images=7, labels_per_image=3)
    for image in study.images.all():
        assert list(image.slots.values_list("number", flat=True)) == [1, 2, 3]
    assert Slot.objects.filter(study=study).free().count() == 21
    assert all(0 <= slot.shuffle < SHUFFLE_RANGE for slot in study.slots.all())


def test_opening_keeps_the_digest_of_the_images_and_the_time() -> None:
    study = running_study()
    assert study.image_set_digest == ensure_imageset("digits").digest
    assert study.opened_at == NOW


# --- states ---------------------------------------------------------------------------------------


def test_a_study_is_opened_paused_resumed_and_closed() -> None:
    study = draft_study()
    assert open_study(study, NOW).state == "open"
    assert pause_study(study).state == "paused"
    assert open_study(study, NOW + timedelta(hours=1)).state == "open"
    assert study.opened_at == NOW
    assert close_study(study, NOW + timedelta(hours=2)).state == "closed"
    assert study.closed_at == NOW + timedelta(hours=2)


def test_a_paused_study_can_be_closed() -> None:
    assert close_study(pause_study(running_study())).state == "closed"


@pytest.mark.parametrize("step", [open_study, pause_study, close_study])
def test_a_closed_study_stays_closed(step: Any) -> None:
    study = close_study(running_study())
    with pytest.raises(StudyStateError, match="the study is closed"):
        step(study)
    assert as_another_process_sees_it(study).state == "closed"


@pytest.mark.parametrize("step", [pause_study, close_study])
def test_a_draft_can_only_be_opened(step: Any) -> None:
    study = draft_study()
    with pytest.raises(StudyStateError, match="the study is draft; this step needs it open"):
        step(study)
    assert as_another_process_sees_it(study).state == "draft"


def test_the_second_of_two_clicks_on_open_is_told_and_draws_no_second_sample() -> None:
    study = draft_study(n_images=5)
    second_click = as_another_process_sees_it(study)
    open_study(study)
    with pytest.raises(StudyStateError, match="the study is open"):
        open_study(second_click)
    assert (study.images.count(), study.slots.count()) == (5, 10)


def test_the_second_of_two_clicks_on_close_is_told_and_the_result_stays() -> None:
    study = running_study()
    second_click = as_another_process_sees_it(study)
    close_study(study, NOW)
    with pytest.raises(StudyStateError, match="the study is closed"):
        close_study(second_click, NOW + timedelta(hours=1))
    assert StudyResult.objects.get(study=study).computed_at == NOW
    assert as_another_process_sees_it(study).closed_at == NOW


def test_a_sample_that_cannot_be_drawn_leaves_the_draft_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    study = draft_study()

    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(studies, "_create_slots", fails)
    with pytest.raises(OSError, match="disk is full"):
        open_study(study)
    assert (as_another_process_sees_it(study).state, study.images.count()) == ("draft", 0)


# --- the stored result follows --------------------------------------------------------------------


def stored_result(study: Study) -> StudyResult:
    return StudyResult.objects.get(study=study)


def test_the_periodic_task_refreshes_what_has_changed_and_nothing_else() -> None:
    study, empty = running_study(n_images=2, labels_per_image=1), running_study()
    assert refresh_open_studies() == 0
    label_everything(study, person_in(study), {})
    assert refresh_open_studies() == 1
    assert refresh_open_studies() == 0
    assert stored_result(study).is_complete
    assert not StudyResult.objects.filter(study=empty).exists()


def test_the_periodic_task_sees_a_changed_answer_that_leaves_the_counts_as_they_were() -> None:
    study = running_study(n_images=1, labels_per_image=1)
    truth = int(ensure_imageset("digits").test_labels[study.images.get().image_index])
    person = person_in(study)
    [slot] = lend(person, 1).slots
    send(person, an_answer(slot, (truth + 1) % 10))
    refresh_open_studies()
    assert stored_result(study).accuracy == 0
    send(
        person, an_answer(slot, truth, revision=1), at=stored_result(study).computed_at + timedelta(seconds=1)
    )
    assert refresh_open_studies() == 1
    assert stored_result(study).accuracy == 1


def test_the_periodic_task_sees_that_the_only_answer_was_taken_back() -> None:
    study = running_study(n_images=1, labels_per_image=1, offers_cannot_tell=True)
    person = person_in(study)
    [slot] = lend(person, 1).slots
    send(person, an_answer(slot, 1))
    refresh_open_studies()
    send(person, an_answer(slot, None, revision=1))
    assert refresh_open_studies() == 1
    assert (stored_result(study).n_images, stored_result(study).accuracy) == (0, None)


@pytest.mark.parametrize("had_result", [True, False])
def test_a_closing_that_was_cut_off_gets_its_final_result_later(
    monkeypatch: pytest.MonkeyPatch, had_result: bool
) -> None:
    study = running_study(n_images=2, labels_per_image=1)
    person = person_in(study)
    if had_result:
        send(person, an_answer(lend(person, 1).slots[0]))
        refresh_open_studies()
        StudyResult.objects.update(computed_at=NOW)

    def is_killed(*_: object) -> None:
        raise SystemExit

    label_everything(study, person, {})
    with monkeypatch.context() as killed:
        killed.setattr(studies, "refresh_result", is_killed)
        with pytest.raises(SystemExit):
            close_study(study, NOW + timedelta(minutes=1))
    assert refresh_open_studies() == 1
    assert stored_result(study).is_complete
    assert refresh_open_studies() == 0

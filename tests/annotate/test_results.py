"""The stored result equals an independent recount of the export, for whole and partial studies and ties."""

from __future__ import annotations

import random

import pytest

from annotate.export import annotation_rows, csv_lines
from annotate.intervals import wilson_interval
from annotate.models import Slot, Study, StudyResult
from annotate.results import load_counted_answers, own_statistics, refresh_result
from annotate.studies import close_study
from imagesets.library import ensure_imageset
from tests.annotate.recount import Recount, recount
from tests.annotate.rows import NOW, an_answer, label_everything, lend, person_in, running_study, send

pytestmark = pytest.mark.django_db


def true_classes(study: Study) -> dict[int, int]:
    """Position in the sample to true class."""
    labels = ensure_imageset("digits").test_labels
    return {image.position: int(labels[image.image_index]) for image in study.images.all()}


def is_equal(result: StudyResult, again: Recount) -> None:
    assert (result.n_images, result.n_annotators) == (again.n_images, again.n_annotators)
    assert result.n_annotations == again.n_counted
    assert result.accuracy == pytest.approx(float(again.accuracy), abs=1e-12)
    assert result.accuracy_worst == pytest.approx(float(again.worst), abs=1e-12)
    assert result.accuracy_best == pytest.approx(float(again.best), abs=1e-12)
    assert result.tie_share == pytest.approx(float(again.tie_share), abs=1e-12)
    assert result.single_accuracy == pytest.approx(float(again.single), abs=1e-12)
    assert result.median_milliseconds == again.median_milliseconds
    interval = wilson_interval(float(again.accuracy * again.n_images), again.n_images)
    assert (result.interval_low, result.interval_high) == pytest.approx(interval)
    for label in range(10):
        assert result.per_class[label] == (
            pytest.approx(float(again.recall[label])) if label in again.recall else None
        )
        for choice in range(10):
            assert result.confusion[label][choice] == pytest.approx(
                float(again.confusion.get((label, choice), 0))
            )


def random_answers(study: Study, random_source: random.Random) -> dict[int, int | None]:
    """Right with six chances in ten, otherwise any class, sometimes "cannot tell"."""
    return {
        position: random_source.choices([truth, random_source.randrange(10), None], weights=[6, 3, 1])[0]
        for position, truth in true_classes(study).items()
    }


def export(study: Study) -> str:
    return "".join(csv_lines(annotation_rows(study)))


@pytest.mark.parametrize(("seed", "labels_per_image"), [(1, 1), (2, 2), (3, 3), (4, 4)])
def test_a_complete_study_equals_its_recount(seed: int, labels_per_image: int) -> None:
    study = running_study(n_images=25, labels_per_image=labels_per_image, offers_cannot_tell=True)
    source = random.Random(seed)
    while Slot.objects.free().exists():
        label_everything(study, person_in(study), random_answers(study, source))
    close_study(study, NOW)
    result = StudyResult.objects.get(study=study)
    assert result.is_complete
    assert (result.n_images, result.n_annotations) == (25, 25 * labels_per_image)
    is_equal(result, recount(export(study), labels_per_image))


@pytest.mark.parametrize("seed", [5, 6])
def test_a_partial_study_counts_only_the_images_with_all_their_labels(seed: int) -> None:
    study = running_study(n_images=30, labels_per_image=3, offers_cannot_tell=True, images_per_annotator=19)
    source = random.Random(seed)
    for _ in range(4):
        label_everything(study, person_in(study), random_answers(study, source))
    result = refresh_result(study, NOW)
    assert not result.is_complete
    assert 0 < result.n_images < 30
    is_equal(result, recount(export(study), 3))


def test_changed_and_extra_answers_count_as_the_export_says() -> None:
    study = running_study(n_images=6, labels_per_image=1)
    person = person_in(study)
    slots = lend(person, 6).slots
    send(person, *[an_answer(slot, 1) for slot in slots])
    send(person, *[an_answer(slot, 2, revision=1) for slot in slots[:3]])
    late = person_in(study)
    send(late, an_answer(slots[0], 5))
    assert [row[7] for row in annotation_rows(study) if row[6] == "extra"] == [5]
    is_equal(refresh_result(study, NOW), recount(export(study), 1))


def test_a_tie_counts_half_and_shows_its_worst_and_best_case() -> None:
    study = running_study(n_images=4, labels_per_image=2)
    right = true_classes(study)
    label_everything(study, person_in(study), dict(right))
    label_everything(study, person_in(study), right | {0: (right[0] + 1) % 10})
    result = refresh_result(study, NOW)
    assert (result.accuracy, result.accuracy_worst, result.accuracy_best) == (0.875, 0.75, 1.0)
    assert (result.tie_share, result.single_accuracy) == (0.25, 0.875)


def test_a_study_without_a_complete_image_has_no_numbers_rather_than_zeros() -> None:
    study = running_study(n_images=3, labels_per_image=2)
    label_everything(study, person_in(study), {})
    result = refresh_result(study, NOW)
    assert (result.n_annotations, result.n_images, result.n_annotators, result.is_complete) == (
        3,
        0,
        0,
        False,
    )
    assert result.accuracy is result.interval_low is result.tie_share is result.median_milliseconds is None
    assert result.per_class == result.confusion == []


def test_a_result_that_becomes_empty_again_loses_its_numbers() -> None:
    study = running_study(n_images=1, labels_per_image=1, offers_cannot_tell=True)
    person = person_in(study)
    [slot] = lend(person, 1).slots
    send(person, an_answer(slot, 1))
    assert refresh_result(study, NOW).accuracy is not None
    send(person, an_answer(slot, None, revision=1))
    assert refresh_result(study, NOW).accuracy is None
    assert StudyResult.objects.get().confusion == []


def test_the_arrays_name_images_by_position_and_keep_each_answer() -> None:
    study = running_study(n_images=5, labels_per_image=2)
    people = [person_in(study), person_in(study)]
    for number, person in enumerate(people):
        label_everything(study, person, {position: (position + number) % 10 for position in range(5)})
    answers = load_counted_answers(study)
    assert answers.truth.tolist() == [true_classes(study)[position] for position in range(5)]
    rows = set(zip(answers.image.tolist(), answers.annotator.tolist(), answers.choice.tolist(), strict=True))
    assert rows == {
        (position, person.pk, (position + number) % 10)
        for position in range(5)
        for number, person in enumerate(people)
    }
    assert answers.n_classes == 10


def test_the_result_of_one_study_holds_nothing_of_another() -> None:
    study, other = (
        running_study(n_images=3, labels_per_image=1),
        running_study(n_images=3, labels_per_image=1),
    )
    label_everything(other, person_in(other), {})
    assert refresh_result(study, NOW).n_annotations == 0


def test_a_person_is_told_how_many_images_and_their_median_time() -> None:
    person = person_in(running_study(n_images=5))
    assert own_statistics(person) == {"answered": 0, "median_seconds": None}
    slots = lend(person, 4).slots
    times = [500, 900, 1100, 9000]
    send(person, *[an_answer(slot, 1, milliseconds=time) for slot, time in zip(slots, times, strict=True)])
    assert own_statistics(person) == {"answered": 4, "median_seconds": 1.0}

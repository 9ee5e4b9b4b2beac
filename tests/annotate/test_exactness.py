"""K is exact and no answer is lost, whatever a crowd does in whatever order."""

from __future__ import annotations

import pytest

from annotate.models import Annotation, Slot
from annotate.studies import close_study
from tests.annotate.random_crowd import RandomCrowd
from tests.annotate.rows import running_study

pytestmark = pytest.mark.django_db

STEPS = 70


@pytest.mark.parametrize(
    ("seed", "n_images", "labels_per_image", "n_people", "limit"),
    [
        (1, 5, 3, 4, None),
        (2, 2, 2, 5, None),
        (3, 8, 1, 3, None),
        (4, 6, 3, 5, 3),
        (5, 1, 4, 6, None),
        (6, 3, 12, 4, None),
    ],
)
def test_every_step_of_a_random_crowd_keeps_the_books_right(
    seed: int, n_images: int, labels_per_image: int, n_people: int, limit: int | None
) -> None:
    study = running_study(n_images, labels_per_image, offers_cannot_tell=True, images_per_annotator=limit)
    crowd = RandomCrowd(study, n_people, seed)
    for _ in range(STEPS):
        crowd.step()
        crowd.check()
    crowd.finish()
    crowd.check()
    counted = Annotation.objects.filter(slot__isnull=False)
    assert counted.count() == n_images * labels_per_image
    for image in study.images.all():
        answers = counted.filter(study_image=image)
        assert answers.count() == labels_per_image
        assert answers.values("annotator").distinct().count() == labels_per_image


def test_nothing_that_arrives_after_closing_moves_a_slot() -> None:
    study = running_study(4, 3, offers_cannot_tell=True)
    crowd = RandomCrowd(study, 5, seed=7)
    for _ in range(60):
        crowd.step()
    study.refresh_from_db()
    close_study(study, crowd.now)
    final = sorted(Slot.objects.filled().values_list("pk", "annotator", "annotation__choice"))
    for person, answer in crowd.on_the_way:
        crowd.request(person, [answer], [], 5)
    assert sorted(Slot.objects.filled().values_list("pk", "annotator", "annotation__choice")) == final
    assert Slot.objects.free().count() + len(final) == 12

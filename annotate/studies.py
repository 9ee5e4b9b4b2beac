"""A study's life: created as a draft, opened (the sample is drawn), paused, closed."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from annotate.assignment import SHUFFLE_RANGE, release_lent_slots
from annotate.models import Slot, Study, StudyImage
from annotate.results import refresh_result
from annotate.sampling import simple_sample, stratified_sample
from imagesets.library import ensure_imageset
from imagesets.specs import UnknownImageSetError, get_spec

INSERT_BATCH = 5000


class StudyStateError(Exception):
    """The study is not in a state from which this step is possible."""


def create_study(
    *,
    title: str,
    image_set: str,
    n_images: int,
    labels_per_image: int,
    seed: int | None = None,
    is_simulated: bool = False,
    created_by: User | None = None,
    **fields: Any,
) -> Study:
    """A new draft. Raises ValidationError naming each field that is wrong and what is allowed."""
    study = Study(
        title=title,
        image_set=image_set,
        n_images=n_images,
        labels_per_image=labels_per_image,
        is_simulated=is_simulated,
        created_by=created_by,
        **fields,
    )
    if seed is not None:
        study.seed = seed
    study.full_clean()
    check_size(image_set, n_images)
    study.save()
    return study


def check_size(image_set: str, n_images: int) -> None:
    """Raise ValidationError for an unknown image set or more images than its test split has."""
    try:
        spec = get_spec(image_set)
    except UnknownImageSetError as error:
        raise ValidationError({"image_set": str(error)}) from None
    if not 1 <= n_images <= spec.n_test:
        raise ValidationError(
            {"n_images": f"{n_images} is not possible; {spec.title} has 1 to {spec.n_test} test images"}
        )


def open_study(study: Study, now: datetime | None = None) -> Study:
    """Draw the sample of a draft, or resume a paused study. Raises StudyStateError from other states."""
    now = now or timezone.now()
    if study.state == Study.State.PAUSED:
        return _move(study, Study.State.PAUSED, Study.State.OPEN)
    prepared = ensure_imageset(study.image_set)
    if study.sampling == Study.Sampling.STRATIFIED:
        indices = stratified_sample(prepared.test_labels, study.n_images, study.seed)
    else:
        indices = simple_sample(len(prepared.test_labels), study.n_images, study.seed)
    with transaction.atomic():
        _move(study, Study.State.DRAFT, Study.State.OPEN, opened_at=now, image_set_digest=prepared.digest)
        images = StudyImage.objects.bulk_create(
            [
                StudyImage(study=study, image_index=int(index), position=position)
                for position, index in enumerate(indices)
            ],
            batch_size=INSERT_BATCH,
        )
        _create_slots(study, images)
    return study


def _create_slots(study: Study, images: list[StudyImage]) -> None:
    shuffle = random.Random(f"slots:{study.seed}")  # noqa: S311  an order, not a secret
    Slot.objects.bulk_create(
        [
            Slot(study=study, study_image=image, number=number, shuffle=shuffle.randrange(SHUFFLE_RANGE))
            for number in range(1, study.labels_per_image + 1)
            for image in images
        ],
        batch_size=INSERT_BATCH,
    )


def pause_study(study: Study) -> Study:
    """Lend nothing more; answers on their way are still accepted."""
    return _move(study, Study.State.OPEN, Study.State.PAUSED)


def close_study(study: Study, now: datetime | None = None) -> Study:
    """End the study and compute its result. Answers that arrive later are kept as extra."""
    now = now or timezone.now()
    source = Study.State.PAUSED if study.state == Study.State.PAUSED else Study.State.OPEN
    _move(study, source, Study.State.CLOSED, closed_at=now)
    # After the new state is committed nothing is lent or filled any more, so the result is final.
    release_lent_slots(study)
    refresh_result(study, now)
    return study


def _move(study: Study, source: Study.State, target: Study.State, **fields: Any) -> Study:
    """Compare and swap: of two people who press the button at once, one is told."""
    if not Study.objects.filter(pk=study.pk, state=source).update(state=target, **fields):
        study.refresh_from_db()
        raise StudyStateError(f"the study is {study.get_state_display()}; this step needs it {source.label}")
    study.refresh_from_db()
    return study

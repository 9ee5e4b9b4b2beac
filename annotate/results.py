"""The human result of a study: rows to arrays, the pure functions, and back to one stored row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db.models import Count, Q
from numpy.typing import NDArray

from annotate.aggregation import MajorityAccuracy, majority_accuracy, majority_vote
from annotate.models import Annotation, Annotator, Slot, Study, StudyImage, StudyResult
from imagesets.library import ensure_imageset

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class CountedAnswers:
    """The counted annotations on images that have all their labels.

    image: (n,) position among the complete images; annotator, choice, milliseconds: (n,).
    truth: (n_images,) true class of each complete image.
    """

    image: IntArray
    annotator: IntArray
    choice: IntArray
    milliseconds: IntArray
    truth: IntArray
    n_classes: int


def load_counted_answers(study: Study) -> CountedAnswers:
    """Read a study's counted annotations as integer arrays (two queries)."""
    unfilled = Count("slots", filter=Q(slots__filled_at__isnull=True))
    complete = list(
        StudyImage.objects.filter(study=study)
        .annotate(unfilled=unfilled)
        .filter(unfilled=0)
        .order_by("position")
        .values_list("pk", "image_index")
    )
    rows = Annotation.objects.filter(study_image__study=study, slot__isnull=False).values_list(
        "study_image_id", "annotator_id", "choice", "milliseconds"
    )
    table = np.array(list(rows), dtype=np.int64).reshape(-1, 4)
    ids = np.array([pk for pk, _ in complete], dtype=np.int64)
    order = np.argsort(ids)
    table = table[np.isin(table[:, 0], ids)]
    prepared = ensure_imageset(study.image_set)
    return CountedAnswers(
        image=order[np.searchsorted(ids[order], table[:, 0])],
        annotator=table[:, 1],
        choice=table[:, 2],
        milliseconds=table[:, 3],
        truth=np.asarray(prepared.test_labels)[[index for _, index in complete]].astype(np.int64),
        n_classes=len(prepared.spec.class_names),
    )


def refresh_result(study: Study, now: datetime) -> StudyResult:
    """Compute and store the result as it stands now."""
    answers = load_counted_answers(study)
    n_images = len(answers.truth)
    result = StudyResult(
        study=study,
        computed_at=now,
        n_annotations=Slot.objects.filter(study=study).filled().count(),
        n_annotators=len(np.unique(answers.annotator)),
        n_images=n_images,
        is_complete=n_images == study.n_images,
    )
    if n_images:
        vote = majority_vote(answers.image, answers.annotator, answers.choice, n_images, answers.n_classes)
        _fill_in(result, majority_accuracy(vote, answers.truth), answers)
    fields = {field.name: getattr(result, field.name) for field in StudyResult._meta.concrete_fields}
    del fields["id"], fields["study"]
    stored, _ = StudyResult.objects.update_or_create(study=study, defaults=fields)
    return stored


def _fill_in(result: StudyResult, majority: MajorityAccuracy, answers: CountedAnswers) -> None:
    result.accuracy = majority.accuracy
    result.accuracy_worst = majority.worst
    result.accuracy_best = majority.best
    result.interval_low, result.interval_high = majority.interval
    result.tie_share = majority.tie_share
    result.single_accuracy = float((answers.choice == answers.truth[answers.image]).mean())
    result.median_milliseconds = float(np.median(answers.milliseconds))
    result.per_class = [None if np.isnan(recall) else recall for recall in majority.per_class.tolist()]
    result.confusion = majority.confusion.tolist()


def own_statistics(annotator: Annotator) -> dict[str, float | int | None]:
    """What one person is told at the end: how many images, and their median time in seconds."""
    times = list(Annotation.objects.filter(annotator=annotator).values_list("milliseconds", flat=True))
    return {"answered": len(times), "median_seconds": float(np.median(times)) / 1000 if times else None}

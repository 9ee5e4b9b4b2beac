"""The numbers of the study page, each from one named query."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, Q, QuerySet
from django.utils import timezone

from annotate.models import Annotation, Annotator, Slot, Study, StudyResult
from imagesets.specs import get_spec

RATE_WINDOW = timedelta(minutes=5)


def study_page(study: Study, *, is_staff: bool) -> dict[str, Any]:
    """Context of the study page. Numbers that tell the truth or other people's answers are for staff until
    the study is closed."""
    now = timezone.now()
    spec = get_spec(study.image_set)
    slots = Slot.objects.filter(study=study)
    total, filled = slots.count(), slots.filled().count()
    shows_result = is_staff or study.state == Study.State.CLOSED
    result = StudyResult.objects.filter(study=study).first() if shows_result else None
    page = {
        "study": study,
        "spec": spec,
        "filled": filled,
        "total": total or study.n_images * study.labels_per_image,
        "n_annotators": study.annotators.count(),
        "result": result,
        "is_final": study.state == Study.State.CLOSED,
        "per_class": _per_class(result, spec.class_names),
        "confusion": _confusion(result, spec.class_names),
        "is_staff": is_staff,
    }
    if is_staff:
        page |= {"annotators": annotator_rows(study), **pace(study, total - filled, now)}
    return page


def annotator_rows(study: Study) -> QuerySet[Annotator]:
    """Annotators with their numbers, the busiest first."""
    counted = Q(annotations__slot__isnull=False)
    return study.annotators.annotate(
        n_counted=Count("annotations", filter=counted),
        n_extra=Count("annotations", filter=Q(annotations__outcome=Annotation.Outcome.EXTRA)),
        mean_milliseconds=Avg("annotations__milliseconds"),
    ).order_by("-n_counted", "pk")[:200]


def pace(study: Study, missing: int, now: datetime) -> dict[str, Any]:
    """Labels per minute over the last minutes, and how long the rest would take at that pace."""
    recent = Slot.objects.filter(study=study, filled_at__gte=now - RATE_WINDOW).count()
    per_minute = recent / (RATE_WINDOW / timedelta(minutes=1))
    return {
        "per_minute": per_minute,
        "minutes_left": missing / per_minute if per_minute and missing else None,
    }


def _per_class(result: StudyResult | None, names: tuple[str, ...]) -> list[tuple[str, float | None]]:
    return list(zip(names, result.per_class, strict=True)) if result and result.per_class else []


def _confusion(result: StudyResult | None, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows of the confusion table; `level` 0..9 is the share of the row, for shading."""
    rows = []
    for name, counts in zip(names, result.confusion if result else [], strict=False):
        in_row = sum(counts) or 1
        cells = [{"count": count, "level": min(9, int(10 * count / in_row))} for count in counts]
        rows.append({"name": name, "cells": cells})
    return rows

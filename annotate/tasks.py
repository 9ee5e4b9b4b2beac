"""Periodic work for studies."""

from __future__ import annotations

from datetime import datetime, timedelta

from celery import shared_task
from django.db.models import F, Q
from django.utils import timezone

from annotate.models import Annotation, Slot, Study
from annotate.results import refresh_result

TIME_TO_CLOSE = timedelta(minutes=1)


@shared_task(name="annotate.refresh_open_studies")
def refresh_open_studies() -> int:
    """Bring the stored result of every running study up to date; how many had changed.

    Also of a closed one that lacks its final result because the closing was cut off half-way.
    """
    now = timezone.now()
    running = Q(state__in=[Study.State.OPEN, Study.State.PAUSED])
    cut_off = Q(state=Study.State.CLOSED, closed_at__lt=now - TIME_TO_CLOSE) & (
        Q(result__isnull=True) | Q(result__computed_at__lt=F("closed_at"))
    )
    refreshed = 0
    for study in Study.objects.filter(running | cut_off).select_related("result").order_by("pk"):
        if study.state == Study.State.CLOSED or _has_changed(study):
            refresh_result(study, now)
            refreshed += 1
    return refreshed


def _has_changed(study: Study) -> bool:
    filled = Slot.objects.filter(study=study).filled().count()
    stored = getattr(study, "result", None)
    if stored is None:
        return filled > 0
    return bool(stored.n_annotations != filled) or _has_changed_answers(study, stored.computed_at)


def _has_changed_answers(study: Study, since: datetime) -> bool:
    changed = Annotation.objects.filter(study_image__study=study, revision__gt=0, answered_at__gt=since)
    return changed.exists()

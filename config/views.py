"""The home page: what is this, what can I do here?"""

from __future__ import annotations

from statistics import median
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from annotate.models import Study, StudyResult
from benchmarks.charts import axis_for
from benchmarks.leaderboard import Kind, Provenance, Row, all_rows, people_row
from imagesets.specs import BUILT_IN, get_spec

DEFAULT_IMAGE_SET = "fashion-mnist"


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """People and models on one image set: the one with the newest human result."""
    measured = StudyResult.objects.filter(study__is_simulated=False).order_by("-computed_at")
    slug = measured.values_list("study__image_set", flat=True).first() or DEFAULT_IMAGE_SET
    spec = get_spec(slug) if slug in BUILT_IN else get_spec(DEFAULT_IMAGE_SET)
    rows = [row for row in all_rows(spec.slug, request.user) if not row.simulated]
    page = {"spec": spec, "open_study": Study.objects.joinable().first(), **headline(rows)}
    return render(request, "home.html", page)


def headline(rows: list[Row]) -> dict[str, Any]:
    """The few rows that tell the story, and how many models are above people by their measured accuracy."""
    models = [row for row in rows if row.kind is Kind.MODEL and row.provenance is not Provenance.CLAIMED]
    people = people_row(rows)
    chart = []
    if models:
        chart.append(("best model", models[0]))
    if len(models) > 2:
        middle = median(sorted(row.accuracy for row in models))
        chart.append(("median model", min(models, key=lambda row: (abs(row.accuracy - middle), row.key))))
    if people:
        chart.append(("people", people))
        chart += [("one person", row) for row in rows if _is_same_study(row, people)]
    above = sum(row.accuracy > people.accuracy for row in models) if people else 0
    axis = axis_for(value for _, row in chart for value in (row.interval or (row.accuracy, row.accuracy)))
    bars = [{"label": label, "row": row, "bar": axis.bar(row.accuracy, row.interval)} for label, row in chart]
    return {
        "chart": bars,
        "ticks": axis.ticks(),
        "people": people,
        "n_models": len(models),
        "best": models[:1],
        "n_above": above,
    }


def _is_same_study(row: Row, people: Row) -> bool:
    return row.kind is Kind.HUMAN and row is not people and row.url == people.url and not row.is_majority

"""The leaderboard as a page, as CSV and as JSON."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from benchmarks import exports
from benchmarks.board_page import board_page
from benchmarks.forms import BoardForm
from benchmarks.leaderboard import all_rows, leaderboard, people_row, select_rows
from imagesets.specs import BUILT_IN, ImageSetSpec, UnknownImageSetError, get_spec


@require_safe
def leaderboards(request: HttpRequest) -> HttpResponse:
    """The first image set's board; every board links to the others."""
    return redirect("benchmarks:leaderboard", slug=next(iter(BUILT_IN)))


@require_safe
def board(request: HttpRequest, slug: str) -> HttpResponse:
    spec = _image_set_or_404(slug)
    form = BoardForm(request.GET)
    filters = form.filters()
    rows = all_rows(slug, request.user)
    page = board_page(select_rows(rows, filters), people_row(rows), filters, request.GET)
    context = {"spec": spec, "image_sets": BUILT_IN.values(), "form": form, "page": page}
    return render(request, "benchmarks/leaderboard.html", context, status=400 if form.errors else 200)


@require_safe
def board_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """Exactly the rows of the page with the same query, claims included; see `benchmarks.exports`."""
    spec = _image_set_or_404(slug)
    form = BoardForm(request.GET)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    text = exports.as_csv(leaderboard(slug, request.user, form.filters()))
    disposition = f'attachment; filename="{spec.slug}-results.csv"'
    return HttpResponse(
        text, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": disposition}
    )


@require_safe
def board_json(request: HttpRequest, slug: str) -> HttpResponse:
    """As `board_csv`."""
    _image_set_or_404(slug)
    form = BoardForm(request.GET)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    rows = leaderboard(slug, request.user, form.filters())
    return JsonResponse(exports.as_json(slug, rows, timezone.now()))


def _image_set_or_404(slug: str) -> ImageSetSpec:
    try:
        return get_spec(slug)
    except UnknownImageSetError as error:
        raise Http404(str(error)) from error

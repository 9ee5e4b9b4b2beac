"""The pages about studies: the list, one study with its progress and result, and the staff's steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotate.export import annotation_rows, csv_lines
from annotate.forms import StudyForm
from annotate.models import Study
from annotate.monitoring import study_page
from annotate.studies import StudyStateError, close_study, open_study, pause_study
from imagesets.library import ensure_imageset
from imagesets.specs import ImageSetError

View = Callable[..., HttpResponseBase]


def staff_only(view: View) -> View:
    """Anonymous visitors are asked to sign in; signed-in people who are not staff are refused."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not request.user.is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


@require_GET
def studies(request: HttpRequest) -> HttpResponse:
    """What can be labelled now, and what was measured."""
    listed = Study.objects.with_slot_counts().select_related("result")
    if not request.user.is_staff:
        listed = listed.exclude(state=Study.State.DRAFT)
    return render(request, "annotate/studies.html", {"studies": listed})


@never_cache
@require_GET
def study(request: HttpRequest, link_key: str) -> HttpResponse:
    """How is it going, can I trust it? Staff see running numbers; everybody the state and the result."""
    found = get_object_or_404(Study.objects.with_slot_counts(), link_key=link_key)
    is_staff = request.user.is_staff
    if found.state == Study.State.DRAFT and not is_staff:
        return render(request, "404.html", status=404)
    page = study_page(found, is_staff=is_staff)
    is_refresh = bool(getattr(request, "htmx", False))
    return render(request, "annotate/_study.html" if is_refresh else "annotate/study.html", page)


@staff_only
@require_http_methods(["GET", "POST"])
def new_study(request: HttpRequest) -> HttpResponse:
    """A short form for a draft; the sample is drawn when the study opens."""
    form = StudyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.instance.created_by_id = request.user.pk
        return redirect(form.save())
    return render(request, "annotate/new_study.html", {"form": form})


def _step(act: Callable[[Study], Study], done: str) -> View:
    def view(request: HttpRequest, link_key: str) -> HttpResponse:
        found = get_object_or_404(Study, link_key=link_key)
        try:
            act(found)
        except (StudyStateError, ImageSetError) as error:
            messages.error(request, f"Nothing was changed: {error}")
        else:
            messages.success(request, done)
        return redirect(found)

    return staff_only(require_POST(view))


open_view = _step(open_study, "The study is open: share its link.")
pause_view = _step(pause_study, "The study is paused. Answers on their way are still stored.")
close_view = _step(close_study, "The study is closed and its result is final.")


@staff_only
@require_GET
def annotations_csv(request: HttpRequest, link_key: str) -> StreamingHttpResponse:
    """Every annotation with all that is stored about it."""
    found = get_object_or_404(Study, link_key=link_key)
    ensure_imageset(found.image_set)  # a missing image set is an error page, not half a file
    response = StreamingHttpResponse(
        csv_lines(annotation_rows(found)), content_type="text/csv; charset=utf-8"
    )
    simulated = "-simulated" if found.is_simulated else ""
    response["Content-Disposition"] = f'attachment; filename="annotations-{found.link_key}{simulated}.csv"'
    return response

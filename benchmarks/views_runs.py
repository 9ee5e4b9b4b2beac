"""A run's page, live while it goes on; its JSON; rerun and cancel."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from benchmarks import runs, submitting
from benchmarks.forms import RerunForm
from benchmarks.incoming import MemberRequest
from benchmarks.models import Run, Submission
from benchmarks.run_page import run_as_json, run_page
from benchmarks.sklearn_spec import describe_spec


@never_cache
@require_safe
def run(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    return _render(request, "benchmarks/run.html", public_id)


@never_cache
@require_safe
def live(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The part of the page that changes."""
    return _render(request, "benchmarks/_run.html", public_id)


@never_cache
@require_safe
def run_json(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    return JsonResponse(run_as_json(_visible_run(request, public_id)))


@never_cache
@require_safe
def record(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """What somebody needs to repeat the run, to keep beside a paper."""
    found = _visible_run(request, public_id)
    disposition = f'attachment; filename="run-{found.public_id}.json"'
    return JsonResponse(
        run_as_json(found),
        headers={"Content-Disposition": disposition},
        json_dumps_params={"indent": 2},
    )


@login_required
@require_POST
def rerun(request: MemberRequest, public_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(Run.objects.editable_by(request.user).for_page(), public_id=public_id)
    form = RerunForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(form.errors["seed"][0]))
        return redirect(found)
    try:
        again = submitting.rerun(found, request.user, form.cleaned_data["seed"])
    except submitting.TooManyRunsError as error:
        messages.error(request, str(error))
        return redirect(found)
    return redirect(again)


@login_required
@require_POST
def cancel(request: MemberRequest, public_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(Run.objects.editable_by(request.user), public_id=public_id)
    reason = f"Cancelled by {request.user.get_username()}."
    if not runs.cancel(found, reason, timezone.now()):
        messages.info(request, "The run had already ended; nothing was changed.")
    return redirect(found)


def _visible_run(request: HttpRequest, public_id: uuid.UUID) -> Run:
    return get_object_or_404(Run.objects.visible_to(request.user).for_page(), public_id=public_id)


def _render(request: HttpRequest, template: str, public_id: uuid.UUID) -> HttpResponse:
    found = _visible_run(request, public_id)
    context = {
        "run": found,
        "submission": found.submission,
        "description": describe_spec(found.submission.spec),
        "page": run_page(found, timezone.now()),
        "may_edit": Submission.objects.editable_by(request.user).filter(pk=found.submission_id).exists(),
        "rerun_form": RerunForm(initial={"seed": found.seed}),
    }
    return render(request, template, context)

"""Submitting a model: the form, its live check, and the same thing as JSON for programs."""

from __future__ import annotations

import json
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from benchmarks.forms import SubmitForm
from benchmarks.incoming import MemberRequest, content_length, submitted_fields, wants_json
from benchmarks.sklearn_catalog import EXAMPLE_SPECS, catalog_for_docs
from benchmarks.sklearn_spec import LONGEST_SPEC, SpecError, describe_spec
from benchmarks.submitting import TooManyRunsError
from benchmarks.submitting import submit as submit_model

EXAMPLES = {slugify(title): (title, spec) for title, spec in EXAMPLE_SPECS.items()}


# Exempt only so that the size is looked at first: the token's check would read the whole body. What acts on
# the body is protected.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def submit(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated and wants_json(request):
        return JsonResponse({"errors": {"__all__": ["Sign in first."]}}, status=401)
    return _submitted(request) if request.method == "POST" else _empty_form(request)


@login_required
def _empty_form(request: HttpRequest) -> HttpResponse:
    return _page(request, _example_form(request.GET.get("example", "")))


@login_required
def _submitted(request: HttpRequest) -> HttpResponse:
    length = content_length(request)
    if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        problem = f"a request of {length:,} bytes is too long"
        return _refused_whole(
            request, SpecError("spec", None, f"at most {LONGEST_SPEC:,} bytes", problem=problem)
        )
    return _submit(cast("MemberRequest", request))


@csrf_protect
def _submit(request: MemberRequest) -> HttpResponse:
    try:
        form = SubmitForm(submitted_fields(request))
    except SpecError as error:
        return _refused_whole(request, error)
    if not form.is_valid():
        return _refused(request, form)
    try:
        run = submit_model(request.user, **form.cleaned_data)
    except TooManyRunsError as error:
        form.add_error(None, str(error))
        return _refused(request, form, status=429)
    if wants_json(request):
        answer = {"run": str(run.public_id), "url": run.get_absolute_url(), "state": run.state}
        return JsonResponse(answer, status=201)
    return redirect(run)


@login_required
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """The live check: what stands beside the estimator's field while somebody types."""
    form = SubmitForm(request.POST)
    form.is_valid()
    errors = form.errors.get("spec")
    description = (
        None if errors or "spec" not in form.cleaned_data else describe_spec(form.cleaned_data["spec"])
    )
    return render(request, "benchmarks/_spec_check.html", {"errors": errors, "description": description})


@require_safe
def estimators(request: HttpRequest) -> HttpResponse:
    """Every estimator that a submission may name, and what its parameters may be."""
    template = "_estimators.html" if getattr(request, "htmx", False) else "estimators.html"
    return render(request, f"benchmarks/{template}", {"estimators": catalog_for_docs()})


def _example_form(key: str) -> SubmitForm:
    _, spec = EXAMPLES.get(key) or next(iter(EXAMPLES.values()))
    return SubmitForm(initial={"spec": json.dumps(spec, indent=2), "seed": 0})


def _refused(request: HttpRequest, form: SubmitForm, status: int = 400) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"errors": form.errors}, status=status)
    return _page(request, form, status=status)


def _refused_whole(request: HttpRequest, error: SpecError) -> HttpResponse:
    """The request could not even be read as a form."""
    if wants_json(request):
        return JsonResponse({"errors": {"spec": [str(error)]}}, status=400)
    return _page(request, _example_form(""), refusal=str(error), status=400)


def _page(request: HttpRequest, form: SubmitForm, status: int = 200, **context: Any) -> HttpResponse:
    examples = [(key, title) for key, (title, _) in EXAMPLES.items()]
    return render(
        request, "benchmarks/submit.html", {"form": form, "examples": examples, **context}, status=status
    )

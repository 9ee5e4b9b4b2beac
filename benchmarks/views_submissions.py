"""A member's submissions, and one submission with its runs."""

from __future__ import annotations

import json
import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from benchmarks.forms import VisibilityForm
from benchmarks.incoming import MemberRequest
from benchmarks.models import Submission
from benchmarks.sklearn_spec import describe_spec

ON_A_PAGE = 50
ACTIONS = (
    (Submission.State.PUBLISHED, "Publish"),
    (Submission.State.PRIVATE, "Make private"),
    (Submission.State.WITHDRAWN, "Withdraw"),
)


@login_required
@never_cache
@require_safe
def submissions(request: MemberRequest) -> HttpResponse:
    mine = Submission.objects.filter(owner=request.user).with_runs()
    page = Paginator(mine, ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "benchmarks/submissions.html", {"page": page})


@never_cache
@require_safe
def submission(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    visible = Submission.objects.visible_to(request.user).with_runs().select_related("owner", "claim")
    found = get_object_or_404(visible, public_id=public_id)
    context = {
        "submission": found,
        "claim": getattr(found, "claim", None),
        "may_edit": Submission.objects.editable_by(request.user).filter(pk=found.pk).exists(),
        "actions": [(state, word) for state, word in ACTIONS if state != found.state],
        "description": "" if found.kind == Submission.Kind.CLAIMED else describe_spec(found.spec),
        "spec_text": json.dumps(found.spec, indent=2),
    }
    return render(request, "benchmarks/submission.html", context)


@login_required
@require_POST
def change_state(request: MemberRequest, public_id: uuid.UUID) -> HttpResponse:
    """Publish, make private, or withdraw."""
    found = get_object_or_404(Submission.objects.editable_by(request.user), public_id=public_id)
    form = VisibilityForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(form.errors["state"][0]))
        return redirect(found)
    found.state = form.cleaned_data["state"]
    found.save(update_fields=["state"])
    messages.success(request, f"Now {found.get_state_display()}.")
    return redirect(found)

"""The annotator's pages: consent, classes, labelling, thanks."""

from __future__ import annotations

import uuid

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotate.answer_message import MessageError, read_message
from annotate.assignment import can_go_on
from annotate.joining import (
    SIMULATION_HEADER,
    CannotJoinError,
    find_annotator,
    guest_key,
    join,
    set_guest_cookie,
)
from annotate.labelling import PAGE_IMAGES, class_strips, hand_out, take_in
from annotate.models import Annotator, Study
from annotate.results import own_statistics
from annotate.tokens import BadTokenError, person_key, read_person_key
from imagesets.specs import get_spec


@ensure_csrf_cookie  # also where the page shows no form: a simulated crowd joins without one
@never_cache
@require_http_methods(["GET", "POST"])
def consent(request: HttpRequest, link_key: str) -> HttpResponse:
    """One screen: what is measured, what is stored; one button to agree."""
    study = get_object_or_404(Study.objects.exclude(state=Study.State.DRAFT), link_key=link_key)
    guest = guest_key(request)
    if find_annotator(study, request.user, guest):
        return redirect("annotate:classes", link_key)
    problem = ""
    if request.method == "POST":
        try:
            return _join(request, study, guest)
        except CannotJoinError as error:
            problem = str(error)
    page = {"study": study, "spec": get_spec(study.image_set), "problem": problem}
    response = render(request, "annotate/consent.html", page, status=403 if problem else 200)
    if guest is None:
        # Set before the person agrees, so that a double click on the button is still one person.
        set_guest_cookie(response, uuid.uuid4())
    return response


def _join(request: HttpRequest, study: Study, guest: uuid.UUID | None) -> HttpResponse:
    if guest is None:
        raise CannotJoinError(
            "Your browser refused our cookie, without which we cannot keep your answers together."
        )
    join(
        study,
        request.user,
        guest,
        request.POST.get("consent_version", ""),
        request.headers.get(SIMULATION_HEADER, ""),
        timezone.now(),
    )
    return redirect("annotate:classes", study.link_key)


@never_cache
@require_GET
def classes(request: HttpRequest, link_key: str) -> HttpResponse:
    """The classes with examples, before the first image."""
    annotator = _annotator_or_none(request, link_key)
    if annotator is None:
        return redirect("annotate:consent", link_key)
    page = {"study": annotator.study, "classes": class_strips(annotator.study.image_set)}
    return render(request, "annotate/classes.html", page)


@never_cache
@require_GET
def label(request: HttpRequest, link_key: str) -> HttpResponse:
    """The labelling page. The next images are already in it when it arrives."""
    annotator = _annotator_or_none(request, link_key)
    if annotator is None:
        return redirect("annotate:consent", link_key)
    study = annotator.study
    # Also when nothing is left: the browser may still keep answers, and the page thanks after sending them.
    handed = hand_out(annotator, PAGE_IMAGES, timezone.now())
    strips = class_strips(study.image_set)
    height, width = get_spec(study.image_set).image_shape[:2]
    settings = handed | {
        "study": study.link_key,
        "person": person_key(annotator),
        "batch": PAGE_IMAGES,
        "imageWidth": width,
        "imageHeight": height,
    }
    page = {"study": study, "classes": strips, "settings": settings, "handed": handed}
    return render(request, "annotate/label.html", page)


@csrf_exempt  # The person key in the message, which no other site can know, is the proof instead of a cookie.
@never_cache
@require_POST
def answers(request: HttpRequest, link_key: str) -> JsonResponse:
    """Takes answers, gives the next images. Sending the same message again changes nothing."""
    study = get_object_or_404(Study.objects.exclude(state=Study.State.DRAFT), link_key=link_key)
    try:
        message = read_message(
            request.body,
            len(get_spec(study.image_set).class_names),
            offers_cannot_tell=study.offers_cannot_tell,
        )
        pseudonym = read_person_key(message.person)
    except (MessageError, BadTokenError, RequestDataTooBig) as error:
        return JsonResponse({"error": str(error)}, status=400)
    annotator = Annotator.objects.filter(study=study, pseudonym=pseudonym).select_related("study").first()
    if annotator is None:
        return JsonResponse({"error": "person: this key belongs to another study"}, status=400)
    return JsonResponse(take_in(annotator, message, timezone.now()))


@never_cache
@require_GET
def thanks(request: HttpRequest, link_key: str) -> HttpResponse:
    """The end: own numbers, and whether there is more to do."""
    annotator = _annotator_or_none(request, link_key)
    if annotator is None:
        return redirect("annotate:consent", link_key)
    others = Study.objects.joinable().exclude(pk=annotator.study_id)[:3]
    page = {"study": annotator.study, "own": own_statistics(annotator), "others": others}
    page["can_go_on"] = can_go_on(annotator)
    return render(request, "annotate/thanks.html", page)


def _annotator_or_none(request: HttpRequest, link_key: str) -> Annotator | None:
    study = get_object_or_404(Study.objects.exclude(state=Study.State.DRAFT), link_key=link_key)
    return find_annotator(study, request.user, guest_key(request))

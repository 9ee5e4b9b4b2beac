"""Who is this person in this study? Guests by a signed cookie, members by their account."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from annotate.models import Annotator, Study
from annotate.tokens import is_simulation_pass

GUEST_COOKIE = "humanmark_guest"
GUEST_COOKIE_AGE = timedelta(days=365)
SIMULATION_HEADER = "X-Humanmark-Simulation"


class CannotJoinError(Exception):
    """Why this person cannot take part, in a sentence for them."""


def guest_key(request: HttpRequest) -> uuid.UUID | None:
    """The guest's key from the signed cookie; None without one or with a forged one."""
    value = request.get_signed_cookie(GUEST_COOKIE, default=None, salt=GUEST_COOKIE)
    try:
        return uuid.UUID(value) if value else None
    except ValueError:
        return None


def set_guest_cookie(response: HttpResponse, key: uuid.UUID) -> None:
    response.set_signed_cookie(
        GUEST_COOKIE,
        str(key),
        salt=GUEST_COOKIE,
        max_age=GUEST_COOKIE_AGE,
        httponly=True,
        samesite="Lax",
        secure=settings.HTTPS,
    )


def find_annotator(study: Study, user: User | AnonymousUser, guest: uuid.UUID | None) -> Annotator | None:
    """The person's annotator in this study, come as guest, as member, or first one and then the other."""
    people = Annotator.objects.filter(study=study).select_related("study")
    as_guest = people.filter(guest_key=guest).first() if guest else None
    if not user.is_authenticated:
        return as_guest
    as_member = people.filter(user=user).first()
    if as_member:
        return as_member
    if as_guest and as_guest.user_id is None:
        # A guest who signed in later stays the same person; a lost race leaves it to the next request.
        Annotator.objects.filter(pk=as_guest.pk, user__isnull=True).update(user=user)
        as_guest.user = user
        return as_guest
    return None


def join(
    study: Study,
    user: User | AnonymousUser,
    guest: uuid.UUID,
    consent_version: str,
    simulation: str,
    now: datetime,
) -> Annotator:
    """The person's annotator, made now if they are new. Raises CannotJoinError with the reason.

    A simulated study takes only a simulated crowd, and no other study ever does: the two cannot mix.
    """
    if study.is_simulated and not is_simulation_pass(study, simulation):
        raise CannotJoinError("This is a rehearsal with simulated annotators; people cannot take part.")
    known = find_annotator(study, user, guest)
    if known:
        return known
    if study.state != Study.State.OPEN:
        raise CannotJoinError(f"This study is {study.get_state_display()}; nobody can join it now.")
    if study.guest_policy == Study.GuestPolicy.MEMBERS and not user.is_authenticated:
        raise CannotJoinError("This study is for members: please sign in first.")
    if consent_version != study.consent_version:
        raise CannotJoinError("The text you agreed to has changed meanwhile; please read it again.")
    consent: dict[str, Any] = {
        "is_simulated": study.is_simulated,
        "consented_at": now,
        "consent_version": consent_version,
    }
    # Two quick clicks make one annotator: the constraint decides, get_or_create reads the winner.
    with transaction.atomic():
        if not user.is_authenticated:
            return Annotator.objects.get_or_create(study=study, guest_key=guest, defaults=consent)[0]
        # On a shared computer the cookie may stand for the member who sat here before.
        is_taken = Annotator.objects.filter(study=study, guest_key=guest).exists()
        consent["guest_key"] = None if is_taken else guest
        return Annotator.objects.get_or_create(study=study, user=user, defaults=consent)[0]

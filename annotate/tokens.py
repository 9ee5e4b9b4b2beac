"""What leaves the server instead of row numbers: signed, bound to one person, impossible to guess."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.core.signing import BadSignature, Signer, TimestampSigner
from django.utils.crypto import constant_time_compare, salted_hmac

from annotate.models import Annotator, Study

SIGNATURE_LENGTH = 24
PASS_LIFETIME = timedelta(hours=6)


class BadTokenError(ValueError):
    """The token was not made here, or was made for somebody else."""


def person_key(annotator: Annotator) -> str:
    """Names the annotator in the labelling page, so that queued answers outlive cookies and sessions."""
    return Signer(salt="annotate.person").sign(str(annotator.pseudonym))


def read_person_key(key: str) -> UUID:
    """Raises BadTokenError unless `person_key` made it."""
    try:
        return UUID(Signer(salt="annotate.person").unsign(key))
    except (BadSignature, ValueError):
        raise BadTokenError("person: this key was not made by this site") from None


def slot_token(annotator: Annotator, slot_id: int) -> str:
    """Names a slot to the person it was lent to; for anybody else it is worthless."""
    return f"{slot_id}.{_slot_signature(annotator, slot_id)}"


def read_slot_token(annotator: Annotator, token: str) -> int:
    """The slot's number; raises BadTokenError unless it was lent to this annotator."""
    number, _, signature = token.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise BadTokenError("slot: this token was not made by this site")
    expected = _slot_signature(annotator, int(number))
    if not (signature.isascii() and constant_time_compare(signature, expected)):
        raise BadTokenError("slot: this token was made for somebody else")
    return int(number)


def _slot_signature(annotator: Annotator, slot_id: int) -> str:
    message = f"{annotator.pseudonym}:{slot_id}"
    return salted_hmac("annotate.slot", message, algorithm="sha256").hexdigest()[:SIGNATURE_LENGTH]


def simulation_pass(study: Study) -> str:
    """Lets a simulated crowd join one simulated study; only somebody with the site's secret can make it."""
    return TimestampSigner(salt="annotate.simulation").sign(study.link_key)


def is_simulation_pass(study: Study, value: str) -> bool:
    try:
        signed = TimestampSigner(salt="annotate.simulation").unsign(value, max_age=PASS_LIFETIME)
    except BadSignature:
        return False
    return signed == study.link_key

"""What a request is: who sends it, how large it is, what it wants back, and its fields, as form or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest

from benchmarks.sklearn_spec import parse_spec


class MemberRequest(HttpRequest):
    """A request behind `login_required`."""

    user: User


def wants_json(request: HttpRequest) -> bool:
    """Whether the sender prefers JSON; browsers and senders without a preference get pages."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def content_length(request: HttpRequest) -> int:
    """The size of the body as announced; the server lets no more than that through."""
    try:
        return int(request.headers.get("Content-Length") or 0)
    except ValueError:
        return 0


def submitted_fields(request: HttpRequest) -> Mapping[str, Any]:
    """The fields of a form, or of a JSON object in which `spec` may be an object too. Raises SpecError."""
    if request.content_type != "application/json":
        return request.POST
    fields = parse_spec(request.body)
    if isinstance(fields.get("spec"), dict | list):
        fields["spec"] = json.dumps(fields["spec"])
    return {key: value for key, value in fields.items() if isinstance(value, str | int | float)}

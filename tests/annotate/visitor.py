"""One browser without a screen: cookies, forms with their CSRF token, the labelling page's messages."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from django.urls import reverse

from annotate.models import Annotator, Study

SETTINGS = re.compile(r'<script id="settings" type="application/json">(.*?)</script>', re.DOTALL)
CSRF = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@dataclass
class Visitor:
    study: Study
    client: Client = field(default_factory=lambda: Client(enforce_csrf_checks=True))

    def url(self, page: str) -> str:
        return reverse(f"annotate:{page}", args=[self.study.link_key])

    def get(self, page: str, **options: Any) -> Any:
        return self.client.get(self.url(page), **options)

    def agree(self) -> Any:
        """Open the link and press the button; the response to the press."""
        token = CSRF.search(self.get("consent").content.decode())
        assert token is not None, "the consent page has no form"
        fields = {"csrfmiddlewaretoken": token[1], "consent_version": self.study.consent_version}
        return self.client.post(self.url("consent"), fields)

    def settings(self) -> dict[str, Any]:
        """What the labelling page tells its script."""
        found = SETTINGS.search(self.get("label").content.decode())
        assert found is not None, "the labelling page has no settings"
        settings: dict[str, Any] = json.loads(found[1])
        return settings

    def post(self, message: object, **options: Any) -> Any:
        """Send a message (bytes as they are) to the answers endpoint."""
        body = message if isinstance(message, bytes) else json.dumps(message)
        return self.client.post(self.url("answers"), body, content_type="application/json", **options)

    def annotator(self) -> Annotator:
        """The only person of the study."""
        return Annotator.objects.get(study=self.study)


def answer_to(image: dict[str, str] | str, choice: int | None = 0, **changes: Any) -> dict[str, Any]:
    slot = image if isinstance(image, str) else image["slot"]
    answer = {
        "client_id": str(uuid.uuid4()),
        "slot": slot,
        "choice": choice,
        "revision": 0,
        "milliseconds": 700,
    }
    return answer | changes


def message(
    person: str, *answers: dict[str, Any], wanted: int = 0, holding: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {"person": person, "answers": list(answers), "holding": list(holding), "wanted": wanted}

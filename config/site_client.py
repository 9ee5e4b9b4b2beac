"""A small HTTP client for the site's own pages: cookies, forms with their CSRF token, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, Request, build_opener

TIMEOUT_SECONDS = 60


class SiteAnswerError(Exception):
    """The site answered with an error; the text says to what and how."""


class SiteClient:
    """One visitor with a cookie jar of their own."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))
        self.last_url = base_url

    def get(self, path: str) -> str:
        return self._send(path, None, {})

    def get_json(self, path: str) -> Any:
        return json.loads(self._send(path, None, {"Accept": "application/json"}))

    def post_form(
        self,
        path: str,
        fields: Mapping[str, object],
        headers: Mapping[str, str] | None = None,
        *,
        page: str | None = None,
    ) -> str:
        """Load the form's page (the same address unless `page` says otherwise), then send the form."""
        self.get(page or path)
        return self._send(path, urlencode(fields).encode(), self._csrf() | dict(headers or {}))

    def post_json(self, path: str, value: object) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self._csrf()}
        return json.loads(self._send(path, json.dumps(value).encode(), headers))

    def page_data(self, path: str) -> Any:
        """The JSON a page carries for its script; None where there is none (a redirect to elsewhere)."""
        found = re.search(r'<script id="settings" type="application/json">(.*?)</script>', self.get(path))
        return json.loads(found.group(1)) if found else None

    def _csrf(self) -> dict[str, str]:
        token = next((cookie.value for cookie in self._cookies if cookie.name == "csrftoken"), "")
        return {"X-CSRFToken": token or ""}

    def _send(self, path: str, body: bytes | None, headers: Mapping[str, str]) -> str:
        url = urljoin(self.base_url, path)
        request = Request(url, data=body, headers={**headers, "Referer": url})  # noqa: S310  our own address
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                self.last_url = response.geturl()
                text: str = response.read().decode()
                return text
        except HTTPError as error:
            detail = error.read().decode(errors="replace")[:500]
            raise SiteAnswerError(f"{request.get_method()} {path}: {error.code} {detail}") from None

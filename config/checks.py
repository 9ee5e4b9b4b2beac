"""What a production start refuses. Registered as system checks, and enforced by `config.wsgi` and Celery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

SHORTEST_SECRET = 50
SAMPLE_SECRETS = ("change-me", "changeme", "django-insecure", "secret", "example")


def production_faults() -> list[tuple[str, str]]:
    """(identifier, plain sentence) for each setting with which a public site must not run."""
    faults = []
    if settings.DEBUG:
        faults.append(("humanmark.E001", "HUMANMARK_DEBUG must be off in production."))
    secret = settings.SECRET_KEY
    if len(secret) < SHORTEST_SECRET or len(set(secret)) < 10 or secret.lower().startswith(SAMPLE_SECRETS):
        faults.append(
            (
                "humanmark.E002",
                f"HUMANMARK_SECRET_KEY is missing, shorter than {SHORTEST_SECRET} characters or a sample; "
                'make one: python3 -c "import secrets; print(secrets.token_urlsafe(50))"',
            )
        )
    if not settings.ALLOWED_HOSTS or any(host in ("*", ".") for host in settings.ALLOWED_HOSTS):
        faults.append(
            ("humanmark.E003", "HUMANMARK_ALLOWED_HOSTS must list the site's host names (and not '*').")
        )
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        faults.append(
            ("humanmark.E004", "SQLite is for one machine; set HUMANMARK_DATABASE_URL to PostgreSQL.")
        )
    if settings.HUMANMARK_EMBEDDED_REDIS:
        faults.append(("humanmark.E005", "HUMANMARK_REDIS_URL must be set in production."))
    return faults


def refuse_unsafe_production() -> None:
    """Raise ImproperlyConfigured naming every fault, if this is a production start with any."""
    faults = production_faults() if settings.PRODUCTION else []
    if faults:
        raise ImproperlyConfigured(" ".join(sentence for _, sentence in faults))


@register()
def check_production(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if not settings.PRODUCTION:
        return []
    return [Error(sentence, id=identifier) for identifier, sentence in production_faults()]

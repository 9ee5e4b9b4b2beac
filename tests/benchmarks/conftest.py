"""Three fixed people, and a queue that only notes what was sent."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from benchmarks import runs, sending, shutdown
from tests.benchmarks.records import NOW


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("owner", password="a-long-password-1")


@pytest.fixture
def member(db: None) -> User:
    """Signed in, and owner of nothing."""
    return User.objects.create_user("member", password="a-long-password-2")


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_user("staff", password="a-long-password-3", is_staff=True)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """The runs whose message was sent."""
    messages: list[uuid.UUID] = []

    def send(public_id: uuid.UUID) -> bool:
        messages.append(public_id)
        runs.mark_sent(public_id, NOW)
        return True

    monkeypatch.setattr(sending, "send", send)
    return messages


@pytest.fixture(autouse=True)
def _no_shutdown() -> Iterator[None]:
    yield
    shutdown.request(stop=False)

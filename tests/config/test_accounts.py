"""Accounts: made and used in a minute, and back to where the person came from."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


def test_a_newcomer_who_wanted_to_submit_comes_to_the_form_after_signing_up(client: Client) -> None:
    login = client.get("/submit/", follow=True).content.decode()
    signup = re.search(r'href="([^"]*)">Make an account', login)
    assert signup is not None
    page = client.get(signup.group(1))
    assert page.status_code == 200
    answer = client.post(
        signup.group(1), {"username": "ada", "password1": PASSWORD, "password2": PASSWORD, "next": "/submit/"}
    )
    assert answer.headers["Location"] == "/submit/"
    assert User.objects.get().username == "ada"


def test_signing_in_leads_back_to_the_page_that_asked_for_it(client: Client) -> None:
    User.objects.create_user("ada", password=PASSWORD)
    page = client.get("/submit/", follow=True)
    where = page.redirect_chain[-1][0]
    answer = client.post(where, {"login": "ada", "password": PASSWORD})
    assert answer.headers["Location"] == "/submit/"


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_nobody_is_led_to_another_site(client: Client, where: str) -> None:
    User.objects.create_user("ada", password=PASSWORD)
    answer = client.post(f"/accounts/login/?next={where}", {"login": "ada", "password": PASSWORD})
    assert answer.headers["Location"] == "/"


def test_a_weak_password_is_refused_with_the_reason(client: Client) -> None:
    answer = client.post(
        "/accounts/signup/", {"username": "ada", "password1": "1234567890", "password2": "1234567890"}
    )
    assert "entirely numeric" in answer.content.decode()
    assert not User.objects.exists()


def test_signing_out_needs_a_post(client: Client) -> None:
    client.force_login(User.objects.create_user("ada", password=PASSWORD))
    client.get("/accounts/logout/")
    assert "_auth_user_id" in client.session
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session

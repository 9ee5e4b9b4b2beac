"""Every key press ends stored once, whatever happens to the network, the tab, the cookies and the server."""

from __future__ import annotations

import os
import signal

import pytest
from playwright.sync_api import expect

from tests.annotate.labelling_browser import N_IMAGES, Begin, close_study
from tests.site import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.browser


def test_answers_given_without_network_are_sent_when_it_is_back(begin: Begin) -> None:
    person = begin()
    person.press("1")
    person.is_saved()
    person.context.set_offline(True)
    person.press("2", "3", "4")
    person.has_answered(4)
    person.waits_to_save(3)
    person.context.set_offline(False)
    person.retry()
    person.is_stored(1, 2, 3, 4)
    assert person.waiting_in_browser() == 0


def test_a_tab_closed_right_after_the_key_loses_nothing(begin: Begin) -> None:
    person = begin()
    person.press("1")
    person.page.close()
    person.page = person.new_page()
    person.page.goto(person.url("images/"))
    person.is_saved()
    person.is_stored(1)


def test_a_tab_closed_without_network_sends_its_answers_at_the_next_visit(begin: Begin) -> None:
    person = begin()
    person.context.set_offline(True)
    person.press("1", "2")
    person.waits_to_save(2)
    person.page.close()
    assert person.stored() == []
    person.context.set_offline(False)
    person.page = person.new_page()
    person.page.goto(person.url("images/"))
    person.is_stored(1, 2)
    person.is_saved()
    assert person.waiting_in_browser() == 0


def test_answers_kept_in_the_browser_are_sent_even_when_the_study_is_over(begin: Begin, site: Site) -> None:
    person = begin()
    person.context.set_offline(True)
    person.press("1", "2")
    person.waits_to_save(2)
    person.page.close()
    close_study(site, person.link_key)
    person.context.set_offline(False)
    person.page = person.new_page()
    person.page.goto(person.url())
    person.page.get_by_role("link", name="Start labelling").first.click()
    expect(person.page).to_have_url(person.url("thanks/"))
    person.is_stored(1, 2)
    assert {answer.outcome for answer in person.stored()} == {"extra"}
    assert person.waiting_in_browser() == 0


def test_a_reload_in_the_middle_goes_on_where_it_was(begin: Begin) -> None:
    person = begin()
    person.press("1", "2", "3")
    person.page.reload()
    person.has_answered(3)
    person.press("4")
    person.has_answered(4)
    person.is_stored(1, 2, 3, 4)


def test_answers_given_while_the_server_is_dead_are_sent_when_it_is_back(begin: Begin, site: Site) -> None:
    person = begin()
    person.press("1")
    person.is_saved()
    os.kill(site.pids()["web"], signal.SIGKILL)
    person.press("2", "3")
    person.has_answered(3)
    wait_until(site.is_healthy, "the web server is back", 60)
    person.retry()
    person.is_stored(1, 2, 3)


def test_lost_cookies_lose_no_answer(begin: Begin) -> None:
    person = begin()
    person.context.clear_cookies()
    person.press("1", "2")
    person.is_saved()
    person.is_stored(1, 2)


def test_two_tabs_on_the_same_image_keep_one_answer_and_its_history(begin: Begin) -> None:
    person = begin()
    first_tab, first = person.page, person.source()
    person.page = person.new_page()
    person.page.goto(person.url("images/"))
    expect(person.picture()).to_be_visible()
    for number in range(N_IMAGES):
        if person.source() == first:
            break
        person.press(str(number % 10))
    assert person.source() == first
    person.press("7")
    person.is_saved()
    in_second_tab = len(person.stored())
    person.page = first_tab
    person.press("8")
    person.is_saved()
    assert len(person.stored()) == in_second_tab
    [changed] = [answer for answer in person.stored() if person.history_of(answer)]
    assert (changed.choice, person.history_of(changed)) == (8, [7])


def test_the_last_image_leads_to_the_thanks_after_the_last_answer_is_stored(begin: Begin) -> None:
    person = begin()
    person.press(*["1"] * (N_IMAGES - 1))
    person.has_answered(N_IMAGES - 1)
    person.is_saved()
    person.context.set_offline(True)
    person.press("2")
    person.waits_to_save(1)
    assert person.page.url == person.url("images/")
    person.context.set_offline(False)
    person.look(20_000)
    expect(person.page).to_have_url(person.url("thanks/"), timeout=30_000)
    person.is_stored(*[1] * (N_IMAGES - 1), 2)
    expect(person.page.locator(".figure").first).to_have_text(str(N_IMAGES))

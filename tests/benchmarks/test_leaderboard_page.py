"""The leaderboard as a reader sees it."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.benchmarks.records import make_claim, make_scored_run, make_study_result, make_submission

pytestmark = pytest.mark.django_db

BOARD = "/leaderboard/digits/"


def page(client: Client, query: str = "") -> str:
    response = client.get(BOARD + query)
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_of_boards_leads_to_the_first_image_set(client: Client) -> None:
    assert client.get("/leaderboard/").headers["Location"] == "/leaderboard/fashion-mnist/"


def test_an_unknown_image_set_is_not_found(client: Client) -> None:
    assert client.get("/leaderboard/nowhere/").status_code == 404


def test_the_board_cannot_be_posted_to(client: Client) -> None:
    assert client.post(BOARD).status_code == 405


def test_an_empty_board_says_what_to_do_next(client: Client) -> None:
    html = page(client)
    assert "Nothing has been measured here yet." in html
    assert 'href="/submit/"' in html


def test_a_search_without_hits_offers_all_rows(client: Client, owner: User) -> None:
    make_scored_run(owner)
    assert "No result fits these filters." in page(client, "?q=nothing")


def test_numbers_have_the_decimals_that_their_sample_supports(client: Client, owner: User) -> None:
    make_scored_run(owner, 8394, n=10_000)
    make_study_result(0.8312, n_done=1000, n_images=1000)
    html = page(client)
    assert "<b>83.94</b>" in html
    assert "<b>83.1</b>" in html


def test_every_interval_is_a_bar_before_the_band_of_the_people(client: Client, owner: User) -> None:
    make_scored_run(owner, 540)
    make_study_result(0.85)
    html = page(client)
    bodies = re.findall(r'<td class="bar">.*?</td>', html)
    bands = {re.search(r'<rect class="band" ([^>]*)/>', body).group(1) for body in bodies}  # type: ignore[union-attr]
    assert len(bodies) == 3
    assert len(bands) == 1
    assert "Band behind the bars: People, majority of 3, 85.0 %" in html


def test_people_and_models_differ_in_shape_and_not_in_colour_alone(client: Client, owner: User) -> None:
    make_scored_run(owner)
    make_study_result()
    rows = re.findall(r'<tr class="(human|model)[^"]*">(.*?)</tr>', page(client), flags=re.DOTALL)
    assert {kind: "<circle" in html for kind, html in rows} == {"human": True, "model": False}
    assert all(('class="mark"' in html) == (kind == "model") for kind, html in rows)


def test_simulated_and_unfinished_rows_carry_their_badges(client: Client) -> None:
    make_study_result(0.88, is_simulated=True)
    make_study_result(0.7, n_done=10, state="closed")
    html = page(client)
    assert html.count("badge-simulated") == 2
    assert html.count(">not complete<") == 2
    assert "No people have been measured on this image set yet." in html


def test_claims_are_folded_away_with_their_count(client: Client, owner: User) -> None:
    make_scored_run(owner)
    for _ in range(3):
        make_claim()
    html = page(client)
    main, folded = html.split("<details")
    assert "3 claimed results" in folded
    assert main.count("badge-claimed") == 0
    assert folded.count("badge-claimed") == 3
    assert "<details" not in page(client, "?provenance=claimed")


def test_the_claim_that_stands_for_people_stays_among_the_models(client: Client, owner: User) -> None:
    make_scored_run(owner)
    make_claim()
    make_claim(accuracy=0.835, n_images=1000, is_human=True)
    main, folded = page(client).split("<details")
    assert main.count("badge-claimed") == 1
    assert "1 claimed result" in folded
    make_study_result(0.9)
    main, folded = page(client).split("<details")
    assert main.count("badge-claimed") == 0
    assert "2 claimed results" in folded


def test_the_exports_carry_the_filters_of_the_page(client: Client, owner: User) -> None:
    assert 'href="/leaderboard/digits/results.csv?kind=model&amp;sort=n"' in page(
        client, "?kind=model&sort=n"
    )


def test_a_columns_head_sorts_by_it_and_says_so(client: Client, owner: User) -> None:
    make_scored_run(owner)
    html = page(client, "?q=model&sort=seconds&dir=asc")
    assert html.count('aria-sort="ascending"') == 1
    assert "?q=model&amp;sort=seconds&amp;dir=desc" in html


def test_a_bad_parameter_is_named_and_the_board_is_still_shown(client: Client, owner: User) -> None:
    make_scored_run(owner, submission=make_submission(owner, "forest"))
    response = client.get(f"{BOARD}?kind=robot&q=forest")
    html = response.content.decode()
    assert response.status_code == 400
    assert "kind: “robot” is no kind; allowed: human, model." in html
    assert "forest</a>" in html


def test_a_name_is_text_and_never_markup(client: Client, owner: User) -> None:
    make_scored_run(owner, submission=make_submission(owner, "<script>alert(1)</script>"))
    assert "<script>alert" not in page(client)


def test_no_style_is_written_into_the_page(client: Client, owner: User) -> None:
    make_scored_run(owner)
    make_study_result()
    assert not re.search(r"\sstyle=|<style|\son\w+=", page(client))


@pytest.mark.parametrize("count", [1, 40])
def test_the_page_costs_a_constant_number_of_queries(
    count: int, client: Client, owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(count):
        make_scored_run(owner)
        make_study_result()
        make_claim()
    client.force_login(owner)
    with django_assert_num_queries(6):  # session and user, and the board's four
        page(client)

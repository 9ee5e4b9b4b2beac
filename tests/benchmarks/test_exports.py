"""CSV and JSON hold the same rows and numbers as the page, in a form that spreadsheets cannot misread."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from benchmarks import exports
from tests.benchmarks.records import make_claim, make_scored_run, make_study_result, make_submission

pytestmark = pytest.mark.django_db

BOARD = "/leaderboard/digits/"


@pytest.fixture
def board(owner: User) -> None:
    make_study_result(0.85)
    make_study_result(0.91, n_done=40, state="closed")
    make_study_result(0.88, is_simulated=True)
    make_scored_run(owner, 541, submission=make_submission(owner, "forest"), seed=3)
    make_scored_run(owner, 480, submission=make_submission(owner, "centroids"))
    make_claim(0.967, name="a wide net")
    make_claim(0.835, name="claimed people", is_human=True, n_images=1000)


def rows_of_csv(client: Client, query: str = "") -> list[dict[str, str]]:
    response = client.get(f"{BOARD}results.csv{query}")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.content.decode())))


def rows_of_json(client: Client, query: str = "") -> list[dict[str, Any]]:
    response = client.get(f"{BOARD}results.json{query}")
    assert response["Content-Type"] == "application/json"
    answer = response.json()
    assert answer["image_set"] == "digits"
    assert re.match(r"\d{4}-\d\d-\d\dT.*\+00:00$", answer["generated_at"])
    rows: list[dict[str, Any]] = answer["rows"]
    return rows


def as_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(
    "query", ["", "?kind=human", "?sort=title&dir=asc", "?q=forest", "?provenance=claimed"]
)
def test_csv_json_and_page_hold_the_same_rows(query: str, client: Client, board: None) -> None:
    from_csv, from_json = rows_of_csv(client, query), rows_of_json(client, query)
    assert from_csv == [{key: as_text(value) for key, value in row.items()} for row in from_json]
    page = client.get(f"{BOARD}{query}").content.decode()
    on_page = re.findall(r'<th scope="row" class="entry"><a href="([^"]+)">([^<]+)</a>', page)
    assert sorted(on_page) == sorted((row["url"], row["title"]) for row in from_csv)
    bold = re.findall(r"<b>([\d.]+)</b>", page)
    assert sorted(float(number) for number in bold) == pytest.approx(
        sorted(100 * row["accuracy"] for row in from_json), abs=0.051
    )


def test_the_columns_are_the_documented_ones(client: Client, board: None) -> None:
    assert list(rows_of_csv(client)[0]) == list(exports.COLUMNS) == list(rows_of_json(client)[0])
    assert exports.__doc__ is not None
    for column in exports.COLUMNS:
        assert column in exports.__doc__


def test_numbers_are_exact(client: Client, board: None) -> None:
    forest = next(row for row in rows_of_json(client) if row["title"] == "forest")
    assert (forest["accuracy"], forest["n"], forest["seed"], forest["seconds"]) == (541 / 600, 600, 3, 2.5)
    assert (
        float(next(row for row in rows_of_csv(client) if row["title"] == "forest")["accuracy"]) == 541 / 600
    )


def test_simulated_unfinished_and_claimed_rows_say_so(client: Client, board: None) -> None:
    rows = {row["accuracy"]: row for row in rows_of_json(client)}
    assert (rows[0.88]["simulated"], rows[0.88]["rank"]) == (True, None)
    assert (rows[0.91]["complete"], rows[0.91]["rank"]) == (False, None)
    assert (rows[0.967]["provenance"], rows[0.967]["rank"]) == ("claimed", None)
    assert rows[0.85]["tie_share"] == 0.04


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "＝"])
def test_a_name_that_looks_like_a_formula_is_defused(start: str, client: Client, owner: User) -> None:
    name = f"{start}HYPERLINK(1)"
    make_scored_run(owner, submission=make_submission(owner, name))
    assert rows_of_csv(client)[0]["title"] == f"'{name}"
    assert rows_of_json(client)[0]["title"] == name


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_bad_filter_is_an_error_that_names_the_allowed_values(kind: str, client: Client) -> None:
    response = client.get(f"{BOARD}results.{kind}?sort=colour")
    assert response.status_code == 400
    assert "“colour” is no column; allowed: rank, accuracy, title" in response.json()["errors"]["sort"][0]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_exports_are_read_only_and_of_known_image_sets(kind: str, client: Client) -> None:
    assert client.post(f"{BOARD}results.{kind}").status_code == 405
    assert client.get(f"/leaderboard/nowhere/results.{kind}").status_code == 404

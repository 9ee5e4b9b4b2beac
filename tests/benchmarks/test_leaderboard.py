"""Who stands where on the leaderboard, what is ranked, and what it costs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from annotate.models import Study
from benchmarks.leaderboard import (
    SORT_KEYS,
    Filters,
    Kind,
    Provenance,
    Row,
    leaderboard,
    people_of,
    people_row,
    rank,
    sort_rows,
)
from benchmarks.models import Run, Submission
from tests.benchmarks.records import (
    NOW,
    make_claim,
    make_run,
    make_scored_run,
    make_study_result,
    make_submission,
)

NOBODY = AnonymousUser()


def plain_row(key: str, accuracy: float = 0.5, **fields: object) -> Row:
    defaults: dict[str, object] = {
        "kind": Kind.MODEL, "provenance": Provenance.RAN, "title": f"row {key}", "detail": "", "n": 100,
        "interval": None, "url": "/", "decimals": 1,
    }  # fmt: skip
    return Row(key=key, accuracy=accuracy, **{**defaults, **fields})  # type: ignore[arg-type]


rows_strategy = st.lists(
    st.builds(
        plain_row,
        key=st.text(min_size=1, max_size=4),
        accuracy=st.sampled_from([0.0, 0.25, 0.5, 0.5000001, 1.0]),
        provenance=st.sampled_from(list(Provenance)),
        simulated=st.booleans(),
        complete=st.booleans(),
        seconds=st.sampled_from([None, 1.0, 2.0]),
    ),
    max_size=30,
    unique_by=lambda row: row.key,
)


@given(rows=rows_strategy, data=st.data())
def test_the_order_does_not_depend_on_how_the_rows_come_in(rows: list[Row], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))
    assert rank(shuffled) == rank(rows)


@given(rows=rows_strategy)
def test_only_measured_finished_human_or_model_rows_have_a_rank(rows: list[Row]) -> None:
    for row in rank(rows):
        measured = row.provenance != Provenance.CLAIMED and row.complete and not row.simulated
        assert (row.rank is not None) == measured


@given(rows=rows_strategy)
def test_the_rank_is_one_more_than_the_number_of_better_ranked_rows(rows: list[Row]) -> None:
    ranked = rank(rows)
    assert [row.accuracy for row in ranked] == sorted((row.accuracy for row in rows), reverse=True)
    measured = [row for row in ranked if row.rank is not None]
    for row in measured:
        assert row.rank == 1 + sum(other.accuracy > row.accuracy for other in measured)


@given(rows=rows_strategy, column=st.sampled_from(sorted(SORT_KEYS)), descending=st.booleans())
def test_every_column_sorts_with_missing_values_last(rows: list[Row], column: str, descending: bool) -> None:
    key = SORT_KEYS[column]
    values = [key(row) for row in sort_rows(rank(rows), Filters(sort=column, descending=descending))]
    present = [value for value in values if value is not None]
    assert present == sorted(present, reverse=descending)
    assert values[: len(present)] == present


@pytest.mark.django_db
class TestRows:
    def test_people_and_models_stand_in_one_list_by_accuracy(self, owner: User) -> None:
        make_study_result(0.85)
        make_scored_run(owner, 540, submission=make_submission(owner, "good"))
        make_scored_run(owner, 450, submission=make_submission(owner, "fair"))
        rows = leaderboard("digits", NOBODY)
        assert [(row.rank, row.title) for row in rows] == [
            (1, "good"), (2, "People, majority of 3"), (3, "One person"), (4, "fair"),
        ]  # fmt: skip

    def test_one_person_is_a_row_of_its_own_without_an_interval(self) -> None:
        make_study_result(0.85)
        one = next(row for row in leaderboard("digits", NOBODY) if row.title == "One person")
        assert one.accuracy == pytest.approx(0.8)
        assert (one.interval, one.kind) == (None, Kind.HUMAN)

    def test_a_simulated_crowd_says_so_and_never_counts_as_people(self) -> None:
        make_study_result(0.99, is_simulated=True)
        rows = leaderboard("digits", NOBODY)
        assert [(row.title, row.simulated, row.rank) for row in rows] == [
            ("Simulated people, majority of 3", True, None),
            ("One simulated person", True, None),
        ]
        assert people_of("digits") is None

    def test_an_unfinished_study_shows_its_state_and_has_no_rank(self, staff: User) -> None:
        make_study_result(0.9, n_done=61, n_images=100)
        majority = leaderboard("digits", staff)[0]
        assert not majority.complete
        assert majority.rank is None
        assert "only 61 of 100 images, study open" in majority.detail

    def test_the_running_numbers_of_an_open_study_are_for_staff_alone(self, member: User) -> None:
        make_study_result(0.9, n_done=61, n_images=100)
        assert leaderboard("digits", NOBODY) == leaderboard("digits", member) == []

    def test_a_study_closed_before_its_end_is_public_and_has_no_rank(self) -> None:
        make_study_result(0.9, n_done=61, n_images=100, state=Study.State.CLOSED)
        assert [row.rank for row in leaderboard("digits", NOBODY)] == [None, None]

    def test_a_study_without_any_complete_image_has_no_row(self) -> None:
        make_study_result(None, n_done=0)
        assert leaderboard("digits", NOBODY) == []

    def test_the_best_scored_run_of_a_submission_is_its_row(self, owner: User) -> None:
        submission = make_submission(owner)
        make_scored_run(owner, 500, submission=submission, seed=1)
        best = make_scored_run(owner, 530, submission=submission, seed=2)
        make_scored_run(owner, 530, submission=submission, seed=3)
        (row,) = leaderboard("digits", NOBODY)
        assert (row.key, row.seed) == (f"run-{best.public_id}", 2)
        assert row.detail.endswith("best of 3 runs")

    def test_what_is_not_scored_or_not_published_has_no_row(self, owner: User) -> None:
        make_run(owner)
        for state in (Submission.State.PRIVATE, Submission.State.WITHDRAWN):
            make_scored_run(owner, submission=make_submission(owner, state=state))
        assert leaderboard("digits", owner) == []

    def test_another_image_set_has_another_board(self, owner: User) -> None:
        make_scored_run(owner)
        make_study_result()
        make_claim()
        assert leaderboard("mnist", NOBODY) == []

    def test_claims_have_an_interval_where_they_say_of_how_many_images(self) -> None:
        make_claim(0.835, n_images=1000)
        make_claim(0.9, n_images=None)
        sized, unsized = sorted(leaderboard("digits", NOBODY), key=lambda row: row.accuracy)
        assert sized.interval == pytest.approx((0.811, 0.857), abs=0.0005)
        assert (unsized.interval, unsized.n, unsized.rank) == (None, None, None)

    def test_own_rows_are_marked_for_their_owner_only(self, owner: User, member: User) -> None:
        make_scored_run(owner)
        assert leaderboard("digits", owner)[0].is_mine
        assert not leaderboard("digits", member)[0].is_mine
        assert not leaderboard("digits", NOBODY)[0].is_mine

    def test_equal_accuracies_share_a_rank_and_keep_one_order(self, owner: User) -> None:
        for _ in range(3):
            make_scored_run(owner, 540)
        make_scored_run(owner, 539)
        first, second = leaderboard("digits", NOBODY), leaderboard("digits", NOBODY)
        assert [row.rank for row in first] == [1, 1, 1, 4]
        assert first == second


@pytest.mark.django_db
class TestFilters:
    def test_the_ranks_stay_when_rows_are_filtered(self, owner: User) -> None:
        make_study_result(0.85)
        make_scored_run(owner, 480, submission=make_submission(owner, "Fair forest"))
        (row,) = leaderboard("digits", NOBODY, Filters(search="FOREST fair"))
        assert row.rank == 2

    @pytest.mark.parametrize(
        ("filters", "titles"),
        [
            (Filters(kind="human"), {"People, majority of 3", "One person", "claimed people"}),
            (Filters(kind="model"), {"forest", "claimed net"}),
            (Filters(provenance="study"), {"People, majority of 3", "One person"}),
            (Filters(provenance="ran here"), {"forest"}),
            (Filters(provenance="scored here"), set()),
            (Filters(provenance="claimed"), {"claimed people", "claimed net"}),
            (Filters(search="owner"), {"forest"}),
            (Filters(search="nothing like it"), set()),
        ],
    )
    def test_filters_keep_what_they_name(self, filters: Filters, titles: set[str], owner: User) -> None:
        make_study_result(0.85)
        make_scored_run(owner, submission=make_submission(owner, "forest"))
        make_claim(name="claimed people", is_human=True)
        make_claim(name="claimed net")
        assert {row.title for row in leaderboard("digits", NOBODY, filters)} == titles


@pytest.mark.django_db
class TestPeople:
    def test_the_finished_study_with_the_most_images_stands_for_people(self) -> None:
        make_study_result(0.9, n_done=50, n_images=50)
        make_study_result(0.8, n_done=100)
        make_study_result(0.95, n_done=200, n_images=300)
        make_study_result(0.99, n_done=400, n_images=400, is_simulated=True)
        make_claim(0.835, n_images=1000, is_human=True)
        people = people_of("digits")
        assert people is not None
        assert (people.accuracy, people.provenance) == (0.8, Provenance.STUDY)

    def test_a_claim_stands_in_while_nobody_was_measured(self) -> None:
        make_claim(0.835, n_images=1000, is_human=True)
        people = people_of("digits")
        assert people is not None
        assert people.provenance == Provenance.CLAIMED
        assert people == people_row(leaderboard("digits", NOBODY))

    def test_without_people_there_is_no_row(self, owner: User) -> None:
        make_scored_run(owner)
        assert people_of("digits") is None


@pytest.mark.django_db
@pytest.mark.parametrize("count", [3, 300])
def test_the_number_of_queries_does_not_grow_with_the_rows(
    count: int, owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    third = count // 3
    for _ in range(third):
        make_study_result()
    submissions = Submission.objects.bulk_create(
        Submission(
            owner=owner,
            name="m",
            kind="sklearn",
            image_set="digits",
            spec={"steps": [{"name": "SVC", "params": {}}]},
        )
        for _ in range(third)
    )
    Run.objects.bulk_create(
        Run(
            submission=submission, state="scored", queued_at=NOW, finished_at=NOW + timedelta(seconds=1),
            accuracy=0.5, n_correct=300, n_images=600,
        )
        for submission in submissions
    )  # fmt: skip
    for _ in range(third):
        make_claim()
    with django_assert_num_queries(4):
        assert len(leaderboard("digits", owner)) == 4 * third

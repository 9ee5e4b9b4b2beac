"""The leaderboard of an image set: people and models in one list, in a constant number of queries.

What was measured here is ranked. Claimed results, simulated crowds and unfinished studies are shown and never
ranked; a row without an accuracy does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser

from annotate.models import StudyResult
from benchmarks.models import Claim, Run
from benchmarks.precision import decimals_for
from benchmarks.sklearn_spec import describe_spec

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Kind(StrEnum):
    HUMAN = "human"
    MODEL = "model"


class Provenance(StrEnum):
    """How far a number can be trusted: who measured it."""

    STUDY = "study"
    RAN = "ran here"
    SCORED = "scored here"
    REPRODUCED = "reproduced"
    CLAIMED = "claimed"


@dataclass(frozen=True)
class Row:
    """One result. `key` is unique on the board; everything else is what pages and exports show.

    n: the test images behind the accuracy. complete: False for a study that still lacks answers. worst, best,
    tie_share: of a majority vote. decimals: how many of a percentage mean something.
    """

    key: str
    kind: Kind
    provenance: Provenance
    title: str
    detail: str
    accuracy: float
    interval: tuple[float, float] | None
    n: int | None
    url: str
    decimals: int
    rank: int | None = None
    simulated: bool = False
    complete: bool = True
    is_majority: bool = False
    is_mine: bool = False
    worst: float | None = None
    best: float | None = None
    tie_share: float | None = None
    seed: int | None = None
    seconds: float | None = None
    submitter: str = ""
    date: datetime | None = None

    @property
    def is_ranked(self) -> bool:
        return self.provenance is not Provenance.CLAIMED and self.complete and not self.simulated


@dataclass(frozen=True)
class Filters:
    """What a reader asked to see. Empty `kind`, `provenance` and `search` mean all."""

    kind: str = ""
    provenance: str = ""
    search: str = ""
    sort: str = "accuracy"
    descending: bool = True


SORT_KEYS: dict[str, Callable[[Row], Any]] = {
    "rank": lambda row: row.rank,
    "accuracy": lambda row: row.accuracy,
    "title": lambda row: row.title.casefold(),
    "kind": lambda row: row.kind,
    "provenance": lambda row: row.provenance,
    "n": lambda row: row.n,
    "seed": lambda row: row.seed,
    "seconds": lambda row: row.seconds,
    "submitter": lambda row: row.submitter.casefold() or None,
    "date": lambda row: row.date,
}


def leaderboard(image_set: str, user: User | AnonymousUser, filters: Filters | None = None) -> list[Row]:
    """The rows of an image set's board. The ranks do not depend on the filters."""
    return select_rows(all_rows(image_set, user), filters or Filters())


def all_rows(image_set: str, user: User | AnonymousUser) -> list[Row]:
    """Every row in the board's own order, ranked (four queries)."""
    return rank([*human_rows(image_set, user), *_model_rows(image_set, user), *_claimed_rows(image_set)])


def select_rows(ranked: list[Row], filters: Filters) -> list[Row]:
    return sort_rows([row for row in ranked if _matches(row, filters)], filters)


def rank(rows: Iterable[Row]) -> list[Row]:
    """Order by accuracy, then by the unique key, and number the measured ones. Equal accuracies share one."""
    ordered = sorted(rows, key=lambda row: (-row.accuracy, row.key))
    numbered: list[Row] = []
    place = rank_here = 0
    previous: float | None = None
    for row in ordered:
        if row.is_ranked:
            place += 1
            rank_here = rank_here if row.accuracy == previous else place
            previous = row.accuracy
        numbered.append(replace(row, rank=rank_here if row.is_ranked else None))
    return numbered


def sort_rows(ranked: list[Row], filters: Filters) -> list[Row]:
    """Order by one column; missing values come last both ways, and ties keep the board's own order."""
    key = SORT_KEYS[filters.sort]
    present = [row for row in ranked if key(row) is not None]
    missing = [row for row in ranked if key(row) is None]
    return sorted(present, key=key, reverse=filters.descending) + missing


def people_row(rows: Iterable[Row]) -> Row | None:
    """The row that stands for people on charts: the finished study with the most images, else a claim."""
    candidates = [row for row in rows if row.kind is Kind.HUMAN and row.is_majority and not row.simulated]
    candidates = [row for row in candidates if row.complete and row.interval]
    measured = [row for row in candidates if row.provenance is Provenance.STUDY]
    return max(measured or candidates, key=lambda row: (row.n or 0, row.key), default=None)


def people_of(image_set: str) -> Row | None:
    """`people_row` of an image set, without loading its models (two queries)."""
    humans = [row for row in _claimed_rows(image_set) if row.kind is Kind.HUMAN]
    return people_row([*human_rows(image_set, AnonymousUser()), *humans])


def human_rows(image_set: str, user: User | AnonymousUser) -> Iterator[Row]:
    """For every study whose result this user may see: the majority, and one person on average."""
    results = StudyResult.objects.visible_to(user).filter(study__image_set=image_set, accuracy__isnull=False)
    for result in results.select_related("study").defer("per_class", "confusion", "study__instructions"):
        yield _majority(result)
        if result.single_accuracy is not None:
            yield _one_person(result, result.single_accuracy)


def _majority(result: StudyResult) -> Row:
    study, labels = result.study, result.study.labels_per_image
    people = "Simulated people" if study.is_simulated else "People"
    detail = f"{study.title}: {_study_extent(result)}"
    assert result.accuracy is not None  # noqa: S101 - filtered in the query
    low, high = result.interval_low, result.interval_high
    return Row(
        key=f"study-{study.pk}",
        kind=Kind.HUMAN,
        provenance=Provenance.STUDY,
        title=f"{people}, majority of {labels}" if labels > 1 else f"{people}, one label per image",
        detail=detail,
        accuracy=result.accuracy,
        interval=None if low is None or high is None else (low, high),
        n=result.n_images,
        url=study.get_absolute_url(),
        decimals=decimals_for(result.n_images),
        simulated=study.is_simulated,
        complete=result.is_complete,
        is_majority=True,
        worst=result.accuracy_worst,
        best=result.accuracy_best,
        tie_share=result.tie_share,
        date=study.closed_at or result.computed_at,
    )


def _one_person(result: StudyResult, accuracy: float) -> Row:
    """No interval: the answers of one person depend on each other, and so do those on one image."""
    study = result.study
    return Row(
        key=f"study-{study.pk}-one-person",
        kind=Kind.HUMAN,
        provenance=Provenance.STUDY,
        title="One simulated person" if study.is_simulated else "One person",
        detail=f"{study.title}: mean of the single answers, {_study_extent(result)}",
        accuracy=accuracy,
        interval=None,
        n=result.n_images,
        url=study.get_absolute_url(),
        decimals=decimals_for(result.n_images),
        simulated=study.is_simulated,
        complete=result.is_complete,
        date=study.closed_at or result.computed_at,
    )


def _study_extent(result: StudyResult) -> str:
    study = result.study
    extent = f"{study.labels_per_image} labels per image, {result.n_annotators} annotators"
    if result.is_complete:
        return extent
    return f"only {result.n_images:,} of {study.n_images:,} images, study {study.state}; {extent}"


def _model_rows(image_set: str, user: User | AnonymousUser) -> Iterator[Row]:
    n_scored = Run.objects.scored_per_submission(image_set)
    for run in Run.objects.best_of_published(image_set):
        # A run may have been scored between the two queries.
        yield _model(run, n_scored.get(run.submission_id, 1), user)


def _model(run: Run, n_scored: int, user: User | AnonymousUser) -> Row:
    submission = run.submission
    assert run.accuracy is not None  # noqa: S101 - a database constraint
    low, high = run.interval_low, run.interval_high
    detail = describe_spec(submission.spec)
    return Row(
        key=f"run-{run.public_id}",
        kind=Kind.MODEL,
        provenance=Provenance.RAN,
        title=submission.name,
        detail=detail if n_scored == 1 else f"{detail}; best of {n_scored} runs",
        accuracy=run.accuracy,
        interval=None if low is None or high is None else (low, high),
        n=run.n_images,
        url=run.get_absolute_url(),
        decimals=decimals_for(run.n_images),
        is_mine=submission.owner_id is not None and submission.owner_id == user.pk,
        seed=run.seed,
        seconds=run.wall_seconds,
        submitter=submission.owner.get_username() if submission.owner else "",
        date=run.finished_at,
    )


def _claimed_rows(image_set: str) -> Iterator[Row]:
    for claim in Claim.objects.published_on(image_set):
        yield Row(
            key=f"claim-{claim.key}",
            kind=Kind.HUMAN if claim.is_human else Kind.MODEL,
            provenance=Provenance.CLAIMED,
            title=claim.submission.name,
            detail=claim.source,
            accuracy=claim.accuracy,
            interval=claim.interval,
            n=claim.n_images,
            url=claim.submission.get_absolute_url(),
            decimals=claim.decimals,
            is_majority=claim.is_human,
            submitter=claim.submitter,
        )


def _matches(row: Row, filters: Filters) -> bool:
    if filters.kind and row.kind != filters.kind:
        return False
    if filters.provenance and row.provenance != filters.provenance:
        return False
    words = f"{row.title} {row.detail} {row.submitter}".casefold()
    return all(word in words for word in filters.search.casefold().split())

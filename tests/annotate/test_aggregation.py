"""Majority vote against a recount that tries every way to break every tie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import isnan
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.aggregation import MajorityAccuracy, majority_accuracy, majority_vote
from annotate.intervals import wilson_interval


@dataclass(frozen=True)
class Ballot:
    """Votes as rows (image, annotator, class), with the true class of each image."""

    rows: list[tuple[int, int, int]]
    truth: list[int]
    n_classes: int

    def columns(self) -> tuple[list[int], list[int], list[int]]:
        return (
            [image for image, _, _ in self.rows],
            [person for _, person, _ in self.rows],
            [choice for _, _, choice in self.rows],
        )

    def accuracy(self) -> MajorityAccuracy:
        vote = majority_vote(*self.columns(), len(self.truth), self.n_classes)
        return majority_accuracy(vote, self.truth)


@st.composite
def ballots(draw: st.DrawFn) -> Ballot:
    n_classes = draw(st.integers(1, 5))
    truth = draw(st.lists(st.integers(0, n_classes - 1), min_size=1, max_size=5))
    people = st.lists(st.integers(0, 9), unique=True, max_size=5)
    rows = [
        (image, person, draw(st.integers(0, n_classes - 1)))
        for image in range(len(truth))
        for person in draw(people)
    ]
    return Ballot(draw(st.permutations(rows)), truth, n_classes)


def winners_by_image(ballot: Ballot) -> dict[int, list[int]]:
    """The classes that share the most votes, for each image with votes."""
    votes: dict[int, Counter[int]] = {}
    for image, _, choice in ballot.rows:
        votes.setdefault(image, Counter())[choice] += 1
    return {
        image: sorted(choice for choice, count in counts.items() if count == max(counts.values()))
        for image, counts in sorted(votes.items())
    }


@dataclass(frozen=True)
class Recount:
    accuracies: list[Fraction]
    confusion: list[list[Fraction]]


def recount(ballot: Ballot) -> Recount:
    """Every combination of tie-breaks, each as likely as any other."""
    winners = winners_by_image(ballot)
    outcomes = list(product(*winners.values()))
    confusion = [[Fraction(0)] * ballot.n_classes for _ in range(ballot.n_classes)]
    accuracies = []
    for outcome in outcomes:
        chosen = dict(zip(winners, outcome, strict=True))
        right = sum(choice == ballot.truth[image] for image, choice in chosen.items())
        accuracies.append(Fraction(right, len(winners)))
        for image, choice in chosen.items():
            confusion[ballot.truth[image]][choice] += Fraction(1, len(outcomes))
    return Recount(accuracies, confusion)


@given(ballots())
def test_accuracy_is_the_mean_and_the_extremes_over_every_tie_break(ballot: Ballot) -> None:
    winners = winners_by_image(ballot)
    if not winners:
        with pytest.raises(ValueError, match="no image has votes"):
            ballot.accuracy()
        return
    every = recount(ballot).accuracies
    found = ballot.accuracy()
    assert found.n_images == len(winners)
    assert found.accuracy == pytest.approx(float(sum(every) / len(every)))
    assert found.worst == pytest.approx(float(min(every)))
    assert found.best == pytest.approx(float(max(every)))
    ties = sum(len(classes) > 1 for classes in winners.values())
    assert found.tie_share == pytest.approx(ties / len(winners))


@given(ballots().filter(lambda ballot: bool(ballot.rows)))
def test_confusion_is_the_expected_table_and_its_diagonal_the_recall(ballot: Ballot) -> None:
    expected = recount(ballot).confusion
    found = ballot.accuracy()
    np.testing.assert_allclose(found.confusion, np.array(expected, dtype=float))
    assert found.confusion.sum() == pytest.approx(found.n_images)
    for label, (row, recall) in enumerate(zip(expected, found.per_class, strict=True)):
        if sum(row):
            assert recall == pytest.approx(float(row[label] / sum(row)))
        else:
            assert isnan(recall)


@given(ballots().filter(lambda ballot: bool(ballot.rows)))
def test_the_interval_is_wilsons_for_the_expected_number_of_right_images(ballot: Ballot) -> None:
    found = ballot.accuracy()
    right = min(found.accuracy * found.n_images, found.n_images)
    assert found.interval == pytest.approx(wilson_interval(right, found.n_images))


@given(ballots())
def test_counts_winners_and_chances_follow_from_the_votes(ballot: Ballot) -> None:
    vote = majority_vote(*ballot.columns(), len(ballot.truth), ballot.n_classes)
    assert vote.counts.sum() == len(ballot.rows)
    assert vote.counts.shape == vote.winning.shape == (len(ballot.truth), ballot.n_classes)
    expected = winners_by_image(ballot)
    for image in range(len(ballot.truth)):
        winners = expected.get(image, [])
        assert np.flatnonzero(vote.winning[image]).tolist() == winners
        assert vote.is_tie[image] == (len(winners) > 1)
        assert vote.labels[image] == (winners[0] if len(winners) == 1 else -1)
        assert vote.probabilities()[image].sum() == pytest.approx(1 if winners else 0)


@given(ballots().filter(lambda ballot: bool(ballot.rows)), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_and_the_names_of_the_people_change_nothing(
    ballot: Ballot, random: Random
) -> None:
    names = random.sample(range(1000), 10)
    rows = [(image, names[person], choice) for image, person, choice in ballot.rows]
    random.shuffle(rows)
    np.testing.assert_equal(
        vars(Ballot(rows, ballot.truth, ballot.n_classes).accuracy()), vars(ballot.accuracy())
    )


def test_an_image_without_votes_has_no_winner_and_is_left_out() -> None:
    vote = majority_vote([0, 0, 2], [1, 2, 1], [1, 1, 0], n_images=3, n_classes=2)
    assert vote.labels.tolist() == [1, -1, 0]
    assert vote.n_winners.tolist() == [1, 0, 1]
    found = majority_accuracy(vote, [1, 0, 0])
    assert (found.n_images, found.accuracy, found.tie_share) == (2, 1.0, 0.0)


def test_a_hundred_classes_and_a_thousand_images_work_like_a_few() -> None:
    truth = np.arange(1000) % 100
    image, person = np.divmod(np.arange(3000), 3)
    choice = np.where(person < 2, truth[image], (truth[image] + 1) % 100)
    found = majority_accuracy(majority_vote(image, person, choice, 1000, 100), truth)
    assert (found.accuracy, found.worst, found.best, found.tie_share) == (1.0, 1.0, 1.0, 0.0)
    np.testing.assert_array_equal(found.per_class, np.ones(100))


def test_three_way_ties_count_a_third() -> None:
    vote = majority_vote([0, 0, 0], [1, 2, 3], [0, 1, 2], n_images=1, n_classes=4)
    found = majority_accuracy(vote, [2])
    assert found.accuracy == pytest.approx(1 / 3)
    assert (found.worst, found.best, found.tie_share) == (0.0, 1.0, 1.0)
    np.testing.assert_allclose(found.confusion[2], [1 / 3, 1 / 3, 1 / 3, 0])


@pytest.mark.parametrize(
    ("image", "annotator", "choice", "named"),
    [
        ([0, 1], [0], [0, 0], "equally long, not 2, 1 and 2"),
        ([3], [0], [0], "image 3 is out of range; allowed: 0 to 2"),
        ([-1], [0], [0], "image -1 is out of range"),
        ([0], [0], [2], "class 2 is out of range; allowed: 0 to 1"),
        ([0], [0], [-1], "class -1 is out of range"),
        ([0, 1, 0], [7, 7, 7], [0, 0, 1], "annotator 7 answered image 0 more than once"),
        ([0.5], [0], [0], "image must be a one-dimensional array of integers"),
        ([[0]], [0], [0], "image must be a one-dimensional array of integers"),
        ([0], [0], ["a"], "class must be a one-dimensional array of integers"),
    ],
)
def test_rows_that_make_no_sense_are_refused_by_name(
    image: Sequence[object], annotator: Sequence[object], choice: Sequence[object], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        majority_vote(np.array(image), np.array(annotator), np.array(choice), n_images=3, n_classes=2)


@pytest.mark.parametrize(
    ("truth", "named"),
    [
        ([0], "truth must have 2 entries, one per image, not 1"),
        ([0, 2], "truth 2 is out of range; allowed: 0 to 1"),
        ([0.0, 1.0], "truth must be a one-dimensional array of integers"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused_by_name(truth: list[float], named: str) -> None:
    vote = majority_vote([0, 1], [0, 0], [0, 1], n_images=2, n_classes=2)
    with pytest.raises(ValueError, match=named):
        majority_accuracy(vote, truth)


def test_no_votes_at_all_are_counted_but_have_no_accuracy() -> None:
    vote = majority_vote([], [], [], n_images=2, n_classes=3)
    assert vote.counts.tolist() == [[0, 0, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match="no image has votes"):
        majority_accuracy(vote, [0, 1])

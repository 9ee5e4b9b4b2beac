"""Majority vote over integer arrays (image, annotator, class). Pure: any number of classes, ragged K.

The tie rule: the headline accuracy is the expectation under a uniformly random choice among the classes that
share the most votes; the worst and best choice and the share of ties stand beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotate.intervals import wilson_interval

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MajorityVote:
    """Votes and winners of every image.

    counts: (n_images, n_classes) int, votes per class.
    winning: (n_images, n_classes) bool, True for each class that has the most votes; an image without votes
        has no winner.
    """

    counts: IntArray
    winning: NDArray[np.bool_]

    @property
    def n_winners(self) -> IntArray:
        """(n_images,) how many classes share the most votes; 0 for an image without votes."""
        return np.asarray(self.winning.sum(axis=1), dtype=np.int64)

    @property
    def is_tie(self) -> NDArray[np.bool_]:
        """(n_images,) whether more than one class has the most votes."""
        return self.n_winners > 1

    @property
    def labels(self) -> IntArray:
        """(n_images,) the winner where there is exactly one, otherwise -1 (tie or no votes)."""
        return np.where(self.n_winners == 1, self.winning.argmax(axis=1), -1)

    def probabilities(self) -> FloatArray:
        """(n_images, n_classes) chance of each class to be chosen under a random tie-break."""
        winners = self.n_winners[:, None]
        return np.divide(self.winning, winners, out=np.zeros(self.winning.shape), where=winners > 0)


@dataclass(frozen=True)
class MajorityAccuracy:
    """How often the majority is right, over the images that have votes.

    accuracy, worst, best: under a random, the unluckiest and the luckiest tie-break, each in [0, 1].
    interval: 95 % Wilson interval of `accuracy` over images.
    tie_share: images on which classes tie, as a share.
    per_class: (n_classes,) recall of each true class; nan for a class without images.
    confusion: (n_classes, n_classes) expected images, rows = truth, columns = chosen class.
    """

    n_images: int
    accuracy: float
    worst: float
    best: float
    interval: tuple[float, float]
    tie_share: float
    per_class: FloatArray
    confusion: FloatArray


def majority_vote(
    image: ArrayLike, annotator: ArrayLike, choice: ArrayLike, n_images: int, n_classes: int
) -> MajorityVote:
    """Count the votes of every image.

    image, annotator, choice: (n,) integers; image in [0, n_images), choice in [0, n_classes). The numbers of
    votes per image may differ. Raises ValueError for arrays that do not fit, for values out of range, and for
    an annotator who answers twice on one image.
    """
    images, people, choices = (
        _integers(values, name)
        for values, name in ((image, "image"), (annotator, "annotator"), (choice, "class"))
    )
    if not len(images) == len(people) == len(choices):
        raise ValueError(
            "image, annotator and class must be equally long, "
            f"not {len(images)}, {len(people)} and {len(choices)}"
        )
    _in_range(images, n_images, "image")
    _in_range(choices, n_classes, "class")
    _nobody_twice(images, people)
    votes = np.bincount(images * n_classes + choices, minlength=n_images * n_classes)
    counts = votes.reshape(n_images, n_classes).astype(np.int64)
    most = counts.max(axis=1, initial=0, keepdims=True)
    return MajorityVote(counts=counts, winning=(counts == most) & (most > 0))


def majority_accuracy(vote: MajorityVote, truth: ArrayLike, confidence: float = 0.95) -> MajorityAccuracy:
    """Compare the majority with the true classes.

    truth: (n_images,) integers in [0, n_classes). Images without votes are left out. Raises ValueError for a
    truth that does not fit or if no image has votes.
    """
    classes = _integers(truth, "truth")
    n_classes = vote.counts.shape[1]
    if len(classes) != len(vote.counts):
        raise ValueError(f"truth must have {len(vote.counts)} entries, one per image, not {len(classes)}")
    _in_range(classes, n_classes, "truth")
    has_votes = vote.n_winners > 0
    n = int(has_votes.sum())
    if n == 0:
        raise ValueError("no image has votes")
    rows = np.flatnonzero(has_votes)
    chance = vote.probabilities()[rows]
    right = chance[np.arange(n), classes[rows]]
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, classes[rows], chance)
    per_true_class = np.bincount(classes[rows], minlength=n_classes)
    per_class = np.full(n_classes, np.nan)
    np.divide(confusion.diagonal(), per_true_class, out=per_class, where=per_true_class > 0)
    expected = float(right.sum())
    return MajorityAccuracy(
        n_images=n,
        accuracy=expected / n,
        worst=float((right == 1).mean()),
        best=float((right > 0).mean()),
        interval=wilson_interval(min(expected, n), n, confidence),
        tie_share=float(vote.is_tie[rows].mean()),
        per_class=per_class,
        confusion=confusion,
    )


def _integers(values: ArrayLike, name: str) -> IntArray:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise ValueError(f"{name} must be a one-dimensional array of integers")
    return array.astype(np.int64)


def _in_range(array: IntArray, end: int, name: str) -> None:
    if array.size and (array.min() < 0 or array.max() >= end):
        bad = array[(array < 0) | (array >= end)][0]
        raise ValueError(f"{name} {bad} is out of range; allowed: 0 to {end - 1}")


def _nobody_twice(images: IntArray, people: IntArray) -> None:
    order = np.lexsort((people, images))
    same = (np.diff(images[order]) == 0) & (np.diff(people[order]) == 0)
    if same.any():
        at = order[np.flatnonzero(same)[0]]
        raise ValueError(f"annotator {people[at]} answered image {images[at]} more than once")

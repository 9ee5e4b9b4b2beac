"""The sample of a study: a function of the seed that is the same everywhere and for ever."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.sampling import random_order, simple_sample, stratified_sample

PINNED_ORDER = [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]
PINNED_DIGEST = "05ef2d8ecdf9bc1c982dcfe7cb4d0f6d854770a42f8c5ded1a070028b452a0d3"
PINNED_SIMPLE = [5481, 6119, 1157, 1836, 9866, 3502, 3150, 4641]
PINNED_STRATIFIED = [6119, 1157, 1836, 3502, 3150, 8034, 7008, 7635]

seeds = st.integers(0, 2**31 - 1)
labellings = st.lists(st.integers(0, 6), min_size=1, max_size=120)


def test_the_order_of_a_seed_is_pinned() -> None:
    """Fails where another numpy or machine would draw another sample from a stored seed."""
    assert random_order(10, 0).tolist() == PINNED_ORDER
    digest = hashlib.sha256(random_order(10_000, 20_170_825).astype("<i8").tobytes()).hexdigest()
    assert digest == PINNED_DIGEST


def test_known_samples_of_a_seed_are_pinned() -> None:
    assert simple_sample(10_000, 8, 42).tolist() == PINNED_SIMPLE
    labels = np.arange(10_000) % 10
    assert stratified_sample(labels, 8, 42).tolist() == PINNED_STRATIFIED


@given(st.integers(1, 300), seeds)
def test_an_order_holds_every_index_once(n: int, seed: int) -> None:
    assert sorted(random_order(n, seed).tolist()) == list(range(n))


@given(st.data(), st.integers(1, 300), seeds)
def test_a_simple_sample_has_no_index_twice(data: st.DataObject, available: int, seed: int) -> None:
    n = data.draw(st.integers(1, available))
    chosen = simple_sample(available, n, seed).tolist()
    assert len(chosen) == len(set(chosen)) == n
    assert 0 <= min(chosen) <= max(chosen) < available


@given(st.data(), st.integers(1, 300), seeds)
def test_a_smaller_simple_sample_begins_a_larger_one(data: st.DataObject, available: int, seed: int) -> None:
    n = data.draw(st.integers(1, available))
    assert (
        simple_sample(available, n, seed).tolist() == simple_sample(available, available, seed)[:n].tolist()
    )


@given(st.data(), labellings, seeds)
def test_a_stratified_sample_has_no_index_twice(data: st.DataObject, labels: list[int], seed: int) -> None:
    n = data.draw(st.integers(1, len(labels)))
    chosen = stratified_sample(labels, n, seed).tolist()
    assert len(chosen) == len(set(chosen)) == n
    assert 0 <= min(chosen) <= max(chosen) < len(labels)


@given(st.data(), labellings, seeds)
def test_each_class_gets_its_share_but_for_less_than_one(
    data: st.DataObject, labels: list[int], seed: int
) -> None:
    n = data.draw(st.integers(1, len(labels)))
    chosen = np.array(labels)[stratified_sample(labels, n, seed)]
    for label in set(labels):
        share = labels.count(label) * n / len(labels)
        assert abs((chosen == label).sum() - share) < 1


@given(labellings, seeds)
def test_a_sample_of_everything_is_everything(labels: list[int], seed: int) -> None:
    everything = list(range(len(labels)))
    assert sorted(simple_sample(len(labels), len(labels), seed).tolist()) == everything
    assert sorted(stratified_sample(labels, len(labels), seed).tolist()) == everything


def test_equal_classes_are_drawn_equally() -> None:
    labels = np.arange(10_000) % 10
    assert np.bincount(labels[stratified_sample(labels, 1000, 7)]).tolist() == [100] * 10


def test_the_place_left_over_goes_to_any_class() -> None:
    """Eleven images of ten equal classes: no class is favoured for its number."""
    labels = np.arange(100) % 10
    favoured = {int(np.bincount(labels[stratified_sample(labels, 11, seed)]).argmax()) for seed in range(200)}
    assert favoured == set(range(10))


def test_every_index_is_as_likely_as_any_other() -> None:
    """4,000 samples of 5 of 20: each index is expected 1,000 times, with a deviation of 27."""
    drawn = np.concatenate([simple_sample(20, 5, seed) for seed in range(4000)])
    assert np.abs(np.bincount(drawn, minlength=20) - 1000).max() < 5 * 27


def test_another_seed_is_another_sample() -> None:
    samples = {tuple(simple_sample(1000, 20, seed).tolist()) for seed in range(50)}
    assert len(samples) == 50


@pytest.mark.parametrize("n", [0, -1, 11])
def test_an_impossible_size_is_refused_by_name(n: int) -> None:
    with pytest.raises(ValueError, match=f"images: {n} is not possible; allowed: 1 to 10"):
        simple_sample(10, n, 1)
    with pytest.raises(ValueError, match=f"images: {n} is not possible; allowed: 1 to 10"):
        stratified_sample([0] * 10, n, 1)

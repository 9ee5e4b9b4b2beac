"""The shared axis: everything on it, in order, inside the drawing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.charts import Axis, axis_for
from benchmarks.precision import decimals_for, published_decimals

shares = st.floats(min_value=0, max_value=1)


def number(percent: str) -> float:
    return float(percent.removesuffix("%"))


@given(values=st.lists(shares, min_size=1, max_size=20))
def test_every_value_lies_on_the_axis_and_in_order(values: list[float]) -> None:
    axis = axis_for(values)
    assert 0 <= axis.low <= min(values) <= max(values) <= axis.high <= 1
    places = [number(axis.bar(value, None).x) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)


@given(low=shares, high=shares)
def test_an_interval_is_drawn_from_its_start_to_its_end(low: float, high: float) -> None:
    low, high = sorted((low, high))
    bar = axis_for([low, high]).bar((low + high) / 2, (low, high))
    assert number(bar.start) <= number(bar.x) <= number(bar.end)
    assert number(bar.width) == pytest.approx(number(bar.end) - number(bar.start), abs=0.011)


def test_without_an_interval_only_the_middle_is_drawn() -> None:
    bar = Axis(0.5, 1.0).bar(0.75, None)
    assert (bar.x, bar.start, bar.end, bar.width) == ("50.00%", "", "", "")


@pytest.mark.parametrize("values", [[0.1, 0.97], [0.8, 0.9], [0.831, 0.833], [0.0, 1.0], [0.5]])
def test_the_axis_has_a_few_round_ticks(values: list[float]) -> None:
    ticks = axis_for(values).ticks()
    assert 1 <= len(ticks) <= 6
    assert len({tick.label for tick in ticks}) == len(ticks)


def test_an_empty_axis_is_the_whole_range() -> None:
    assert axis_for([]) == Axis(0.0, 1.0)


@pytest.mark.parametrize(("n", "decimals"), [(None, 1), (100, 1), (1000, 1), (10_000, 2)])
def test_a_percentage_has_the_decimals_that_its_sample_supports(n: int | None, decimals: int) -> None:
    assert decimals_for(n) == decimals


@pytest.mark.parametrize(
    ("accuracy", "decimals"), [(0.835, 1), (0.8833, 2), (0.95, 1), (0.9312, 2), (1.0, 1)]
)
def test_a_claim_keeps_the_digits_of_its_source(accuracy: float, decimals: int) -> None:
    assert published_decimals(accuracy) == decimals

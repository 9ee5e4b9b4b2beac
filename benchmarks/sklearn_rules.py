"""What one parameter of a scikit-learn estimator may be, as rules that speak plain words.

scikit-learn describes every parameter by constraint objects (`_parameter_constraints`). They are
translated here into rules for JSON values: bounded by the platform, without the alternatives that JSON
cannot carry (callables, estimators, arrays), and able to say in words what they allow.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from numbers import Integral, Real
from typing import Any, Protocol

from benchmarks.spec_errors import show

# scikit-learn hands many whole numbers to C code as 32-bit integers.
LARGEST_WHOLE = 2**31 - 1
SHARES_TOLERANCE = 1e-8


class Rule(Protocol):
    """One alternative for a parameter: a test on a JSON value and the words for it."""

    @property
    def text(self) -> str: ...

    def accepts(self, value: object) -> bool: ...


@dataclass(frozen=True)
class Whole:
    """An int from low to high, both included; true and false are not ints."""

    low: int
    high: int

    @property
    def text(self) -> str:
        return f"an int in [{self.low}, {self.high}]"

    def accepts(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Number:
    """A finite number between low and high; `whole_too` says whether an int may stand for it."""

    low: float
    high: float
    low_included: bool
    high_included: bool
    whole_too: bool = True

    @property
    def text(self) -> str:
        opening = "[" if self.low_included and math.isfinite(self.low) else "("
        closing = "]" if self.high_included and math.isfinite(self.high) else ")"
        point = "" if self.whole_too else " written with a decimal point"
        return f"a float in {opening}{self.low:g}, {self.high:g}{closing}{point}"

    def accepts(self, value: object) -> bool:
        kinds: tuple[type, ...] = (int, float) if self.whole_too else (float,)
        if not isinstance(value, kinds) or isinstance(value, bool):
            return False
        number = _as_float(value)
        above = self.low < number or (self.low_included and number == self.low)
        below = number < self.high or (self.high_included and number == self.high)
        return math.isfinite(number) and above and below


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]

    @property
    def text(self) -> str:
        return ", ".join(show(option) for option in self.options)

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value in self.options


@dataclass(frozen=True)
class Flag:
    """true or false."""

    text: str = "true, false"

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)


@dataclass(frozen=True)
class Nothing:
    """null."""

    text: str = "null"

    def accepts(self, value: object) -> bool:
        return value is None


@dataclass(frozen=True)
class LayerSizes:
    """A list of layer widths, each an int from 1 to `widest`."""

    most: int
    widest: int

    @property
    def text(self) -> str:
        return f"a list of 1 to {self.most} ints, each in [1, {self.widest}]"

    def accepts(self, value: object) -> bool:
        width = Whole(1, self.widest)
        return (
            isinstance(value, list)
            and 1 <= len(value) <= self.most
            and all(width.accepts(item) for item in value)
        )


@dataclass(frozen=True)
class Span:
    """A list [low, high] of two finite numbers, the first one smaller."""

    text: str = "a list [low, high] of two numbers, low < high"

    def accepts(self, value: object) -> bool:
        number = Number(-math.inf, math.inf, low_included=False, high_included=False)
        return (
            isinstance(value, list)
            and len(value) == 2
            and all(number.accepts(item) for item in value)
            and value[0] < value[1]
        )


@dataclass(frozen=True)
class Shares:
    """A list of class probabilities that sum to one; its length is checked where the classes are known."""

    text: str = "a list of one probability per class, summing to 1"

    def accepts(self, value: object) -> bool:
        share = Number(0, 1, low_included=True, high_included=True)
        return (
            isinstance(value, list)
            and 2 <= len(value) <= 1000
            and all(share.accepts(item) for item in value)
            and abs(math.fsum(value) - 1) <= SHARES_TOLERANCE
        )


@dataclass(frozen=True)
class PositiveNumbers:
    """A list of 1 to `most` numbers above zero."""

    most: int

    @property
    def text(self) -> str:
        return f"a list of 1 to {self.most} floats in (0, inf)"

    def accepts(self, value: object) -> bool:
        number = Number(0, math.inf, low_included=False, high_included=False)
        return (
            isinstance(value, list)
            and 1 <= len(value) <= self.most
            and all(number.accepts(item) for item in value)
        )


@dataclass(frozen=True)
class Bound:
    """The platform's own limits on a parameter, tighter than scikit-learn's."""

    least_whole: int | None = None
    most_whole: int | None = None
    most_real: float | None = None


def rules_from(constraints: Sequence[Any], bound: Bound) -> tuple[Rule, ...]:
    """Translate one entry of `_parameter_constraints`; empty when no alternative can be written in JSON."""
    # Deferred, as all of scikit-learn: see sklearn_catalog.
    kinds = import_module("sklearn.utils._param_validation")
    rules: list[Rule] = []
    for constraint in constraints:
        if constraint is None:
            rules.append(Nothing())
        elif isinstance(constraint, kinds.StrOptions):
            # Deprecated spellings still work in scikit-learn for a while; new specs should not use them.
            current = constraint.options - constraint.deprecated
            rules.append(Choice(tuple(sorted(current))))
        elif isinstance(constraint, kinds.Interval):
            rules.append(_interval(constraint, bound))
        elif constraint == "boolean":
            rules.append(Flag())
    return tuple(rules)


def accepting(rules: Sequence[Rule], value: object) -> Rule | None:
    """The first rule that accepts the value, or None."""
    return next((rule for rule in rules if rule.accepts(value)), None)


def in_words(rules: Sequence[Rule]) -> str:
    """All alternatives in one line, such as `an int in [1, 2000] or null`."""
    return " or ".join(rule.text for rule in rules)


def canonical(rule: Rule, value: Any) -> Any:
    """The value in the one form in which it is kept: 10 where a float is meant is 10.0."""
    return float(value) if isinstance(rule, Number) else value


def bounds_for(name: str, everywhere: Mapping[str, Bound], here: Mapping[str, Bound]) -> Bound:
    """The platform's bound on a parameter: the estimator's own entry wins over the general one."""
    return here.get(name) or everywhere.get(name) or Bound()


def _interval(constraint: Any, bound: Bound) -> Rule:
    left_included = constraint.closed in ("left", "both")
    right_included = constraint.closed in ("right", "both")
    if constraint.type is Integral:
        low = -LARGEST_WHOLE if constraint.left is None else int(constraint.left) + (not left_included)
        high = LARGEST_WHOLE if constraint.right is None else int(constraint.right) - (not right_included)
        return Whole(_tighter(low, bound.least_whole, max), _tighter(high, bound.most_whole, min))
    low_real = -math.inf if constraint.left is None else float(constraint.left)
    high_real = math.inf if constraint.right is None else float(constraint.right)
    if bound.most_real is not None and bound.most_real < high_real:
        high_real, right_included = bound.most_real, True
    return Number(low_real, high_real, left_included, right_included, whole_too=constraint.type is Real)


def _tighter(own: int, platform: int | None, choose: Any) -> int:
    return own if platform is None else int(choose(own, platform))


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an int beyond the floats
        return math.inf

"""A submission's spec: read from text, checked in full, named by digest, turned into an estimator.

A spec is JSON: {"steps": [{"name": "StandardScaler", "params": {}}, {"name": "SVC", "params": {"C": 10}}],
"train_size": 10000}. The last step is a classifier, the ones before it preprocessing.

scikit-learn is imported where it is needed, as in `sklearn_catalog`.
"""

import difflib
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks import sklearn_catalog as catalog
from benchmarks.sklearn_clashes import Sizes, features_after, find_clash
from benchmarks.sklearn_rules import Whole, accepting, canonical, in_words
from benchmarks.spec_errors import SpecError, show, show_key

__all__ = [
    "LARGEST_SEED",
    "LONGEST_SPEC",
    "SpecError",
    "build_pipeline",
    "describe_spec",
    "parse_spec",
    "spec_digest",
    "training_subset",
    "validate_spec",
]

LONGEST_SPEC = 64 * 1024  # bytes
DEEPEST_SPEC = 10
LONGEST_NUMBER = 40  # characters
MOST_STEPS = 6
LARGEST_SEED = 2**32 - 1

_TOP_KEYS = ("steps", "train_size")
_STEP_KEYS = ("name", "params")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def parse_spec(text: str | bytes) -> dict[str, Any]:
    """Read a spec from JSON text, at most 64 KB and ten levels deep.

    Raises SpecError for anything but one plain JSON object: other text (with line and column), NaN and
    infinities, numbers out of range, a key given twice, nesting bombs, a text that is too long.
    """
    if len(text) > LONGEST_SPEC:
        raise _malformed(f"a text of {len(text):,} bytes is too long", f"at most {LONGEST_SPEC:,} bytes")
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start} is not UTF-8", "text in UTF-8") from None
    if len(decoded.encode("utf-8", "surrogatepass")) > LONGEST_SPEC:
        raise _malformed("the text is too long", f"at most {LONGEST_SPEC:,} bytes")
    # Counted beforehand: the parser recurses, and a deep text would exhaust the stack.
    if _depth(decoded) > DEEPEST_SPEC:
        raise _malformed("the brackets are nested too deep", f"at most {DEEPEST_SPEC} levels")
    try:
        raw = json.loads(
            decoded,
            object_pairs_hook=_without_repeats,
            parse_constant=_refuse_constant,
            parse_int=_parse_int,
            parse_float=_parse_float,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _malformed(f"not JSON at {place}: {error.msg}", "one JSON object") from None
    if not isinstance(raw, dict):
        raise _malformed(f"{show(raw)} is not an object", "one JSON object")
    return raw


def validate_spec(raw: object, *, n_train: int, n_features: int, n_classes: int) -> dict[str, Any]:
    """Check a spec against the catalog and the image set; return it in its one normal form.

    The normal form has only JSON types and sorted keys, `params` on every step, no 'none' steps, floats
    where scikit-learn means floats, and no `train_size` where that means all `n_train` images. Defaults are
    not filled in. Raises SpecError for the first defect found.
    """
    top = _object(raw, "spec", _TOP_KEYS)
    if "steps" not in top:
        raise SpecError("steps", None, "a list of steps, the last one a classifier", problem="missing")
    train_size = _train_size(top.get("train_size"), n_train, n_classes)
    sizes = Sizes(train_size or n_train, n_features, n_classes)
    spec: dict[str, Any] = {"steps": _steps(top["steps"], sizes)}
    if train_size is not None:
        spec["train_size"] = train_size
    return spec


def spec_digest(spec: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of the canonical JSON of a validated spec."""
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def describe_spec(spec: Mapping[str, Any]) -> str:
    """A validated spec in one line, such as `StandardScaler → SVC(C=10), 10,000 images`."""
    steps = " → ".join(_describe_step(step) for step in spec["steps"])
    train_size = spec.get("train_size")
    return steps if train_size is None else f"{steps}, {train_size:,} images"


def build_pipeline(spec: Mapping[str, Any], seed: int) -> Any:
    """The unfitted scikit-learn estimator of a validated spec: a Pipeline, or the classifier if alone.

    Every step that takes a `random_state` gets the seed (an int in [0, 2**32)); everything not in the spec
    keeps scikit-learn's default, so that results equal those of the plain script.
    """
    steps = [_estimator(step, seed) for step in spec["steps"]]
    if len(steps) == 1:
        return steps[0]
    named = [(f"{place}-{type(step).__name__}", step) for place, step in enumerate(steps)]
    return import_module("sklearn.pipeline").Pipeline(named)


def training_subset(labels: ArrayLike, train_size: int | None, seed: int) -> NDArray[np.intp]:
    """Indices of the training images of a run: a stratified random subset, or all of them in order.

    `labels` is (n,), `train_size` a number of images or None for all. Equals scikit-learn's
    `train_test_split(np.arange(n), train_size=..., stratify=labels, random_state=seed)[0]`.
    """
    classes = np.asarray(labels)
    everything = np.arange(len(classes))
    if train_size is None or train_size == len(classes):
        return everything
    split = import_module("sklearn.model_selection").train_test_split
    return np.asarray(split(everything, train_size=train_size, stratify=classes, random_state=seed)[0])


def _steps(raw: object, sizes: Sizes) -> list[dict[str, Any]]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= MOST_STEPS:
        raise SpecError("steps", raw, f"a list of 1 to {MOST_STEPS} steps, the last one a classifier")
    steps: list[dict[str, Any]] = []
    for place, item in enumerate(raw):
        field, last = f"steps[{place}]", place == len(raw) - 1
        step = _object(item, field, _STEP_KEYS)
        name = _name(step, field, catalog.CLASSIFIER if last else catalog.PREPROCESSING)
        params = _object(step.get("params", {}), f"{field}.params", None)
        if name == catalog.NO_STEP:
            _refuse_params_of_no_step(params, field)
            continue
        checked = {key: _parameter(name, key, value, field) for key, value in sorted(params.items())}
        values = catalog.defaults(name) | checked
        clash = find_clash(name, values, sizes)
        if clash is not None:
            where = f"{field}.params.{clash.parameter}"
            raise SpecError(where, values[clash.parameter], clash.allowed)
        _check_images(name, field, sizes)
        sizes = Sizes(sizes.n_train, features_after(name, values, sizes), sizes.n_classes)
        steps.append({"name": name, "params": checked})
    return steps


def _name(step: Mapping[str, Any], field: str, role: Literal["preprocessing", "classifier"]) -> str:
    name = step.get("name")
    known = catalog.names(role)
    if role == catalog.PREPROCESSING:
        known.append(catalog.NO_STEP)
    if isinstance(name, str) and name in known:
        return name
    allowed = ", ".join(known)
    if isinstance(name, str) and name in catalog.CATALOG and catalog.CATALOG[name].role != role:
        other = (
            "a classifier and can only be" if role == catalog.PREPROCESSING else "no classifier and cannot be"
        )
        raise SpecError(f"{field}.name", name, allowed, problem=f"{show(name)} is {other} the last step")
    if isinstance(name, str) and name in catalog.NOT_OFFERED:
        reason = catalog.NOT_OFFERED[name]
        raise SpecError(f"{field}.name", name, allowed, problem=f"{show(name)} is not offered: {reason}")
    raise SpecError(f"{field}.name", name, allowed + _suggestion(name, known))


def _parameter(name: str, key: str, value: Any, field: str) -> Any:
    rules = catalog.parameter_rules(name)
    where = f"{field}.params.{show_key(key)}"
    if key not in rules:
        offered = [parameter for parameter, own in rules.items() if own]
        allowed = ", ".join(offered) + _suggestion(key, offered)
        raise SpecError(where, value, allowed, problem=f"{name} has no parameter {show(key)}")
    if not rules[key]:
        raise SpecError(where, value, catalog.refusal(key))
    rule = accepting(rules[key], value)
    if rule is None:
        raise SpecError(where, value, in_words(rules[key]))
    return canonical(rule, value)


def _train_size(value: object, n_train: int, n_classes: int) -> int | None:
    if value is None or Whole(n_train, n_train).accepts(value):
        return None
    # Stratifying needs every class on both sides of the split.
    rule = Whole(n_classes, n_train - n_classes)
    if not isinstance(value, int) or not rule.accepts(value):
        raise SpecError("train_size", value, f"{rule.text}, or {n_train} or null for all images")
    return value


def _check_images(name: str, field: str, sizes: Sizes) -> None:
    most = catalog.CATALOG[name].most_images
    if most is not None and sizes.n_train > most:
        problem = f"{field} ({name}) cannot take {sizes.n_train:,} images"
        raise SpecError("train_size", sizes.n_train, f"at most {most} with {name}", problem=problem)


def _refuse_params_of_no_step(params: Mapping[str, Any], field: str) -> None:
    if params:
        raise SpecError(f"{field}.params", dict(params), "no parameters for 'none', which is no step")


def _object(value: object, field: str, keys: Sequence[str] | None) -> dict[str, Any]:
    words = "an object" if keys is None else f"an object with the keys {', '.join(keys)}"
    if not isinstance(value, dict):
        raise SpecError(field, value, words)
    for key in value:
        if not isinstance(key, str) or (keys is not None and key not in keys):
            where = show_key(key) if field == "spec" else f"{field}.{show_key(key)}"
            raise SpecError(where, value[key], words, problem="unknown key")
    return value


def _suggestion(word: object, known: Sequence[str]) -> str:
    if not isinstance(word, str) or len(word) > 100:
        return ""
    lowered = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.5)
    return f"; did you mean '{lowered[close[0]]}'?" if close else ""


def _estimator(step: Mapping[str, Any], seed: int) -> Any:
    params = {key: _constructor_value(value) for key, value in step["params"].items()}
    if "random_state" in catalog.defaults(step["name"]):
        params["random_state"] = seed
    return catalog.estimator_class(step["name"])(**params)


def _constructor_value(value: Any) -> Any:
    # Layer sizes and ranges must be tuples, and class shares may be.
    return tuple(value) if isinstance(value, list) else value


def _describe_step(step: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{key}={_describe_value(value)}" for key, value in step["params"].items())
    return f"{step['name']}({shown})" if shown else str(step["name"])


def _describe_value(value: object) -> str:
    if isinstance(value, list):
        return f"({', '.join(_describe_value(item) for item in value)})"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _depth(text: str) -> int:
    """How deep the brackets outside JSON strings are nested."""
    deepest = depth = 0
    for character in _JSON_STRING.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise SpecError(show_key(key), value, "every key once", problem="the key is given twice")
        found[key] = value
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise _malformed(f"{word} is not a JSON number", "finite numbers")


def _parse_int(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise _malformed(f"an int of {len(digits)} digits is too long", f"at most {LONGEST_NUMBER} digits")
    return int(digits)


def _parse_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _malformed(f"{show(digits)} is out of range", "finite numbers")
    return number


def _malformed(problem: str, allowed: str) -> SpecError:
    return SpecError("spec", None, allowed, problem=problem)

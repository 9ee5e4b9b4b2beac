"""Specs: what is refused and how it is said, the normal form, the estimator that comes out."""

import contextlib
import json
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from benchmarks.sklearn_catalog import EXAMPLE_SPECS, names, parameter_rules
from benchmarks.sklearn_rules import Choice, Number, Rule, Whole
from benchmarks.sklearn_spec import (
    LONGEST_SPEC,
    SpecError,
    build_pipeline,
    describe_spec,
    parse_spec,
    spec_digest,
    training_subset,
    validate_spec,
)

SVC_SPEC = (
    '{"steps": [{"name": "StandardScaler"}, {"name": "SVC", "params": {"C": 10}}], "train_size": 10000}'
)


def check(raw: object) -> dict[str, Any]:
    return validate_spec(raw, n_train=60_000, n_features=784, n_classes=10)


def one(name: str, **params: Any) -> dict[str, Any]:
    return {"steps": [{"name": name, "params": params}]}


def spec_or_error(raw: object) -> dict[str, Any] | str:
    """The valid spec, or the text of its SpecError; any other error passes through."""
    try:
        return check(raw)
    except SpecError as error:
        return str(error)


def refused(raw: object) -> SpecError:
    with pytest.raises(SpecError) as caught:
        check(raw)
    return caught.value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON at line 1, column 1"),
        ('{"steps": [\n  oops]}', "not JSON at line 2, column 3"),
        (b"\xff\xfe{}", "byte 0 is not UTF-8"),
        ("[" * 30_000, "nested too deep"),
        ('{"a":' * 10_000, "nested too deep"),
        ('{"steps": ' + "[" * 20 + "]" * 20 + "}", "nested too deep"),
        (" " * (LONGEST_SPEC + 1), "too long"),
        ("é" * (LONGEST_SPEC - 1), "too long"),
        (b"x" * 10_000_000, "a text of 10,000,000 bytes is too long"),
        ('{"steps": NaN}', "NaN is not a JSON number"),
        ('{"steps": -Infinity}', "-Infinity is not a JSON number"),
        ('{"steps": 1e999}', "'1e999' is out of range"),
        ('{"steps": ' + "9" * 5000 + "}", "an int of 5000 digits is too long"),
        ('{"steps": 1, "steps": 2}', "steps: the key is given twice"),
        ("[]", "a list of 0 is not an object"),
        ("null", "null is not an object"),
    ],
)
def test_a_text_that_is_no_spec_is_refused_with_the_reason(text: str | bytes, words: str) -> None:
    with pytest.raises(SpecError, match=words.replace("(", r"\(")):
        parse_spec(text)


def test_brackets_inside_strings_are_not_nesting() -> None:
    assert parse_spec(json.dumps({"a": "[" * 500 + '\\"' + "{" * 500}))


def test_text_and_bytes_of_a_spec_read_the_same() -> None:
    assert (
        parse_spec(SVC_SPEC)
        == parse_spec(SVC_SPEC.encode())
        == parse_spec(b"\xef\xbb\xbf" + SVC_SPEC.encode())
    )


def test_the_error_names_field_value_and_what_is_allowed() -> None:
    error = refused({"steps": [{"name": "StandardScaler"}, {"name": "SVC", "params": {"C": -1}}]})
    assert (error.field, error.value, error.allowed) == ("steps[1].params.C", -1, "a float in (0, inf)")
    assert str(error) == "steps[1].params.C: -1 is not allowed; allowed: a float in (0, inf)"


@pytest.mark.parametrize(
    ("raw", "field", "words"),
    [
        ([], "spec", "an object with the keys steps, train_size"),
        ({}, "steps", "missing"),
        ({"steps": []}, "steps", "a list of 1 to 6 steps"),
        ({"steps": [{"name": "SVC"}] * 7}, "steps", "a list of 7 is not allowed"),
        ({"steps": "SVC"}, "steps", "a list of 1 to 6 steps"),
        ({"steps": ["SVC"]}, "steps[0]", "an object with the keys name, params"),
        ({**one("SVC"), "seed": 1}, "seed", "unknown key"),
        ({"steps": [{"name": "SVC", "C": 1}]}, "steps[0].C", "unknown key"),
        ({"steps": [{"name": "SVC", "params": [1]}]}, "steps[0].params", "a list of 1"),
        ({"steps": [{"params": {}}]}, "steps[0].name", "null is not allowed"),
        (one("LogisticRegresion"), "steps[0].name", "did you mean 'LogisticRegression'?"),
        (one("VotingClassifier"), "steps[0].name", "not offered: it takes another estimator"),
        (one("StandardScaler"), "steps[0].name", "cannot be the last step"),
        (one("none"), "steps[0].name", "'none' is not allowed"),
        ({"steps": [{"name": "SVC"}, {"name": "SVC"}]}, "steps[0].name", "can only be the last step"),
        (one("os.system"), "steps[0].name", "'os.system' is not allowed"),
        (one("SVC", gama=1), "steps[0].params.gama", "did you mean 'gamma'?"),
        (one("SVC", C="10"), "steps[0].params.C", "'10' is not allowed"),
        (one("SVC", C=True), "steps[0].params.C", "true is not allowed"),
        (one("SVC", C=float("nan")), "steps[0].params.C", "nan is not allowed"),
        (one("SVC", C=10**400), "steps[0].params.C", "an int too large to show"),
        (one("SVC", kernel="precomputed"), "steps[0].params.kernel", "'linear', 'poly', 'rbf', 'sigmoid'"),
        (one("SVC", kernel={"a": 1}), "steps[0].params.kernel", "an object of 1"),
        (one("SVC", class_weight={"0": 2}), "steps[0].params.class_weight", "'balanced' or null"),
        (one("SVC", random_state=3), "steps[0].params.random_state", "the seed of the run is used"),
        (one("SVC", cache_size=1e9), "steps[0].params.cache_size", "decides the memory"),
        (one("KNeighborsClassifier", n_jobs=-1), "steps[0].params.n_jobs", "how many cores"),
        (one("KNeighborsClassifier", metric="mahalanobis"), "steps[0].params.metric", "'euclidean'"),
        (one("BaggingClassifier", estimator="SVC"), "steps[0].params.estimator", "cannot carry"),
        (one("RandomForestClassifier", n_estimators=2001), "steps[0].params.n_estimators", "[1, 2000]"),
        (one("RandomForestClassifier", n_estimators=10.0), "steps[0].params.n_estimators", "an int in"),
        (one("RandomForestClassifier", max_features=785), "steps[0].params.max_features", "[1, 784]"),
        (one("MLPClassifier", hidden_layer_sizes=[]), "steps[0].params.hidden_layer_sizes", "1 to 10 ints"),
        (one("MLPClassifier", hidden_layer_sizes=[9999]), "steps[0].params.hidden_layer_sizes", "4096"),
        (
            one("MLPClassifier", hidden_layer_sizes=[4096] * 3),
            "steps[0].params.hidden_layer_sizes",
            "20,000,000",
        ),
        (one("GaussianNB", priors=[0.5, 0.5]), "steps[0].params.priors", "a list of 10 probabilities"),
        (one("GaussianNB", priors=[0.5] * 10), "steps[0].params.priors", "summing to 1"),
        (one("GaussianProcessClassifier"), "train_size", "at most 2000"),
        ({**one("SVC"), "train_size": 9}, "train_size", "an int in [10, 59990], or 60000"),
        ({**one("SVC"), "train_size": 59_991}, "train_size", "an int in [10, 59990]"),
        ({**one("SVC"), "train_size": 100.0}, "train_size", "100.0 is not allowed"),
        ({**one("SVC"), "train_size": True}, "train_size", "true is not allowed"),
        (
            {**one("KNeighborsClassifier", n_neighbors=11), "train_size": 10},
            "steps[0].params.n_neighbors",
            "10",
        ),
        (
            {"steps": [{"name": "none", "params": {"a": 1}}, {"name": "SVC"}]},
            "steps[0].params",
            "no parameters",
        ),
        (
            {
                "steps": [
                    {"name": "PCA", "params": {"n_components": 5}},
                    {"name": "PCA", "params": {"n_components": 6}},
                    {"name": "SVC"},
                ]
            },
            "steps[1].params.n_components",
            "an int in [1, 5]",
        ),
    ],
)
def test_a_bad_field_is_named_with_what_it_may_be(raw: object, field: str, words: str) -> None:
    error = refused(raw)
    assert error.field == field
    assert words in str(error)


def test_an_error_stays_one_printable_line_whatever_was_sent() -> None:
    nasties: list[Any] = ["\n\x00\ud800é" * 50, "x" * 60_000, {"\ud800": 1}, [[[]]]]
    for nasty in nasties:
        for raw in ({"steps": [{"name": nasty}]}, one("SVC", C=nasty), one("SVC", **{str(nasty): 1})):
            text = str(refused(raw))
            assert text.isprintable()
            assert len(text) < 1500
            text.encode("utf-8")


def test_the_normal_form_has_sorted_keys_and_no_empty_choices() -> None:
    raw = {
        "train_size": 60_000,
        "steps": [{"name": "none"}, {"params": {"tol": 1, "C": 10}, "name": "SVC"}],
    }
    spec = check(raw)
    assert json.dumps(spec) == '{"steps": [{"name": "SVC", "params": {"C": 10.0, "tol": 1.0}}]}'
    assert check(spec) == spec
    assert check(json.loads(json.dumps(spec))) == spec


def test_a_whole_number_and_a_share_stay_apart_where_they_mean_different_things() -> None:
    one_feature = check(one("RandomForestClassifier", max_features=1))
    all_features = check(one("RandomForestClassifier", max_features=1.0))
    assert spec_digest(one_feature) != spec_digest(all_features)


def test_specs_that_mean_the_same_have_the_same_digest() -> None:
    left = check(parse_spec('{"steps": [{"name": "SVC", "params": {"C": 10, "gamma": "auto"}}]}'))
    right = check(
        parse_spec(
            '{"train_size": null, "steps": [{"params": {"gamma": "auto", "C": 1.0e1}, "name": "SVC"}]}'
        )
    )
    assert spec_digest(left) == spec_digest(right)
    assert len(spec_digest(left)) == 64
    assert spec_digest(left) != spec_digest(check(one("SVC", C=10)))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (parse_spec(SVC_SPEC), "StandardScaler → SVC(C=10), 10,000 images"),
        (one("NearestCentroid"), "NearestCentroid"),
        (
            one("MLPClassifier", hidden_layer_sizes=[256, 128], alpha=1e-4),
            "MLPClassifier(alpha=0.0001, hidden_layer_sizes=(256, 128))",
        ),
    ],
)
def test_a_spec_is_described_in_one_line(raw: object, words: str) -> None:
    assert describe_spec(check(raw)) == words


@pytest.mark.parametrize("name", list(EXAMPLE_SPECS))
def test_the_examples_are_valid_and_in_normal_form(name: str) -> None:
    assert check(EXAMPLE_SPECS[name]) == EXAMPLE_SPECS[name]


def test_a_single_step_is_the_bare_estimator_with_the_seed() -> None:
    estimator = build_pipeline(check(one("LogisticRegression", C=2)), seed=7)
    assert isinstance(estimator, LogisticRegression)
    assert repr(estimator) == "LogisticRegression(C=2.0, random_state=7)"
    assert estimator.get_params()["n_jobs"] is None


def test_every_random_step_of_a_pipeline_gets_the_seed() -> None:
    raw = {
        "steps": [
            {"name": "PCA", "params": {"n_components": 20}},
            {"name": "StandardScaler"},
            {"name": "MLPClassifier", "params": {"hidden_layer_sizes": [30, 20]}},
        ]
    }
    pipeline = build_pipeline(check(raw), seed=11)
    assert isinstance(pipeline, Pipeline)
    pca, scaler, mlp = (step for _, step in pipeline.steps)
    assert pca.random_state == mlp.random_state == 11
    assert mlp.hidden_layer_sizes == (30, 20)
    assert not hasattr(scaler, "random_state")


def test_lists_become_the_tuples_that_scikit_learn_wants() -> None:
    raw = {"steps": [{"name": "MinMaxScaler", "params": {"feature_range": [-1, 1]}}, {"name": "SVC"}]}
    build_pipeline(check(raw), 0)[0]._validate_params()
    refused({"steps": [{"name": "MinMaxScaler", "params": {"feature_range": [1, 1]}}, {"name": "SVC"}]})


def test_the_training_subset_is_the_stratified_split_of_scikit_learn() -> None:
    labels = np.random.default_rng(0).integers(0, 10, 2000).astype(np.uint8)
    expected = train_test_split(np.arange(2000), train_size=300, stratify=labels, random_state=5)[0]
    np.testing.assert_array_equal(training_subset(labels, 300, 5), expected)
    np.testing.assert_array_equal(training_subset(labels, None, 5), np.arange(2000))
    np.testing.assert_array_equal(training_subset(labels, 2000, 5), np.arange(2000))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["steps", "name", "params", "train_size"]) | st.text(max_size=9),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
VALUES = JSON | st.sampled_from(
    [0, 1, 2, 10, 0.0, 0.5, 1.0, -1, True, None, "auto", "l1", "l2", "balanced", [10], [0, 1]]
)


@st.composite
def plausible_values(draw: st.DrawFn, rules: tuple[Rule, ...]) -> Any:
    """Mostly values near what the rules allow, so that many specs pass."""
    words = [option for rule in rules if isinstance(rule, Choice) for option in rule.options]
    edges = [edge for rule in rules if isinstance(rule, Whole | Number) for edge in (rule.low, rule.high)]
    near = st.sampled_from([*words, *edges, None, True, False, 1, 0.5])
    return draw(st.one_of(near, near, near, VALUES))


@st.composite
def plausible_steps(draw: st.DrawFn, role: Literal["preprocessing", "classifier"]) -> dict[str, Any]:
    name = draw(st.sampled_from(names(role)))
    rules = {key: own for key, own in parameter_rules(name).items() if own}
    keys = draw(st.lists(st.sampled_from(sorted(rules) or ["C"]), max_size=3))
    return {"name": name, "params": {key: draw(plausible_values(rules.get(key, ()))) for key in keys}}


@given(JSON)
@settings(deadline=None, max_examples=100)
def test_any_json_is_a_spec_or_a_spec_error(raw: object) -> None:
    found = spec_or_error(raw)
    assert isinstance(found, dict) or found.isprintable()


@given(st.text(max_size=60) | st.binary(max_size=60))
@settings(deadline=None, max_examples=100)
def test_any_text_is_an_object_or_a_spec_error(text: str | bytes) -> None:
    with contextlib.suppress(SpecError):
        assert isinstance(parse_spec(text), dict)


@given(
    st.lists(plausible_steps("preprocessing"), max_size=1),
    plausible_steps("classifier"),
    st.none() | st.integers(5, 5000),
)
@settings(deadline=None, max_examples=200)
def test_what_is_accepted_is_accepted_by_scikit_learn(
    before: list[dict[str, Any]], last: dict[str, Any], train_size: int | None
) -> None:
    steps = [*before, last]
    spec = spec_or_error({"steps": steps, "train_size": train_size})
    if isinstance(spec, str):
        assert spec.isprintable()
        return
    assert check(json.loads(json.dumps(spec))) == spec
    estimator = build_pipeline(spec, 3)
    for step in estimator if hasattr(estimator, "steps") else [estimator]:
        step._validate_params()
    assert describe_spec(spec)

"""All input of the benchmark pages and their JSON. Forms hand back domain types; views never parse."""

from __future__ import annotations

from typing import Any

from django import forms

from benchmarks.leaderboard import SORT_KEYS, Filters, Kind, Provenance
from benchmarks.models import SEED_LIMIT, Submission
from benchmarks.sklearn_spec import SpecError, describe_spec, parse_spec
from benchmarks.submitting import checked_spec
from imagesets.specs import BUILT_IN

LONGEST_NAME = 120


def _seed_field(*, required: bool) -> forms.IntegerField:
    allowed = f"The seed must be a whole number from 0 to {SEED_LIMIT}."
    return forms.IntegerField(
        required=required,
        min_value=0,
        max_value=SEED_LIMIT,
        initial=0,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), allowed),
        help_text="Every random choice of the run follows from it.",
    )


def _unknown(what: str, allowed: list[str]) -> dict[str, str]:
    return {"invalid_choice": f"“%(value)s” is no {what}; allowed: {', '.join(allowed)}."}


class PlainForm(forms.Form):
    """Labels without a colon."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class SubmitForm(PlainForm):
    """A new scikit-learn submission. `cleaned_data["spec"]` is the checked spec, not its text."""

    name = forms.CharField(
        max_length=LONGEST_NAME,
        required=False,
        help_text="Shown on the leaderboard. Left empty, it is the estimator with its parameters.",
    )
    image_set = forms.ChoiceField(
        choices=[(spec.slug, spec.title) for spec in BUILT_IN.values()],
        error_messages=_unknown("image set", list(BUILT_IN)),
    )
    spec = forms.CharField(
        label="Estimator",
        widget=forms.Textarea(attrs={"rows": 14, "class": "code", "spellcheck": "false"}),
    )
    seed = _seed_field(required=True)
    is_private = forms.BooleanField(
        label="Keep private", required=False, help_text="Only you see it, and it is not on the leaderboard."
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "spec" in cleaned and "image_set" in cleaned:
            try:
                cleaned["spec"] = checked_spec(parse_spec(cleaned["spec"]), cleaned["image_set"])
            except SpecError as error:
                self.add_error("spec", str(error))
            else:
                cleaned["name"] = cleaned.get("name") or describe_spec(cleaned["spec"])[:LONGEST_NAME]
        return cleaned


class RerunForm(PlainForm):
    seed = _seed_field(required=False)


class VisibilityForm(PlainForm):
    """What becomes of a submission: on the board, private, or withdrawn (which can be undone)."""

    state = forms.ChoiceField(
        choices=Submission.State.choices, error_messages=_unknown("state", list(Submission.State.values))
    )


class BoardForm(PlainForm):
    """The leaderboard's query parameters. A bad value is an error that names the allowed ones."""

    q = forms.CharField(label="Search", required=False, max_length=100, widget=forms.SearchInput)
    kind = forms.ChoiceField(
        required=False,
        choices=[("", "people and models"), (Kind.HUMAN, "people"), (Kind.MODEL, "models")],
        error_messages=_unknown("kind", list(Kind)),
    )
    provenance = forms.ChoiceField(
        label="Measured",
        required=False,
        choices=[("", "here (claims folded in)"), *((item, str(item)) for item in Provenance)],
        error_messages=_unknown("provenance", list(Provenance)),
    )
    sort = forms.ChoiceField(
        required=False,
        choices=[(key, key) for key in SORT_KEYS],
        widget=forms.HiddenInput,
        error_messages=_unknown("column", list(SORT_KEYS)),
    )
    dir = forms.ChoiceField(
        required=False,
        choices=[("asc", "ascending"), ("desc", "descending")],
        widget=forms.HiddenInput,
        error_messages=_unknown("direction", ["asc", "desc"]),
    )

    def filters(self) -> Filters:
        """The valid parameters; those left out, and after errors the bad ones, take their defaults."""
        self.is_valid()
        given = self.cleaned_data
        sort = given.get("sort") or "accuracy"
        # Best first for accuracy; every other column starts at its small end.
        direction = given.get("dir") or ("desc" if sort == "accuracy" else "asc")
        return Filters(
            kind=given.get("kind", ""),
            provenance=given.get("provenance", ""),
            search=given.get("q", ""),
            sort=sort,
            descending=direction == "desc",
        )

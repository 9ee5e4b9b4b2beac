"""Forms own all input of the study pages."""

from __future__ import annotations

from typing import Any

from django import forms

from annotate.models import Study
from annotate.studies import check_size
from imagesets.specs import BUILT_IN


class StudyForm(forms.ModelForm[Study]):
    image_set = forms.ChoiceField(choices=[(slug, spec.title) for slug, spec in BUILT_IN.items()])

    class Meta:
        model = Study
        widgets = {
            "instructions": forms.Textarea(attrs={"rows": 3}),
            "consent_text": forms.Textarea(attrs={"rows": 6}),
        }
        fields = [
            "title",
            "image_set",
            "n_images",
            "labels_per_image",
            "images_per_annotator",
            "sampling",
            "seed",
            "guest_policy",
            "offers_cannot_tell",
            "instructions",
            "consent_text",
            "consent_version",
            "is_simulated",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "image_set" in cleaned and "n_images" in cleaned:
            check_size(cleaned["image_set"], cleaned["n_images"])
        return cleaned

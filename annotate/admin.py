"""The Django admin for studies and annotators: lists to look things up in, few things to change."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from annotate.models import Annotation, Annotator, Study

FROZEN_ONCE_OPEN = ("image_set", "sampling", "seed", "n_images", "labels_per_image")


@admin.register(Study)
class StudyAdmin(admin.ModelAdmin[Study]):
    list_display = [
        "title",
        "image_set",
        "state",
        "n_images",
        "labels_per_image",
        "labels_given",
        "is_simulated",
    ]
    list_filter = ["state", "is_simulated", "image_set", "sampling"]
    search_fields = ["title", "link_key", "image_set"]
    date_hierarchy = "created_at"
    readonly_fields = [
        "link_key",
        "state",
        "is_simulated",
        "image_set_digest",
        "opened_at",
        "closed_at",
        "created_at",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Study]:
        return Study.objects.with_slot_counts()

    def get_readonly_fields(self, request: HttpRequest, obj: Study | None = None) -> list[str]:
        frozen = FROZEN_ONCE_OPEN if obj and obj.state != Study.State.DRAFT else ()
        return [*self.readonly_fields, *frozen]

    def has_delete_permission(self, request: HttpRequest, obj: Study | None = None) -> bool:
        """A study with answers is never deleted; a draft may be."""
        return (obj is None or obj.state == Study.State.DRAFT) and super().has_delete_permission(request, obj)

    @admin.display(description="labels given")
    def labels_given(self, study: Study) -> str:
        return f"{getattr(study, 'slots_filled', 0)} of {getattr(study, 'slots_total', 0)}"


class LookOnly:
    """Rows that the site writes and a person only reads."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Annotator)
class AnnotatorAdmin(LookOnly, admin.ModelAdmin[Annotator]):
    list_display = ["pseudonym", "study", "state", "is_simulated", "consented_at", "consent_version"]
    list_filter = ["state", "is_simulated", "study"]
    list_select_related = ["study"]
    search_fields = ["pseudonym"]
    date_hierarchy = "consented_at"


@admin.register(Annotation)
class AnnotationAdmin(LookOnly, admin.ModelAdmin[Annotation]):
    list_display = [
        "pk",
        "study_image",
        "annotator",
        "choice",
        "outcome",
        "revision",
        "milliseconds",
        "answered_at",
    ]
    list_filter = ["outcome", "study_image__study"]
    list_select_related = ["study_image", "annotator"]
    search_fields = ["annotator__pseudonym", "study_image__image_index"]
    show_full_result_count = False

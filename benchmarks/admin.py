"""Submissions, runs and claims for staff. What a worker writes is read-only: a score cannot be typed in."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from benchmarks.models import Claim, Run, Submission


def _all_fields(model: type[Run | Submission | Claim], *writable: str) -> list[str]:
    return [field.name for field in model._meta.fields if field.name not in writable]


class RunInline(admin.TabularInline[Run, Submission]):
    model = Run
    fields = ("public_id", "state", "seed", "attempt", "queued_at", "wall_seconds", "accuracy")
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Submission | None = None) -> bool:
        return False


@admin.register(Submission)
class SubmissionAdmin(admin.ModelAdmin[Submission]):
    list_display = ["name", "kind", "image_set", "owner", "state", "created_at"]
    list_filter = ["kind", "image_set", "state", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username", "public_id", "spec_digest"]
    date_hierarchy = "created_at"
    readonly_fields = _all_fields(Submission, "id", "name", "state")
    inlines = [RunInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Run)
class RunAdmin(admin.ModelAdmin[Run]):
    list_display = [
        "public_id", "submission", "state", "attempt", "seed", "queued_at", "worker", "wall_seconds",
        "accuracy",
    ]  # fmt: skip
    list_filter = ["state", "submission__image_set", "queued_at", "worker"]
    list_select_related = ["submission"]
    search_fields = ["public_id", "submission__name", "submission__owner__username", "worker", "reason"]
    date_hierarchy = "queued_at"
    readonly_fields = _all_fields(Run)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return False


@admin.register(Claim)
class ClaimAdmin(admin.ModelAdmin[Claim]):
    list_display = ["submission", "accuracy", "n_images", "is_human", "submitter", "source"]
    list_filter = ["submission__image_set", "is_human", "source"]
    list_select_related = ["submission"]
    search_fields = ["submission__name", "submitter", "source", "details"]
    readonly_fields = _all_fields(Claim)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

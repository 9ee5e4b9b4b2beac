"""Numbers as the benchmark pages show them: never more digits than they support."""

from __future__ import annotations

from django import template

register = template.Library()

MISSING = "–"


@register.filter
def percent(share: float | None, decimals: int = 1) -> str:
    """0.8312 as 83.1 (the sign stands in the column's head)."""
    return MISSING if share is None else f"{100 * share:.{decimals}f}"


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as a person says them: 0.4 s, 42 s, 3 min 5 s, 2 h 10 min."""
    if seconds is None:
        return MISSING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@register.filter
def memory(count: int | None) -> str:
    """Bytes as MB or GB."""
    if count is None:
        return MISSING
    megabytes = count / 2**20
    return f"{megabytes:,.0f} MB" if megabytes < 1024 else f"{megabytes / 1024:.1f} GB"

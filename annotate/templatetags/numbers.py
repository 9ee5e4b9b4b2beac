"""Numbers as pages show them: never more digits than the number of images supports."""

from __future__ import annotations

from django import template

register = template.Library()

TWO_DECIMALS_FROM = 10_000
NO_DECIMALS_BELOW = 200


@register.filter
def percent(share: float | None, n_images: int | None = 1000) -> str:
    """0.83456 -> "83.5 %" for n = 1000, "83.46 %" from n = 10,000, "83 %" below 200; a dash for nothing."""
    if share is None or share != share:
        return "–"
    n = n_images or 0
    decimals = 2 if n >= TWO_DECIMALS_FROM else 1 if n >= NO_DECIMALS_BELOW else 0
    return f"{100 * share:.{decimals}f} %"


@register.filter
def seconds(milliseconds: float | None) -> str:
    """1234 -> "1.2 s"; a dash for nothing."""
    return "–" if milliseconds is None else f"{milliseconds / 1000:.1f} s"

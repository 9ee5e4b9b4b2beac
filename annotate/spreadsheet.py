"""CSV cells that a spreadsheet shows instead of running. Pure."""

from __future__ import annotations

# Spreadsheets also take the full-width forms.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(value: object) -> object:
    """The value itself, or with an apostrophe before it where a spreadsheet would take it for a formula."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value

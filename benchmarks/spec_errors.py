"""The one error of a submission's spec, and how a refused value is shown in it."""

LONGEST_SHOWN = 80


class SpecError(ValueError):
    """A spec, or one field of it, is refused before anything is queued.

    Attributes: `field` is the place (`steps[1].params.C`), `value` the refused value as it came, `allowed`
    what would be accepted, in words. The text of the error holds all three on one line, free of control
    characters whatever the value was.
    """

    def __init__(self, field: str, value: object, allowed: str, *, problem: str = "") -> None:
        self.field = field
        self.value = value
        self.allowed = allowed
        super().__init__(f"{field}: {problem or f'{show(value)} is not allowed'}; allowed: {allowed}")


def show(value: object) -> str:
    """A value in the words of JSON, in printable ASCII, cut to a readable length."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**LONGEST_SHOWN:
        return "an int too large to show"  # Python itself refuses to print the largest
    text = ascii(value[: LONGEST_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def show_key(key: object) -> str:
    """A key as part of a field's place: itself where it is a plain name, else quoted and cut."""
    plain = isinstance(key, str) and key.isascii() and key.isidentifier() and len(key) <= LONGEST_SHOWN
    return str(key) if plain else show(key)

"""Every sentence that certificates are made of, in every language: `wording.json`, and how a sentence is taken from it.

A change of a sentence is a change of what is certified: the drawing gets a new version then (`ledger.claims.DRAWING`).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

from ledger.claims import Language

_THOUSANDS: Final = {"de": ".", "en": ",", "fr": "\N{NARROW NO-BREAK SPACE}", "nl": "."}
_LISTS: Final = {"de": " und ", "en": " and ", "fr": " et ", "nl": " en "}


class Words:
    """The sentences of one language."""

    def __init__(self, language: Language) -> None:
        self.language: Final = language
        self._table: Final = _table(language)

    def __call__(self, key: str, **values: object) -> str:
        """The sentence of this key. Whole numbers are set as the language has them."""
        said = self._table[key]
        return said.format(**{name: self.value(value) for name, value in values.items()}) if values else said

    def find(self, key: str) -> str | None:
        """A sentence without values, where there is one."""
        return self._table.get(key)

    def value(self, value: object) -> str:
        """A number with its thousands apart; anything else as it is."""
        return f"{value:,}".replace(",", _THOUSANDS[self.language]) if isinstance(value, int) else str(value)

    def seconds(self, micros: int) -> str:
        """Seconds to the millisecond, with the decimal sign of the language."""
        return f"{micros / 1e6:.3f}".replace(".", "." if self.language == "en" else ",")

    def listed(self, names: list[str]) -> str:
        """``f1, f2 and f3``; of many the first ones, and how many there are."""
        if len(names) > 12:
            return f"{', '.join(names[:10])}, ... ({self.value(len(names))})"
        return _LISTS[self.language].join(filter(None, (", ".join(names[:-1]), names[-1])))


@cache
def _table(language: str) -> dict[str, str]:
    read: dict[str, dict[str, Any]] = json.loads((files("reports") / "wording.json").read_bytes())
    return {key: said[language] for key, said in read.items()}


def moment(at: str) -> str:
    """A Time as certificates print it: to the millisecond, with its offset."""
    # In ASCII, which is set much faster than anything else: tables have thousands of these.
    return f"{at[:10]} {at[11:23]} +00:00"

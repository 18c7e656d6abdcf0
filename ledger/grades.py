"""What grades and attestations mean, in the words of docs/format.md, for whoever tells a person of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GRADES: Final[Mapping[str, str]] = {
    "G0": "recorded",
    "G1": "relayed",
    "G2": "delivered",
    "G3": "content fetched",
    "G4": "link followed",
    "G5": "deliberate act",
    "G6": "identified",
    "G7": "bytes handed over",
    "G8": "acknowledged",
}
ATTESTATIONS: Final[Mapping[str, str]] = {
    "A": "a third party's signature over the exact bytes",
    "B": "a MAC with a key we share: we could have forged it",
    "C": "an authenticated channel, the body not covered",
    "D": "our own observation",
    "E": "an unauthenticated claim",
}

"""The one spelling of each sort of value in an entry. docs/format.md, "Conventions"."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

# Patterns end in \Z, not $: $ would let a final newline through.
_UUID7: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z"
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Digest = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]
Id = Annotated[str, Meta(pattern=_UUID7)]
Code = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}\Z")]
Recipient = Annotated[str, Meta(pattern=r"^r[1-9][0-9]{0,4}\Z")]
File = Annotated[str, Meta(pattern=r"^f[1-9][0-9]{0,4}\Z")]
Status = Annotated[str, Meta(pattern=r"^[245]\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\Z")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Seq = Count
# The calendar (no 31 April) is checked by `ledger.entry`, which needs it anyway to compare instants.
Time = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\Z")]
Origin = Annotated[str, Meta(pattern=r"^[!-*,-~]{1,255}\Z")]
Line = Annotated[str, Meta(pattern=r"^[ -~]{1,4096}\Z")]
Note = Annotated[str, Meta(min_length=1, max_length=8192)]


def ordinal(name: str) -> int:
    """The number in ``r12`` or ``f3``, which the schema has already checked."""
    return int(name[1:])

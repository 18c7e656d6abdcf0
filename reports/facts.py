"""Between whom a message went, and what it is: the sections of a certificate that identify what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET

from ledger.case import Case
from ledger.certified import Certified
from reports.blocks import Block, Cell, Column, Grid, Heading, Pair, Pairs, Text
from reports.wording import Words

GROUP: Final = 8


def compared(digest: str) -> str:
    """A hash in groups, so that two can be compared."""
    return " ".join(digest[at : at + GROUP] for at in range(0, len(digest), GROUP))


def hosted(case: Case) -> frozenset[str]:
    """The files that waited behind a link, as far as that is disclosed."""
    return frozenset(name for name, file in case.files.items() if file.where == "hosted")


def sealed(case: Case) -> Mapping[str, Any]:
    """What is disclosed of the message as it was sent, by name."""
    return {name: value for item in case.recording for name, value in item.disclosed.items()}


def whom(case: Case, certified: Certified, words: Words) -> str:
    """The recipients, as a sentence names them."""
    made = certified.claims
    if made.recipient is UNSET:
        total = len(certified.recipients)
        return words("whom.only") if total == 1 else words("whom.all", total=total)
    known = case.recipients.get(made.recipient)
    if known is None:
        return words("whom.one.erased", recipient=made.recipient)
    return words("whom.one", recipient=made.recipient, address=known.address)


def parties(case: Case, certified: Certified, words: Words) -> list[Block]:
    """Sender and recipients, as they were on the wire and in the headers."""
    said, opened = sealed(case), case.message[0].facts
    hidden = words("undisclosed")
    rows = [Pair(words("party.sender"), _sender(said, words))]
    rows += _headers(said, ("from", "to", "cc"), "party", words)
    rows.append(Pair(words("party.identified"), words(f"party.envelope.{opened.envelope}")))
    recipients = []
    for chain in certified.recipients:
        name = chain[0].facts.recipient
        known = case.recipients.get(name)
        role = "" if known is None else words(f"role.{known.role}")
        recipients.append(Pair(name, hidden if known is None else f"{known.address} ({role})"))
    blocks: list[Block] = [Heading(words("heading.parties")), Pairs(rows)]
    one = len(recipients) == 1
    blocks.append(Text(words("party.recipient" if one else "party.recipients"), "small"))
    blocks.append(Pairs(recipients))
    if certified.claims.recipient is not UNSET and opened.recipients > 1:
        more = words("party.others", total=opened.recipients, recipient=certified.claims.recipient)
        blocks.append(Text(more, "dim"))
    return blocks


def _headers(said: Mapping[str, Any], names: Sequence[str], section: str, words: Words) -> list[Pair]:
    """Those that are disclosed; of one too long to be sealed its hash is."""
    rows = []
    for name in names:
        if name in said:
            rows.append(Pair(words(f"{section}.{name}"), said[name]))
        elif f"{name}.sha256" in said:
            hashed = words("content.hashed", sha256=compared(said[f"{name}.sha256"]))
            rows.append(Pair(words(f"{section}.{name}"), hashed))
    return rows


def _sender(said: Mapping[str, Any], words: Words) -> str:
    if "mail_from" not in said:
        return words("undisclosed")
    return said["mail_from"] or words("empty.sender")


def content(case: Case, certified: Certified, words: Words) -> list[Block]:
    """The message by its hash, and every part of it that is disclosed."""
    said, opened = sealed(case), case.message[0]
    blocks: list[Block] = [Heading(words("heading.content"))]
    rows = _headers(said, ("subject", "date", "message_id"), "content", words)
    if case.raw is not None:
        rows.append(Pair(words("content.size"), words("content.octets", size=case.raw.size)))
        rows.append(Pair(words("content.sha256"), compared(case.raw.sha256), code=True))
    if not certified.claims.content:
        withheld = words("content.withheld", seq=str(opened.seq))
        if case.files:
            withheld = words("content.withheld.files")
        blocks.append(Text(words("undisclosed") if case.erased else withheld))
    if rows:
        blocks.append(Pairs(rows))
    if "unparsed" in said:
        blocks.append(Text(words("content.unparsed", reason=said["unparsed"])))
    files = _files(case, said, words)
    if files.rows:
        blocks.append(files)
    total = opened.facts.files
    if not total and case.raw is not None:
        blocks.append(Text(words("content.none"), "dim"))
    elif len(files.rows) < total and certified.claims.content:
        blocks.append(Text(words("content.hidden", count=total - len(files.rows), total=total), "dim"))
    return blocks


def _files(case: Case, said: Mapping[str, Any], words: Words) -> Grid:
    columns = (
        Column(words("content.part"), 0.08),
        Column(words("content.name"), 0.37),
        Column(words("content.digest"), 0.4),
        Column(words("content.where"), 0.15),
    )
    rows = []
    for name in sorted(case.files, key=lambda one: int(one[1:])):
        file, more = case.files[name], said[name]
        described = words("content.sized", type=more.get("media_type", ""), size=file.size)
        rows.append(
            (
                Cell(name),
                Cell(more.get("name") or words("content.unnamed"), (described,)),
                Cell(compared(file.sha256), code=True),
                Cell(words(f"content.{file.where}")),
            )
        )
    return Grid(columns, rows)

"""The survival table's own hand changes what it says and nothing else, and its scores count what they should.

Mails are read here by the standard library, and are made up.
"""

from __future__ import annotations

import email
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.survival import corpus, expected, own, raw, run, table
from bench.survival.change import Change, Copy, crlf
from bench.survival.expected import ADDITIONS, DIFFERENT, EXPECTED, IDENTICAL, MISSING
from bench.survival.product import Answer

HEAD = (
    "From: Sender <sender@example.org>\nTo: Anna <anna@example.com>, Ben <ben@example.net>\nSubject: The offer of May\n"
    "Date: Mon, 23 Nov 2026 09:00:00 +0000\nMessage-ID: <{}@example.org>\nMIME-Version: 1.0\n"
)
PLAIN = (
    "Dear Anna,\nplease find the offer of 1250 pounds below, valid until Friday.\n"
    "See https://example.org/offer?a=1&b=2 for the terms.\nRegards  \nJ\u00f6rg\n"
)
HTML = (
    "<html><head><style>p {color: black}</style></head><body class=x><p>please find the <b>offer</b> of 1250 pounds "
    'below</p><a href="https://example.org/offer?a=1&amp;b=2">the terms</a></body></html>\n'
)


def plain(number: int = 1) -> bytes:
    head = HEAD.format(number) + "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n"
    return crlf((head + PLAIN).encode("latin-1"))


def mixed(number: int = 2) -> bytes:
    def part(*lines: str) -> str:
        return "\n".join(lines)

    alternative = part(
        "--in", "Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: quoted-printable", "",
        PLAIN.replace("=", "=3D").replace("\u00f6", "=F6"), "--in", "Content-Type: text/html", "", HTML, "--in--", "",
    )  # fmt: skip
    files = [
        part(
            f"--out\nContent-Type: application/pdf; name={name}",
            f"Content-Disposition: attachment; filename={name}",
            "Content-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n",
        )
        for name in ("offer.pdf", "terms.pdf")
    ]
    head = HEAD.format(number) + 'Content-Type: multipart/mixed; boundary="out"\n\n'
    inner = '--out\nContent-Type: multipart/alternative; boundary="in"\n\n' + alternative
    return crlf((head + inner + "\n" + "\n".join(files) + "\n--out--\n").encode())


def read(octets: bytes) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Fields without their folds, and every leaf as people get it."""
    message = email.message_from_bytes(octets)
    fields = {name: " ".join(str(value).split()) for name, value in message.items()}
    leaves = []
    for part in message.walk():
        if not part.is_multipart():
            text = part.get_payload(decode=True).decode(part.get_content_charset("latin-1"))  # type: ignore[union-attr]
            lines = [line.rstrip() for line in text.splitlines()]
            leaves.append((part.get_filename() or part.get_content_type(), "\n".join(lines).strip()))
    return fields, leaves


def changed(kind: str, octets: bytes, hand: str = "own") -> Copy:
    copy = next(change for change in own.changes() if change.kind == kind and change.hand == hand).apply(octets)
    assert copy is not None and copy.octets != octets
    return copy


@pytest.mark.parametrize("change", own.changes(), ids=lambda change: f"{change.kind} {change.hand}")
@pytest.mark.parametrize("octets", [plain(), mixed()], ids=["plain", "mixed"])
def test_only_what_is_meant_is_changed(change: Change, octets: bytes) -> None:
    copy = change.apply(octets)
    if copy is None:
        return
    fields, leaves = read(octets)
    new_fields, new_leaves = read(copy.octets)
    if change.kind in ("received", "lf", "refolded", "trailing", "base64", "quoted-printable", "utf-8"):
        assert new_leaves == leaves
        assert {"From", "To", "Subject", "Date", "Message-ID"} <= {n for n, v in fields.items() if new_fields[n] == v}
    elif EXPECTED[change.kind].levels == {ADDITIONS} and octets == plain():
        assert any(leaves[0][1] in text for _, text in new_leaves)
    elif change.kind.startswith("word"):
        before = " ".join(text for _, text in leaves).split()
        after = " ".join(text for _, text in new_leaves).split()
        assert any((name in " ".join(before)) != (name in " ".join(after)) for name in copy.named)
        assert change.kind == "word-under" or abs(len(before) - len(after)) <= 1
    elif change.kind == "header":
        assert new_leaves == leaves and len([name for name in fields if fields[name] != new_fields[name]]) == 1
    elif change.kind == "file":
        assert dict(leaves).items() <= dict(new_leaves).items() and copy.named[0] in dict(new_leaves)


def test_files_are_removed_and_replaced() -> None:
    before = dict(read(mixed())[1])
    removed = changed("removed", mixed())
    assert removed.named == ("terms.pdf",)
    assert set(before) - set(dict(read(removed.octets)[1])) == {"terms.pdf"}
    after = dict(read(changed("replaced", mixed()).octets)[1])
    assert set(after) == set(before) and {name for name in after if after[name] != before[name]} == {"terms.pdf"}


def test_links_lead_elsewhere() -> None:
    copy = changed("links", mixed(), "own, Safe Links").octets
    assert (
        b'href="https://example.org' not in copy
        and copy.count(b"https%3A%2F%2Fexample.org%2Foffer%3Fa%3D1%26b%3D2") > 0
    )
    assert b"example.org/offer" not in changed("links-opaque", plain()).octets


def test_an_unclosed_multipart_is_left_alone() -> None:
    assert raw.read(mixed().replace(b"--out--", b"")).parts == []


@dataclass
class Oracle:
    """Answers what it is told to."""

    answers: Sequence[tuple[int, str, tuple[str, ...]]] = ()
    ids: list[str] = field(default_factory=list)

    def record_all(self, messages: Sequence[bytes]) -> list[str]:
        self.ids = [f"m{number}" for number in range(len(messages))]
        return self.ids

    def identify(self, copy: bytes) -> list[Answer]:
        return [Answer(self.ids[at], level, said) for at, level, said in self.answers]

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, *_: object) -> None: ...


def scored(tmp_path: Path, kind: str, *answers: tuple[int, str, tuple[str, ...]]) -> run.Row:
    """One row by our own hand, over two messages of which the first alone has files."""
    (tmp_path / "a.eml").write_bytes(mixed(1))
    (tmp_path / "b.eml").write_bytes(plain(2))
    mails = corpus.load([tmp_path], print)
    order = sorted(range(2), key=lambda at: mails.recorded[at].label)
    told = [(order[at], level, said) for at, level, said in answers]
    rows = run.run(mails, Oracle(told), None, 9, lambda c: c.kind == kind and c.hand == "own", lambda _: None)
    assert rows[0].applied == (1 if kind == "removed" else 2)
    assert kind in EXPECTED and EXPECTED[kind].title in table.markdown(rows, "")
    return rows[0]


def test_what_is_named_and_right_reaches_its_aim(tmp_path: Path) -> None:
    row = scored(tmp_path, "removed", (0, MISSING, ("removed f2 terms.pdf",)))
    assert (row.right, row.named, row.false) == (1, 1, 0) and table.reached(row)


def test_what_is_not_named_does_not(tmp_path: Path) -> None:
    row = scored(tmp_path, "removed", (0, MISSING, ("removed f1 offer.pdf",)))
    assert (row.right, row.named, row.false) == (1, 0, 0) and not table.reached(row)


def test_a_copy_without_its_file_must_not_match_well(tmp_path: Path) -> None:
    assert scored(tmp_path, "removed", (0, ADDITIONS, ("terms.pdf",))).false == 1


def test_another_message_is_a_false_match_unless_it_is_different(tmp_path: Path) -> None:
    row = scored(tmp_path, "lf", (0, IDENTICAL, ()), (1, DIFFERENT, ()))
    assert (row.false, row.levels[IDENTICAL], row.levels[DIFFERENT]) == (1, 1, 1)


def test_every_change_has_its_row() -> None:
    assert {change.kind for change in own.changes()} <= set(EXPECTED)
    assert all(row.levels <= set(expected.LEVELS) for row in EXPECTED.values())

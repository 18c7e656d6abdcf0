"""Fingerprints of whole messages: numbering, root, limits, JSON, and two independent readers of the same octets."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger import canonical, fingerprint, merkle, mime
from ledger.errors import FormatError, LedgerError, ProofError
from ledger.fingerprint import Octets, Second, check_leaf, hashes_of, leaf_record, prove_leaf, take
from ledger.hashonly import from_json, to_json
from ledger.mime import Limits

REAL = b"""Received: from a by b
From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>
To: a@example.com
Cc: c@example.com
Subject: =?utf-8?b?4oKsIDUwMA==?=
Date: Mon, 5 Jan 2026 10:00:00 +0100
Message-ID: <1@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: multipart/related; boundary="r"

--r
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>=E2=82=AC 500 <img src=3D"cid:1"></p>
--r
Content-Type: image/png
Content-ID: <1>
Content-Transfer-Encoding: base64

iVBORw==
--r--
--b
Content-Type: application/pdf; name="old.pdf"
Content-Disposition: attachment; filename*=utf-8''Pr%C3%BCfung.pdf
Content-Transfer-Encoding: base64

JVBERg==
--b
Content-Type: message/rfc822

Subject: inner
Content-Type: application/zip; name=in.zip

PK
--b
Content-Type: image/gif

GIF89a
--b
Content-Type: text/plain
Content-Disposition: attachment

notes
--b--
"""


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def test_a_real_shape() -> None:
    whole = REAL.replace(b"\n", b"\r\n")
    taken = take(whole)
    assert taken.raw == Octets(digest(whole), len(whole))
    assert taken.parsed
    assert not taken.normalised
    assert whole[taken.header_size :].startswith(b"--b\r\n")
    assert [(h.name, h.value) for h in taken.headers] == [
        ("From", "Jürgen <j@example.org>"),
        ("To", "a@example.com"),
        ("Cc", "c@example.com"),
        ("Subject", "€ 500"),
        ("Date", "Mon, 5 Jan 2026 10:00:00 +0100"),
        ("Message-ID", "<1@example.org>"),
    ]
    assert taken.header("Subject") == "€ 500"
    inner = b"Subject: inner\r\nContent-Type: application/zip; name=in.zip\r\n\r\nPK"
    expected = [
        ("1.1", "text/html", "<p>€ 500 <img src=\"cid:1\"></p>".encode(), None, None),
        ("1.2", "image/png", b"\x89PNG", None, None),
        ("2", "application/pdf", b"%PDF", "Prüfung.pdf", "f1"),
        ("3", "message/rfc822", inner, None, "f2"),
        ("3.1", "application/zip", b"PK", "in.zip", None),
        ("4", "image/gif", b"GIF89a", None, "f3"),
        ("5", "text/plain", b"notes", None, "f4"),
    ]  # fmt: skip
    assert [(x.path, x.media_type, x.sha256, x.size, x.name, x.file) for x in taken.leaves] == [
        (path, kind, digest(octets), len(octets), name, file) for path, kind, octets, name, file in expected
    ]
    assert [x.file for x in taken.files] == ["f1", "f2", "f3", "f4"]


def test_line_ends_change_nothing_but_the_flag() -> None:
    crlf, bare = take(REAL.replace(b"\n", b"\r\n")), take(REAL)
    assert bare.normalised
    assert to_json(bare) == to_json(crlf) | {"normalised": True}


def test_the_root_as_docs_say_written_out_again() -> None:
    """RFC 6962 by hand over records made by the standard library."""
    taken = take(REAL)

    def record(leaf: fingerprint.Leaf) -> bytes:
        blind = hmac.new(bytes.fromhex(taken.raw.sha256), b"postseal-fingerprint-2\0" + leaf.path.encode(), "sha256")
        fields = {"blind": blind.hexdigest(), "media_type": leaf.media_type, "path": leaf.path, "sha256": leaf.sha256}
        fields |= (
            {"size": leaf.size}
            | ({"name": leaf.name} if leaf.name else {})
            | ({"file": leaf.file} if leaf.file else {})
            | ({"text": leaf.text} if leaf.text else {})
            | ({"within": leaf.within} if leaf.within else {})
            | ({"disposition": leaf.disposition} if leaf.disposition else {})
            | ({"charset": leaf.charset} if leaf.charset else {})
            | ({"cid": leaf.cid} if leaf.cid else {})
        )
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def tree(records: list[bytes]) -> bytes:
        if len(records) == 1:
            return hashlib.sha256(b"\0" + records[0]).digest()
        half = 1 << (len(records) - 1).bit_length() - 1
        return hashlib.sha256(b"\1" + tree(records[:half]) + tree(records[half:])).digest()

    assert [record(leaf) for leaf in taken.leaves] == [leaf_record(taken.raw, leaf) for leaf in taken.leaves]
    assert tree([record(leaf) for leaf in taken.leaves]).hex() == taken.root


def test_one_part_is_proved_alone() -> None:
    taken = take(REAL)
    assert taken.root is not None
    for leaf in taken.leaves:
        proof = prove_leaf(taken, leaf.path)
        shown = check_leaf(proof, taken.root)
        assert (shown.path, shown.sha256, shown.name, shown.file) == (leaf.path, leaf.sha256, leaf.name, leaf.file)
    proof = prove_leaf(taken, "2")
    check_leaf(proof, taken.root, b"%PDF")
    with pytest.raises(ProofError, match="not those of the part"):
        check_leaf(proof, taken.root, b"%PDX")
    with pytest.raises(ProofError):
        check_leaf(proof, digest(b""))
    with pytest.raises(FormatError, match="no such part"):
        prove_leaf(taken, "9")
    for bad in ("", "zz", taken.root[:-1]):
        with pytest.raises(LedgerError):
            check_leaf(proof, bad)


def test_a_forged_record_proves_nothing() -> None:
    taken = take(REAL)
    assert taken.root is not None
    proof = prove_leaf(taken, "2")
    fields = canonical.loads(proof.record)
    assert isinstance(fields, dict)
    changes: list[dict[str, canonical.Json]] = [
        {"name": "other.pdf"}, {"size": 5}, {"path": "1"}, {"file": "f2"}, {"extra": 1}, {"encoding": "base64"},
        {"blind": "00" * 32}, {"blind": "x"}, {"blind": 1},
    ]  # fmt: skip
    for change in changes:
        forged = fingerprint.LeafProof(canonical.dumps(fields | change), proof.index, proof.leaves, proof.hashes)
        with pytest.raises(LedgerError):
            check_leaf(forged, taken.root)
    for index, leaves in ((proof.index + 1, proof.leaves), (proof.index, proof.leaves + 5), (-1, 1)):
        with pytest.raises(ProofError):
            check_leaf(fingerprint.LeafProof(proof.record, index, leaves, proof.hashes), taken.root)


def test_equal_neighbours_do_not_have_equal_hashes_in_another_message() -> None:
    """The blind: the same short text in two messages, or twice in one, is not recognisable in a proof."""
    first, second = take(REAL), take(REAL + b"x")
    assert first.leaves == second.leaves
    assert first.root != second.root
    assert not set(prove_leaf(first, "2").hashes) & set(prove_leaf(second, "2").hashes)


@pytest.mark.parametrize(
    ("octets", "limits", "reason"),
    [
        (b"hello", Limits(), "no header field"),
        (b"\r\n\r\nhello", Limits(), "no header field"),
        (b"From x\r\n\r\nhello", Limits(), "no header field"),
        (REAL, Limits(depth=2), "parts nested deeper than 2"),
        (REAL, Limits(parts=6), "more than 6 parts"),
        (REAL, Limits(header_fields=8), "more than 8 header fields"),
        (REAL, Limits(header_bytes=100), "a header block larger than 100 octets"),
        (REAL, Limits(parameters=0), "more than 0 parameters in one header field"),
        (b"To: a, b\nCc: c, d\n\n", Limits(addresses=3), "more than 3 addresses"),
    ],
)
def test_an_unparsable_message_has_its_raw_hash_and_a_reason(octets: bytes, limits: Limits, reason: str) -> None:
    taken = take(octets, limits)
    whole = mime.normalise(octets)
    assert (taken.raw, taken.reason, taken.parsed) == (Octets(digest(whole), len(whole)), reason, False)
    assert (taken.leaves, taken.root, taken.defects) == ((), None, ())
    assert from_json(json.loads(json.dumps(to_json(taken)))) == taken


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(FormatError, match="0 octets"):
        take(b"")
    assert take(b"A: b\r\n", Limits(size=6)).parsed
    with pytest.raises(FormatError, match="7 octets, limit 6"):
        take(b"A: bc\r\n", Limits(size=6))
    with pytest.raises(FormatError, match="7 octets with CRLF line ends, limit 6"):
        take(b"A: bc\n", Limits(size=6))


def test_json_there_and_back() -> None:
    taken = take(REAL + b"\n--b broken")
    value = to_json(taken)
    assert from_json(value) == taken
    assert canonical.loads(canonical.dumps(value), limit=1_000_000) == value


def edits() -> Iterator[tuple[str, Callable[[dict], object]]]:
    def put(path: str, new: object) -> Callable[[dict], object]:
        def edit(value: dict) -> None:
            *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]
            for step in way:
                value = value[step]
            value[last] = new

        return edit

    zero = "00" * 32
    bad: dict[str, list[object]] = {
        "algorithm": ["postseal-fingerprint-1", "postseal-fingerprint-3", 1, None],
        "raw": [{}, {"sha256": zero}, {"sha256": zero, "size": 1, "x": 1}, {"sha256": zero, "size": 10**6}],
        "raw/sha256": ["A" * 64, "0" * 63, "0" * 64 + "\n", 0, "0" * 64],
        "raw/size": [-1, 2**53, 1.0, True, "1", None, 3],
        "normalised": [1, None, "true"],
        "parsed": [False, 1],
        "header_size": [-1, 10**6, True, None],
        "root": ["00" * 32, None],
        "reason": ["was unparsable", "", None],
        "extra": [1],
        "headers/0": [{"name": "Bcc", "value": "x"}, {"name": "To"}, {"name": "To", "value": 1}, "To: x"],
        "headers/0/value": ["two\nlines", "\ud800"],
        "headers": [{}, "x", None],
        "leaves": [[], {}, None],
        "leaves/0": [{}, None],
        "leaves/0/path": ["01", "0", "1..2", "1.", "\u0661", "3", "2", ".".join("1" * 200)],
        "leaves/0/media_type": ["text", "Text/html", "text/html\n", ""],
        "leaves/0/encoding": ["x", None],
        "leaves/0/size": [True, -1, 2**53],
        "leaves/0/sha256": ["00" * 32],
        "leaves/0/name": ["x", "", "a\u0000b", None],
        "leaves/0/file": ["f1", "f0", "f01", "g1"],
        "leaves/2/file": ["f2", None],
        "leaves/2/name": ["other.pdf"],
        "leaves/0/text": ["00" * 32, "", None],
        "leaves/0/within": ["", "mixed/", "other", "Mixed", "mixed", None],
        "leaves/0/disposition": ["attachment", "form-data", None],
        "leaves/0/second": [{"algorithm": "sha512", "digest": "00" * 64}, {}, None],
        "raw/second": [{"algorithm": "sha512", "digest": "00" * 64}, {"algorithm": "md5", "digest": "00" * 32}],
        "relaxed": [None, {}, {"body": "00" * 32, "headers": "00" * 32}],
        "defects": [[{"path": "1"}], [{"path": "0", "code": "other"}], [{"path": "00", "code": "unclosed"}], None],
    }  # fmt: skip
    number = 0
    for path, values in bad.items():
        for new in values:
            number += 1
            yield f"{number} {path}", put(path, new)
    for gone in (
        "algorithm", "raw", "normalised", "parsed", "headers", "leaves", "defects", "root", "header_size", "relaxed"
    ):  # fmt: skip
        yield f"without {gone}", lambda value, gone=gone: value.pop(gone)
    yield "swapped leaves", lambda value: value["leaves"].reverse()


@pytest.mark.parametrize("edit", [pytest.param(edit, id=name) for name, edit in edits()])
def test_json_that_is_not_what_to_json_makes_is_refused(edit: Callable[[dict], object]) -> None:
    value = json.loads(json.dumps(to_json(take(REAL))))
    from_json(value)
    edit(value)
    with pytest.raises(FormatError):
        from_json(value)


def test_a_part_stands_within_no_more_multiparts_than_its_path_leads_through() -> None:
    made = take(REAL)
    for within, steps in (("mixed/related/mixed", 3), ("mixed", 1)):
        leaf = replace(made.leaves[0], within=within)
        leaves = (leaf, *made.leaves[1:])
        root = merkle.root(hashes_of(made.algorithm, made.raw, leaves)).hex()
        value = to_json(replace(made, leaves=leaves, root=root))
        if steps > leaf.path.count(".") + 1:
            with pytest.raises(FormatError, match="more multiparts"):
                from_json(value)
        else:
            from_json(value)


def test_json_of_an_unparsed_message_holds_nothing_else() -> None:
    value = to_json(take(b"hello"))
    leaf = to_json(take(REAL))["leaves"]
    for change in ({"leaves": leaf}, {"root": "00" * 32}, {"defects": [{"path": "0", "code": "unclosed"}]}):
        with pytest.raises(FormatError):
            from_json(value | change)


def test_fingerprints_of_version_1_go_on_being_read() -> None:
    data = (Path(__file__).parent.parent / "golden" / "fingerprint-1.json").read_bytes()
    old = from_json(json.loads(data))
    assert canonical.dumps(to_json(old)) == data and old.algorithm == "postseal-fingerprint-1"
    new = take(REAL)
    assert (old.raw, old.files[0].sha256, old.headers) == (new.raw, new.files[0].sha256, new.headers)
    assert old.root is not None and old.root != new.root
    later = json.loads(data)
    later["leaves"][0]["within"] = "mixed"
    with pytest.raises(FormatError):
        from_json(later)
    for leaf in old.leaves:
        check_leaf(prove_leaf(old, leaf.path), old.root)
    # Nothing of version 2 goes under its name.
    for edit in ({"relaxed": to_json(new)["relaxed"]}, {"algorithm": "postseal-fingerprint-2"}):
        with pytest.raises(FormatError):
            from_json(json.loads(data) | edit)


def test_a_fingerprint_of_version_2_stays_what_it_is() -> None:
    data = (Path(__file__).parent.parent / "golden" / "fingerprint-2.json").read_bytes()
    assert canonical.dumps(to_json(take(REAL))) == data
    assert from_json(json.loads(data)) == take(REAL)


def test_each_part_tells_where_it_stands_and_how_it_is_to_be_shown() -> None:
    assert [(leaf.path, leaf.within, leaf.disposition) for leaf in take(REAL).leaves] == [
        ("1.1", "mixed/related", None),
        ("1.2", "mixed/related", None),
        ("2", "mixed", "attachment"),
        ("3", "mixed", None),
        ("3.1", None, None),
        ("4", "mixed", None),
        ("5", "mixed", "attachment"),
    ]
    odd = b"From: a\nContent-Type: multipart/X-Own; boundary=b\n\n--b\nContent-Disposition: %b\n\nx\n--b--\n"
    for said, told in ((b"INLINE; filename=a", "inline"), (b"form-data", "attachment"), (b"", None)):
        (leaf,) = take(odd % said).leaves
        assert (leaf.within, leaf.disposition) == ("mixed", told)


@pytest.mark.parametrize(("name", "make"), [("sha512", hashlib.sha512), ("sha3-256", hashlib.sha3_256)])
def test_a_second_digest_stands_beside_each_first(name: Any, make: Any) -> None:
    whole = REAL.replace(b"\n", b"\r\n")
    taken = take(REAL, second=name)
    assert taken.raw.second == Second(name, make(whole).hexdigest())
    assert taken.files[0].second == Second(name, make(b"%PDF").hexdigest())
    assert from_json(to_json(taken)) == taken
    proof = prove_leaf(taken, "2")
    assert check_leaf(proof, str(taken.root), b"%PDF").second == taken.files[0].second
    # Some with and some without, another for one of them, one that is too short.
    for path, second in (
        (("raw",), None),
        (("leaves", 1), None),
        (("leaves", 1), {"algorithm": "sha3-256" if name == "sha512" else "sha512", "digest": "00" * 32}),
        (("raw",), {"algorithm": name, "digest": "0" * (128 if name == "sha3-256" else 64)}),
    ):
        value: Any = json.loads(json.dumps(to_json(taken)))
        place = value
        for step in path:
            place = place[step]
        del place["second"]
        if second is not None:
            place["second"] = second
        with pytest.raises(FormatError):
            from_json(value)


def test_octets_are_those_of_a_part_by_every_digest_of_it() -> None:
    second = Second("sha512", hashlib.sha512(b"other").hexdigest())
    right = fingerprint.hashed(b"%PDF", "sha512")
    assert fingerprint.is_of(b"%PDF", right)
    assert not fingerprint.is_of(b"%PDF", Octets(right.sha256, right.size, second))
    assert not fingerprint.is_of(b"%PDF", Octets(digest(b"other"), 4, right.second))


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, {"a": float("nan")}])
def test_json_of_another_shape_is_refused(value: object) -> None:
    with pytest.raises(FormatError):
        from_json(value)

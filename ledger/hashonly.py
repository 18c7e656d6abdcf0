"""A fingerprint as JSON: what ``postseal fingerprint`` prints, and what a sender who keeps his content to himself sends
in its place. Never believed for what it says, only held to its form.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any, cast

import msgspec

from ledger import canonical, merkle
from ledger.errors import FormatError
from ledger.fingerprint import ALGORITHM, HASHLIB, Fingerprint, Leaf, convert, hashes_of
from ledger.headertext import clean


def to_json(fingerprint: Fingerprint) -> dict[str, canonical.Json]:
    """What ``postseal fingerprint`` prints: a value of the canonical JSON profile, fields without a value left out."""
    out = _without_none(msgspec.to_builtins(fingerprint))
    out["parsed"] = fingerprint.parsed
    out["headers"], out["defects"] = list(out["headers"]), list(out["defects"])
    out["leaves"] = [_without_none(leaf) for leaf in out["leaves"]]
    out["raw"] = _without_none(out["raw"])
    return out


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def from_json(value: object) -> Fingerprint:
    """The inverse of ``to_json``, for what others send: ``to_json(from_json(v)) == v``, or FormatError.

    Checked: fields, forms, MIME order, numbering of files, and that ``root`` is the root of the leaves. Not checkable
    without the message: whether it says the truth.
    """
    given = canonical.dumps(cast("canonical.Json", value))
    fingerprint = convert(value, Fingerprint)
    # What the conversion passed over (unknown fields, a null) does not come back. As octets, since 1 == True.
    if canonical.dumps(to_json(fingerprint)) != given:
        raise FormatError("a fingerprint with fields of its own, or without some that it must have")
    _check_texts(fingerprint)
    if fingerprint.header_size is not None and fingerprint.header_size > fingerprint.raw.size:
        raise FormatError("a header block larger than its message")
    if fingerprint.reason is not None:
        if fingerprint.leaves or fingerprint.defects or fingerprint.root or fingerprint.relaxed:
            raise FormatError("an unparsed fingerprint has neither leaves nor defects nor root")
        return fingerprint
    leaves = fingerprint.leaves
    if fingerprint.header_size is None or not leaves:
        raise FormatError("a parsed fingerprint has a header and a leaf")
    _check_version(fingerprint)
    order = [tuple(map(int, leaf.path.split("."))) for leaf in leaves]
    if any(later <= earlier for earlier, later in pairwise(order)):
        raise FormatError("the leaves of a fingerprint are not in MIME order")
    if any(len(leaf.within.split("/")) > leaf.path.count(".") + 1 for leaf in leaves if leaf.within):
        raise FormatError("a part of a fingerprint stands within more multiparts than its path has steps")
    if [leaf.file for leaf in fingerprint.files] != [f"f{number + 1}" for number in range(len(fingerprint.files))]:
        raise FormatError("the files of a fingerprint are not numbered f1, f2 ... in order")
    if fingerprint.root != merkle.root(hashes_of(fingerprint.algorithm, fingerprint.raw, leaves)).hex():
        raise FormatError("the root of a fingerprint is not that of its leaves")
    return fingerprint


def _check_version(fingerprint: Fingerprint) -> None:
    first = fingerprint.algorithm != ALGORITHM
    digests = [fingerprint.raw.second, *(leaf.second for leaf in fingerprint.leaves)]
    if (fingerprint.relaxed is None) != first or (first and any(map(_is_later, fingerprint.leaves))):
        raise FormatError(f"a fingerprint that is not of the version it says, {fingerprint.algorithm}")
    if len({None if one is None else one.algorithm for one in digests}) > 1 or (first and digests[0] is not None):
        raise FormatError("a fingerprint with second digests of some parts only")
    for one in digests:
        if one is not None and len(one.digest) != 2 * hashlib.new(HASHLIB[one.algorithm]).digest_size:
            raise FormatError("a fingerprint with a second digest of the wrong length")


def _is_later(leaf: Leaf) -> bool:
    return any(one is not None for one in (leaf.text, leaf.within, leaf.disposition, leaf.charset, leaf.cid))


def _check_texts(fingerprint: Fingerprint) -> None:
    """Texts are as ``headertext`` makes them: a name or subject that came as JSON holds no newline either."""
    texts = [text.value for text in fingerprint.headers] + [leaf.name or "" for leaf in fingerprint.leaves]
    if any(clean(text) != text for text in texts):
        raise FormatError("a header or file name of a fingerprint holds a control character")

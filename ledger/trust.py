"""Whom a reader of evidence believes: `postseal-trust/1`. docs/format.md, "Evidence".

Evidence proves what it proves against keys that the reader had before; which, is his to say. A policy that names only
a log's key believes that log's operator, and whoever stole that key, in everything a signature can say.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec
from cryptography import x509
from msgspec import Meta, Struct

from ledger import note, spelling
from ledger.entry import check_time
from ledger.errors import FormatError
from ledger.witness import CosignatureVerifier

MAX_BYTES: Final = 16 * 1024 * 1024

Required = Literal["timed", "unforked", "witnessed"]


class Compromised(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A key of a log that the reader knows to be in other hands since an instant; the log itself may not say so."""

    since: spelling.Time
    vkey: spelling.Line


class TrustedLog(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A log and those of its keys that are believed for themselves; others, if these have endorsed them."""

    keys: Annotated[tuple[spelling.Line, ...], Meta(min_length=1)]
    origin: spelling.Origin
    compromised: tuple[Compromised, ...] = ()


class Trust(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False, omit_defaults=False):
    """A policy. ``anchors`` are certificates (DER) of timestamp authorities' roots; ``quorum`` is how many of
    ``witnesses`` it takes; ``require`` names checks without which nothing is valid, beside those always required."""

    logs: tuple[TrustedLog, ...]
    anchors: tuple[bytes, ...] = ()
    auditors: tuple[spelling.Line, ...] = ()
    quorum: spelling.Count = 0
    require: tuple[Required, ...] = ()
    witnesses: tuple[Annotated[str, Meta(min_length=1, max_length=4096)], ...] = ()
    format: Literal["postseal-trust/1"] = "postseal-trust/1"

    def __post_init__(self) -> None:
        """One spelling for each policy, and every key and certificate usable: else it would fail long after."""
        _check_ascending("logs", [log.origin for log in self.logs])
        _check_ascending("auditors", self.auditors)
        _check_ascending("witnesses", self.witnesses)
        _check_ascending("require", self.require)
        _check_ascending("anchors", self.anchors)
        for log in self.logs:
            _check_log(log)
        for vkey in self.auditors:
            note.Verifier.parse(vkey)
        witnesses = [CosignatureVerifier.parse(vkey) for vkey in self.witnesses]
        if len({witness.public_key for witness in witnesses}) != len(witnesses):
            raise FormatError("trust: one key is listed as two witnesses")
        for anchor in self.anchors:
            try:
                x509.load_der_x509_certificate(anchor)
            except (ValueError, x509.InvalidVersion) as error:
                raise FormatError(f"trust: an anchor is no certificate in DER: {error}") from None
        # A witness is a name; with keys of two types he counts once.
        names = len({witness.name for witness in witnesses})
        if not (1 if names else 0) <= self.quorum <= names:
            raise FormatError(f"trust: a quorum of {self.quorum} among {names} witnesses")

    @classmethod
    def of(cls, *vkeys: str) -> Trust:
        """The simplest policy: these keys of logs, and nobody else."""
        keys: dict[str, set[str]] = {}
        for vkey in vkeys:
            keys.setdefault(note.Verifier.parse(vkey).name, set()).add(vkey)
        return cls(logs=tuple(TrustedLog(origin=origin, keys=tuple(sorted(keys[origin]))) for origin in sorted(keys)))

    @classmethod
    def parse(cls, data: bytes) -> Trust:
        """A policy from its file. FormatError says what is wrong."""
        if len(data) > MAX_BYTES:
            raise FormatError(f"trust policy of {len(data)} bytes, limit {MAX_BYTES}")
        try:
            trust = msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise FormatError(f"not a trust policy: {error}") from None
        if trust.to_bytes() != data:
            raise FormatError("a trust policy is not canonical JSON with all its fields")
        return trust

    def to_bytes(self) -> bytes:
        """The inverse of `parse`."""
        try:
            return msgspec.json.encode(self, order="sorted")
        except UnicodeEncodeError:
            raise FormatError("trust: a lone surrogate") from None

    def log(self, origin: str) -> TrustedLog | None:
        """What it says of this log."""
        return next((log for log in self.logs if log.origin == origin), None)


def _check_log(log: TrustedLog) -> None:
    _check_ascending("keys", log.keys)
    _check_ascending("compromised", [said.vkey for said in log.compromised])
    for vkey in log.keys:
        if note.Verifier.parse(vkey).name != log.origin:
            raise FormatError("trust: a log's key is not called after its origin")
    for said in log.compromised:
        note.Verifier.parse(said.vkey)
        check_time(said.since)


def _check_ascending(name: str, values: tuple[str, ...] | tuple[bytes, ...] | list[str]) -> None:
    for before, value in pairwise(values):
        if value <= before:  # type: ignore[operator]  # all strings, or all bytes
            raise FormatError(f"trust: {name} do not ascend, each once")

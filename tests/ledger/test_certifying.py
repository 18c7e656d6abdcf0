"""Issuing certificates: what is refused, what is recorded, what a crash leaves; drawn by what stands for a printer."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger import canonical, case, certified, claims, disclosure, entry, envelope, evidence, fingerprint
from ledger.audit import audit
from ledger.certifying import Certifying, Service
from ledger.claims import Claims
from ledger.erasing import Erasing
from ledger.errors import (
    Adverse,
    Damaged,
    Erased,
    FormatError,
    InvalidRequest,
    LedgerError,
    ProofError,
    Unavailable,
    UnknownReference,
)
from ledger.log import Log
from ledger.sequencer import Submission
from ledger.store.inspect import inspect
from ledger.store.replayed import StoredLog
from ledger.trust import Trust
from tests.helpers import HOUSE
from tests.ledger.ledgers import ORIGIN, beat, open_log

MAIL = (
    b"From: Ann <ann@sender.example>\r\nTo: Bob <bob@one.example>\r\nCc: carol@two.example\r\nSubject: the plan\r\n"
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nsee\r\n--x\r\nContent-Type: application/pdf\r\n"
    b"Content-Disposition: attachment; filename=plan.pdf\r\n\r\none\r\n--x--\r\n"
)
TO = ["bob@one.example", "carol@two.example", "dave@three.example"]
SERVICE = Service("Example Ltd", "Art. 6(1)(f) GDPR", "https://log.example/verify")


def printed(octets: bytes) -> bytes:
    """What a printer makes of evidence: it depends on that alone."""
    return b"%PDF- " + sha256(octets).hexdigest().encode()


def checked(octets: bytes) -> bytes:
    """What a printer does first."""
    certified.of(case.read(evidence.parse(octets)))
    return printed(octets)


@dataclass
class Office:
    log: Log
    url: str
    directory: Path
    message: str = ""
    drawn: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.who = self.log.person("k1", "Eve (compliance)")
        self.certifying = Certifying(self.log, self.draw, SERVICE)

    def draw(self, octets: bytes) -> bytes:
        self.drawn.append(octets)
        return printed(octets)

    def issue(self, kind: str, recipient: str | None = None, **more: Any) -> Any:
        return self.certifying.issue(self.message, kind, actor=self.who, recipient=recipient, **more)

    def kinds(self) -> list[str]:
        own = self.log.message(self.message)
        return [entry.decode(data).kind for _, data in self.log.reader.chain_entries(own)]

    def twin(self) -> case.Case:
        return case.read(evidence.parse(self.drawn[-1]))


@pytest.fixture
def office(database_url: str, tmp_path: Path) -> Iterator[Office]:
    with open_log(database_url, tmp_path) as log:
        made = Office(log, database_url, tmp_path)
        sent = envelope.given("ann@sender.example", TO)
        roles = envelope.roles(MAIL, sent)
        made.message = log.record(fingerprint.take(MAIL), sent, roles, hosted=["f1"], keep=MAIL).message
        yield made
        stored = partial(StoredLog, database_url, log.checkpoint()[1])
        assert not audit(stored, origin=ORIGIN, vkeys=[log.ring.signer().vkey]).findings
        assert inspect(log.reader, log.ring, store=log.blobs).findings == []


def test_a_certificate_is_entries_evidence_and_a_file(office: Office) -> None:
    log, message = office.log, office.message
    log.event(message, "r1", "delivery.delivered", source="webhook", attestation="A")
    made = office.issue("delivery", "r1")
    assert made.pdf == printed(office.drawn[0])
    assert log.certificate(made.number) == made.pdf
    known = log.certified(made.number)
    assert (known.kind, known.message, known.recipient) == ("delivery", message, "r1")
    assert (known.sha256, known.superseded, known.withdrawn) == (sha256(made.pdf).hexdigest(), None, None)
    assert office.kinds()[-2:] == ["certificate.issued", "certificate.sealed"]
    said = office.twin()
    found = certified.of(said)
    assert found.claims == claims.make(
        certificate="delivery",
        content=True,
        language="en",
        message=message,
        number=made.number,
        paper="a4",
        token=made.token,
        shown=found.claims.shown,
        size=found.claims.size,
        recipient="r1",
        operator="Example Ltd",
        basis="Art. 6(1)(f) GDPR",
        verify="https://log.example/verify",
    )
    assert claims.digest(found.claims) == found.closing.log.facts.claims
    trust = Trust.of(log.ring.signer().vkey)
    assert evidence.check(office.drawn[0], trust).verdict == "valid"


@pytest.mark.parametrize("kind", ["dispatch", "delivery", "access", "block"])
def test_for_one_recipient_nothing_shows_another(office: Office, kind: str) -> None:
    log, message = office.log, office.message
    for recipient in ("r1", "r2"):
        log.event(message, recipient, "relay.accepted", sealed=[("reply", f"250 queued for {recipient}")])
        log.event(message, recipient, "message.opened", source="portal")
    log.block(message, "all", sealed=[("reason_text", "meant for dave@three.example")])
    office.issue(kind, "r2")
    octets = office.drawn[-1]
    shown = "\n".join(disclosure.parse(text).name + repr(disclosure.parse(text).value) for text in _shown(octets))
    assert "carol@two.example" in shown
    assert not re.search("bob|dave|queued for r1", shown)
    office.issue(kind)
    shown = repr([disclosure.parse(text).value for text in _shown(office.drawn[-1])])
    assert all(address in shown for address in TO)


def _shown(octets: bytes) -> list[str]:
    return [text for held in evidence.parse(octets).entries for text in held.disclosures]


def test_facts_alone_withhold_what_the_message_said(office: Office) -> None:
    for recipient in (None, "r1"):
        office.issue("dispatch", recipient, content=False)
        said = office.twin()
        names = {name for item in said.recording for name in item.disclosed}
        assert {"mail_from", "from", "r1"} <= names
        assert not names & {"subject", "raw", "f1", "leaves", "relaxed", "p1"}
        assert not certified.of(said).claims.content
    # The claims of another certificate are in no twin but its own.
    assert sum(claims.FACT in item.disclosed for item in said.message) == 1


def test_non_access_of_facts_alone_shows_what_files_it_is_about(office: Office) -> None:
    office.log.block(office.message, "all")
    office.issue("non_access", "r1", content=False)
    names = {name for item in office.twin().recording for name in item.disclosed}
    assert "f1" in names and not names & {"subject", "raw"}


MACHINE = {"agent": "machine", "rule": "scanner", "list": "l1", "inputs": "A" * 43}

REFUSED: dict[str, tuple[str, str | None, Callable[[Office], object], str]] = {
    "no delivery": ("delivery", "r1", lambda o: None, "no delivery is recorded"),
    "somebody else's delivery": (
        "delivery",
        "r1",
        lambda o: o.log.event(o.message, "r2", "delivery.delivered"),
        "no delivery is recorded",
    ),
    "taken over, and bounced": (
        "delivery",
        "r1",
        lambda o: [o.log.event(o.message, "r1", kind) for kind in ("relay.accepted", "delivery.bounced")],
        "delivery.bounced was recorded",
    ),
    "no access": ("access", "r1", lambda o: o.log.event(o.message, "r2", "link.opened"), "no access is recorded"),
    "a machine's access": (
        "access",
        "r1",
        lambda o: o.log.event(o.message, "r1", "link.opened", facts={"verdict": MACHINE}),
        "no access is recorded that came to its end and that no machine made",
    ),
    "no block": ("block", "r1", lambda o: None, "no block is recorded"),
    "somebody else's block": (
        "block",
        "r1",
        lambda o: o.log.block(o.message, "recipient", recipient="r2"),
        "no block is recorded",
    ),
    "not blocked": ("non_access", "r1", lambda o: None, "no block of f1 is in force"),
    "a block lifted": ("non_access", "r1", lambda o: o.log.lift(o.message, _block(o)), "no block of f1 is in force"),
    "an access, a machine's": (
        "non_access",
        "r1",
        lambda o: [o.log.event(o.message, "r1", "link.opened", facts={"verdict": MACHINE}), _block(o)],
        "link.opened on the chain of r1",
    ),
    "an access of nobody": (
        "non_access",
        "r1",
        lambda o: [o.log.event(o.message, None, "message.opened"), _block(o)],
        "message.opened unattributed",
    ),
}


def _block(office: Office) -> str:
    return office.log.block(office.message, "all")[0].block


@pytest.mark.parametrize("case_", REFUSED)
def test_what_would_not_be_true_is_refused_and_leaves_nothing(office: Office, case_: str) -> None:
    kind, recipient, happened, reason = REFUSED[case_]
    happened(office)
    before = office.log.reader.head().size
    with pytest.raises(Adverse, match=reason):
        office.issue(kind, recipient)
    assert office.log.reader.head().size == before
    assert office.drawn == []


def test_what_is_said_later_makes_it_true(office: Office) -> None:
    log, message = office.log, office.message
    log.event(message, "r1", "relay.accepted")
    log.event(message, "r1", "delivery.bounced")
    log.event(message, "r1", "relay.accepted")
    office.issue("delivery", "r1")
    log.event(message, "r2", "relay.accepted")
    # For all of them it is enough that there is one: the paper says for how many.
    office.issue("delivery")


WRONG: dict[str, tuple[dict[str, Any], type[LedgerError]]] = {
    "a kind unknown": ({"kind": "reading"}, InvalidRequest),
    "a language unknown": ({"kind": "dispatch", "language": "tlh"}, InvalidRequest),
    "a paper unknown": ({"kind": "dispatch", "paper": "a5"}, InvalidRequest),
    "a recipient misspelt": ({"kind": "dispatch", "recipient": "R1"}, InvalidRequest),
    "a recipient too many": ({"kind": "dispatch", "recipient": "r4"}, UnknownReference),
    "a file where it says nothing": ({"kind": "dispatch", "file": "f1"}, InvalidRequest),
    "a file too many": ({"kind": "block", "file": "f2"}, UnknownReference),
    "a file too many, never accessed": ({"kind": "non_access", "file": "f2"}, UnknownReference),
    "a number that nothing has": ({"kind": "dispatch", "supersedes": "aaaa-aaaa-aaaa-aaaa"}, UnknownReference),
    "a number misspelt": ({"kind": "dispatch", "supersedes": "AAAA"}, InvalidRequest),
}


@pytest.mark.parametrize("case_", WRONG)
def test_what_cannot_be_asked_for(office: Office, case_: str) -> None:
    asked, error = WRONG[case_]
    _block(office)
    before = office.log.reader.head().size
    with pytest.raises(error):
        office.issue(**asked)
    assert office.log.reader.head().size == before


def test_there_is_an_end_to_paper(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.certifying.MOST", 5)
    office.issue("dispatch", "r1")
    before = office.log.reader.head().size
    with pytest.raises(InvalidRequest, match="7 entries are more than a certificate can hold"):
        office.issue("dispatch")
    assert office.log.reader.head().size == before


def test_no_vault_no_certificate(database_url: str, tmp_path: Path) -> None:
    with open_log(database_url, tmp_path, blobs=None) as log:
        made = Certifying(log, printed, Service())
        with pytest.raises(Unavailable):
            made.issue("01890a5d-ac96-774b-bcce-b302099a8057", "dispatch", actor=log.person("a", "a"))


class Crash(BaseException):
    pass


def test_a_crash_between_any_two_steps_is_gone_on_from(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    log, message, key = office.log, office.message, b"k" * 32
    places: list[tuple[Any, str]] = [(office.certifying, "_evidence"), (office.certifying, "_draw"), (log.blobs, "put")]

    def ask() -> Any:
        closing = office.certifying.ask(message, "dispatch", actor=office.who, key=key)
        return log.write(closing, key, b"d" * 32)

    for target, name in places:
        with monkeypatch.context() as patch:

            def crash(*_: Any, **__: Any) -> Any:
                raise Crash

            patch.setattr(target, name, crash)
            with pytest.raises(Crash):
                office.certifying.finish(ask())
    assert office.kinds().count("certificate.issued") == 1
    first = office.certifying.finish(ask())
    again = office.certifying.finish(ask())
    assert (first.number, first.pdf) == (again.number, again.pdf)
    assert office.kinds().count("certificate.sealed") == 1


def test_two_who_finish_one_at_once_seal_it_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    closing = office.certifying.ask(office.message, "dispatch", actor=office.who)
    done = office.log.write(closing)
    other = Office(office.log, office.url, office.directory, office.message)
    made: list[Any] = []

    def meanwhile(octets: bytes) -> bytes:
        if not made:
            made.append(None)
            # Under a newer state of the log, so that its evidence is another.
            office.log.write(beat(office.log.instance))
            made[0] = other.certifying.finish(msgspec.structs.replace(done, checkpoint=office.log.checkpoint()[1]))
        return printed(octets) + b" drawn by the other"

    monkeypatch.setattr(office.certifying, "_draw", meanwhile)
    late = office.certifying.finish(done)
    assert late.pdf == made[0].pdf == office.log.certificate(late.number)
    assert office.kinds().count("certificate.sealed") == 1
    assert {name for name, _ in office.log.blobs.names()} == {  # type: ignore[union-attr]
        row[1] for row in office.log.reader.blobs(office.log.message(office.message))
    }


def test_an_access_that_came_between_withdraws_the_number(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    _block(office)
    closing = office.certifying.ask(office.message, "non_access", actor=office.who, recipient="r1")
    office.log.event(office.message, "r1", "link.opened", source="webhook")
    done = office.log.write(closing)
    for _ in "12":
        # Asked again, it is refused again, and recorded once.
        with pytest.raises(Adverse, match=r"link\.opened"):
            office.certifying.finish(done)
    assert office.kinds()[-2:] == ["certificate.issued", "certificate.withdrawn"]
    assert office.drawn == []
    issued: Any = entry.decode(done.recorded[0].data)
    with pytest.raises(UnknownReference):
        office.log.certificate(issued.facts.number)


def test_what_came_between_is_judged_before_it_is_sealed(office: Office) -> None:
    log, message = office.log, office.message
    log.event(message, "r1", "relay.accepted")
    for between in ("delivery.bounced", None):
        closing = office.certifying.ask(message, "delivery", actor=office.who, recipient="r1")
        if between is None:
            # Nothing against it, but sealed: the claims were made without it.
            log.event(message, "r1", "delivery.delivered", sealed=[("note", "x")])
        else:
            log.event(message, "r1", between)
        done = log.write(closing)
        office.certifying = Certifying(
            log, lambda octets: certified.of(case.read(evidence.parse(octets))) and b"", SERVICE
        )
        with pytest.raises(Adverse):
            office.certifying.finish(done)
        assert office.kinds()[-1] == "certificate.withdrawn"
        log.event(message, "r1", "relay.accepted")


def test_an_erasure_while_it_is_drawn(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    log = office.log
    erasing = Erasing(log)
    closing = office.certifying.ask(office.message, "dispatch", actor=office.who, recipient="r1")
    done = log.write(closing)

    def meanwhile(octets: bytes) -> bytes:
        erasing.go_on(log.write(erasing.of_message(office.message, office.who, recipient="r1")))
        return printed(octets)

    monkeypatch.setattr(office.certifying, "_draw", meanwhile)
    with pytest.raises(Erased, match="is being erased, or was"):
        office.certifying.finish(done)
    assert [row[0] for row in log.reader.blobs(log.message(office.message))] == ["body"]


def test_what_is_recorded_while_it_is_sealed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    log, write, more = office.log, office.log.write, [1, 2]

    def meanwhile(act: Any, *rest: Any) -> Any:
        if type(act).__name__ == "Seal" and more.pop():
            log.submit([Submission(log.draft(office.message, None, "message.opened"))]).result()
            more.append(0) if not more else None
        return write(act, *rest)

    monkeypatch.setattr(log, "write", meanwhile)
    made = office.issue("dispatch", "r1")
    assert log.certificate(made.number) == made.pdf


def test_superseded_and_withdrawn(office: Office) -> None:
    first = office.issue("dispatch", "r1")
    second = office.issue("dispatch", "r1", supersedes=first.number)
    assert office.log.certified(first.number).superseded == second.number
    assert certified.of(office.twin()).claims.supersedes == first.number
    office.log.block(office.message, "all")
    for kind, recipient in (("dispatch", "r2"), ("dispatch", None), ("block", "r1")):
        with pytest.raises(InvalidRequest, match="same message and recipient"):
            office.issue(kind, recipient, supersedes=second.number)
    with pytest.raises(InvalidRequest, match="another took its place before"):
        office.issue("dispatch", "r1", supersedes=first.number)
    office.certifying.withdraw(second.number, "wrong-recipient", actor=office.who)
    withdrawn = office.log.certified(second.number).withdrawn
    assert withdrawn is not None and withdrawn.facts.reason == "wrong-recipient"  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest, match="before"):
        office.certifying.withdraw(second.number, actor=office.who)
    with pytest.raises(UnknownReference):
        office.certifying.withdraw("aaaa-aaaa-aaaa-aaaa", actor=office.who)
    # They are still there, and still the same.
    assert office.log.certificate(first.number) == first.pdf
    assert office.log.certificate(second.number) == second.pdf


def test_erasing_takes_the_file_and_no_other(office: Office) -> None:
    one, two, all_of = office.issue("dispatch", "r1"), office.issue("dispatch", "r2"), office.issue("dispatch")
    erasing = Erasing(office.log)
    erasing.go_on(office.log.write(erasing.of_message(office.message, office.who, recipient="r1")))
    for gone in (one, all_of):
        with pytest.raises(Erased):
            office.log.certificate(gone.number)
        # That it was sealed, and of what, stays known, and it can still be withdrawn.
        assert office.log.certified(gone.number).sha256 == sha256(gone.pdf).hexdigest()
    office.certifying.withdraw(one.number, actor=office.who)
    assert office.log.certified(one.number).withdrawn is not None
    assert office.log.certificate(two.number) == two.pdf
    left = [path.read_bytes() for path in office.directory.rglob("*") if path.is_file()]
    assert not any(one.pdf in octets for octets in left)
    # What went to others names the sender as well.
    erasing.go_on(office.log.write(erasing.of_person("ann@sender.example", office.who)))
    with pytest.raises(Erased):
        office.log.certificate(two.number)


def test_the_file_is_encrypted_and_held_against_its_hash(office: Office) -> None:
    made = office.issue("dispatch", "r1")
    blobs = office.directory / "blobs"
    files = [path for path in blobs.rglob("*") if path.is_file()]
    assert files and not any(b"%PDF" in path.read_bytes() for path in files)
    row = next(row for row in office.log.reader.blobs(office.log.message(office.message)) if row[0].startswith("cert"))
    path = next(path for path in files if path.name == row[1] or row[1] in str(path))
    octets = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(octets[:-1] + bytes([octets[-1] ^ 1]))
    with pytest.raises(Damaged):
        office.log.certificate(made.number)
    assert any(
        "certificate" in one for one in inspect(office.log.reader, office.log.ring, store=office.log.blobs).findings
    )
    path.write_bytes(octets)


def test_evidence_of_another_act_is_no_certificate(office: Office) -> None:
    office.issue("dispatch", "r1")
    whole = office.drawn[-1]
    with pytest.raises(ProofError, match=r"evidence\.exported"):
        certified.of(case.read(office.log.export(office.message)))
    document = evidence.parse(whole)
    bare = [
        msgspec.structs.replace(
            held, disclosures=tuple(text for text in held.disclosures if disclosure.parse(text).name != claims.FACT)
        )
        for held in document.entries
    ]
    with pytest.raises(ProofError, match="not disclosed"):
        certified.of(case.read(msgspec.structs.replace(document, entries=tuple(bare))))


def test_a_number_leads_to_its_message_for_whoever_has_the_ring(office: Office) -> None:
    log = office.log
    own = log.message(office.message)
    numbers = {log.number(bytes([k] * claims.HALF), own) for k in range(200)}
    assert len(numbers) == 200
    for number in numbers:
        octets = claims.octets(number)
        assert claims.number(octets) == number and log.place(octets) == own.no
    # Nobody else sees that they are of one message.
    assert len({claims.octets(number)[claims.HALF :] for number in numbers}) == 200
    # One that was made up leads nowhere, or to a message that has no such certificate.
    for made_up in ("aaaa-aaaa-aaaa-aaaa", "7777-7777-7777-7777", next(iter(numbers))):
        with pytest.raises(UnknownReference):
            log.certified(made_up)


def test_numbers_and_tokens(office: Office) -> None:
    made = office.issue("dispatch", "r1")
    assert re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}", made.number)
    assert made.token == office.certifying.token(made.number) != made.number
    assert claims.typed(f"  {made.number.upper().replace('-', ' ')}\n") == made.number
    for wrong in ("", "abcd", "a" * 15, "a" * 17, "1" * 16, "a" * 100_000, "äbcdefghijklmnop"):
        with pytest.raises(FormatError):
            claims.typed(wrong)


def test_claims_there_and_back() -> None:
    said = {
        "certificate": "block",
        "content": True,
        "language": "fr",
        "message": "01890a5d-ac96-774b-bcce-b302099a8057",
        "number": "abcd-efgh-ijkl-mnop",
        "paper": "letter",
        "shown": claims.shown_digest(()),
        "size": 7,
        "token": "abcd-efgh-ijkl-mno2",
    }
    made = claims.make(**said)
    assert claims.from_json(claims.to_json(made)) == made
    assert isinstance(made, Claims)
    for wrong in (
        {"content": 1},
        {"number": "abcd"},
        {"verify": "javascript:x"},
        {"operator": ""},
        {"weather": "fair"},
        {"drawing": "postseal-certificate/0"},
    ):
        with pytest.raises(FormatError):
            claims.from_json({**claims.to_json(made), **wrong})
    with pytest.raises(FormatError):
        claims.make(**{**said, "certificate": "dispatch", "file": "f1"})


def test_the_golden_claims_are_read_for_ever() -> None:
    octets = (HOUSE / "tests" / "golden" / "claims-1.json").read_bytes()
    made = claims.from_json(canonical.loads(octets))
    assert canonical.dumps(claims.to_json(made)) == octets
    assert claims.digest(made) == "be58b7bc66f91689e01aeecd4990376486d3c7490e8d857b766a9025ee816ce9"
    # A second reading of docs/format.md: digests ascending, a line each; ten octets in base 32, in groups of four.
    assert made.shown == sha256(b"A" * 43 + b"\n" + b"B" * 43 + b"\n").hexdigest()
    assert claims.shown_digest(["B" * 43, "A" * 43]) == made.shown
    assert made.number.replace("-", "").upper() == base64.b32encode(bytes(range(10))).decode()
    assert claims.number(bytes(range(10))) == made.number

"""Events, blocks, lists, evidence and keys, through the commands as a person types them."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest

from cli import event, facts, keys
from ledger import evidence
from ledger.disclosure import parse
from ledger.keys import KeyRing
from ledger.trust import Trust
from tests.cli.commands import Commands
from tests.helpers import HOUSE

NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


def test_an_event_by_number_or_by_address(postseal: Commands, message: str) -> None:
    said = postseal.ok("event", message, "relay.accepted", "--recipient", "bob@ONE.example", "--json")
    entry = said.json["entry"]
    assert entry["facts"] == {"attestation": "E", "attribution": "exact", "grade": "G1"}


def test_an_event_with_all_it_may_have(postseal: Commands, message: str) -> None:
    said = postseal.ok(
        *("event", message, "delivery.bounced", "--recipient", "r1", "--source", "report", "--attestation", "D"),
        *("--occurred", "2026-11-02T10:00:00+01:00", "--clock", "stated", "--fact", "status=5.1.1"),
        *("--seal", "reply=550 no such user", "--key", "dsn-1", "--json"),
    ).json
    assert said["entry"]["occurred"] == "2026-11-02T09:00:00.000000Z"
    assert (said["entry"]["clock"], said["entry"]["facts"]["status"]) == ("stated", "5.1.1")
    assert len(said["entry"]["sealed"]) == 1
    again = postseal.ok(
        *("event", message, "delivery.bounced", "--recipient", "r1", "--source", "report", "--key", "dsn-1", "--json")
    ).json
    assert (again["repeated"], again["seq"]) == (True, said["seq"])
    shown = " ".join(postseal.ok("show", message).out.split())
    assert "no such user" in shown and "5.1.1" in shown and "bounced" in shown


CODE = "expects a word of a-z 0-9 . _ - such as wrong-recipient"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "no tracking event is called 'nonsense': `postseal event --help` lists the kinds"),
        (["link.opend"], "did you mean link.opened?"),
        (["opened"], "did you mean message.opened or link.opened?"),
        (["message.recorded"], "such an entry is written by an act of its own"),
        (["link.opened", "--recipient", "first"], "a recipient is called r1, r2 ..., or by his address"),
        (["code.sent"], "code.sent is about one recipient: name him with --recipient"),
        (["link.opened", "--occurred", "yesterday", "--clock", "stated"], "an instant is written like"),
        (["link.opened", "--occurred", "2026-11-02T10:00:00", "--clock", "stated"], "end it with Z"),
        (["link.opened", "--occurred", "2026-11-02T10:00:00Z"], "--occurred and --clock go together"),
        (["link.opened", "--clock", "stated"], "--occurred and --clock go together"),
        (["link.opened", "--source", "somebody"], "a source is one of api, gateway"),
        (["link.opened", "--source", "system"], "a source is one of api, gateway"),
        (["link.opened", "--occurred", "2026-11-02T10:00:00Z", "--clock", "wall"], "a clock is one of attested"),
        (["link.opened", "--seal", "novalue"], "--seal is written name=value"),
        (["link.opened", "--seal", "Reply=250"], "--seal: 'Reply' is no name; one is lowercase words such as"),
        (["link.opened", "--seal", "reply=1", "--seal", "reply=2"], "--seal: 'reply' is given twice"),
        (["link.opened", "--seal", f"reply={'x' * 99_000}"], "--seal reply: disclosure: "),
        (["link.opened", "--fact", "colour=red"], "--fact colour: link.opened has no such fact"),
        (["relay.accepted", "--fact", "colour=red"], "relay.accepted has no such fact; it has code, status, tls"),
        (["relay.accepted", "--fact", "stats=5.1.1"], "did you mean status?"),
        (["relay.accepted", "--fact", "code=many"], "--fact code expects a whole number"),
        (["relay.accepted", "--fact", "status=no"], "--fact status expects a status such as 5.1.1"),
        (["relay.accepted", "--fact", "tls=yes"], "--fact tls expects true or false"),
        (["delivery.bounced", "--fact", "reason=No such user"], f"--fact reason {CODE}"),
        (["link.opened", "--fact", "grade=G8"], "--fact grade: it follows from what else is said"),
        (["link.opened", "--fact", "file=f1"], "--fact file: say it with --file"),
        (["link.opened", "--transfer", "x"], "--transfer: link.opened has no transfer"),
        (["link.opened", "--attestation", "Z"], "--attestation expects one of A, B, C, D, E"),
        (["link.opened", "--key", ""], "--key is what the source calls the event, and not empty"),
        (["recipient.identified", "--recipient", "r1"], "recipient.identified needs --fact method=..., a word of"),
        (["download.started", "--recipient", "r1"], "download.started needs --file, the number of a file, such as f1"),
        (["download.started", "--file", "plan.pdf"], "--file expects the number of a file, such as f1"),
        (["download.completed", "--file", "f1", "--recipient", "r1"], "download.completed needs --transfer, an id"),
        (["download.completed", "--file", "f1", "--transfer", "x"], "--transfer expects an id"),
    ],
)
def test_events_that_cannot_be_are_refused_in_words_before_anything_is_opened(
    postseal: Commands, message: str, arguments: list[str], said: str
) -> None:
    size = postseal.ok("audit", "--json").json["size"]
    ran = postseal("event", message, *arguments)
    assert ran.status == 2 and said in ran.err and len(ran.err.splitlines()) == 1
    assert not re.search(r"[\^\\$]|`str`|regex", ran.err), "nobody reads a pattern"
    assert postseal.ok("audit", "--json").json["size"] == size


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["link.opened", "--recipient", "r9"], "no such recipient of this message"),
        (["link.opened", "--recipient", "x@nobody.example"], "no recipient of this message has that address"),
        (["download.started", "--file", "f7", "--recipient", "r1"], "the message has 1 files, no f7"),
    ],
)
def test_events_of_what_is_not_there_are_refused(
    postseal: Commands, message: str, arguments: list[str], said: str
) -> None:
    ran = postseal("event", message, *arguments)
    assert ran.status == 2 and said in ran.err and len(ran.err.splitlines()) == 1
    assert "nobody.example" not in ran.err, "an error holds no address"
    assert len(postseal.ok("show", message, "--json").lines) == 4


def test_facts_have_the_type_of_their_kind(postseal: Commands, message: str) -> None:
    arguments = ["--fact", "code=250", "--fact", "tls=true", "--fact", "status=2.0.0"]
    said = postseal.ok("event", message, "relay.accepted", *arguments, "--json").json
    facts = said["entry"]["facts"]
    assert (facts["code"], facts["tls"], facts["status"]) == (250, True, "2.0.0")
    # A word of digits is a word where a word is meant.
    said = postseal.ok("event", message, "delivery.bounced", "--fact", "reason=550", "--json").json
    assert said["entry"]["facts"]["reason"] == "550"


def test_help_names_what_may_be_sealed_as_the_format_does(postseal: Commands) -> None:
    page = (HOUSE / "docs" / "format.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| tracking events |"))
    assert re.findall(r"`(\w+)`", row) and set(re.findall(r"`(\w+)`", row)) == set(event._SEALED.split(", "))
    assert set(facts.TRACKING) <= set(re.findall(r"[a-z]+\.[a-z]+", postseal.ok("event", "--help").out))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["event", "nope", "link.opened"], "a message is named by its id; `postseal messages` lists them"),
        (["show", "nope"], "a message is named by its id"),
        (["messages", "--before", "nope"], "a message is named by its id"),
        (["export", "nope", "-o", "x.json"], "a message is named by its id"),
        (["block", "nope", "--scope", "all"], "a message is named by its id"),
        (["lift", "nope", "nope"], "a message is named by its id"),
        (["lift", "MESSAGE", "nope"], "a block is named by its id; `postseal show MESSAGE` lists them"),
        (["lift", "MESSAGE", "MESSAGE", "--reason", "By mistake"], f"--reason {CODE}"),
        (["block", "MESSAGE", "--scope", "all", "--reason", "By mistake"], f"--reason {CODE}"),
        (["block", "MESSAGE", "--scope", "everything"], "--scope is all, recipient or file"),
        (["block", "MESSAGE", "--scope", "file", "--file", "plan.pdf"], "--file expects the number of a file"),
        (["block", "MESSAGE", "--scope", "recipient", "--recipient", "bob"], "a recipient is called r1, r2 ..."),
        (["export", "MESSAGE", "-o", "x.json", "--recipient", "bob"], "a recipient is called r1, r2 ..."),
        (["export", "MESSAGE", "-o", "x.json", "--file", "f1"], "--file goes with --non-access"),
        (["export", "MESSAGE", "-o", "x.json", "--non-access", "--file", "x"], "--file expects the number of a file"),
    ],
)
def test_names_that_cannot_be_are_refused_in_words_before_anything_is_opened(
    postseal: Commands, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    size = postseal.ok("audit", "--json").json["size"]
    ran = postseal(*(message if one == "MESSAGE" else one for one in arguments))
    assert ran.status == 2 and said in ran.err and len(ran.err.splitlines()) == 1
    assert not re.search(r"[\^\\$]|`str`|regex", ran.err), "nobody reads a pattern"
    assert postseal.ok("audit", "--json").json["size"] == size


def test_a_block_says_of_each_pair_whether_it_came_in_time(postseal: Commands, message: str) -> None:
    postseal.ok("event", message, "download.started", "--recipient", "r1", "--file", "f1", "--source", "portal")
    said = postseal.ok("block", message, "--scope", "all", "--reason", "wrong-recipient", "--json").json
    assert [(one["recipient"], one["in_time"], one["where"]) for one in said["pairs"]] == [
        ("r1", "no", "hosted"),
        ("r2", "yes", "hosted"),
        ("r3", "yes", "hosted"),
    ]
    denied = postseal("event", message, "download.started", "--recipient", "r2", "--file", "f1", "--source", "portal")
    assert denied.status == 1 and "the attempt is on record as entry" in denied.err
    late = postseal.ok("event", message, "download.started", "--recipient", "r2", "--file", "f1", "--source", "webhook")
    assert "flagged late" in late.out
    lifted = postseal.ok("lift", message, said["block"], "--reason", "sent-rightly", "--json").json
    assert lifted["recipients"] == 3
    assert postseal("lift", message, said["block"]).status == 2
    postseal.ok("event", message, "download.started", "--recipient", "r2", "--file", "f1", "--source", "portal")
    assert "lifted" in postseal.ok("show", message).out


def test_a_file_inside_the_mail_is_out_of_reach_and_said_so(postseal: Commands, mail: Path) -> None:
    message = postseal.ok("record", mail, "--quiet").out.strip()
    assert "out of reach" in postseal.ok("block", message, "--scope", "all").out
    assert postseal.ok("block", message, "--scope", "all", "--json").json["pairs"][0]["where"] == "inside"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scope", "everything"],
        ["--scope", "recipient"],
        ["--scope", "file"],
        ["--scope", "all", "--recipient", "r1"],
        ["--scope", "all", "--reason", "Because I say so"],
        ["--scope", "file", "--file", "plan.pdf"],
        ["--scope", "file", "--file", "f2"],
        [],
    ],
)
def test_blocks_that_mean_nothing_are_refused_and_leave_no_trace(
    postseal: Commands, message: str, arguments: list[str]
) -> None:
    ran = postseal("block", message, *arguments)
    assert ran.status == 2 and len(ran.err.splitlines()) == 1
    kinds = [line["entry"]["kind"] for line in postseal.ok("show", message, "--json").lines]
    assert "block.applied" not in kinds
    assert postseal.ok("audit").status == 0


def test_a_page_shows_what_is_known_of_each_and_tells_machines_apart(postseal: Commands, message: str) -> None:
    # The command has no option for a verdict; an adapter's detector makes it.
    postseal.ok("event", message, "relay.accepted", "--recipient", "r1", "--source", "gateway")
    postseal.ok("event", message, "message.opened", "--source", "portal")
    page = postseal.ok("show", message).out
    assert "dee@three.example" in page and "bcc" in page and "plan.pdf" in page and "behind a link" in page
    lines = postseal.ok("show", message, "--json").lines
    assert [line["on"] for line in lines] == ["message", "r1", "r2", "r3", "r1", "message"]
    assert lines[0]["disclosed"]["subject"] == "The plan"


def test_what_is_shown_cannot_move_the_terminal(postseal: Commands, message: str) -> None:
    reply = "250 \x1b[2J\x07 ok \u202egpj.exe"
    postseal.ok("event", message, "relay.accepted", "--recipient", "r1", "--seal", f"reply={reply}")
    page = postseal.ok("show", message).out
    assert "\x1b" not in page and "\x07" not in page and "\u202e" not in page


def test_messages_are_listed_newest_first_page_by_page(postseal: Commands, mail: Path) -> None:
    ids = []
    for name in ("one", "two", "three"):
        mail.write_bytes(mail.read_bytes().replace(b"The plan", name.encode()))
        mail.write_bytes(mail.read_bytes())
        ids.append(postseal.ok("record", mail, "--from", f"{name}@x.example", "--to", "a@b.example", "-q").out.strip())
    assert [line["message"] for line in postseal.ok("messages", "--json").lines] == ids[::-1]
    first = postseal.ok("messages", "-n", "2")
    assert f"--before {ids[1]}" in first.out
    assert [line["message"] for line in postseal.ok("messages", "--before", ids[1], "--json").lines] == ids[:1]


def test_looking_writes_nothing(postseal: Commands, message: str) -> None:
    before = (postseal.data / "ledger.db").read_bytes()
    for command in (["messages"], ["show", message], ["trust"], ["keys", "list"], ["audit"]):
        postseal.ok(*command)
    assert (postseal.data / "ledger.db").read_bytes() == before


@pytest.mark.parametrize("command", [["messages"], ["show", NOBODY], ["trust"], ["keys", "list"], ["audit"]])
def test_looking_at_no_ledger_begins_none(postseal: Commands, command: list[str]) -> None:
    ran = postseal(*command)
    assert ran.status == 2 and "there is no ledger yet" in ran.err
    assert not postseal.data.exists()


def test_evidence_is_for_its_owner_and_never_written_over_a_file(
    postseal: Commands, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "evidence.json"
    postseal.ok("export", message, "-o", path)
    assert path.stat().st_mode & 0o777 == 0o600
    data = path.read_bytes()
    ran = postseal("export", message, "-o", path)
    assert ran.status == 2 and path.read_bytes() == data


def test_evidence_of_one_recipient_shows_no_other(postseal: Commands, message: str, tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    postseal.ok("export", message, "--recipient", "dee@three.example", "-o", path)
    shown = [parse(d) for held in evidence.parse(path.read_bytes()).entries for d in held.disclosures]
    said = json.dumps([one.value for one in shown])
    assert "dee@three.example" in said and "bob@one.example" not in said and "cy@two.example" not in said


def test_a_claim_that_cannot_be_made_closes_nothing(postseal: Commands, message: str, tmp_path: Path) -> None:
    before = len(postseal.ok("show", message, "--json").lines)
    for wrong in (["--file", "f1"], ["--non-access", "--file", "f9"], ["--recipient", "r9"]):
        assert postseal("export", message, *wrong, "-o", tmp_path / "x.json").status == 2
    assert len(postseal.ok("show", message, "--json").lines) == before
    assert not (tmp_path / "x.json").exists()


def test_keys_rotate_and_old_evidence_stays_valid(postseal: Commands, message: str, tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    postseal.ok("export", message, "-o", old)
    first = postseal.ok("keys", "list", "--json").lines[0]["vkey"]
    postseal.ok("keys", "rotate")
    postseal.ok("keys", "rotate")
    postseal.ok("keys", "epoch")
    states = [line["state"] for line in postseal.ok("keys", "list", "--json").lines]
    assert states == ["retired", "retired", "current"]
    postseal.ok("export", message, "-o", new)
    # Whoever trusts the first key alone is led to the last by endorsements.
    assert postseal("verify", old, new, "--vkey", first).status == 0
    postseal.ok("trust")
    assert postseal.ok("audit").status == 0


@pytest.mark.parametrize("stop", ["_introduce", "finish_rotation", "_retire"])
def test_a_rotation_that_was_interrupted_is_finished(
    postseal: Commands, message: str, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if stop == "_retire":
            real = keys._retire
            calls: list[int] = []
            patch.setattr(keys, "_retire", lambda log: die() if calls else (calls.append(1), real(log))[1])
        else:
            patch.setattr(KeyRing if stop == "finish_rotation" else keys, stop, die)
        assert postseal("keys", "rotate").status == 130
    postseal.ok("keys", "rotate")
    states = [line["state"] for line in postseal.ok("keys", "list", "--json").lines]
    assert states == ["retired", "current"]
    trust = Trust.parse(postseal.ok("trust").out.encode())
    assert len(trust.logs[0].keys) == 2
    assert postseal.ok("audit").status == 0


def test_an_auditors_key_is_never_replaced(postseal: Commands, tmp_path: Path) -> None:
    path = tmp_path / "auditor.key"
    vkey = postseal.ok("keys", "auditor", path, "--name", "auditor.example").out.strip()
    assert vkey.startswith("auditor.example+")
    assert path.stat().st_mode & 0o777 == 0o600
    held = path.read_bytes()
    for file, name, said in (
        (path, "auditor.example", "is there already; a key is never replaced in place"),
        (tmp_path / "b.key", "an auditor", "--name: a name without space, plus or control character"),
        (tmp_path / "nowhere" / "c.key", "auditor.example", "cannot be created: No such file or directory"),
    ):
        ran = postseal("keys", "auditor", file, "--name", name)
        assert ran.status == 2 and said in ran.err and len(ran.err.splitlines()) == 1
    assert path.read_bytes() == held


def test_an_export_that_cannot_be_written_is_not_recorded(postseal: Commands, message: str, tmp_path: Path) -> None:
    ran = postseal("export", message, "-o", tmp_path / "nowhere" / "x.json")
    assert ran.status == 2 and "cannot be written" in ran.err
    assert "evidence was exported" not in postseal.ok("show", message).out


def test_an_export_that_is_recorded_but_cannot_be_written_says_both(
    postseal: Commands, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ledger.durable.create", fail)
        ran = postseal("export", message, "-o", tmp_path / "x.json")
    assert ran.status == 5 and len(ran.err.splitlines()) == 1
    assert "the export is recorded, but" in ran.err and "No space left on device; export again" in ran.err


def test_hashes_say_which_line_ends_they_are_of(postseal: Commands, message: str, mail: Path) -> None:
    assert "octets; size and hash are with CRLF line ends" in postseal.ok("show", message).out
    for command in ("record", "fingerprint"):
        assert "CRLF line ends" in " ".join(postseal.ok(command, "--help").out.split())
    said = "postseal: the line ends are not CRLF; hashes and sizes are those with CRLF\n"
    first = postseal.ok("fingerprint", mail)
    assert first.err == said
    mail.write_bytes(mail.read_bytes().replace(b"\n", b"\r\n"))
    second = postseal.ok("fingerprint", mail)
    assert (second.err, second.json["raw"]) == ("", first.json["raw"])
    assert second.json["raw"]["sha256"] == sha256(mail.read_bytes()).hexdigest()


def test_a_claim_of_non_access_that_is_not_true_is_refused_and_leaves_no_trace(
    postseal: Commands, message: str, tmp_path: Path
) -> None:
    postseal.ok("event", message, "download.started", "--recipient", "r1", "--file", "f1", "--source", "portal")
    place = tmp_path / "claim.json"
    ran = postseal("export", message, "--non-access", "--recipient", "r1", "--file", "f1", "-o", place)
    assert ran.status == 1 and "download.started of f1 on the chain of r1" in ran.err and not place.exists()
    assert "evidence.exported" not in postseal.ok("show", message, "--json").out

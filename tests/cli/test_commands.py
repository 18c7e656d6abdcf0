"""Events, blocks, lists, evidence and keys, through the commands as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli import keys
from ledger import evidence
from ledger.disclosure import parse
from ledger.keys import KeyRing
from ledger.trust import Trust
from tests.cli.commands import Commands


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "no tracking event is called 'nonsense'"),
        (["link.opened", "--recipient", "r9"], "no such recipient of this message"),
        (["link.opened", "--recipient", "x@nobody.example"], "no recipient of this message has that address"),
        (["link.opened", "--recipient", "first"], "a recipient is called r1, r2 ..."),
        (["link.opened", "--occurred", "yesterday", "--clock", "stated"], "an instant is written like"),
        (["link.opened", "--occurred", "2026-11-02T10:00:00", "--clock", "stated"], "end it with Z"),
        (["link.opened", "--occurred", "2026-11-02T10:00:00Z"], "an instant needs the clock that told it"),
        (["link.opened", "--source", "somebody"], "a source is one of api, gateway"),
        (["link.opened", "--occurred", "2026-11-02T10:00:00Z", "--clock", "wall"], "a clock is one of attested"),
        (["link.opened", "--seal", "novalue"], "--seal is written name=value"),
        (["link.opened", "--fact", "colour=red"], "unknown field `colour`"),
        (["link.opened", "--attestation", "Z"], "attestation"),
        (["download.completed", "--file", "f1", "--recipient", "r1"], "transfer"),
        (["download.started", "--file", "f7", "--recipient", "r1"], "the message has 1 files, no f7"),
    ],
)
def test_events_that_cannot_be_are_refused(postseal: Commands, message: str, arguments: list[str], said: str) -> None:
    ran = postseal("event", message, *arguments)
    assert ran.status == 2 and said in ran.err and len(ran.err.splitlines()) == 1
    assert "nobody.example" not in ran.err, "an error holds no address"
    assert len(postseal.ok("show", message, "--json").lines) == 4


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


@pytest.mark.parametrize("command", [["messages"], ["show", "x"], ["trust"], ["keys", "list"], ["audit"]])
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
    assert postseal("keys", "auditor", path, "--name", "auditor.example").status == 4
    assert postseal("keys", "auditor", tmp_path / "b.key", "--name", "an auditor").status == 2


def test_an_export_that_cannot_be_written_is_not_recorded(postseal: Commands, message: str, tmp_path: Path) -> None:
    ran = postseal("export", message, "-o", tmp_path / "nowhere" / "x.json")
    assert ran.status == 2 and "cannot be written" in ran.err
    assert "evidence was exported" not in postseal.ok("show", message).out


def test_a_claim_of_non_access_that_does_not_hold_is_said_at_once(
    postseal: Commands, message: str, tmp_path: Path
) -> None:
    postseal.ok("event", message, "download.started", "--recipient", "r1", "--file", "f1", "--source", "portal")
    place = tmp_path / "claim.json"
    ran = postseal("export", message, "--non-access", "--recipient", "r1", "--file", "f1", "-o", place)
    assert ran.status == 1 and "does not hold" in ran.out and place.exists()

"""Evidence that is what it says, what it does not claim, and bytes that are nothing at all.

Forgeries are in `test_evidence_attacks`.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from ledger import canonical, document, evidence, ids, note
from ledger.document import Claim, Evidence, OfAll, OfCheckpoint
from ledger.errors import FormatError, ProofError
from ledger.evidence import NAMES, Trust
from tests.helpers import HOUSE
from tests.ledger.evidencelog import (
    CLOCK,
    KEY,
    LOG,
    MAIL,
    NEXT_KEY,
    ORIGIN,
    PLAN,
    SECOND,
    STRICT,
    WITNESSES,
    Draft,
    Sealed,
    Story,
    assemble,
    begin,
    block,
    check,
    cosign,
    digest,
    note_digest,
    record,
    replay,
    rotate,
    seal,
    select,
    tell,
    vouch,
)

replace = msgspec.structs.replace
BARE = Trust.of(KEY.vkey)


def whole(kind: Any = "non_access", **fields: Any) -> tuple[Evidence, Story, Sealed]:
    """Evidence that a strict reader believes: tokens before and after, two witnesses, a replay."""
    story = tell(CLOCK)
    sealed = seal(story.drafts)
    claim = Claim(kind=kind, message=story.message, **fields)
    made = assemble(sealed, claim, str(story["second.message"].act), extra=[sealed.seq(story["timestamped"])])
    return vouch(made, sealed, story), story, sealed


@pytest.mark.parametrize("fields", [{}, {"recipient": "r2"}, {"recipient": "r1"}, {"file": "f1"}])
@pytest.mark.parametrize("kind", ["history", "non_access"])
def test_honest_evidence_is_valid_under_the_strictest_policy(kind: str, fields: dict[str, str]) -> None:
    if kind == "history" and "file" in fields:
        pytest.skip("a history claims no file")
    made, _, _ = whole(kind, **fields)
    verdict = check(made, STRICT, MAIL)
    assert verdict.verdict == "valid", verdict
    assert [item.name for item in verdict.checks] == list(NAMES)
    assert [item.name for item in verdict.checks if item.status != "passed"] == (
        ["no_access_recorded"] if kind == "history" else []
    )
    assert all(item.detail for item in verdict.checks)


def test_the_detail_says_exactly_what_is_claimed() -> None:
    made, story, sealed = whole(recipient="r2", file="f1")
    blocked, recorded, closed = (story[name] for name in ("blocked.1", "recorded", "second.log"))
    detail = check(made, STRICT).check("no_access_recorded").detail
    assert detail.startswith(
        f"blocked at {ids.format_time(blocked.at)} (entry {sealed.seq(blocked)}); no access recorded from "
        f"{ids.format_time(recorded.at)} to {ids.format_time(closed.at)}, 1 attempt denied; "
        "8 beats, largest gap 60.0 s"
    )
    assert "not of the mail's own text, nor of f2 inside it" in detail


def test_an_older_closing_act_makes_older_evidence() -> None:
    """The bounce came later. What was exported before says so: it is as of then."""
    story = tell()
    sealed = seal(story.drafts)
    made = assemble(sealed, Claim(kind="history", message=story.message), str(story["first.message"].act))
    verdict = check(made, BARE)
    assert verdict.verdict == "valid"
    assert f"as of {ids.format_time(story['first.message'].at)}" in verdict.check("complete").detail
    assert sealed.seq(story["bounced"]) not in {held.seq for held in made.entries}


def test_a_single_recipient_is_closed_alone() -> None:
    story = tell()
    act = story.close("third", (story.r2,), 60)
    sealed = seal(story.drafts)
    mine = assemble(sealed, Claim(kind="history", message=story.message, recipient="r2"), act)
    assert check(mine, BARE).verdict == "valid"
    other = assemble(sealed, Claim(kind="history", message=story.message, recipient="r1"), act)
    assert check(other, BARE).check("complete").status == "failed"


def test_one_recipient_of_one_may_be_named_or_not() -> None:
    story = begin()
    record(story, recipients=1)
    act = story.close("only", (story.r1,), 60)
    sealed = seal(story.drafts)
    for recipient in (UNSET, "r1"):
        claim = Claim(kind="history", message=story.message, recipient=recipient)
        assert check(assemble(sealed, claim, act), BARE).verdict == "valid"


def test_a_refused_message_has_a_history_and_no_absence() -> None:
    story = begin()
    story.add("message.refused", story.message, "refused", 70, facts={"reason": "size"})
    act = story.close("only", (), 60)
    sealed = seal(story.drafts)
    assert check(assemble(sealed, Claim(kind="history", message=story.message), act), BARE).verdict == "valid"
    verdict = check(assemble(sealed, Claim(kind="non_access", message=story.message), act), BARE)
    assert verdict.check("no_access_recorded").status == "not_checked"


# -- content ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (MAIL, "passed", "identical to the message"),
        (MAIL.replace(b"\r\n", b"\n"), "passed", "line ends aside"),
        (PLAN, "passed", "identical to the file f1"),
        (b"inside", "passed", "identical to the file f2"),
        # Of its headers only what was disclosed is known.
        (MAIL + b"\r\n", "not_checked", "would tie it to the message is not disclosed"),
        (b"", "failed", "no message"),
        (None, "not_checked", "no content was given"),
    ],
)
def test_content(content: bytes | None, status: str, reason: str) -> None:
    verdict = check(whole("history")[0], BARE, content)
    assert verdict.check("content").status == status
    assert reason in verdict.check("content").detail
    expected = {"failed": "invalid", "passed": "valid"}.get(status, "valid" if content is None else "unknown")
    assert verdict.verdict == expected


def test_content_is_not_checked_against_what_is_not_disclosed() -> None:
    made = whole("history")[0]
    bare = replace(made, timestamps=(), entries=tuple(replace(held, disclosures=()) for held in made.entries))
    verdict = check(drop_timestamped(bare), BARE, MAIL)
    assert (verdict.verdict, verdict.check("content").status) == ("unknown", "not_checked")
    assert "not disclosed" in verdict.check("content").detail


def drop_timestamped(made: Evidence) -> Evidence:
    """Without its tokens a document may not hold the entry that names one."""
    story = tell(CLOCK)
    sealed = seal(story.drafts)
    again = assemble(sealed, made.claim, str(story["second.message"].act))
    kept = {held.seq: held.disclosures for held in made.entries}
    entries = tuple(replace(held, disclosures=kept[held.seq]) for held in again.entries)
    return replace(again, entries=entries)


def test_a_message_fingerprinted_in_an_unknown_way_is_not_checked() -> None:
    story = tell()
    story["recorded"].facts["fingerprint"] = "postseal-fingerprint-9"
    sealed = seal(story.drafts)
    made = assemble(sealed, Claim(kind="history", message=story.message), str(story["second.message"].act))
    assert check(made, BARE, MAIL).check("content").status == "not_checked"


# -- what cannot be established is not checked -----------------------------------------------------------------------


def not_checked(edit: Callable[[Story], object], reason: str, **fields: Any) -> None:
    story = tell()
    edit(story)
    sealed = seal(story.drafts)
    claim = Claim(kind="non_access", message=story.message, **fields)
    made = assemble(sealed, claim, str(story["second.message"].act))
    verdict = check(replace(made, replays=(replay(sealed),)), replace(STRICT, require=()))
    found = verdict.check("no_access_recorded")
    assert (verdict.verdict, found.status) == ("unknown", "not_checked"), verdict
    assert reason in found.detail
    assert verdict.check("unforked").status == "passed"


def test_no_beat_before_the_message() -> None:
    def edit(story: Story) -> None:
        first = next(draft for draft in story.drafts if draft.kind == "ledger.heartbeat")
        story.drafts[:] = [draft for draft in story.drafts if draft not in (first, story["started"])]

    not_checked(edit, "nothing shows that it was alive")


def test_a_clock_set_back_could_hide_an_outage() -> None:
    def edit(story: Story) -> None:
        said = {"ahead": False, "micros": 100 * SECOND}
        place = story.drafts.index(story["denied"])
        story.drafts.insert(place, Draft("clock.stepped", LOG, said, story["denied"].at))

    not_checked(edit, "set back 100.0 s")


@pytest.mark.parametrize("file", [UNSET, "f1"])
def test_a_file_that_is_not_disclosed(file: Any) -> None:
    def edit(story: Story) -> None:
        del story["recorded"].texts[2]  # f1

    not_checked(edit, "is not disclosed", file=file)


def test_a_file_inside_the_mail_is_beyond_any_block() -> None:
    not_checked(lambda story: None, "beyond any block", file="f2")


def test_a_history_claims_no_absence() -> None:
    found = check(whole("history")[0], STRICT).check("no_access_recorded")
    assert (found.status, found.detail) == ("not_checked", "not claimed")


# -- keys ------------------------------------------------------------------------------------------------------------


def test_trust_passes_from_key_to_key() -> None:
    story = begin()
    rotate(story)
    record(story)
    act = story.close("only", (story.r1, story.r2), 60)
    sealed = seal(story.drafts)
    made = assemble(sealed, Claim(kind="history", message=story.message), act, NEXT_KEY)
    assert "endorsed from" in check(made, BARE).check("trusted").detail
    assert check(made, BARE).verdict == "valid"
    assert check(made, Trust.of(NEXT_KEY.vkey)).verdict == "valid"
    other = Trust.of(note.Signer("elsewhere.example", b"9" * 32).vkey)
    verdict = check(made, other)
    assert (verdict.verdict, verdict.check("trusted").status) == ("unknown", "not_checked")


def test_a_key_introduced_after_the_closing_act_may_sign_the_checkpoint() -> None:
    story = tell()
    rotate(story)
    sealed = seal(story.drafts)
    claim = Claim(kind="history", message=story.message)
    made = assemble(sealed, claim, str(story["second.message"].act), NEXT_KEY)
    assert check(made, BARE).verdict == "valid"
    without = {sealed.seq(story["key.next"]), sealed.seq(story["key.retired"])}
    cut = assemble(sealed, claim, str(story["second.message"].act), NEXT_KEY, keep=lambda seq: seq not in without)
    assert check(cut, BARE).check("signed").status == "failed"


def test_a_compromised_key_counts_for_what_was_stamped_before() -> None:
    story = tell()
    since = ids.format_time(story.now + 3600 * SECOND)
    sealed = seal(story.drafts)
    made = assemble(sealed, Claim(kind="history", message=story.message), str(story["second.message"].act))
    stolen = evidence.Compromised(since=since, vkey=KEY.vkey)
    wary = replace(BARE, logs=(replace(BARE.logs[0], compromised=(stolen,)),), anchors=(CLOCK.anchor,))
    assert check(made, wary).check("signed").status == "failed"
    for at, status in ((story.now, "passed"), (story.now + 3600 * SECOND, "failed")):
        token = OfCheckpoint(token=CLOCK.stamp(note_digest(sealed.checkpoint()), at))
        stamped = replace(made, timestamps=(token,))
        assert check(stamped, wary).check("signed").status == status
        # Who believes no authority cannot tell.
        assert check(stamped, replace(wary, anchors=())).check("signed").status == "not_checked"


# -- timestamps, renewal ---------------------------------------------------------------------------------------------


def test_anyone_renews_and_each_renewal_covers_all_before_it() -> None:
    made, story, _ = whole()
    for k in range(1, 4):
        at = story.now + k * 86_400 * SECOND
        made = evidence.renew(made, CLOCK.stamp(evidence.imprint(made), at))
        assert check(made, STRICT).verdict == "valid"
    for place in range(len(made.timestamps) - 1):
        cut = replace(made, timestamps=made.timestamps[:place] + made.timestamps[place + 1 :])
        assert check(cut, STRICT).verdict == "invalid"


def test_imprints_are_those_of_the_shorter_documents() -> None:
    made, _, _ = whole()
    made = evidence.renew(made, b"any")
    for k in range(len(made.timestamps) + 1):
        shorter = document.format(replace(made, timestamps=made.timestamps[:k]))
        assert document.renewal_imprints(made)[k].hex() == digest(shorter)


def test_a_flipped_bit_in_a_token_changes_nothing_or_is_caught() -> None:
    made = whole("history")[0]
    good = check(made, STRICT).check("timed")
    token = made.timestamps[1].token
    for at in range(0, len(token) * 8, 61):
        bad = bytearray(token)
        bad[at // 8] ^= 1 << at % 8
        verdict = check(replace(made, timestamps=(made.timestamps[0], OfCheckpoint(token=bytes(bad)))), STRICT)
        assert verdict.verdict != "valid" or verdict.check("timed") == good


# -- building --------------------------------------------------------------------------------------------------------


def parts(kind: Any = "non_access") -> tuple[Claim, dict[int, bytes], dict[int, list[str]], Sealed]:
    story = tell()
    sealed = seal(story.drafts)
    claim = Claim(kind=kind, message=story.message)
    seqs = select(sealed, claim, str(story["second.message"].act))
    return claim, {seq: sealed.entries[seq] for seq in seqs}, {seq: sealed.texts[seq] for seq in seqs}, sealed


def test_build_makes_the_same_bytes_whatever_the_order() -> None:
    claim, entries, texts, sealed = parts()
    made = evidence.build(claim, entries, texts, sealed.checkpoint(), sealed.read)
    backwards = dict(reversed(entries.items()))
    shuffled = {seq: given[::-1] for seq, given in texts.items()}
    again = evidence.build(claim, backwards, shuffled, sealed.checkpoint(), sealed.read)
    assert evidence.format(made) == evidence.format(again)
    assert check(made, BARE).check("no_access_recorded").status == "passed"


def test_build_hands_out_nothing_that_a_stranger_would_refuse() -> None:
    claim, entries, texts, sealed = parts()
    for seq in entries:
        fewer = {other: data for other, data in entries.items() if other != seq}
        with pytest.raises((ProofError, FormatError)):
            evidence.build(claim, fewer, {k: v for k, v in texts.items() if k != seq}, sealed.checkpoint(), sealed.read)
    with pytest.raises(ProofError):
        evidence.build(
            claim, entries, {0: texts[max(texts, key=lambda s: len(texts[s]))]}, sealed.checkpoint(), sealed.read
        )
    with pytest.raises(ProofError):
        evidence.build(claim, entries, texts, sealed.checkpoint(size=9), sealed.read)


# -- bytes -----------------------------------------------------------------------------------------------------------


def test_the_document_is_canonical_json() -> None:
    data = document.format(whole()[0])
    assert canonical.dumps(canonical.loads(data, limit=document.MAX_BYTES)) == data
    assert document.format(document.parse(data)) == data


BROKEN: dict[str, Callable[[Any], Any]] = {
    "unlisted field": lambda said: said | {"extra": 1},
    "another format": lambda said: said | {"format": "postseal-evidence/2"},
    "entries backwards": lambda said: said | {"entries": said["entries"][::-1]},
    "entry twice": lambda said: said | {"entries": said["entries"] + said["entries"][-1:]},
    "no entries": lambda said: said | {"entries": []},
    "file of a history": lambda said: said | {"claim": said["claim"] | {"file": "f1", "kind": "history"}},
    "recipient with a zero": lambda said: said | {"claim": said["claim"] | {"recipient": "r01"}},
    "capital hash": lambda said: said | {"proof": [h.upper() for h in said["proof"]]},
    "unknown timestamp": lambda said: said | {"timestamps": [{"of": "else", "token": ""}]},
    "too many timestamps": lambda said: said | {"timestamps": said["timestamps"] * 200},
    "too many replays": lambda said: said | {"replays": said["replays"] * 65},
    "null": lambda said: said | {"checkpoint": None},
    "no note": lambda said: said | {"checkpoint": "\u0000"},
    "field missing": lambda said: {name: value for name, value in said.items() if name != "replays"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_document_is_not_intact(name: str) -> None:
    said = json.loads(document.format(whole()[0]))
    data = json.dumps(BROKEN[name](said), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    verdict = evidence.check(data, STRICT)
    assert verdict.verdict == "invalid"
    assert [item.status for item in verdict.checks] == ["failed"] + ["not_checked"] * (len(NAMES) - 1)


def test_stray_bits_and_white_space_are_no_document() -> None:
    data = document.format(whole()[0])
    for bad in (data + b"\n", b" " + data, b"", b"\xff", b"[" * 100_000, data.replace(b'":', b'": ', 1)):
        assert evidence.check(bad, STRICT).verdict == "invalid"


ORIGINAL = whole()[0]
BYTES = document.format(ORIGINAL)
MUTATION = st.one_of(
    st.tuples(st.just("flip"), st.integers(0, len(BYTES) * 8 - 1), st.just(0)),
    st.tuples(st.just("cut"), st.integers(0, len(BYTES) - 1), st.integers(1, 400)),
    st.tuples(st.just("copy"), st.integers(0, len(BYTES) - 1), st.integers(1, 400)),
    st.tuples(st.just("set"), st.integers(0, len(BYTES) - 1), st.integers(0, 255)),
)


def mutate(data: bytes, change: tuple[str, int, int]) -> bytes:
    what, at, more = change
    at %= len(data) * 8 if what == "flip" else len(data)
    if what == "flip":
        return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]
    if what == "cut":
        return data[:at] + data[at + more :]
    if what == "copy":
        return data[:at] + data[at : at + more] + data[at:]
    return data[:at] + bytes([more]) + data[at + 1 :]


def same(made: Evidence) -> bool:
    """What may change and leave evidence as good as it was: fewer disclosures, a token's unsigned octets, a line of a
    note that comes twice. Everything that is claimed and proved stays."""
    return (
        [held.entry for held in made.entries] == [held.entry for held in ORIGINAL.entries]
        and all(set(a.disclosures) <= set(b.disclosures) for a, b in zip(made.entries, ORIGINAL.entries, strict=True))
        and (made.claim, made.proof) == (ORIGINAL.claim, ORIGINAL.proof)
        and note.parse(made.checkpoint.encode())[0] == note.parse(ORIGINAL.checkpoint.encode())[0]
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MUTATION, min_size=1, max_size=3))
@example([("flip", 0, 0)])
def test_mutated_bytes_never_raise_and_never_pass(changes: list[tuple[str, int, int]]) -> None:
    data = BYTES
    for change in changes:
        data = mutate(data, change) or b"{"
    verdict = evidence.check(data, STRICT, MAIL)
    assert verdict.verdict != "valid" or data == BYTES or same(document.parse(data))


LEAF = st.one_of(
    st.integers(-1, 40),
    st.booleans(),
    st.text(max_size=12),
    st.just([]),
    st.just({}),
    st.sampled_from(["r1", "r2", "f1"]),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_values_never_raise_and_never_pass(data: st.DataObject) -> None:
    """Changes that stay canonical JSON get past the first door; entries among them are changed from within."""
    said: Any = json.loads(BYTES)
    for _ in range(data.draw(st.integers(1, 2))):
        entries = said.get("entries")
        if data.draw(st.booleans()) and isinstance(entries, list) and entries:
            held = data.draw(st.sampled_from(entries))
            if isinstance(held, dict) and len(str(held.get("entry"))) > 100:
                inner = json.loads(base64.b64decode(held["entry"]))
                change_somewhere(data, inner)
                held["entry"] = base64.b64encode(compact(inner)).decode()
                continue
        change_somewhere(data, said)
    changed = compact(said)
    verdict = evidence.check(changed, STRICT, MAIL)
    assert verdict.verdict != "valid" or changed == BYTES or same(document.parse(changed))


def compact(said: Any) -> bytes:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def change_somewhere(data: st.DataObject, said: Any) -> None:
    """One value, at any depth, replaced, removed, doubled or exchanged with its neighbour."""
    place = said
    while True:
        keys: list[Any] = list(range(len(place))) if isinstance(place, list) else sorted(place)
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], (dict, list)) and place[key] and data.draw(st.integers(0, 4)):
            place = place[key]
            continue
        break
    what = data.draw(st.sampled_from(["replace", "remove", "double", "swap"]))
    if what == "remove":
        del place[key]
    elif what == "double" and isinstance(place, list):
        place.insert(key, place[key])
    elif what == "swap":
        other = data.draw(st.sampled_from(keys))
        place[key], place[other] = place[other], place[key]
    else:
        place[key] = data.draw(LEAF)


# -- the reader's policy ---------------------------------------------------------------------------------------------


def test_what_the_policy_requires_decides_between_valid_and_unknown() -> None:
    story = tell()
    sealed = seal(story.drafts)
    made = assemble(sealed, Claim(kind="history", message=story.message), str(story["second.message"].act))
    assert check(made, BARE).verdict == "valid"
    for name in ("timed", "unforked", "witnessed"):
        verdict = check(made, replace(STRICT, require=(name,)))
        assert verdict.verdict == "unknown"
        assert verdict.check(name).status == "not_checked"


def test_a_policy_that_names_nobody_hears_nobody() -> None:
    """What nobody was named for is never passed, whatever the document holds."""
    verdict = check(whole("history")[0], BARE)
    assert verdict.verdict == "valid"
    for name, reason in (
        ("timed", "authority"),
        ("unforked", "names no auditors"),
        ("witnessed", "names no witnesses"),
    ):
        assert verdict.check(name).status == "not_checked"
        assert reason in verdict.check(name).detail
    bare = replace(drop_timestamped(whole("history")[0]), timestamps=())
    assert check(bare, STRICT).check("timed").detail == "no timestamp is held"


def test_a_token_that_does_not_cover_the_fact_bounds_it_from_below_only() -> None:
    made = whole("history")[0]
    verdict = check(replace(made, timestamps=made.timestamps[:1]), STRICT)
    assert (verdict.verdict, verdict.check("timed").status) == ("unknown", "not_checked")
    assert "no timestamp held covers entry" in verdict.check("timed").detail


def test_a_witness_of_two_is_not_a_quorum_of_two() -> None:
    story = tell()
    sealed = seal(story.drafts)
    made = assemble(sealed, Claim(kind="history", message=story.message), str(story["second.message"].act))
    policy = replace(STRICT, require=("witnessed",))
    for count, verdict in ((0, "unknown"), (1, "unknown"), (2, "valid")):
        seen = cosign(sealed.checkpoint(), WITNESSES[:count])
        assert check(replace(made, checkpoint=seen), policy).verdict == verdict


def test_checking_loads_no_database_and_no_web() -> None:
    code = (
        "import sys; import ledger.evidence; "
        "bad = {'sqlalchemy', 'alembic', 'psycopg', 'fastapi', 'reportlab', 'httpx', 'urllib3'} & set(sys.modules); "
        "sys.exit(repr(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=HOUSE, check=True)


def test_renewals_are_over_this_document() -> None:
    made, story, _ = whole()
    other = replace(made, replays=())
    token = CLOCK.stamp(evidence.imprint(other), story.now + 60 * SECOND)
    verdict = check(replace(made, timestamps=(*made.timestamps, OfAll(token=token))), STRICT)
    assert verdict.check("timed").status == "failed"


def test_block_of_more_files_than_an_entry_holds_is_continued() -> None:
    """A continued block covers what its parts list."""
    story = begin()
    record(story)
    block(story, (story.r1, story.r2), ("f2",))
    for name, chain in (("blocked.message", story.message), ("blocked.0", story.r1), ("blocked.1", story.r2)):
        base = story[name]
        part = Draft("block.applied.continued", chain, {"files": ("f1",), "part": 1}, base.at, base.act, "api")
        story.drafts.insert(story.drafts.index(base) + 1, part)
    act = story.close("only", (story.r1, story.r2), 60)
    sealed = seal(story.drafts)
    made = assemble(sealed, Claim(kind="non_access", message=story.message), act)
    assert check(made, BARE).check("no_access_recorded").status == "passed"


def test_origin_is_shown_as_it_is() -> None:
    assert ORIGIN in check(whole("history")[0], STRICT).check("trusted").detail

"""Forged evidence. Each attack names the check that catches it, and the words of the reason.

``key=True``: the attacker holds the log's key and computes every number, link, root, proof and signature anew; the
test holds him to that, so that nothing but the check named can be what catches him. What he can do unseen offline is in
the second half: it never comes out valid under a policy that asks for more than his signature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from ledger import checkpoint, document, event, evidence, ids, keyhistory, note, statement
from ledger.checkpoint import Checkpoint
from ledger.document import Claim, Evidence, OfAll, OfCheckpoint, OfEarlier, Replay
from ledger.evidence import Trust
from tests.ledger.evidencelog import (
    AUDITOR,
    CLOCK,
    INSTANCE,
    KEY,
    LOG,
    MAIL,
    NEXT_KEY,
    ORIGIN,
    OTHER_AUDITOR,
    OTHER_CLOCK,
    PLAN,
    SECOND,
    START,
    STRICT,
    THIEF,
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
    new_id,
    note_digest,
    record,
    replay,
    rotate,
    seal,
    tell,
    vouch,
)

replace = msgspec.structs.replace
BARE = Trust.of(KEY.vkey)
AUDITED = replace(BARE, auditors=(AUDITOR.vkey,))
TIMED = replace(BARE, anchors=(CLOCK.anchor,))


@dataclass(frozen=True)
class Made:
    """A document, the story it tells and the log it is from."""

    evidence: Evidence
    story: Story
    sealed: Sealed


def make(
    edit: Callable[[Story], object] = lambda story: None,
    kind: Any = "history",
    recipient: Any = msgspec.UNSET,
    file: Any = msgspec.UNSET,
    closing: str = "second",
    **more: Any,
) -> Made:
    """The story with an edit, sealed again, as a document. ``message`` and ``act`` override what is claimed."""
    story = tell()
    edit(story)
    sealed = seal(story.drafts)
    message = more.pop("message", story.message)
    act = more.pop("act", story[f"{closing}.message"].act)
    claim = Claim(kind=kind, message=message, recipient=recipient, file=file)
    return Made(assemble(sealed, claim, act, **more), story, sealed)


def insert(story: Story, draft: Draft, after: Draft) -> Draft:
    story.drafts.insert(story.drafts.index(after) + 1, draft)
    return draft


def drop(story: Story, *drafts: Draft) -> None:
    story.drafts[:] = [draft for draft in story.drafts if draft not in drafts]


def access(story: Story, chain: str, kind: str = "download.started", **facts: Any) -> Draft:
    said = {"attestation": "D", "attribution": "exact", "file": "f1", "grade": event.KINDS[kind].grade}
    if kind.startswith("download."):
        said["transfer"] = new_id(99)
    said = {name: value for name, value in (said | facts).items() if value is not None}
    return Draft(kind, chain, said, story["denied"].at, source="portal")


@dataclass(frozen=True)
class Attack:
    name: str
    check: str
    reason: str
    key: bool
    forge: Callable[[], Evidence | tuple[Evidence, Trust]]


ATTACKS: list[Attack] = []


def attack(check: str, reason: str, *, key: bool = False) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    def keep(forge: Callable[[], Any]) -> Callable[[], Any]:
        ATTACKS.append(Attack(forge.__name__, check, reason, key, forge))
        return forge

    return keep


# -- without the key: the document is edited, and no signature made ---------------------------------------------------


def edit_entry(made: Made, draft: Draft, change: Callable[[bytes], bytes]) -> Evidence:
    seq = made.sealed.seq(draft)
    held = [replace(h, entry=change(h.entry)) if h.seq == seq else h for h in made.evidence.entries]
    return replace(made.evidence, entries=tuple(held))


@attack("included", "does not lead to the root")
def entry_edited() -> Evidence:
    made = make()
    return edit_entry(made, made.story["bounced"], lambda data: data.replace(b'"webhook"', b'"gateway"'))


@attack("chained", "does not name entry")
def entry_edited_and_chain_left() -> Evidence:
    made = make()
    return edit_entry(made, made.story["delivered"], lambda data: data.replace(b'"webhook"', b'"gateway"'))


@attack("intact", "not canonical")
def entry_spelled_otherwise() -> Evidence:
    made = make()
    return edit_entry(made, made.story["bounced"], lambda data: data.replace(b'"v":1', b'"v": 1'))


@attack("intact", "its own seq is")
def entry_under_another_seq() -> Evidence:
    made = make()
    first, second, *rest = made.evidence.entries
    return replace(made.evidence, entries=(first, replace(second, entry=first.entry), *rest))


@attack("included", "multiproof")
def entry_left_out_and_proof_kept() -> Evidence:
    made = make()
    seq = made.sealed.seq(made.story["bounced"])
    return replace(made.evidence, entries=tuple(held for held in made.evidence.entries if held.seq != seq))


def without(made: Made, *drafts: Draft, **more: Any) -> Evidence:
    """The same claim with entries left out and a proof made for the rest: the tree is public, so anyone can."""
    gone = {made.sealed.seq(draft) for draft in drafts}
    act = made.story["second.message"].act
    assert act is not None
    return assemble(made.sealed, made.evidence.claim, act, keep=lambda seq: seq not in gone, **more)


@attack("complete", "is not here")
def access_left_out_and_proof_made() -> Evidence:
    made = make(lambda story: insert(story, access(story, story.r2), story["denied"]))
    return without(made, next(draft for draft in made.story.drafts if draft.kind == "download.started"))


@attack("complete", "and not at the act of")
def chains_cut_before_what_is_adverse() -> Evidence:
    made = make()
    return without(made, *[draft for name, draft in made.story.named.items() if name.startswith("second")])


@attack("complete", "and not at the act of")
def one_chain_cut_back_to_the_older_closing() -> Evidence:
    made = make()
    return without(made, made.story["bounced"], made.story["second.0"])


@attack("complete", "the message's chain is not here")
def nothing_but_the_log_itself() -> Evidence:
    made = make()
    return without(made, *[draft for draft in made.story.drafts if draft.chain != LOG])


@attack("complete", "opens a second log", key=True)
def log_within_the_log() -> Evidence:
    inner = new_id(84)
    said = {"log": inner, "origin": ORIGIN, "vkey": THIEF.vkey}
    made = make(lambda story: story.drafts.append(Draft("ledger.opened", inner, said, story.now)))
    return without(made, extra=[len(made.sealed.entries) - 1])


@attack("complete", "and not at an act that closes it")
def message_cut_before_any_closing() -> Evidence:
    made = make()
    return without(made, *[draft for name, draft in made.story.named.items() if name.endswith((".message", ".0", ".1"))
                           and name.split(".")[0] in ("first", "second", "blocked")])  # fmt: skip


@attack("complete", "is another kind of act", key=True)
def act_of_two_kinds() -> Evidence:
    def edit(story: Story) -> None:
        twin = story["second.log"]
        said = {name: twin.facts[name] for name in ("keys", "message", "pending")}
        twin.kind, twin.facts = "certificate.issued", said
        twin.facts |= {"certificate": "block", "claims": "ab" * 32, "number": "1"}

    return make(edit).evidence


@attack("complete", "0 times on the log's chain")
def closing_left_out_on_the_log() -> Evidence:
    made = make()
    return without(made, made.story["second.log"])


@attack("complete", "the chain of r2 is not here")
def recipient_hidden() -> Evidence:
    made = make()
    return without(made, *[draft for draft in made.story.drafts if draft.chain == made.story.r2])


@attack("complete", "whom the claim does not cover")
def claim_narrowed_and_chain_kept() -> Evidence:
    made = make()
    return replace(made.evidence, claim=replace(made.evidence.claim, recipient="r1"))


@attack("complete", "the chain of r2 is not here")
def claim_widened() -> Evidence:
    made = make(recipient="r1")
    return replace(made.evidence, claim=replace(made.evidence.claim, recipient=msgspec.UNSET))


@attack("complete", "which the message does not have")
def claim_of_a_file_that_is_not_there() -> Evidence:
    return make(kind="non_access", file="f3").evidence


@attack("complete", "belongs to another message than the claim's")
def claim_moved_to_another_message() -> Evidence:
    made = make()
    return replace(made.evidence, claim=replace(made.evidence.claim, message=new_id(77)))


@attack("complete", "not held whole from the last beat")
def history_renamed_non_access() -> Evidence:
    made = make()
    return replace(made.evidence, claim=replace(made.evidence.claim, kind="non_access"))


@attack("complete", "not held whole from the last beat")
def heartbeat_left_out() -> Evidence:
    made = make(kind="non_access")
    beats = [draft for draft in made.story.drafts if draft.kind == "ledger.heartbeat"]
    return without(made, beats[3])


@attack("complete", "is no part of what was claimed")
def log_entry_that_nobody_asked_for() -> Evidence:
    made = make()
    beat = next(draft for draft in made.story.drafts if draft.kind == "ledger.heartbeat")
    return make(extra=[made.sealed.seq(beat)]).evidence


@attack("complete", "a key entry that entry")
def key_entry_left_out() -> Evidence:
    def edit(story: Story) -> None:
        said = {"since": ids.format_time(START), "vkey": KEY.vkey}
        draft = Draft("key.compromised", LOG, said, story["denied"].at)
        insert(story, draft, story["denied"])
        story.named["compromised"] = draft
        for name in ("first.log", "second.log"):
            story[name].facts["keys"].append(draft)

    made = make(edit)
    return without(made, made.story["compromised"])


@attack("complete", "entry 1, the key.introduced")
def first_key_left_out() -> Evidence:
    made = make()
    return without(made, made.story["key"])


@attack("intact", "does not commit to it")
def disclosures_swapped_between_entries() -> Evidence:
    made = make()
    first, second = (made.sealed.seq(made.story[name]) for name in ("added.1", "added.2"))
    texts = made.sealed.texts
    swap = {first: tuple(texts[second]), second: tuple(texts[first])}
    held = [replace(h, disclosures=swap.get(h.seq, h.disclosures)) for h in made.evidence.entries]
    return replace(made.evidence, entries=tuple(held))


@attack("intact", "does not commit to it")
def disclosure_rewritten() -> Evidence:
    made = make()
    seq = made.sealed.seq(made.story["added.1"])
    text = made.story.text("address", "someone.else@example.com")
    held = [replace(h, disclosures=(text,)) if h.seq == seq else h for h in made.evidence.entries]
    return replace(made.evidence, entries=tuple(held))


@attack("intact", "each once")
def disclosure_given_twice() -> Evidence:
    made = make()
    held = [replace(h, disclosures=h.disclosures * 2) for h in made.evidence.entries]
    return replace(made.evidence, entries=tuple(held))


@attack("included", "")
def old_checkpoint_replayed() -> Evidence:
    made = make()
    size = made.sealed.seq(made.story["second.message"])
    return replace(made.evidence, checkpoint=made.sealed.checkpoint(KEY, size).decode())


@attack("signed", "no signature by a known key")
def checkpoint_signed_by_another_key() -> Evidence:
    return make(signer=THIEF).evidence


@attack("signed", "does not verify")
def signature_under_a_borrowed_key_id() -> Evidence:
    made = make()
    text, _ = note.parse(made.evidence.checkpoint.encode())
    lie = note.Signature(ORIGIN, KEY.key_id, THIEF.sign(text))
    return replace(made.evidence, checkpoint=note.format(text, [lie]).decode())


@attack("trusted", "nor endorsed by one")
def log_that_names_our_origin() -> tuple[Evidence, Trust]:
    return make().evidence, Trust.of(THIEF.vkey)


@attack("witnessed", "does not verify")
def cosignature_of_another_log() -> tuple[Evidence, Trust]:
    made = make()
    text, signatures = note.parse(made.evidence.checkpoint.encode())
    other = checkpoint.format(Checkpoint("other.example", len(made.sealed.entries), made.sealed.root()))
    line = WITNESSES[0].cosign(other, START // SECOND)
    return replace(made.evidence, checkpoint=note.format(text, [*signatures, line]).decode()), STRICT


def replayed(*replays: Replay, **more: Any) -> tuple[Evidence, Trust]:
    return replace(make(**more).evidence, replays=replays), AUDITED


@attack("unforked", "does not verify")
def replay_statement_forged() -> tuple[Evidence, Trust]:
    sealed = make().sealed
    text = statement.format(ORIGIN, len(sealed.entries), sealed.root(), 1)
    lie = note.format(text, [note.Signature(AUDITOR.name, AUDITOR.key_id, THIEF.sign(text))]).decode()
    return replayed(Replay(consistency=(), statement=lie))


@attack("unforked", "not tied to the checkpoint")
def replay_statement_with_a_wrong_consistency_proof() -> tuple[Evidence, Trust]:
    made = make()
    told = replay(made.sealed, size=len(made.sealed.entries) - 1)
    return replayed(replace(told, consistency=(*told.consistency[:-1], "00" * 32)))


@attack("unforked", "not tied to the checkpoint")
def replay_statement_without_its_consistency_proof() -> tuple[Evidence, Trust]:
    made = make()
    return replayed(replace(replay(made.sealed, size=len(made.sealed.entries) - 1), consistency=()))


@attack("unforked", "of another log")
def replay_statement_on_another_log() -> tuple[Evidence, Trust]:
    sealed = make().sealed
    text = statement.format("other.example", len(sealed.entries), sealed.root(), 1)
    return replayed(Replay(consistency=(), statement=statement.sign(text, AUDITOR).decode()))


@attack("unforked", "replay statement")
def auditor_signed_something_else() -> tuple[Evidence, Trust]:
    text = b"lunch at noon\n"
    return replayed(Replay(consistency=(), statement=note.sign(text, [AUDITOR]).decode()))


@attack("timed", "of another digest")
def timestamp_of_another_checkpoint() -> tuple[Evidence, Trust]:
    made = make()
    token = CLOCK.stamp(note_digest(made.sealed.checkpoint(KEY, 5)), made.story.now)
    return replace(made.evidence, timestamps=(OfCheckpoint(token=token),)), TIMED


@attack("timed", "consistency proof")
def timestamp_of_a_checkpoint_of_a_fork() -> tuple[Evidence, Trust]:
    made, fork = make(), make(lambda story: story["started"].facts.update(version="0.2.0"))
    signed = fork.sealed.checkpoint(KEY, 5)
    proof = replay(made.sealed, size=5).consistency
    token = CLOCK.stamp(note_digest(signed), made.story.now)
    return replace(made.evidence, timestamps=(OfEarlier(token=token, note=signed.decode(), consistency=proof),)), TIMED


@attack("timed", "of another digest")
def timestamp_taken_out_from_under_a_renewal() -> tuple[Evidence, Trust]:
    made = make()
    first = OfCheckpoint(token=CLOCK.stamp(note_digest(made.sealed.checkpoint()), made.story.now))
    stamped = replace(made.evidence, timestamps=(first,))
    renewal = OfAll(token=CLOCK.stamp(evidence.imprint(stamped), made.story.now + 60 * SECOND))
    return replace(made.evidence, timestamps=(renewal,)), TIMED


@attack("timed", "older than one that it renews")
def renewal_older_than_what_it_renews() -> tuple[Evidence, Trust]:
    made = make()
    first = OfCheckpoint(token=CLOCK.stamp(note_digest(made.sealed.checkpoint()), made.story.now + 60 * SECOND))
    stamped = replace(made.evidence, timestamps=(first,))
    return evidence.renew(stamped, CLOCK.stamp(evidence.imprint(stamped), made.story.now)), TIMED


# -- with the key: everything is numbered, linked, proved and signed anew ---------------------------------------------


@attack("chained", "comes twice")
def position_on_a_chain_twice() -> Evidence:
    """Two entries at one place, one for each audience: the next one can name only one of them."""

    def edit(story: Story) -> None:
        twin = Draft("delivery.delivered", story.r1, dict(story["delivered"].facts), story["delivered"].at)
        insert(story, twin, story["delivered"])
        twin.forced = {"n": 2, "cprev": seal(story.drafts).entry(seal(story.drafts).seq(story["delivered"])).cprev}

    return make(edit).evidence


@attack("complete", "n = 2 is not here, next is n = 3", key=True)
def position_on_a_chain_skipped() -> Evidence:
    return make(lambda story: story["delivered"].forced.update(n=3)).evidence


@attack("chained", "does not name entry", key=True)
def chain_that_forgets_its_predecessor() -> Evidence:
    return make(lambda story: story["delivered"].forced.update(cprev="ab" * 32)).evidence


@attack("chained", "as held here as its predecessor", key=True)
def ledger_that_forgets_its_predecessor() -> Evidence:
    return make(lambda story: story["added.2"].forced.update(prev="ab" * 32)).evidence


@attack("chained", "entry 0 names an entry before it", key=True)
def log_that_does_not_begin() -> Evidence:
    return make(lambda story: story["opened"].forced.update(prev="ab" * 32)).evidence


def continue_with(part: int, act: bool = True, after: str = "added.2") -> Evidence:
    def edit(story: Story) -> None:
        more = Draft("recipient.added.continued", story.r2, {"part": part, "tokens": ("cd" * 32,)}, story[after].at)
        more.act, more.source = story["added.2"].act if act else None, "api"
        insert(story, more, story[after])

    return make(edit).evidence


@attack("chained", "continues no recipient.added directly before it", key=True)
def continued_entry_of_nothing() -> Evidence:
    return continue_with(1, after="denied")


@attack("chained", "but not its act", key=True)
def continued_entry_of_another_act() -> Evidence:
    return continue_with(1, act=False)


@attack("chained", "recorded earlier", key=True)
def entry_dated_back() -> Evidence:
    return make(lambda story: setattr(story["delivered"], "at", START)).evidence


@attack("chained", "part 2", key=True)
def continued_entry_missing() -> Evidence:
    return continue_with(2)


@attack("complete", "came through a link token that does not open its chain", key=True)
def access_moved_to_another_recipient() -> Evidence:
    """It came through r1's own link, whose token his chain opens with; it is filed under r2."""

    def edit(story: Story) -> None:
        insert(story, access(story, story.r2, token=digest(b"token 1")), story["denied"])

    return make(edit, recipient="r2").evidence


@attack("complete", "a link token that opens another chain too", key=True)
def one_token_for_two_recipients() -> Evidence:
    return make(lambda story: story["added.2"].facts.update(tokens=(digest(b"token 1"),))).evidence


@attack("complete", "closes another message", key=True)
def closing_borrowed_from_another_message() -> Evidence:
    return make(lambda story: story["second.log"].facts.update(message=new_id(78))).evidence


@attack("complete", "differ in evidence", key=True)
def closing_of_another_act_under_one_id() -> Evidence:
    return make(lambda story: story["second.0"].facts.update(evidence=new_id(79))).evidence


@attack("complete", "2 times on the log's chain", key=True)
def act_closed_twice_on_the_log() -> Evidence:
    def edit(story: Story) -> None:
        twin = story["second.log"]
        insert(story, Draft(twin.kind, LOG, dict(twin.facts), twin.at, twin.act), twin)

    made = make(edit)
    seqs = [made.sealed.seq(draft) for draft in made.story.drafts if draft.act == made.story["second.log"].act]
    return make(edit, extra=seqs).evidence


@attack("complete", "closes 1 chains; the message has 2 recipients", key=True)
def closing_that_counts_fewer_recipients() -> Evidence:
    return make(lambda story: story["second.message"].facts.update(recipients=1)).evidence


@attack("complete", "closes the chain of r1, and counts 2", key=True)
def closing_that_names_one_and_counts_two() -> Evidence:
    return make(lambda story: story["second.message"].facts.update(recipient="r1"), recipient="r1").evidence


@attack("complete", "closes the chain of r1 only", key=True)
def closing_of_one_shown_for_both() -> Evidence:
    return make(lambda story: story["second.message"].facts.update(recipient="r1", recipients=1)).evidence


@attack("complete", "closes 7 chains", key=True)
def closing_that_counts_more_than_there_are() -> Evidence:
    """So that entries of the act could lie apart by as much."""
    return make(lambda story: story["second.message"].facts.update(recipients=7), recipient="r1").evidence


@attack("complete", "stands more than once on chain", key=True)
def closing_act_that_stood_on_a_chain_before() -> Evidence:
    return make(lambda story: setattr(story["delivered"], "act", story["second.message"].act)).evidence


@attack("complete", "lie apart", key=True)
def access_between_the_ends_of_two_chains() -> Evidence:
    """The chain of r2 ends; then he downloads (on a chain not held here); then the message's chain ends."""

    def edit(story: Story) -> None:
        for _ in range(3):
            insert(
                story, Draft("ledger.heartbeat", LOG, {"instance": INSTANCE}, story["second.1"].at), story["second.1"]
            )

    return make(edit).evidence


@attack("complete", "does not name the key.introduced", key=True)
def key_event_hidden_within_the_watch() -> Evidence:
    """For a negative claim the log's own chain is held whole, so a key entry cannot be left unnamed."""

    def edit(story: Story) -> None:
        endorsed = note.sign(keyhistory.endorsement(ORIGIN, NEXT_KEY.vkey), [KEY]).decode()
        said = {"endorsement": endorsed, "vkey": NEXT_KEY.vkey}
        insert(story, Draft("key.introduced", LOG, said, story["denied"].at), story["denied"])

    return make(edit, kind="non_access").evidence


@attack("complete", "a key entry that entry", key=True)
def closing_that_names_what_is_no_key_entry() -> Evidence:
    def edit(story: Story) -> None:
        story["second.log"].facts["keys"].append(story["started"])

    return make(edit).evidence


@attack("complete", "two chains are held for r1", key=True)
def second_chain_for_one_recipient() -> Evidence:
    return make(lambda story: story["added.2"].facts.update(recipient="r1")).evidence


@attack("complete", "by another act than recorded the message", key=True)
def recipient_added_later() -> Evidence:
    return make(lambda story: setattr(story["added.2"], "act", new_id(80))).evidence


@attack("complete", "adds r2 to another message", key=True)
def recipient_of_another_message() -> Evidence:
    def edit(story: Story) -> None:
        story["added.2"].facts["message"] = new_id(81)

    sealed = make()
    extra = [sealed.sealed.seq(d) for d in sealed.story.drafts if d.chain == sealed.story.r2]
    return make(edit, extra=extra).evidence


@attack("complete", "another than the one held", key=True)
def chain_that_the_message_does_not_name() -> Evidence:
    """The message's entry discloses which chain is r2's; another one, clean, is shown."""

    def edit(story: Story) -> None:
        said = {"address": "r2@example.com", "chain": new_id(82), "role": "to"}
        story["recorded"].texts[-1] = story.text("r2", said)

    return make(edit).evidence


@attack("complete", "the claim is about r3; the message has 2 recipients")
def claim_about_a_recipient_that_is_not_there() -> Evidence:
    return make(recipient="r3").evidence


@attack("complete", "of the act that recorded the message lie apart", key=True)
def recipient_added_out_of_the_act() -> Evidence:
    """The act's id is shared, but something was recorded in between: a recipient slipped in afterwards."""

    def edit(story: Story) -> None:
        added = story["added.2"]
        drop(story, added)
        insert(story, added, story["relayed.1"])
        added.at = story["relayed.1"].at

    return make(edit).evidence


@attack("complete", "the message's entry discloses r3", key=True)
def recipient_disclosed_and_not_counted() -> Evidence:
    def edit(story: Story) -> None:
        said = {"address": "r3@example.com", "chain": new_id(85), "role": "bcc"}
        story["recorded"].texts.append(story.text("r3", said))

    return make(edit).evidence


@attack("complete", "the chain of another recipient", key=True)
def one_chain_for_two_recipients() -> Evidence:
    def edit(story: Story) -> None:
        said = {"address": "r1@example.com", "chain": story.r2, "role": "to"}
        story["recorded"].texts[-2] = story.text("r1", said)

    return make(edit, recipient="r2").evidence


@attack("complete", "the message's entry discloses f3", key=True)
def file_disclosed_and_not_counted() -> Evidence:
    def edit(story: Story) -> None:
        said = {"media_type": "text/plain", "name": "x", "path": "4", "sha256": "ab" * 32, "size": 1, "where": "inside"}
        story["recorded"].texts.append(story.text("f3", said))

    return make(edit).evidence


@attack("complete", "out of order or twice", key=True)
def closing_that_names_a_key_entry_twice() -> Evidence:
    return make(lambda story: story["second.log"].facts["keys"].append(story["key"])).evidence


@attack("complete", "gives r2 another address", key=True)
def recipient_under_two_addresses() -> Evidence:
    """The message went to one address; the chain that is shown clean says it is of another."""

    def edit(story: Story) -> None:
        story["added.2"].texts = [story.text("address", "somebody.else@example.com")]

    return make(edit).evidence


@attack("complete", "at n = ", key=True)
def chain_opened_in_its_middle() -> Evidence:
    def edit(story: Story) -> None:
        insert(story, Draft("message.refused", story.message, {"reason": "size"}, story["denied"].at), story["denied"])

    return make(edit).evidence


@attack("complete", "does not open the chain of the log it names", key=True)
def log_under_another_id() -> Evidence:
    return make(lambda story: story["opened"].facts.update(log=new_id(83))).evidence


@attack("intact", "has grade G2", key=True)
def grade_inflated() -> Evidence:
    """An SMTP reply presented as proof that bytes were handed over."""
    return make(lambda story: story["delivered"].facts.update(grade="G7")).evidence


@attack("intact", "may not stand on a recipient chain", key=True)
def kind_on_a_chain_where_it_may_not_stand() -> Evidence:
    return make(
        lambda story: insert(
            story, Draft("ledger.heartbeat", story.r1, {"instance": INSTANCE}, story["denied"].at), story["denied"]
        )
    ).evidence


@attack("signed", "", key=True)
def checkpoint_of_another_origin() -> Evidence:
    """A log that is trusted under one name passes itself off for another."""
    other = note.Signer("other.example", b"1" * 32)
    return make(signer=other).evidence


def rotated(edit: Callable[[Story], object] = lambda story: None, **more: Any) -> Made:
    """The story with a second key in use before the message came."""

    def rotate_first(story: Story) -> None:
        new = begin()
        rotate(new)
        record(new)
        for k, chain in enumerate((new.r1, new.r2), 1):
            new.event("relay.accepted", chain, f"relayed.{k}", code=250)
        block(new, (new.r1, new.r2))
        new.close("second", (new.r1, new.r2), 40)
        story.drafts, story.named, story.now = new.drafts, new.named, new.now
        edit(story)

    return make(rotate_first, **({"signer": NEXT_KEY} | more))


@attack("signed", "was retired by entry", key=True)
def checkpoint_signed_by_a_retired_key() -> Evidence:
    return rotated(signer=KEY).evidence


@attack("signed", "", key=True)
def key_introduced_with_a_forged_endorsement() -> Evidence:
    """The thief of the database, not of the key, introduces a key of his own."""
    lie = note.sign(keyhistory.endorsement(ORIGIN, THIEF.vkey), [THIEF]).decode()
    edit = lambda story: story["key.next"].facts.update(vkey=THIEF.vkey, endorsement=lie)  # noqa: E731
    return rotated(edit, signer=THIEF).evidence


@attack("signed", "endorsement is of another key", key=True)
def endorsement_of_one_key_used_for_another() -> Evidence:
    edit = lambda story: story["key.next"].facts.update(vkey=THIEF.vkey)  # noqa: E731
    return rotated(edit, signer=THIEF).evidence


@attack("signed", "not the one that opened the log", key=True)
def first_key_exchanged() -> Evidence:
    return make(lambda story: story["opened"].facts.update(vkey=NEXT_KEY.vkey)).evidence


@attack("signed", "not called after the log's origin", key=True)
def key_of_another_origin_introduced() -> Evidence:
    return rotated(lambda story: story["key.next"].facts.update(vkey=AUDITOR.vkey)).evidence


@attack("signed", "was introduced before", key=True)
def retired_key_brought_back() -> Evidence:
    def edit(story: Story) -> None:
        endorsed = note.sign(keyhistory.endorsement(ORIGIN, KEY.vkey), [NEXT_KEY]).decode()
        said = {"endorsement": endorsed, "vkey": KEY.vkey}
        again = insert(story, Draft("key.introduced", LOG, said, story["key.retired"].at), story["key.retired"])
        story["second.log"].facts["keys"].append(again)

    return rotated(edit, signer=KEY).evidence


@attack("signed", "no key before it to endorse it", key=True)
def first_key_endorsed() -> Evidence:
    lie = note.sign(keyhistory.endorsement(ORIGIN, KEY.vkey), [KEY]).decode()
    return make(lambda story: story["key"].facts.update(endorsement=lie)).evidence


@attack("signed", "not endorsed by the key before it", key=True)
def key_introduced_without_endorsement() -> Evidence:
    return rotated(lambda story: story["key.next"].facts.pop("endorsement")).evidence


@attack("signed", "a key that was not introduced", key=True)
def key_retired_that_was_never_there() -> Evidence:
    return rotated(lambda story: story["key.retired"].facts.update(vkey=THIEF.vkey)).evidence


@attack("intact", "two disclosures are called address", key=True)
def two_addresses_on_one_entry() -> Evidence:
    """Each reader would be shown the one that suits."""
    return make(lambda story: story["added.1"].texts.append(story.text("address", "x@example.com"))).evidence


@attack("intact", "raw is disclosed twice", key=True)
def two_digests_for_one_message() -> Evidence:
    def edit(story: Story) -> None:
        said = {"sha256": digest(b"something else"), "size": 14}
        more = Draft("message.recorded.continued", story.message, {"part": 1}, story["recorded"].at)
        more.act, more.source, more.texts = story["recorded"].act, "api", [story.text("raw", said)]
        insert(story, more, story["recorded"])

    return make(edit).evidence


@attack("intact", "disclosure raw", key=True)
def digest_of_no_known_form() -> Evidence:
    return make(lambda story: story["recorded"].texts.append(bad_raw(story))).evidence


def bad_raw(story: Story) -> str:
    del story["recorded"].texts[1]
    return story.text("raw", {"sha256": "AB" * 32, "size": 1})


@attack("timed", "and after entry", key=True)
def stamped_before_what_it_holds() -> tuple[Evidence, Trust]:
    """Within the clocks' tolerance, but in an order that cannot be."""
    story = tell(CLOCK)
    sealed = seal(story.drafts)
    claim = Claim(kind="history", message=story.message)
    made = assemble(sealed, claim, str(story["second.message"].act), extra=[sealed.seq(story["timestamped"])])
    whole = vouch(made, sealed, story)
    early = OfCheckpoint(token=CLOCK.stamp(note_digest(sealed.checkpoint()), START - 60 * SECOND))
    return replace(whole, timestamps=(whole.timestamps[0], early)), STRICT


def compromised(since: int) -> Callable[[Story], None]:
    def edit(story: Story) -> None:
        draft = Draft("key.compromised", LOG, {"since": ids.format_time(since), "vkey": KEY.vkey}, story["denied"].at)
        insert(story, draft, story["denied"])
        for name in ("first.log", "second.log"):
            story[name].facts["keys"].append(draft)

    return edit


@attack("signed", "is compromised since", key=True)
def signature_by_a_compromised_key() -> Evidence:
    return make(compromised(START)).evidence


@attack("signed", "is compromised since", key=True)
def signature_stamped_after_the_key_was_compromised() -> tuple[Evidence, Trust]:
    made = make(compromised(START + 60 * SECOND))
    token = CLOCK.stamp(note_digest(made.sealed.checkpoint()), made.story.now)
    return replace(made.evidence, timestamps=(OfCheckpoint(token=token),)), TIMED


@attack("signed", "is compromised since", key=True)
def signature_by_a_key_the_reader_knows_to_be_stolen() -> tuple[Evidence, Trust]:
    stolen = evidence.Compromised(since=ids.format_time(START), vkey=KEY.vkey)
    return make().evidence, replace(BARE, logs=(replace(BARE.logs[0], compromised=(stolen,)),))


@attack("trusted", "nor endorsed by one", key=True)
def key_endorsed_by_a_thief() -> tuple[Evidence, Trust]:
    """Whoever stole the old key endorses one of his own: it inherits nothing."""
    stolen = evidence.Compromised(since=ids.format_time(START), vkey=KEY.vkey)
    return rotated().evidence, replace(BARE, logs=(replace(BARE.logs[0], compromised=(stolen,)),))


@attack("timed", "recorded before the timestamp was made", key=True)
def log_dated_back() -> tuple[Evidence, Trust]:
    """All of the log is written a month late and dated back; but it holds a token that was not there a month ago."""
    story = tell(CLOCK)
    sealed = seal(story.drafts)
    for draft in story.drafts:
        draft.at -= 30 * 86_400 * SECOND
    story["timestamped"].facts["root"] = seal(story.drafts[:3]).root().hex()
    early = seal(story.drafts[:3]).checkpoint()
    story.early, story.token = early, CLOCK.stamp(note_digest(early), story.now)
    story["timestamped"].facts["token"] = digest(story.token)
    sealed = seal(story.drafts)
    claim = Claim(kind="history", message=story.message)
    made = assemble(sealed, claim, str(story["second.message"].act), extra=[sealed.seq(story["timestamped"])])
    return vouch(made, sealed, story), STRICT


@attack("timed", "recorded after a timestamp that covers it", key=True)
def log_dated_ahead() -> tuple[Evidence, Trust]:
    made = make()
    token = CLOCK.stamp(note_digest(made.sealed.checkpoint()), START - 3600 * SECOND)
    return replace(made.evidence, timestamps=(OfCheckpoint(token=token),)), TIMED


@attack("timed", "not of the checkpoint it says", key=True)
def token_recorded_for_another_size() -> tuple[Evidence, Trust]:
    story = tell(CLOCK)
    story["timestamped"].facts["size"] = 2
    sealed = seal(story.drafts)
    claim = Claim(kind="history", message=story.message)
    made = assemble(sealed, claim, str(story["second.message"].act), extra=[sealed.seq(story["timestamped"])])
    return vouch(made, sealed, story), STRICT


# Negative claims: each adverse fact stands in the entries held, so the attacker who leaves it there is caught.


def absence(edit: Callable[[Story], object], **more: Any) -> Evidence:
    return make(edit, kind="non_access", **more).evidence


@attack("no_access_recorded", "download.started of f1 on the chain of r2", key=True)
def download_after_all() -> Evidence:
    return absence(lambda story: insert(story, access(story, story.r2), story["denied"]))


@attack("no_access_recorded", "download.started of f1 on the chain of r2", key=True)
def download_before_the_block_reported_late() -> Evidence:
    return absence(lambda story: insert(story, access(story, story.r2, late=True), story["denied"]), recipient="r2")


@attack("no_access_recorded", "message.opened on the chain of r1", key=True)
def opened_without_a_file_counts_for_every_file() -> Evidence:
    edit = lambda story: insert(story, access(story, story.r1, "message.opened", file=None), story["denied"])  # noqa: E731
    return absence(edit, file="f1")


@attack("no_access_recorded", "link.opened of f1 unattributed", key=True)
def access_by_nobody_in_particular_counts_for_everyone() -> Evidence:
    edit = lambda story: insert(  # noqa: E731
        story,
        access(story, story.message, "link.opened", attribution="one_of", candidates=("r1", "r2")),
        story["denied"],
    )
    return absence(edit, recipient="r2", file="f1")


@attack("no_access_recorded", "an outage of the recorder: 180.0 s", key=True)
def heartbeats_dropped_and_log_rechained() -> Evidence:
    def edit(story: Story) -> None:
        beats = [draft for draft in story.drafts if draft.kind == "ledger.heartbeat"]
        drop(story, *beats[4:6])

    return absence(edit)


@attack("no_access_recorded", "7 inputs were received and not worked off", key=True)
def inputs_pending() -> Evidence:
    return absence(lambda story: story["second.log"].facts.update(pending=7))


@attack("no_access_recorded", "did not listen", key=True)
def listener_was_deaf() -> Evidence:
    def edit(story: Story) -> None:
        said = {"channel": "imap", "since": ids.format_time(START), "until": ids.format_time(story["denied"].at)}
        insert(story, Draft("listener.gap", LOG, said, story["denied"].at), story["denied"])

    return absence(edit)


@attack("no_access_recorded", "input.unattributed", key=True)
def input_that_nobody_could_attribute() -> Evidence:
    def edit(story: Story) -> None:
        said = {"attestation": "E", "channel": "imap"}
        insert(story, Draft("input.unattributed", LOG, said, story["denied"].at), story["denied"])

    return absence(edit)


@attack("no_access_recorded", "input.unparsed", key=True)
def input_that_nobody_could_read() -> Evidence:
    def edit(story: Story) -> None:
        said = {"channel": "imap", "reason": "charset"}
        insert(story, Draft("input.unparsed", story.message, said, story["denied"].at), story["denied"])

    return absence(edit)


@attack("no_access_recorded", "no block of f1 is in force for r2", key=True)
def block_lifted() -> Evidence:
    def edit(story: Story) -> None:
        said = {"block": story["blocked.1"].facts["block"]}
        insert(story, Draft("block.lifted", story.r2, said, story["denied"].at), story["denied"])

    return absence(edit)


@attack("no_access_recorded", "no block of f1 is in force for r1", key=True)
def block_of_one_recipient_passed_off_for_both() -> Evidence:
    return absence(lambda story: drop(story, story["blocked.0"]))


@attack("no_access_recorded", "no block of f1 is in force for r1", key=True)
def block_of_another_file() -> Evidence:
    return absence(lambda story: story["blocked.0"].facts.update(files=("f2",)))


NAMED = {attack.name: attack for attack in ATTACKS}


@pytest.mark.parametrize("name", NAMED)
def test_every_forgery_is_caught_by_the_check_that_is_meant_to(name: str) -> None:
    attack = NAMED[name]
    forged = attack.forge()
    made, trust = forged if isinstance(forged, tuple) else (forged, BARE)
    verdict = check(made, trust)
    caught = verdict.check(attack.check)
    assert (verdict.verdict, caught.status) == ("invalid", "failed"), verdict
    assert attack.reason in caught.detail
    if attack.key:
        # He holds the key: no proof and no signature may be what gives him away, unless that is what is tested.
        for other in {"intact", "included", "signed"} - {attack.check}:
            assert attack.check == "intact" or verdict.check(other).status == "passed", verdict.check(other)


def test_there_are_enough_and_half_of_them_are_signed_by_the_thief() -> None:
    assert len(ATTACKS) >= 60
    assert sum(attack.key for attack in ATTACKS) * 2 >= len(ATTACKS)


def test_what_the_attacks_start_from_is_valid() -> None:
    """Without this, every attack could be caught by a flaw of the stage."""
    assert check(make().evidence, BARE, MAIL).verdict == "valid"
    assert check(make(recipient="r2").evidence, BARE, PLAN).verdict == "valid"
    assert check(rotated().evidence, BARE).verdict == "valid"
    made = make(kind="non_access", recipient="r2", file="f1")
    assert check(replace(made.evidence, replays=(replay(made.sealed),)), AUDITED).verdict == "valid"


# -- what he can do unseen, offline ------------------------------------------------------------------------------------


def test_an_access_dropped_from_a_log_written_anew_is_seen_only_against_what_others_hold() -> None:
    """The thief writes the whole log anew without the download. His document is perfect, and so: never valid.

    Caught by: an auditor's replay of the true log (it does not tie), the witnesses (they will not cosign a second log),
    a token of the true log (no consistency proof leads from it), a mirror.
    """
    true = make(lambda story: insert(story, access(story, story.r2), story["denied"]), kind="non_access")
    false = make(kind="non_access")
    for trust in (BARE, AUDITED, STRICT):
        verdict = check(false.evidence, trust)
        assert verdict.verdict == "unknown"
        assert verdict.check("unforked").status == "not_checked"
        assert "only a replay of the whole log shows" in verdict.check("unforked").detail
        assert verdict.check("no_access_recorded").status == "passed"
    for size in (len(true.sealed.entries), len(false.sealed.entries)):
        told = replay(true.sealed, size=size, towards=len(true.sealed.entries))
        assert check(replace(false.evidence, replays=(told,)), AUDITED).check("unforked").status == "failed"
    # The witnesses cosigned the true log, and their lines do not fit the false one.
    _, signatures = note.parse(cosign(true.sealed.checkpoint()).encode())
    own = note.parse(false.evidence.checkpoint.encode())
    borrowed = note.format(own[0], [*own[1], *signatures[1:]]).decode()
    assert check(replace(false.evidence, checkpoint=borrowed), STRICT).check("witnessed").status == "failed"


def test_an_access_filed_on_a_chain_nobody_is_shown_is_unseen_without_a_replay() -> None:
    """The log holds r2's download, on a chain of another message. Evidence about this message cannot show it.

    Caught by a replay: a link token is used on a chain that it does not open.
    """
    elsewhere = new_id(90)

    def edit(story: Story) -> None:
        other = new_id(91)
        facts = dict(story["recorded"].facts) | {"recipients": 1}
        at = story["denied"].at
        texts = [story.text("subject", "another")]
        recorded = Draft("message.recorded", other, facts, at, new_id(92), "api", texts)
        insert(story, recorded, story["denied"])
        said = {"message": other, "recipient": "r1", "tokens": (digest(b"token 9"),)}
        added = insert(story, Draft("recipient.added", elsewhere, said, at, new_id(92), "api"), recorded)
        insert(story, access(story, elsewhere, token=digest(b"token 2")), added)

    made = make(edit, kind="non_access", recipient="r2")
    verdict = check(made.evidence, STRICT)
    assert verdict.verdict == "unknown"
    assert verdict.check("unforked").status == "not_checked"
    assert verdict.check("no_access_recorded").status == "passed"


def test_a_key_entry_left_out_of_a_history_is_unseen_without_a_replay() -> None:
    """key.compromised stands in the log, and the closing entry does not name it. A replay would not pass."""

    def edit(story: Story) -> None:
        said = {"since": ids.format_time(START), "vkey": KEY.vkey}
        insert(story, Draft("key.compromised", LOG, said, story["denied"].at), story["denied"])

    honest = make(edit)
    assert check(honest.evidence, BARE).verdict == "invalid"
    hidden = honest.sealed.seq(next(draft for draft in honest.story.drafts if draft.kind == "key.compromised"))
    made = make(edit, keep=lambda seq: seq != hidden)
    assert check(made.evidence, BARE).verdict == "valid", "a policy that believes the key alone believes its thief"
    assert check(made.evidence, replace(AUDITED, require=("unforked",))).verdict == "unknown"


def test_two_logs_under_one_key_are_told_apart_by_witnesses_alone() -> None:
    """A history is believed as far as the key is: a fork with another history is as well signed as the first."""
    fork = make(lambda story: drop(story, story["bounced"]))
    assert check(fork.evidence, BARE).verdict == "valid"
    verdict = check(fork.evidence, replace(STRICT, require=("witnessed",)))
    assert (verdict.verdict, verdict.check("witnessed").status) == ("unknown", "not_checked")
    one = replace(fork.evidence, checkpoint=cosign(fork.sealed.checkpoint(), WITNESSES[:1]))
    verdict = check(one, replace(STRICT, require=("witnessed",)))
    assert (verdict.verdict, verdict.check("witnessed").status) == ("unknown", "not_checked")
    assert "cosigned by 1 of the witnesses" in verdict.check("witnessed").detail


def test_one_heartbeat_dropped_and_rechained_leaves_a_gap_below_the_limit() -> None:
    """120 seconds between beats are no outage; the detail says how large the gap was."""

    def edit(story: Story) -> None:
        drop(story, [draft for draft in story.drafts if draft.kind == "ledger.heartbeat"][4])

    verdict = check(make(edit, kind="non_access").evidence, BARE)
    assert verdict.verdict == "unknown"
    assert "largest gap 120.0 s" in verdict.check("no_access_recorded").detail


def test_beats_and_times_made_up_are_bounded_by_timestamps_only() -> None:
    """The thief writes a day of the log in one minute. Only tokens of the time could have shown otherwise."""
    made = make(kind="non_access")
    verdict = check(made.evidence, replace(STRICT, require=("timed",)))
    assert (verdict.verdict, verdict.check("timed").status) == ("unknown", "not_checked")


@pytest.mark.parametrize(
    ("signer", "clock"), [(OTHER_AUDITOR, CLOCK), (AUDITOR, OTHER_CLOCK)], ids=["auditor", "authority"]
)
def test_the_word_of_somebody_unknown_says_nothing(signer: note.Signer, clock: Any) -> None:
    story = tell(CLOCK)
    story.early = b""
    drop(story, story["timestamped"])
    sealed = seal(story.drafts)
    made = assemble(sealed, Claim(kind="history", message=story.message), str(story["second.message"].act))
    whole = vouch(made, sealed, story, clock, replays=(replay(sealed, signer=signer),))
    verdict = check(whole, STRICT)
    assert verdict.verdict == "unknown"
    assert verdict.check("unforked" if signer is OTHER_AUDITOR else "timed").status == "not_checked"


def test_a_replay_that_ends_before_the_closing_act_says_nothing_of_it() -> None:
    made = make(kind="non_access")
    size = made.sealed.seq(made.story["second.log"])
    verdict = check(replace(made.evidence, replays=(replay(made.sealed, size=size),)), AUDITED)
    assert (verdict.verdict, verdict.check("unforked").status) == ("unknown", "not_checked")
    enough = replace(made.evidence, replays=(replay(made.sealed, size=size + 1),))
    assert check(enough, AUDITED).verdict == "valid"


def test_a_replay_by_rules_unknown_here_says_nothing() -> None:
    made = make(kind="non_access")
    text = statement.format(ORIGIN, len(made.sealed.entries), made.sealed.root(), 2)
    told = Replay(consistency=(), statement=statement.sign(text, AUDITOR).decode())
    verdict = check(replace(made.evidence, replays=(told,)), AUDITED)
    assert (verdict.verdict, verdict.check("unforked").status) == ("unknown", "not_checked")


def test_document_bytes_are_what_is_checked() -> None:
    made = make()
    assert document.parse(document.format(made.evidence)) == made.evidence

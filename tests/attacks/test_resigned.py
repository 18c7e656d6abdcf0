"""The attacker holds the log's key and the key ring. He changes one thing and writes the whole database anew around it,
every hash, position, proof, projection and box, and signs it. Only the rule he broke can tell, and it does, by name.

Where a case breaks more than one rule they are all named: nothing but these is found, and the inspection of the store
finds nothing, so that it is not some forgotten repair that gives him away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger import disclosure, note
from ledger.checkpoint import Checkpoint
from ledger.journal import endorsement
from ledger.note import Signer
from ledger.rules import RULES
from ledger.store import shape
from tests.attacks.attacker import Attacker, Item, new_id
from tests.attacks.checks import audited, broken, inspected, says
from tests.attacks.world import World, build

Attack = Callable[[Attacker], None]


@dataclass(frozen=True)
class Case:
    attack: Attack
    rules: dict[str, str]
    """What is found, and nothing else: rule, and a word of its reason."""
    inspection: str = ""
    """What the inspection finds as well, where the attack cannot be hidden from it."""


CASES: dict[str, Case] = {}


def caught(inspection: str = "", **rules: str) -> Callable[[Attack], Attack]:
    """The rules that catch an attack, a dot in their names written ``_``."""

    def register(attack: Attack) -> Attack:
        CASES[attack.__name__] = Case(
            attack, {name.replace("_", "."): words for name, words in rules.items()}, inspection
        )
        return attack

    return register


# Blocks


def applied(a: Attacker, lifted: bool = False) -> Item:
    """The message's entry of a block with a file or two, that was or was not lifted."""
    lifts = {item.facts["block"] for item in a.find("block.lifted")}
    return a.one(
        "block.applied",
        lambda item: (
            "recipients" in item.facts
            and item.facts["scope"] == "all"
            and (item.facts["block"] in lifts) == lifted
            and 1 < item.facts["recipients"] < 6
            and len(item.facts["files"]) < 6
        ),
    )


@caught(block="denied by a block that is not in force", block_late="late is wrong")
def a_block_removed(a: Attacker) -> None:
    a.drop(*a.act(applied(a)))


@caught(block="lifted, but not in force here")
def a_block_removed_and_its_lift_forgotten(a: Attacker) -> None:
    block = applied(a, lifted=True)
    those = {item.chain for item in a.act(block)}
    a.drop(*a.act(block))
    a.drop(*a.find("access.denied", lambda item: item.chain in those))
    for item in a.find("link.opened", lambda item: item.chain in those):
        item.facts.pop("late", None)


@caught(block="lifted, but not in force here")
def a_lift_of_nothing(a: Attacker) -> None:
    of = applied(a, lifted=True)
    lift = a.one("block.lifted", lambda item: item.chain == of.chain)
    again = [item.copy() for item in a.act(lift)]
    act = new_id()
    for item in again:
        item.data["act"] = act
    a.insert(a.act(lift)[-1], *again)


@caught(block="lifted for some of the recipients")
def a_lift_for_some(a: Attacker) -> None:
    lift = a.one("block.lifted", lambda item: len(a.act(item)) > 2)
    a.drop(a.act(lift)[-1])


@caught(block="lifted for some of the recipients")
def a_lift_for_one_recipient_only(a: Attacker) -> None:
    block = applied(a)
    lift = a.one("block.lifted").copy(block=block.facts["block"])
    on = [block, a.act(block)[1]]
    made = [lift.copy(), lift.copy()]
    act = new_id()
    for item, where in zip(made, on, strict=True):
        item.data |= {"chain": where.chain, "act": act, "source": "api"}
        item.facts["block"] = block.facts["block"]
        item.facts.pop("reason", None)
    a.insert(a.on(on[1].chain)[-1], *made)


@caught(block_access="download.started of a blocked file")
def a_download_after_the_block(a: Attacker) -> None:
    block = applied(a)
    chain = a.act(block)[1].chain
    start = a.one("download.started", lambda item: item.chain == chain).copy(transfer=new_id())
    a.insert(a.on(chain)[-1], start)


@caught(block_access="link.confirmed of a blocked file")
def a_confirmation_after_the_block(a: Attacker) -> None:
    block = applied(a)
    chain = a.act(block)[1].chain
    made = a.one("link.opened", lambda item: item.chain == chain).copy(grade="G5", file="f1")
    made.data |= {"kind": "link.confirmed", "source": "portal"}
    made.facts.pop("token", None)
    a.insert(a.on(chain)[-1], made)


@caught(block_access="download.started of a blocked file")
def a_block_moved_before_an_access(a: Attacker) -> None:
    """Blocked sooner than it was: as if the download had been refused."""
    block = applied(a)
    members = a.act(block)
    start = a.one("download.started", lambda item: item.chain == members[1].chain)
    a.drop(*members)
    place = a.items.index(start)
    a.items[place:place] = members
    for item in members:
        item.data["at"] = start.data["at"]
    # What came between and is about a covered file would be found by other words.
    others = a.find("download.completed", lambda item: item.chain in {m.chain for m in members})
    a.drop(*others, *a.find("download.aborted", lambda item: item.chain in {m.chain for m in members}))


@caught(block_late="late is missing")
def a_late_access_made_timely(a: Attacker) -> None:
    del a.one("link.opened", lambda item: "late" in item.facts).facts["late"]


@caught(block_late="late is wrong")
def a_timely_access_made_late(a: Attacker) -> None:
    a.one("download.started").facts["late"] = True


@caught(block_late="late is wrong")
def late_denied_in_words(a: Attacker) -> None:
    a.one("message.opened").facts["late"] = False


@caught(block="the files covered on the message's chain are not those on its recipients'")
def a_file_left_out_of_a_block(a: Attacker) -> None:
    block = a.one("block.applied", lambda item: item.facts["files"] == ["f1", "f2"] and "recipient" in item.facts)
    block.facts["files"] = ["f1"]


@caught(block="files are not ascending")
def a_file_twice_in_a_block(a: Attacker) -> None:
    block = a.one("block.applied", lambda item: item.facts["files"] == ["f1", "f2"])
    block.facts["files"] = ["f1", "f1"]


@caught(file="no such file", block="the files covered on the message's chain")
def a_block_of_a_file_that_is_not_there(a: Attacker) -> None:
    block = a.one("block.applied", lambda item: item.facts.get("recipient") == "r2")
    a.act(block)[1].facts["files"].append("f99")


@caught(block="more or fewer recipients")
def a_block_that_counts_one_less(a: Attacker) -> None:
    applied(a).facts["recipients"] -= 1


@caught(block="not all of them are covered")
def a_recipient_left_out_of_a_block(a: Attacker) -> None:
    block = applied(a)
    last = a.act(block)[-1]
    later = a.on(last.chain)[a.on(last.chain).index(last) :]
    a.drop(last, *(item for item in later if item.kind == "block.applied" and item is not last))
    block.facts["recipients"] -= 1
    # And whoever named that block, or another one, on his chain.
    for other in a.find("block.applied", lambda item: item.facts.get("recipient") == last.facts.get("recipient")):
        assert other.chain != last.chain


@caught(block="another recipient is covered than the one named")
def a_block_of_one_passed_off_as_of_another(a: Attacker) -> None:
    applied_to = a.one("block.applied", lambda item: item.facts.get("recipient") == "r2")
    applied_to.facts["recipient"] = "r1"


@caught(block="applied here before")
def a_block_applied_twice(a: Attacker) -> None:
    block = applied(a)
    again = [item.copy() for item in a.act(block)]
    act = new_id()
    for item in again:
        item.data["act"] = act
    a.insert(a.act(block)[-1], *again)


@caught(act="a block is an act")
def a_block_on_its_own(a: Attacker) -> None:
    block = a.one("block.applied", lambda item: item.facts.get("recipient") == "r2")
    for item in a.act(block):
        del item.data["act"]


@caught(block="denied by a block that is not in force")
def a_denial_by_a_block_that_never_was(a: Attacker) -> None:
    a.one("access.denied").facts["block"] = new_id()


@caught(continued="no full list comes before")
def a_block_that_goes_on_after_nothing(a: Attacker) -> None:
    more = a.one("block.applied.continued").copy()
    block = a.one("block.applied", lambda item: item.facts.get("recipient") == "r2")
    more.data |= {"chain": block.chain, "act": block.data["act"]}
    a.insert(a.act(block)[-1], more)


@caught(continued="not directly after", block="the files covered")
def parts_of_a_block_counted_wrong(a: Attacker) -> None:
    a.one("block.applied.continued").facts["part"] = 2


@caught(block="the files covered on the message's chain are not those on its recipients'")
def the_rest_of_a_blocks_files_left_out(a: Attacker) -> None:
    a.drop(a.one("block.applied.continued", lambda item: item.chain in {m.chain for m in a.find("message.recorded")}))


# Accesses, tokens, transfers


@caught(token="this link token does not open this chain")
def an_access_moved_to_another_chain(a: Attacker) -> None:
    """Of the same message, with everything that it brings along."""
    item = a.one("link.opened", lambda item: "token" in item.facts and len(a.recipients(a.message_of(item))) > 1)
    others = [other for other in a.recipients(a.message_of(item)) if other.chain != item.chain]
    item.data["chain"] = others[0].chain
    item.boxes = []
    item.data["sealed"] = []


@caught(token="this link token does not open this chain")
def an_access_moved_to_another_message(a: Attacker) -> None:
    item = a.one("link.opened", lambda item: "token" in item.facts)
    where = a.find("message.opened", lambda item: item.facts["attribution"] == "exact")[-1]
    item.data["chain"] = where.chain
    a.drop(item)
    item.boxes, item.data["sealed"] = [], []
    a.insert(where, item)


@caught(token="this link token does not open this chain")
def an_access_filed_with_nobody(a: Attacker) -> None:
    """On the message's own chain, which counts against everyone and names no one."""
    item = a.one("link.opened", lambda item: "token" in item.facts)
    item.data["chain"] = a.message_of(item)
    item.facts["attribution"] = "none"
    item.boxes, item.data["sealed"] = [], []


@caught(chain_opening="a chain that was not opened")
def an_access_filed_under_no_message(a: Attacker) -> None:
    item = a.one("link.opened")
    item.data["chain"] = new_id()
    item.boxes, item.data["sealed"] = [], []


@caught(token="opens a second chain")
def a_token_that_opens_two_chains(a: Attacker) -> None:
    one, other = a.find("recipient.added")[0], a.find("recipient.added")[-1]
    other.facts["tokens"] = [*other.facts.get("tokens", []), one.facts["tokens"][0]]


@caught(token="does not open this chain")
def a_token_taken_out_of_the_opening(a: Attacker) -> None:
    opening = a.find("recipient.added")[0]
    del opening.facts["tokens"]


@caught(transfer="started before")
def a_transfer_started_twice(a: Attacker) -> None:
    start = a.one("download.started")
    a.insert(start, start.copy())


@caught(transfer="started before")
def a_transfer_that_runs_for_two_messages(a: Attacker) -> None:
    """One download passed off as two: what started for one recipient starts and ends for another as well."""
    start = a.one("download.started")
    other = a.one("download.started", lambda item: a.message_of(item) != a.message_of(start))
    for item in a.on(other.chain):
        if item.facts.get("transfer") == other.facts["transfer"] and item is not other:
            item.facts["transfer"] = start.facts["transfer"]
    other.facts["transfer"] = start.facts["transfer"]


@caught(transfer="no running transfer")
def a_start_dropped_before_its_end(a: Attacker) -> None:
    end = a.one("download.completed")
    a.drop(a.one("download.started", lambda item: item.facts["transfer"] == end.facts["transfer"]))


@caught(transfer="no running transfer")
def a_transfer_ended_twice(a: Attacker) -> None:
    end = a.one("download.completed")
    a.insert(end, end.copy())


@caught(transfer="of this file")
def a_transfer_that_ends_with_another_file(a: Attacker) -> None:
    end = a.one("download.completed", lambda item: a.on(a.message_of(item))[0].facts["files"] > 1)
    end.facts["file"] = "f2"


@caught(sealed="fewer digests than recipients and files")
def a_message_that_names_nobody(a: Attacker) -> None:
    """Recorded without a disclosure of who got what: whom it names can be made up later, or forgotten."""
    recorded = a.one("message.recorded", lambda item: item.facts["files"] and item.facts["recipients"] > 1)
    recorded.boxes = [(subject, texts[:1]) for subject, texts in recorded.boxes[:1]]
    recorded.data["sealed"] = sorted(disclosure.digest(text) for _, texts in recorded.boxes for text in texts)


@caught(file="no such file")
def an_access_to_a_file_that_is_not_there(a: Attacker) -> None:
    a.one("message.opened").facts["file"] = "f99"


@caught(grade="has grade G4, not G8")
def a_grade_inflated(a: Attacker) -> None:
    a.one("link.opened").facts["grade"] = "G8"


@caught(grade="has grade G3, not G0")
def a_grade_played_down(a: Attacker) -> None:
    a.one("message.opened").facts["grade"] = "G0"


@caught(attribution="attribution none does not belong")
def an_access_attributed_to_nobody(a: Attacker) -> None:
    a.one("message.opened").facts["attribution"] = "none"


@caught(attribution="attribution exact does not belong")
def a_persons_access_made_out_of_anybodys(a: Attacker) -> None:
    item = a.one("message.opened", lambda item: item.facts["attribution"] == "one_of")
    item.facts["attribution"] = "exact"
    del item.facts["candidates"]


@caught(recipient="a candidate is not a recipient")
def blame_on_somebody_who_was_not_there(a: Attacker) -> None:
    a.one("message.opened", lambda item: "candidates" in item.facts).facts["candidates"] = ["r1", "r99"]


@caught(event="no earlier tracking event of this chain")
def a_machines_verdict_moved_to_another_event(a: Attacker) -> None:
    one, other = a.find("event.reclassified")[:2]
    one.refs["event"] = other.refs["event"]


@caught(event="no earlier tracking event of this chain")
def a_verdict_without_its_event(a: Attacker) -> None:
    verdict = a.one("event.reclassified")
    event = verdict.refs["event"]
    verdict.refs["event"] = a.on(event.chain)[0]
    a.drop(event)


@caught(input="no earlier entry recorded this input")
def a_raw_input_dropped(a: Attacker) -> None:
    hook = a.one("webhook.received")
    for item in a.items:
        if item.refs.get("input") is hook:
            item.refs["input"] = a.items[0]
    a.drop(hook)


@caught(input="no earlier entry recorded this input")
def an_input_that_came_after(a: Attacker) -> None:
    item = a.one("delivery.delivered", lambda item: "input" in item.refs)
    item.refs["input"] = a.find("webhook.received")[-1]


@caught(kind_chain="does not stand on a message's chain")
def a_kind_where_it_may_not_stand(a: Attacker) -> None:
    item = a.one("code.sent")
    item.data["chain"] = a.message_of(item)
    item.boxes, item.data["sealed"] = [], []


@caught(kind_chain="does not stand on a recipient's chain")
def a_beat_hidden_on_a_recipients_chain(a: Attacker) -> None:
    a.find("ledger.heartbeat")[5].data["chain"] = a.one("recipient.added").chain


# Messages and recipients


@caught("sealed: ... under the data key of somebody else", recipient="was not added by the act")
def a_recipient_dropped(a: Attacker) -> None:
    opening = a.find("recipient.added", lambda item: item.facts["recipient"] == "r270")[0]
    a.drop(*a.on(opening.chain))


@caught(recipient="was not added by the act")
def a_recipient_counted_who_is_not_there(a: Attacker) -> None:
    a.one("message.recorded", lambda item: item.facts["recipients"] == 270).facts["recipients"] += 1


@caught(recipient="not a recipient")
def a_recipient_who_does_not_count(a: Attacker) -> None:
    a.one("message.recorded", lambda item: item.facts["recipients"] == 270).facts["recipients"] -= 1


@caught("chains: ... is missing", recipient="or one added before")
def a_recipient_with_two_chains(a: Attacker) -> None:
    opening = a.find("recipient.added", lambda item: item.facts["recipient"] == "r270")[0]
    again = opening.copy()
    again.data["chain"] = new_id()
    del again.facts["tokens"]
    a.insert(opening, again)


@caught(block="another recipient is covered than the one named")
def two_recipients_chains_swapped(a: Attacker) -> None:
    block = a.one("block.applied", lambda item: item.facts.get("recipient") == "r2")
    one, other = a.recipients(a.message_of(block))[:2]
    one.facts["recipient"], other.facts["recipient"] = "r2", "r1"


@caught("requests: ... not at all that one request wrote", recipient="of a message recorded by this act")
def a_recipient_added_later(a: Attacker) -> None:
    opening = a.find("recipient.added", lambda item: item.facts["recipient"] == "r3")[0].copy()
    opening.data["chain"] = new_id()
    opening.facts["recipient"] = "r99"
    del opening.facts["tokens"]
    act = a.act(a.find("recipient.added")[0])
    opening.facts["message"], opening.data["act"] = act[0].chain, act[0].data["act"]
    a.insert(act[-1], opening)


@caught(chain_opening="an opening entry on a chain that is open", act="stands on one chain only")
def a_message_recorded_twice_on_its_chain(a: Attacker) -> None:
    act = a.act(a.one("message.recorded"))
    again = act[0].copy()
    again.data["act"] = new_id()
    a.insert(act[-1], again)


@caught(continued="no full list comes before")
def the_rest_of_a_list_that_was_not_long(a: Attacker) -> None:
    more = a.find("message.recorded.continued")[0].copy()
    where = a.one("relay.accepted")
    more.data["chain"] = a.message_of(where)
    del more.data["act"]
    a.insert(where, more)


# Chains, order, time, bytes


@caught(chain_gap="position", columns="stored beside the entry")
def a_position_twice(a: Attacker) -> None:
    item = a.find("link.opened")[3]
    place = a.on(item.chain).index(item)
    item.force["n"] = place - 1
    item.columns["n"] = 70_000 + place  # the database itself would not hold two


@caught(chain_gap="position")
def a_position_skipped(a: Attacker) -> None:
    item = a.find("link.opened")[3]
    item.force["n"] = a.on(item.chain).index(item) + 1


@caught(chain_cprev="cprev is not the leaf hash")
def a_branch_cut_off(a: Attacker) -> None:
    a.find("link.opened")[3].force["cprev"] = "ab" * 32


@caught(chain_cprev="cprev at n = 0")
def a_chain_that_began_before(a: Attacker) -> None:
    a.find("recipient.added")[3].force["cprev"] = "ab" * 32


@caught(prev="prev is not the leaf hash")
def a_ledger_cut_off(a: Attacker) -> None:
    a.find("link.opened")[3].force["prev"] = "ab" * 32


@caught(seq="numbered otherwise")
def an_entry_renumbered(a: Attacker) -> None:
    a.find("link.opened")[3].force["seq"] = 2**53 - 1


@caught(time="recorded before the entry before it")
def an_entry_dated_back(a: Attacker) -> None:
    a.find("link.opened")[30].force["at"] = "2026-05-28T20:00:00.000000Z"


@caught(time="recorded before the entry before it")
def two_acts_in_another_order(a: Attacker) -> None:
    a.swap(a.find("ledger.heartbeat")[3], a.find("ledger.heartbeat")[4])


@caught(schema="no such instant")
def an_instant_that_is_not_in_the_calendar(a: Attacker) -> None:
    item = a.find("delivery.delivered")[3]
    item.data["occurred"] = "2026-02-30T00:00:00.000000Z"


@caught(schema="occurred and clock go together")
def an_instant_of_no_clock(a: Attacker) -> None:
    del a.find("delivery.delivered")[3].data["clock"]


@caught("entries: not an entry", schema="unknown field", chain_gap="position")
def a_word_too_many(a: Attacker) -> None:
    a.find("link.opened")[3].facts["comment"] = "harmless"


@caught("entries: an entry is not canonical", canonical="not canonical", chain_gap="position")
def a_space_too_many(a: Attacker) -> None:
    a.find("link.opened")[3].raw = lambda data: data.replace(b'"kind":', b'"kind": ')


@caught(schema="sealed")
def digests_out_of_order(a: Attacker) -> None:
    item = a.find("link.opened")[3]
    item.data["sealed"] = item.data["sealed"][::-1]


# Acts and closings


@caught(act="stands on one chain only")
def an_act_on_one_chain(a: Attacker) -> None:
    a.find("link.opened")[3].data["act"] = new_id()


@caught("requests: ... do not stand together", act="do not stand together", recipient="was not added")
def an_act_torn_apart(a: Attacker) -> None:
    act = a.act(a.find("message.recorded")[4])
    beat = a.find("ledger.heartbeat")[3]
    a.drop(beat)
    a.insert(act[0], beat)


def closing(a: Attacker) -> list[Item]:
    """One closing act of a message with few recipients: recipients, message, log."""
    on_log = a.one("evidence.exported", lambda item: item.chain == a.log and 3 < len(a.act(item)) < 8)
    return a.act(on_log)


@caught(closing="no recipient is named, and not all")
def a_closing_that_leaves_one_out(a: Attacker) -> None:
    members = closing(a)
    a.drop(members[0])
    members[-2].facts["recipients"] -= 1


@caught(closing="closes more or fewer recipients")
def a_closing_that_counts_one_more(a: Attacker) -> None:
    closing(a)[-2].facts["recipients"] += 1


@caught(closing="the log's chain has no entry of this closing act")
def a_closing_that_the_log_does_not_know(a: Attacker) -> None:
    a.drop(closing(a)[-1])


@caught(closing="no message was closed by this act", act="stands on one chain only")
def a_closing_of_no_message(a: Attacker) -> None:
    a.drop(*closing(a)[:-1])


@caught(closing="about something else than the message's")
def a_closing_of_another_message(a: Attacker) -> None:
    members = closing(a)
    members[-1].facts["message"] = a.find("message.recorded", lambda item: item.chain != members[-2].chain)[0].chain


@caught(closing="or says two things")
def a_closing_of_two_exports(a: Attacker) -> None:
    closing(a)[0].facts["evidence"] = new_id()


@caught(closing_keys="not all there were")
def a_stolen_key_hidden_from_a_closing(a: Attacker) -> None:
    stolen = a.one("key.compromised")
    last = a.find("evidence.exported", lambda item: item.chain == a.log)[-1]
    last.refs["keys"] = [key for key in last.refs["keys"] if key is not stolen]


@caught(certificate="no certificate of this number")
def a_certificate_that_was_never_issued(a: Attacker) -> None:
    made = a.one("link.opened").copy()
    made.data |= {"kind": "certificate.sealed", "facts": {"number": "c-1", "sha256": "ab" * 32}, "source": "system"}
    a.insert(a.on(made.chain)[-1], made)


# Keys, genesis, roots


@caught(keys="endorsed by", checkpoint="no signature by a known key")
def a_key_without_endorsement(a: Attacker) -> None:
    del a.find("key.introduced")[1].facts["endorsement"]


@caught(keys="the endorsement is of something else", checkpoint="no signature by a known key")
def an_endorsement_of_another_key(a: Attacker) -> None:
    a.find("key.introduced")[1].facts["vkey"] = Signer(a.origin, b"x" * 32).verifier.vkey


@caught(keys="no signature by a known key", checkpoint="no signature by a known key")
def a_key_endorsed_by_itself(a: Attacker) -> None:
    second = a.find("key.introduced")[1]
    text = endorsement(a.origin, second.facts["vkey"])
    second.facts["endorsement"] = note.sign(text, [a.signer]).decode()


@caught(keys="introduced before")
def a_key_introduced_twice(a: Attacker) -> None:
    second = a.find("key.introduced")[1]
    again = second.copy()
    a.insert(second, again)
    for item in a.items[a.items.index(again) :]:
        if "keys" in item.refs:
            item.refs["keys"].insert(item.refs["keys"].index(second) + 1, again)


@caught(keys="no such key was introduced")
def a_key_retired_that_was_never_there(a: Attacker) -> None:
    retired = a.one("key.retired")
    retired.facts["vkey"] = retired.facts["vkey"][:-4] + "AAA="


def forget(a: Attacker, key: Item) -> None:
    a.drop(key)
    for item in a.items:
        if "keys" in item.refs:
            item.refs["keys"] = [one for one in item.refs["keys"] if one is not key]


HOLD = "01890a5d-ac96-774b-bcce-b302099a8aaa"


def said_of_a_message(a: Attacker, kind: str, **facts: str) -> Item:
    """An entry of its own on the chain of a message, after its last."""
    after = a.one("message.recorded")
    made = after.copy()
    made.data = {name: value for name, value in made.data.items() if name not in ("act", "occurred", "clock")}
    made.data |= {"kind": kind, "facts": facts}
    made.boxes, made.refs = [], {}
    later = [item for item in a.items if item.chain == after.chain][-1]
    a.insert(later, made)
    return made


@caught(hold="released, but not in force here")
def a_hold_released_that_was_never_placed(a: Attacker) -> None:
    said_of_a_message(a, "hold.released", hold=HOLD)


@caught(hold="in force here already")
def a_hold_placed_twice(a: Attacker) -> None:
    for _ in range(2):
        said_of_a_message(a, "hold.placed", hold=HOLD)


@caught(hold="erased while a hold was in force")
def an_erasure_under_a_hold(a: Attacker) -> None:
    said_of_a_message(a, "hold.placed", hold=HOLD)
    said_of_a_message(a, "erasure.done", erasure=HOLD, subject="message")


@caught(checkpoint="no signature by a known key")
def the_new_key_hidden(a: Attacker) -> None:
    forget(a, a.find("key.introduced")[1])


@caught(genesis="a log is opened by entry 0 only")
def a_log_opened_twice(a: Attacker) -> None:
    again = a.items[0].copy()
    a.insert(a.items[5], again)


@caught("head: origin is not", genesis="of another origin")
def a_log_that_calls_itself_otherwise(a: Attacker) -> None:
    a.items[0].facts["origin"] = "log.example/other"


@caught(genesis="introduces another key than entry 0 names")
def a_log_that_was_opened_with_another_key(a: Attacker) -> None:
    a.items[0].facts["vkey"] = a.find("key.introduced")[1].facts["vkey"]


@caught(root="not the root of the tree")
def a_reviewed_root_forged(a: Attacker) -> None:
    review = a.one("audit.reviewed")
    del review.refs["size"]
    review.facts["root"] = "ab" * 32


@caught(root="a size the log did not have yet")
def a_timestamp_of_the_future(a: Attacker) -> None:
    stamped = a.one("checkpoint.timestamped")
    del stamped.refs["size"]
    stamped.facts["size"] = 2**53 - 1


@pytest.mark.parametrize("name", CASES)
def test_the_rule_that_was_broken_names_it(prey: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # Nobody touches the schema here, and looking at it takes as long as everything else.
    monkeypatch.setattr(shape, "check", lambda connection: [])
    case = CASES[name]
    attacker = Attacker(prey.path, prey.ring())
    case.attack(attacker)
    state, note = attacker.rewrite()
    found = broken(audited(prey, note))
    assert set(found) == set(case.rules), found
    for rule, words in case.rules.items():
        assert words in found[rule], found
    findings = inspected(prey)
    assert says(findings, case.inspection) if case.inspection else findings == []
    assert isinstance(state, Checkpoint)


@pytest.mark.parametrize("name", ["a_transfer_started_twice", "a_transfer_that_runs_for_two_messages"])
def test_a_transfer_that_starts_twice_is_found_in_every_division(prey: World, name: str) -> None:
    attacker = Attacker(prey.path, prey.ring())
    CASES[name].attack(attacker)
    _, note = attacker.rewrite()
    whole = audited(prey, note)
    assert broken(whole) == {"transfer": "this transfer was started before"}
    for parts in (2, 3, 7, 100):
        assert audited(prey, note, parts=parts) == whole
    assert audited(prey, note, processes=2) == whole


@pytest.mark.parametrize("alone", [False, True])
def test_who_changes_nothing_is_not_found(prey: World, alone: bool) -> None:
    """Or the cases above might be found by what the attacker forgot."""
    attacker = Attacker(prey.path, prey.ring(), alone)
    state, note = attacker.rewrite()
    assert state == prey.state
    assert broken(audited(prey, note)) == {} and inspected(prey) == []


BY_BYTES = {"columns", "tile", "high-water"}
"""Rules that nobody breaks who writes everything anew: `test_database` does."""


def test_every_rule_is_broken_by_somebody() -> None:
    assert {rule for case in CASES.values() for rule in case.rules} | BY_BYTES == set(RULES)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Twenty thousand entries: tiles of the second level fill up, and parts and chunks have borders."""
    directory = tmp_path_factory.mktemp("large")
    return build(f"sqlite:///{directory / 'ledger.db'}", directory, messages=600)


@pytest.mark.soak
@pytest.mark.parametrize("name", CASES)
def test_the_rule_that_was_broken_names_it_in_a_large_ledger(large: World, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    prey = large.copy(tmp_path / "prey")
    attacker = Attacker(prey.path, prey.ring())
    case.attack(attacker)
    _, note = attacker.rewrite()
    whole = broken(audited(prey, note))
    assert set(whole) == set(case.rules), whole
    # A part sees its own messages and the log's chain, so what follows from a first rule's breach may not show in it.
    parted = broken(audited(prey, note, parts=4))
    assert parted and set(parted) <= set(case.rules), parted

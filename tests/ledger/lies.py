"""A log in which everything happens, and what a liar who holds its key may do to it: change what entries say, then
chain, hash and sign it all again. Each lie is named, with the rule that must find it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger.ids import format_time
from ledger.keyhistory import endorsement
from ledger.note import Signer, sign
from tests.ledger.logmaker import ORIGIN, Builder, Draft, Log, Maker, Message, Ref, RootAt


@dataclass
class Story:
    """A log in which everything happens once, as drafts that a test may change."""

    maker: Maker
    drafts: list[Draft]
    first: Message
    second: Message
    large: Message
    block: str
    large_block: str

    def one(self, kind: str, chain: str | None = None, nth: int = 0) -> Draft:
        return [d for d in self.drafts if d.kind == kind and chain in (None, d.chain)][nth]

    def place(self, draft: Draft) -> int:
        return next(i for i, d in enumerate(self.drafts) if d is draft)

    def after(self, draft: Draft, *more: Draft) -> None:
        place = self.place(draft) + 1
        self.drafts[place:place] = more

    def drop(self, draft: Draft) -> None:
        del self.drafts[self.place(draft)]


def story(seed: int = 7) -> Story:
    maker = Maker(seed)
    first, second, large = maker.message(3, 3), maker.message(1, 1), maker.message(2, 300, tokens=300)
    block, large_block, hook = maker.id(), maker.id(), maker.webhook()
    opened = first.event("message.opened", 1, token=first.token(1), verdict=first.verdict())
    drafts = [
        *maker.opening(),
        *first.recorded(),
        *second.recorded(),
        *large.recorded(),
        hook,
        first.event("delivery.delivered", 1, source="webhook", input=Ref(hook), item=0),
        maker.own("input.unparsed", {"channel": "smtp", "reason": "syntax", "input": Ref(hook)}),
        opened,
        first.event("message.opened", 0, attribution="one_of", candidates=["r1", "r3"]),
        first.entry("event.reclassified", 1, {"event": Ref(opened), "verdict": first.verdict()}),
        *(draft for step in first.download(2, 2) for draft in step),
        maker.heartbeat(),
        first.entry("block.requested", 0, {"scope": "all"}),
        *first.block(block, "all"),
        first.entry("access.denied", 1, {"asked": "download.started", "block": block, "file": "f1"}),
        first.event("download.started", 1, source="import", file="f1", transfer=maker.id(), late=True),
        first.event("message.opened", 1, source="webhook", file="f2", late=True),
        *first.certificate(),
        *first.lift(block),
        *(draft for step in first.download(1, 1) for draft in step),
        *first.block(maker.id(), "recipient", 2),
        *large.block(large_block, "all"),
        *maker.rotation(),
        *second.certificate(1),
        first.event("relay.accepted", 3, source="gateway", code=250),
        maker.own("audit.reviewed", {"size": 40, "root": RootAt(40), "verdict": "passed"}),
    ]
    for k, draft in enumerate(drafts):
        draft.fields["at"] = format_time(maker.micros + 1_000_000 * (k // 4))
    return Story(maker, drafts, first, second, large, block, large_block)


def built(told: Story) -> Log:
    builder = Builder()
    builder.keep = {40}
    rows = [builder.add(draft) for draft in told.drafts]
    return Log(rows, builder.tiles, builder.root(), builder.checkpoint(told.maker.signers[-1]))


Lie = Callable[[Story], None]
LIES: list[tuple[str, str, Lie]] = []


def lie(rule: str) -> Callable[[Lie], Lie]:
    def add(change: Lie) -> Lie:
        LIES.append((rule, change.__name__, change))
        return change

    return add


@lie("schema")
def an_unlisted_fact(s: Story) -> None:
    s.one("relay.accepted").facts["reader"] = "me"


@lie("schema")
def a_badly_spelled_token(s: Story) -> None:
    s.one("recipient.added", s.second.recipients[0]).facts["tokens"] = [s.second.token(1).upper()]


@lie("schema")
def a_badly_spelled_code(s: Story) -> None:
    s.one("message.opened").facts["verdict"]["rule"] = "Prefetch"


@lie("schema")
def an_undated_clock(s: Story) -> None:
    del s.one("message.opened").fields["occurred"]


@lie("schema")
def a_day_that_never_was(s: Story) -> None:
    s.one("message.opened").fields["occurred"] = "2026-02-30T12:00:00.000000Z"


@lie("schema")
def digests_out_of_order(s: Story) -> None:
    s.one("message.opened").sealed.reverse()


@lie("schema")
def a_digest_twice(s: Story) -> None:
    s.one("message.opened").sealed[:] = s.one("message.opened").sealed[:1] * 2


@lie("schema")
def stray_bits_in_a_digest(s: Story) -> None:
    s.one("message.opened").sealed[:] = ["A" * 42 + "B"]


@lie("schema")
def an_act_that_is_no_id(s: Story) -> None:
    s.one("block.requested").fields["act"] = "x"


@lie("schema")
def an_unknown_kind(s: Story) -> None:
    s.one("block.requested").kind = "block.imagined"


@lie("schema")
def an_asserted_kind_that_is_none(s: Story) -> None:
    facts = {"attestation": "E", "channel": "smtp", "asserts": "message.read"}
    s.drafts.append(s.maker.own("input.unattributed", facts))


@lie("schema")
def a_gap_that_ends_before_it_begins(s: Story) -> None:
    since, until = format_time(s.maker.micros), format_time(s.maker.micros - 1)
    s.drafts.append(s.maker.own("listener.gap", {"channel": "smtp", "since": since, "until": until}))


@lie("canonical")
def a_float(s: Story) -> None:
    s.one("relay.accepted").facts["code"] = 250.0


@lie("seq")
def a_wrong_number(s: Story) -> None:
    s.one("message.opened").fields["seq"] = 4711


@lie("prev")
def a_wrong_predecessor(s: Story) -> None:
    s.one("message.opened").fields["prev"] = "0" * 64


@lie("prev")
def a_predecessor_in_capitals(s: Story) -> None:
    s.one("message.opened").fields["prev"] = "A" * 64


@lie("time")
def time_goes_back(s: Story) -> None:
    s.one("message.opened").fields["at"] = format_time(s.maker.micros - 1_000_000)


@lie("genesis")
def opened_twice(s: Story) -> None:
    s.drafts.append(s.maker.own("ledger.opened", dict(s.drafts[0].facts)))


@lie("genesis")
def a_second_log(s: Story) -> None:
    log = s.maker.id()
    s.drafts.append(Draft("ledger.opened", log, {**s.drafts[0].facts, "log": log}, log))


@lie("genesis")
def another_origin(s: Story) -> None:
    s.drafts[0].facts["origin"] = "elsewhere.example.org"


@lie("genesis")
def another_log_id(s: Story) -> None:
    s.drafts[0].facts["log"] = s.maker.id()


@lie("genesis")
def another_first_key(s: Story) -> None:
    s.drafts[0].facts["vkey"] = s.maker.signers[-1].vkey


@lie("genesis")
def the_first_key_comes_late(s: Story) -> None:
    s.drafts[1:3] = reversed(s.drafts[1:3])


@lie("kind.chain")
def a_heartbeat_on_a_message(s: Story) -> None:
    beat = s.one("ledger.heartbeat")
    beat.chain, beat.root = s.first.id, s.first.id


@lie("kind.chain")
def a_code_on_a_message(s: Story) -> None:
    draft = s.one("message.opened", s.first.id)
    draft.kind, draft.facts["grade"] = "code.sent", "G0"


@lie("grade")
def an_open_that_claims_a_person(s: Story) -> None:
    s.one("message.opened").facts["grade"] = "G6"


@lie("attribution")
def a_guess_on_a_recipient(s: Story) -> None:
    s.one("message.opened").facts["attribution"] = "none"


@lie("attribution")
def a_message_that_knows_who(s: Story) -> None:
    facts = s.one("message.opened", s.first.id).facts
    facts["attribution"] = "exact"
    del facts["candidates"]


@lie("attribution")
def one_of_nobody(s: Story) -> None:
    del s.one("message.opened", s.first.id).facts["candidates"]


@lie("attribution")
def candidates_beside_the_one(s: Story) -> None:
    s.one("message.opened").facts["candidates"] = ["r1", "r2"]


@lie("chain.opening")
def an_access_filed_under_no_message(s: Story) -> None:
    draft = s.one("message.opened")
    draft.chain = draft.root = s.maker.id()


@lie("chain.opening")
def a_message_recorded_twice(s: Story) -> None:
    again = s.first.recorded()
    s.drafts.append(again[0])


@lie("chain.gap")
def a_chain_with_a_hole(s: Story) -> None:
    s.one("message.opened").fields["n"] = 9


@lie("chain.gap")
def a_place_taken_twice(s: Story) -> None:
    s.one("message.opened").fields["n"] = 1


@lie("chain.cprev")
def a_chain_that_forks(s: Story) -> None:
    s.one("message.opened").fields["cprev"] = "0" * 64


@lie("chain.cprev")
def an_opening_with_a_past(s: Story) -> None:
    s.one("recipient.added").fields["cprev"] = "0" * 64


@lie("act")
def an_act_torn_apart(s: Story) -> None:
    act = s.drafts.index(s.one("block.applied")) + 2
    s.drafts.insert(act, s.maker.heartbeat())


@lie("act")
def an_act_on_one_chain(s: Story) -> None:
    s.one("block.requested").fields["act"] = s.maker.id()


@lie("act")
def an_act_that_comes_again(s: Story) -> None:
    s.one("relay.accepted").fields["act"] = s.one("block.applied").fields["act"]


@lie("act")
def a_message_without_an_act(s: Story) -> None:
    for draft in s.drafts:
        if draft.root == s.second.id and draft.kind in ("message.recorded", "recipient.added"):
            draft.fields.pop("act", None)


@lie("recipient")
def a_recipient_left_out(s: Story) -> None:
    for draft in [d for d in s.drafts if d.chain == s.first.recipients[2]]:
        if draft.kind == "recipient.added":
            s.drop(draft)


@lie("recipient")
def a_recipient_numbered_twice(s: Story) -> None:
    s.one("recipient.added", s.first.recipients[1]).facts["recipient"] = "r1"


@lie("recipient")
def a_recipient_of_another_message(s: Story) -> None:
    s.one("recipient.added", s.first.recipients[1]).facts["message"] = s.second.id


@lie("recipient")
def a_candidate_too_many(s: Story) -> None:
    s.one("message.opened", s.first.id).facts["candidates"] = ["r1", "r4"]


@lie("recipient")
def a_block_asked_for_nobody(s: Story) -> None:
    s.one("block.requested").facts["recipient"] = "r9"


@lie("file")
def a_file_too_many(s: Story) -> None:
    s.one("message.opened").facts["file"] = "f4"


@lie("schema")
def a_file_that_is_no_file(s: Story) -> None:
    s.one("message.opened").facts["file"] = "f01"


@lie("file")
def a_block_of_a_file_too_many(s: Story) -> None:
    for draft in s.drafts:
        if draft.kind == "block.applied" and draft.root == s.first.id and draft.facts["block"] != s.block:
            draft.facts["files"] = ["f1", "f7"]


@lie("file")
def a_block_asked_for_no_file(s: Story) -> None:
    s.one("block.requested").facts["file"] = "f9"


@lie("input")
def an_input_that_is_none(s: Story) -> None:
    s.one("delivery.delivered").facts["input"] = 2


@lie("input")
def an_input_from_the_future(s: Story) -> None:
    late = s.maker.webhook()
    s.drafts.append(late)
    s.one("delivery.delivered").facts["input"] = len(s.drafts) - 1


@lie("input")
def an_input_on_the_log_that_is_none(s: Story) -> None:
    s.one("input.unparsed").facts["input"] = 0


@lie("event")
def a_change_of_mind_about_another_chain(s: Story) -> None:
    s.one("event.reclassified").facts["event"] = s.place(s.one("delivery.delivered")) - 10


@lie("event")
def a_change_of_mind_about_another_recipient(s: Story) -> None:
    draft = s.one("event.reclassified")
    draft.chain = s.first.recipients[2]


@lie("event")
def a_change_of_mind_about_the_future(s: Story) -> None:
    draft = s.one("event.reclassified")
    del draft.fields["at"]
    s.drop(draft)
    s.drafts.insert(s.place(s.one("message.opened")), draft)
    draft.facts["event"] = s.place(draft) + 1


@lie("token")
def an_access_moved_to_another_recipient(s: Story) -> None:
    s.one("message.opened").chain = s.first.recipients[2]
    s.drop(s.one("event.reclassified"))


@lie("token")
def a_token_on_a_message(s: Story) -> None:
    s.one("message.opened", s.first.id).facts["token"] = s.first.token(1)


@lie("token")
def a_token_that_opens_two_chains(s: Story) -> None:
    s.one("recipient.added", s.second.recipients[0]).facts["tokens"] = [s.first.token(1)]


@lie("token")
def a_denial_through_a_foreign_token(s: Story) -> None:
    s.one("access.denied").facts["token"] = s.second.token(1)


@lie("transfer")
def a_download_that_never_started(s: Story) -> None:
    s.drop(s.one("download.started"))


@lie("transfer")
def a_download_that_ends_twice(s: Story) -> None:
    done = s.one("download.completed")
    s.after(done, s.first.entry("download.completed", 2, dict(done.facts), source="portal"))


@lie("transfer")
def a_download_that_starts_twice(s: Story) -> None:
    start = s.one("download.started")
    s.after(start, s.first.entry("download.started", 2, dict(start.facts), source="portal"))


@lie("transfer")
def a_download_that_changes_its_file(s: Story) -> None:
    s.one("download.completed").facts["file"] = "f3"


@lie("transfer")
def a_transfer_that_runs_on_two_recipients_chains(s: Story) -> None:
    start = s.one("download.started", s.first.recipients[1])
    s.one("download.started", s.first.recipients[0]).facts["transfer"] = start.facts["transfer"]


@lie("transfer")
def a_transfer_that_runs_on_two_messages(s: Story) -> None:
    start = s.one("download.started")
    s.drafts.append(s.second.event("download.started", 1, file="f1", transfer=start.facts["transfer"]))


@lie("sealed")
def a_message_that_names_nobody(s: Story) -> None:
    recorded = s.one("message.recorded")
    recorded.sealed = recorded.sealed[: recorded.facts["recipients"] + recorded.facts["files"] - 1]


@lie("sealed")
def a_long_list_that_ends_too_soon(s: Story) -> None:
    rest = s.one("message.recorded.continued", s.large.id)
    rest.sealed = rest.sealed[:45]  # 256 and 45 of 2 recipients and 300 files


@lie("continued")
def parts_out_of_order(s: Story) -> None:
    s.one("message.recorded.continued").facts["part"] = 2


@lie("continued")
def a_list_that_goes_on_from_nothing(s: Story) -> None:
    more = Draft("message.recorded.continued", s.second.id, {"part": 1}, s.second.id, {})
    more.fields["act"] = s.one("message.recorded", s.second.id).fields["act"]
    more.sealed = s.maker.digests()
    s.after(s.one("message.recorded", s.second.id), more)


@lie("continued")
def a_list_that_goes_on_later(s: Story) -> None:
    more = s.one("block.applied.continued", s.large.recipients[1])
    s.drop(more)
    del more.fields["act"], more.fields["at"]
    s.drafts.append(more)


@lie("continued")
def tokens_where_files_belong(s: Story) -> None:
    s.one("block.applied.continued").facts.update(tokens=[s.maker.hash()])


@lie("block")
def a_recipient_left_out_of_a_block(s: Story) -> None:
    s.drop(s.one("access.denied"))
    for kind in ("block.lifted", "block.applied"):
        s.drop(s.one(kind, s.first.recipients[2]))


@lie("block")
def a_block_that_counts_one_less(s: Story) -> None:
    for kind in ("block.lifted", "block.applied"):
        s.drop(s.one(kind, s.first.recipients[2]))
    s.one("block.applied", s.first.id).facts["recipients"] = 2


@lie("block")
def a_block_that_names_another_recipient(s: Story) -> None:
    s.one("block.applied", s.first.id, 1).facts["recipient"] = "r3"


@lie("block")
def a_block_of_fewer_files_on_a_recipient(s: Story) -> None:
    for one in s.first.recipients:
        s.one("block.applied", one).facts["files"] = ["f1", "f2"]


@lie("block")
def a_block_in_two_scopes(s: Story) -> None:
    s.one("block.applied", s.first.recipients[1]).facts["scope"] = "file"


@lie("block")
def files_of_a_block_out_of_order(s: Story) -> None:
    for draft in s.drafts:
        if draft.kind == "block.applied" and draft.facts["block"] == s.block:
            draft.facts["files"] = ["f2", "f1", "f3"]


@lie("block")
def a_block_applied_again_after_its_lift(s: Story) -> None:
    s.drafts += s.first.block(s.block, "all")


@lie("block")
def a_lift_of_a_block_not_in_force(s: Story) -> None:
    s.drafts += s.first.lift(s.block)


@lie("block")
def a_lift_that_forgets_a_recipient(s: Story) -> None:
    s.drop(s.one("block.lifted", s.first.recipients[2]))


@lie("block")
def a_denial_without_a_block(s: Story) -> None:
    s.one("access.denied").facts["block"] = s.maker.id()


@lie("block")
def a_denial_of_a_file_not_covered(s: Story) -> None:
    draft = s.one("access.denied")
    draft.chain = s.first.recipients[1]
    draft.facts["file"] = "f1"
    for one in s.drafts:
        if one.kind == "block.applied" and one.facts["block"] == s.block:
            one.facts["files"] = ["f2", "f3"]
    late = s.one("download.started", s.first.recipients[0])
    del late.facts["late"]


@lie("block.access")
def an_access_to_a_blocked_file(s: Story) -> None:
    lifted = s.one("block.lifted")
    start = s.one("download.started", s.first.recipients[0], 1)
    end = next(d for d in s.drafts[s.place(start) + 1 :] if d.get("transfer") == start.facts["transfer"])
    for draft in (start, end):
        s.drop(draft)
        draft.fields.pop("at", None)
    s.drafts[s.place(lifted) : s.place(lifted)] = [start, end]


@lie("block.access")
def a_blocked_access_attributed_to_nobody(s: Story) -> None:
    facts = {"attribution": "none", "file": "f1"}
    s.drafts.insert(s.place(s.one("block.lifted")), s.first.event("link.confirmed", 0, **facts))


@lie("block.access")
def a_block_drawn_up_before_an_access_it_forbids(s: Story) -> None:
    start = s.one("download.started", s.first.recipients[1])
    block = s.first.block(s.maker.id(), "recipient", 2)
    s.drafts[s.place(start) : s.place(start)] = block


@lie("block.late")
def a_late_access_not_marked(s: Story) -> None:
    del s.one("download.started", s.first.recipients[0]).facts["late"]


@lie("block.late")
def late_where_nothing_is_blocked(s: Story) -> None:
    s.one("message.opened").facts["late"] = True


@lie("block.late")
def late_of_our_own(s: Story) -> None:
    s.one("message.opened", s.first.recipients[0], 1).fields["source"] = "portal"


@lie("block.late")
def never_late(s: Story) -> None:
    s.one("message.opened").facts["late"] = False


@lie("block.late")
def not_late_where_it_is(s: Story) -> None:
    s.one("download.started", s.first.recipients[0]).facts["late"] = False


@lie("block.late")
def not_late_said_in_so_many_words(s: Story) -> None:
    s.drafts.insert(s.place(s.one("block.lifted")), s.first.event("message.opened", 1, file="f1", late=False))


@lie("closing")
def a_closing_without_the_log(s: Story) -> None:
    s.drop(s.one("certificate.issued", s.maker.log))


@lie("closing")
def a_closing_without_the_message(s: Story) -> None:
    s.drop(s.one("certificate.issued", s.first.id))
    s.drop(s.one("certificate.sealed", s.first.id))


@lie("closing")
def a_closing_without_a_recipient(s: Story) -> None:
    s.drop(s.one("certificate.issued", s.first.recipients[1]))


@lie("closing")
def a_closing_of_everyone_but_one(s: Story) -> None:
    s.drop(s.one("certificate.issued", s.first.recipients[1]))
    s.one("certificate.issued", s.first.id).facts["recipients"] = 2


@lie("closing")
def a_closing_of_another_recipient(s: Story) -> None:
    s.one("certificate.issued", s.second.id).facts["recipient"] = "r2"


@lie("closing")
def a_closing_that_claims_two_things(s: Story) -> None:
    s.one("certificate.issued", s.first.recipients[1]).facts["claims"] = s.maker.hash()


@lie("closing")
def a_closing_that_claims_another_on_the_log(s: Story) -> None:
    s.one("certificate.issued", s.maker.log).facts["claims"] = s.maker.hash()


@lie("closing")
def a_closing_of_another_message(s: Story) -> None:
    s.one("certificate.issued", s.maker.log).facts["message"] = s.second.id


@lie("closing")
def a_closing_that_counts_nobody(s: Story) -> None:
    del s.one("certificate.issued", s.first.id).facts["recipients"]


@lie("closing.keys")
def a_key_left_out(s: Story) -> None:
    s.one("certificate.issued", s.maker.log, 1).facts["keys"] = [1]


@lie("certificate")
def a_number_issued_twice(s: Story) -> None:
    s.maker._number -= 1
    more = s.second.certificate(1)
    s.drafts += more[:-1]


@lie("certificate")
def a_seal_of_a_certificate_never_issued(s: Story) -> None:
    s.one("certificate.sealed").facts["number"] = "ps-9"


@lie("certificate")
def a_withdrawal_on_the_log_of_nothing(s: Story) -> None:
    s.drafts.append(s.maker.own("certificate.withdrawn", {"number": "ps-9"}))


@lie("keys")
def a_key_that_nobody_endorsed(s: Story) -> None:
    del s.one("key.introduced", nth=1).facts["endorsement"]


@lie("keys")
def a_key_endorsed_by_itself(s: Story) -> None:
    new = s.maker.signers[-1]
    note = sign(endorsement(ORIGIN, new.vkey), [new]).decode()
    s.one("key.introduced", nth=1).facts["endorsement"] = note


@lie("keys")
def a_key_endorsed_for_another_log(s: Story) -> None:
    note = sign(endorsement("other.example.org", s.maker.signers[-1].vkey), [s.maker.signers[0]]).decode()
    s.one("key.introduced", nth=1).facts["endorsement"] = note


@lie("keys")
def a_key_endorsed_by_a_retired_one(s: Story) -> None:
    retired = s.one("key.retired")
    s.drop(retired)
    s.drafts.insert(s.place(s.one("key.introduced", nth=1)), retired)


@lie("keys")
def a_key_endorsed_by_one_before_the_last(s: Story) -> None:
    """The pinned key stays live, and is made to introduce a third behind the back of the second."""
    retired = s.one("key.retired")
    s.drop(retired)
    third = Signer(ORIGIN, bytes(32))
    note = sign(endorsement(ORIGIN, third.vkey), [s.maker.signers[0]]).decode()
    s.drafts.append(s.maker.own("key.introduced", {"vkey": third.vkey, "endorsement": note}))


@lie("keys")
def an_unknown_key_retired(s: Story) -> None:
    s.one("key.retired").facts["vkey"] = Signer(ORIGIN, bytes(32)).vkey


@lie("keys")
def a_key_introduced_twice(s: Story) -> None:
    s.drafts.append(s.maker.own("key.introduced", dict(s.one("key.introduced", nth=1).facts)))


@lie("keys")
def a_key_under_another_name(s: Story) -> None:
    new = Signer("other.example.org", bytes(32))
    note = sign(endorsement(ORIGIN, new.vkey), [s.maker.signers[-1]]).decode()
    s.drafts.append(s.maker.own("key.introduced", {"vkey": new.vkey, "endorsement": note}))


@lie("root")
def a_timestamp_of_another_tree(s: Story) -> None:
    facts = {"size": 20, "root": s.maker.hash(), "token": s.maker.hash()}
    s.drafts.append(s.maker.own("checkpoint.timestamped", facts))


@lie("root")
def a_timestamp_of_the_future(s: Story) -> None:
    facts = {"size": 100_000, "root": s.maker.hash(), "token": s.maker.hash()}
    s.drafts.append(s.maker.own("checkpoint.timestamped", facts))


@lie("root")
def a_review_of_another_tree(s: Story) -> None:
    s.one("audit.reviewed").facts["root"] = s.maker.hash()


@lie("schema")
def a_time_that_is_none(s: Story) -> None:
    s.drafts[-1].fields["at"] = "tomorrow"


@lie("schema")
def a_chain_that_is_no_id(s: Story) -> None:
    s.drafts.append(Draft("message.refused", "x", {"reason": "policy"}, "x"))


@lie("chain.opening")
def a_recorded_message_refused(s: Story) -> None:
    s.drafts.append(s.first.entry("message.refused", 0, {"reason": "policy"}))


@lie("chain.opening")
def a_recipient_added_to_his_own_chain(s: Story) -> None:
    added = s.one("recipient.added", s.first.recipients[0])
    s.drafts.append(s.first.entry("recipient.added", 1, {**added.facts}))


@lie("act")
def a_block_without_an_act(s: Story) -> None:
    for draft in s.drafts:
        if draft.kind == "block.applied" and draft.facts["block"] not in (s.block, s.large_block):
            draft.fields.pop("act")


@lie("act")
def a_lift_without_an_act(s: Story) -> None:
    for draft in s.drafts:
        if draft.kind == "block.lifted":
            draft.fields.pop("act")


@lie("act")
def a_closing_without_an_act(s: Story) -> None:
    for draft in s.drafts:
        if draft.kind == "certificate.issued" and draft.facts["number"] == "ps-2":
            draft.fields.pop("act")


@lie("block")
def a_block_applied_again_while_in_force(s: Story) -> None:
    s.drafts += s.large.block(s.large_block, "all")


@lie("block")
def a_block_twice_on_a_recipient(s: Story) -> None:
    again = s.one("block.applied", s.first.recipients[0])
    s.one("block.applied", s.first.id).facts["recipients"] = 4
    s.after(again, s.first.entry("block.applied", 1, dict(again.facts), act=again.fields["act"]))


@lie("closing")
def a_closing_twice_on_a_recipient(s: Story) -> None:
    again = s.one("certificate.issued", s.first.recipients[0])
    s.drop(s.one("certificate.issued", s.first.recipients[1]))
    kind = "certificate.issued"
    s.after(again, s.first.entry(kind, 1, dict(again.facts), act=again.fields["act"]))


@lie("keys")
def a_key_introduced_again_and_endorsed(s: Story) -> None:
    new = s.maker.signers[-1]
    note = sign(endorsement(ORIGIN, new.vkey), [new]).decode()
    s.drafts.append(s.maker.own("key.introduced", {"vkey": new.vkey, "endorsement": note}))


@lie("keys")
def a_key_retired_twice(s: Story) -> None:
    s.drafts.append(s.maker.own("key.retired", dict(s.one("key.retired").facts)))


CONSEQUENCES = {
    "a_block_applied_again_while_in_force": {"continued"},
    "a_block_without_an_act": set[str](),
    "a_closing_twice_on_a_recipient": {"certificate"},
    "a_closing_without_an_act": {"closing", "certificate"},
    "a_lift_without_an_act": {"block", "block.access"},
    "a_recipient_added_to_his_own_chain": {"act"},
    "a_badly_spelled_token": {"recipient", "closing"},
    "a_closing_that_counts_nobody": {"certificate"},
    "a_file_that_is_no_file": {"event"},
    "a_key_endorsed_by_a_retired_one": {"checkpoint"},
    "a_key_endorsed_by_itself": {"checkpoint"},
    "a_key_endorsed_for_another_log": {"checkpoint"},
    "a_key_that_nobody_endorsed": {"checkpoint"},
    "a_message_recorded_twice": {"act"},
    "a_message_without_an_act": {"recipient", "closing"},
    "a_recipient_left_out": {"block", "chain.opening", "closing"},
    "a_recipient_numbered_twice": {"block", "closing", "transfer"},
    "a_recipient_of_another_message": {"block", "closing"},
    "a_second_log": {"columns"},
    "an_access_filed_under_no_message": {"event"},
    "an_act_torn_apart": {"block"},
    "an_unknown_kind": {"chain.gap"},
    "files_of_a_block_out_of_order": {"block.late"},
    "the_first_key_comes_late": set[str](),
    "tokens_where_files_belong": {"block"},
}
"""What else is found: others count on what was judged wrong."""

DIVIDED = {"an_act_torn_apart", "a_message_recorded_twice", "an_access_filed_under_no_message", "a_second_log"}
"""Where parts see different entries next to each other, the findings that follow the first may differ."""


@lie("hold")
def a_release_of_what_was_not_held(s: Story) -> None:
    s.drafts.append(s.first.entry("hold.released", 1, {"hold": s.maker.id()}))


@lie("hold")
def a_release_on_another_chain(s: Story) -> None:
    hold = {"hold": s.maker.id()}
    s.drafts += [s.first.entry("hold.placed", 0, hold), s.first.entry("hold.released", 1, hold)]


@lie("hold")
def a_hold_placed_twice(s: Story) -> None:
    hold = {"hold": s.maker.id()}
    s.drafts += [s.first.entry("hold.placed", 1, hold), s.first.entry("hold.placed", 1, hold)]


@lie("hold")
def an_erasure_of_what_is_held(s: Story) -> None:
    done = s.first.entry("erasure.done", 1, {"erasure": s.maker.id(), "subject": "recipient"})
    s.drafts += [s.first.entry("hold.placed", 1, {"hold": s.maker.id()}), done]


@lie("hold")
def an_erasure_of_whose_message_is_held(s: Story) -> None:
    done = s.first.entry("erasure.done", 1, {"erasure": s.maker.id(), "subject": "recipient"})
    s.drafts += [s.first.entry("hold.placed", 0, {"hold": s.maker.id()}), done]

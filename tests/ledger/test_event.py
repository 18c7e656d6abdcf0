"""The vocabulary: closed schemas, and the page that says the same."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec import UNSET, inspect

from ledger import event, spelling
from ledger.errors import FormatError
from ledger.event import KINDS
from ledger.schema import check_facts, parse_facts
from tests.helpers import HOUSE
from tests.ledger.facts import KINDS as SAID
from tests.ledger.facts import simplest

PAGE = (HOUSE / "docs" / "format.md").read_text()
VOCABULARY = PAGE.split("\n## Vocabulary\n", 1)[1].split("\n## ", 1)[0]
FEW = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))

# Docs


def fields(struct: type[msgspec.Struct]) -> dict[str, bool]:
    """Names of facts, and whether each may be absent."""
    return {field.encode_name: not field.required for field in msgspec.structs.fields(struct)}


def names(cell: str) -> dict[str, bool]:
    """The facts a cell of the page names: `name`, with * where it may be absent. Words after a colon are values."""
    found: dict[str, bool] = {}
    for part in re.split(r"; | and (?=`)", cell):
        match = re.match(r"\s*`([a-z0-9_]+)`(\*?)", part)
        if match:
            found[match[1]] = bool(match[2])
    return found


def rows() -> dict[str, tuple[str, str, dict[str, bool]]]:
    """Kind -> what is said of it, the chains, its facts."""
    found: dict[str, tuple[str, str, dict[str, bool]]] = {}
    last = ""
    for line in VOCABULARY.splitlines():
        match = re.match(r"\| `([a-z]+\.[a-z]+)`(.*?) \| ([MRL ]+) \|(.*)\|$", line)
        if match:
            cell = match[4].strip()
            last = last if cell == "the same" else cell
            found[match[1]] = match[2], match[3], names(last)
    return found


ROWS = rows()
TRACKING = fields(event.Tracking)
CLOSING = fields(event.Closing)


def test_every_kind_has_its_row_and_every_row_its_kind() -> None:
    assert set(ROWS) == {name for name in KINDS if not name.endswith(".continued")}


def test_every_tracking_event_has_the_same_facts_besides() -> None:
    text = VOCABULARY.split("has besides:", 1)[1].split("On a recipient's chain", 1)[0]
    listed = re.split(r",\s*(?=`)", re.sub(r"\([^)]*\)", "", text.split("`verdict` =")[0]))
    said = {m[1]: bool(m[2]) for m in (re.match(r"\s*`([a-z]+)`(\*?)", part) for part in listed) if m}
    assert said == TRACKING
    verdict = re.search(r"`verdict` = `\{(.*)\}`", text)
    assert verdict is not None
    assert set(re.findall(r'"([a-z]+)":', verdict[1])) == set(fields(event.Verdict))


@pytest.mark.parametrize("name", ROWS)
def test_a_row_says_what_the_schema_does(name: str) -> None:
    words, chains, said = ROWS[name]
    kind = KINDS[name]
    letters = {"log": "L", "message": "M", "recipient": "R"}
    assert set(chains.split()) == {letters[c] for c in kind.on}
    assert kind.opens == ("opens" in words) and kind.closes == ("closes" in words)
    assert kind.continued == ("continued" in words) == (f"{name}.continued" in KINDS)
    assert (kind.grade is not None) == (" T " in words)
    if kind.grade is not None:
        assert words.strip().endswith(kind.grade)
    wanted = fields(kind.facts)
    if kind.grade is not None:
        # What every tracking event has is said once, above; a row says it again only where it is stricter.
        wanted = {f: o for f, o in wanted.items() if f not in TRACKING or TRACKING[f] != o}
    if kind.closes:
        wanted = {f: o for f, o in wanted.items() if f not in CLOSING}
    if name == "block.applied":
        # On M only, and there always.
        said = said | {"recipients": True}
    assert said == wanted


def test_accesses_are_those_the_page_names() -> None:
    text = VOCABULARY.split("An **access**", 1)[1].split("whoever or whatever", 1)[0]
    assert set(re.findall(r"`([a-z]+\.[a-z]+)`", text)) == event.ACCESSES
    assert {"certificate.issued", "evidence.exported"} == event.CLOSING
    beats = VOCABULARY.split("A **beat** is", 1)[1].split(".\n")[0]
    assert set(re.findall(r"`(ledger\.[a-z]+)`", beats)) == event.BEATS
    assert f"more than {event.BEAT_LIMIT_SECONDS} seconds" in VOCABULARY


# Schemas


@pytest.mark.parametrize("name", KINDS)
def test_schemas_are_closed(name: str) -> None:
    @FEW
    @given(SAID[name])
    def check(said: dict[str, Any]) -> None:
        made = parse_facts(name, said)
        assert json.loads(msgspec.json.encode(made)) == said
        for field, optional in fields(KINDS[name].facts).items():
            if field in said:
                without = {k: v for k, v in said.items() if k != field}
                if optional:
                    parse_facts(name, without)
                else:
                    _refused(name, without)
                for wrong in (None, 1.5, {}, "", -1, 2**53, ["?"]):
                    _refused(name, said | {field: wrong})
        for field in msgspec.structs.fields(KINDS[name].facts):
            if isinstance(said.get(field.encode_name), str) and field.encode_name != "endorsement":
                _refused(name, said | {field.encode_name: said[field.encode_name] + "\n"})
        _refused(name, said | {"more": "x"})
        _refused(name, said | {"kind": name})
        for wrong in ([], "x", None, 7):
            _refused(name, wrong)

    check()


def _refused(name: str, said: Any) -> None:
    try:
        parse_facts(name, said)
    except FormatError:
        return
    pytest.fail(f"{said!r} was taken for facts of {name}")


def test_an_unknown_kind_is_refused() -> None:
    for name in ("", "link.clicked", "link.opened.continued", "LINK.OPENED", "x" * 10_000):
        with pytest.raises(FormatError) as caught:
            parse_facts(name, {})
        assert len(str(caught.value)) < 200


def test_patterns_end_where_the_value_ends() -> None:
    """$ would let a final newline through."""
    said = {"attestation": "D", "attribution": "exact", "grade": "G4", "file": "f1"}
    parse_facts("link.opened", said)
    for field, good in {
        "file": "f1",
        "token": "a" * 64,
        "candidates": ("r1", "r2"),
    }.items():
        spoilt: Any = good + "\n" if isinstance(good, str) else [good[0] + "\n", good[1]]
        _refused("link.opened", said | {field: spoilt})
    for file in ("f0", "f01", "f100000", "F1", "f", "1", "f-1", "f1.0", "f\uff11"):
        _refused("link.opened", said | {"file": file})
    parse_facts("link.opened", said | {"file": "f99999"})


# What types cannot say


def facts(kind: str, **said: Any) -> event.Facts:
    grade = KINDS[kind].grade
    base = {"attestation": "D", "attribution": "exact", "grade": grade} if grade else {}
    return parse_facts(kind, base | said)


def bad(kind: str, chain: str, **said: Any) -> None:
    with pytest.raises(FormatError):
        check_facts(KINDS[kind], chain, facts(kind, **said))


def test_every_kind_stands_only_where_it_may() -> None:
    for name, kind in KINDS.items():
        made = parse_facts(name, simplest(inspect.type_info(kind.facts)))
        for chain in ("log", "message", "recipient"):
            if chain not in kind.on:
                with pytest.raises(FormatError, match="may not stand"):
                    check_facts(kind, chain, made)


def test_grade_attribution_candidates_late() -> None:
    check_facts(KINDS["link.opened"], "recipient", facts("link.opened"))
    check_facts(KINDS["link.opened"], "message", facts("link.opened", attribution="none"))
    one = {"attribution": "one_of", "candidates": ["r1", "r2"]}
    check_facts(KINDS["link.opened"], "message", facts("link.opened", **one))
    check_facts(KINDS["link.opened"], "recipient", facts("link.opened", late=True))
    bad("link.opened", "recipient", grade="G5")
    bad("link.opened", "recipient", attribution="none")
    bad("link.opened", "message")
    bad("link.opened", "message", attribution="one_of")
    bad("link.opened", "message", attribution="none", candidates=["r1", "r2"])
    bad("link.opened", "recipient", late=False)


def test_what_closes_a_chain() -> None:
    said: dict[str, Any] = {"evidence": "01890a5d-ac96-774b-bcce-b302099a8057"}
    on_log = said | {"keys": [1], "message": said["evidence"], "pending": 0}
    check_facts(KINDS["evidence.exported"], "recipient", facts("evidence.exported", **said))
    check_facts(KINDS["evidence.exported"], "message", facts("evidence.exported", **said, recipients=2))
    check_facts(KINDS["evidence.exported"], "message", facts("evidence.exported", **said, recipients=1, recipient="r1"))
    check_facts(KINDS["evidence.exported"], "log", facts("evidence.exported", **on_log))
    bad("evidence.exported", "message", **said)
    bad("evidence.exported", "log", **said)
    bad("evidence.exported", "log", **on_log, recipients=1)
    bad("evidence.exported", "log", **on_log, recipient="r1")
    bad("evidence.exported", "recipient", **said, recipients=1)
    bad("evidence.exported", "recipient", **said, recipient="r1")
    bad("evidence.exported", "recipient", **on_log)
    for missing in ("keys", "message", "pending"):
        bad("evidence.exported", "log", **{k: v for k, v in on_log.items() if k != missing})


def test_blocks_and_continued_lists() -> None:
    said: dict[str, Any] = {"block": "01890a5d-ac96-774b-bcce-b302099a8057", "files": ["f1"], "scope": "all"}
    check_facts(KINDS["block.applied"], "recipient", facts("block.applied", **said))
    check_facts(KINDS["block.applied"], "message", facts("block.applied", **said, recipients=1, recipient="r1"))
    bad("block.applied", "message", **said)
    bad("block.applied", "recipient", **said, recipients=1)
    bad("block.applied", "recipient", **said, recipient="r1")
    more: dict[str, Any] = {"files": ["f1"]}, {"tokens": ["a" * 64]}  # type: ignore[assignment]
    files, tokens = more
    check_facts(KINDS["block.applied.continued"], "message", facts("block.applied.continued", part=1, **files))
    check_facts(KINDS["recipient.added.continued"], "recipient", facts("recipient.added.continued", part=1, **tokens))
    check_facts(KINDS["message.recorded.continued"], "message", facts("message.recorded.continued", part=1))
    for kind, chain, wrong in [
        ("block.applied.continued", "message", tokens),
        ("block.applied.continued", "message", {}),
        ("block.applied.continued", "message", files | tokens),
        ("recipient.added.continued", "recipient", files),
        ("recipient.added.continued", "recipient", {}),
        ("message.recorded.continued", "message", files),
        ("message.recorded.continued", "message", tokens),
    ]:
        bad(kind, chain, part=1, **wrong)


def test_ordinals() -> None:
    assert [spelling.ordinal(name) for name in ("r1", "f12", "r99999")] == [1, 12, 99_999]
    assert UNSET is not None

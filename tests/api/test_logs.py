"""The read paths: checkpoint, tiles, bundles, entries and proofs, as C2SP has them, while the log grows."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from ledger import checkpoint, entry, merkle, tiles
from ledger.note import Verifier
from tests.api.serving import Served, problem, serving
from tests.ledger.ledgers import ORIGIN

FOREVER = "max-age=31536000, immutable"


@pytest.fixture(scope="module")
def filled(served: Served) -> Served:
    """More than two full tiles, written behind the service's back."""
    message = served.record()["message"]
    body = b'{"message":"%s","kind":"message.opened","recipient":"r1"}\n' % message.encode() * 600
    got = served.as_("ingest").post("/v1/events", content=body, headers={"content-type": "application/x-ndjson"})
    assert got.status_code == 200
    return served


def get(served: Served, path: str, role: str = "auditor") -> httpx.Response:
    return served.as_(role).get(f"/v1/logs/{served.log.id}/{path}")


def newest(served: Served) -> checkpoint.Checkpoint:
    got = get(served, "checkpoint", "nobody")
    assert got.status_code == 200
    assert got.headers["content-type"] == "text/plain; charset=utf-8"
    assert got.headers["cache-control"] in ("no-cache", "no-store", "public, max-age=1", "max-age=1")
    return served.open(got.text)


def test_the_logs_are_named_to_everybody(served: Served) -> None:
    (said,) = served.as_("nobody").get("/v1/logs").json()["logs"]
    assert (said["log"], said["origin"]) == (served.log.id, ORIGIN)
    assert Verifier.parse(said["vkey"]).name == ORIGIN
    assert said["size"] <= served.size


def test_the_root_is_that_of_the_entries(filled: Served) -> None:
    state = newest(filled)
    entries: list[bytes] = []
    for index in range((state.size + 255) // 256):
        width = tiles.available(tiles.ENTRIES, index, state.size)
        path = tiles.format_path(tiles.Tile(tiles.ENTRIES, index, width))
        got = get(filled, path)
        assert got.status_code == 200, (path, got.text)
        assert got.headers["content-type"] == "application/octet-stream"
        entries += tiles.parse_bundle(got.content, width)
    leaves = [merkle.leaf_hash(data) for data in entries]
    assert len(entries) == state.size and merkle.root(leaves) == state.root
    assert [entry.decode(data).seq for data in entries[:300]] == list(range(300))


def test_hash_tiles_are_those_of_the_entries(filled: Served) -> None:
    state = newest(filled)
    leaves = [merkle.leaf_hash(filled.log.reader.entry(seq) or b"") for seq in range(state.size)]
    for level in (0, 1):
        for index in range(3):
            width = tiles.available(level, index, state.size)
            if not width:
                continue
            got = get(filled, tiles.format_path(tiles.Tile(level, index, width)))
            span = 256**level
            want = [merkle.root(leaves[(index * 256 + k) * span : (index * 256 + k + 1) * span]) for k in range(width)]
            assert got.content == b"".join(want)


def test_every_width_up_to_the_checkpoint_is_served_and_none_beyond(filled: Served) -> None:
    size = newest(filled).size
    last, wide = divmod(size, 256)
    for width in {1, 2, wide // 2, wide - 1, wide}:
        for kind, octets in (("0", 32 * width), ("entries", None)):
            got = get(filled, f"tile/{kind}/{last:03}.p/{width}")
            assert got.status_code == 200
            assert octets is None or len(got.content) == octets
    # What has become full may still be asked for as it was.
    assert get(filled, "tile/0/000.p/17").content == get(filled, "tile/0/000").content[: 17 * 32]
    for path in (f"tile/0/{last:03}", f"tile/0/{last + 1:03}.p/1", "tile/1/001", "tile/2/000.p/1", "tile/63/000.p/1"):
        problem(get(filled, path), "not-found")


def test_what_never_changes_may_be_kept_but_only_by_who_may_read_it(filled: Served) -> None:
    for path in ("tile/0/000", "tile/entries/000.p/3"):
        got = get(filled, path)
        assert got.headers["cache-control"] == f"private, {FOREVER}" and got.headers["vary"] == "Authorization"
    assert get(filled, "entries/0").headers["cache-control"] == "no-store"


def test_an_entry(filled: Served) -> None:
    for seq in (0, 1, 255, 256, newest(filled).size - 1):
        said = get(filled, f"entries/{seq}").json()
        data = base64.b64decode(said["entry"], validate=True)
        assert set(said) == {"seq", "leaf_hash", "entry"}
        assert said["leaf_hash"] == merkle.leaf_hash(data).hex() and entry.decode(data).seq == said["seq"] == seq
    problem(get(filled, f"entries/{filled.size}"), "not-found")


def proof(text: str) -> tuple[int, list[bytes], str]:
    """The parts of a C2SP tlog-proof."""
    top, _, note = text.partition("\n\n")
    first, index, *nodes = top.split("\n")
    assert first == "c2sp.org/tlog-proof@v1" and index.startswith("index ")
    return int(index.removeprefix("index ")), [base64.b64decode(node, validate=True) for node in nodes], note


def test_the_proof_of_an_entry(filled: Served) -> None:
    for seq in (0, 255, 256, 511, newest(filled).size - 1):
        got = get(filled, f"entries/{seq}.tlog-proof")
        assert got.status_code == 200 and got.headers["content-type"] == "text/plain; charset=utf-8"
        index, nodes, note = proof(got.text)
        state = filled.open(note)
        leaf = merkle.leaf_hash(filled.log.reader.entry(seq) or b"")
        merkle.check_inclusion(leaf, index, state.size, nodes, state.root)
        assert index == seq
    problem(get(filled, f"entries/{filled.size}.tlog-proof"), "not-found")


def test_consistency(filled: Served) -> None:
    state = newest(filled)
    leaves = [merkle.leaf_hash(filled.log.reader.entry(seq) or b"") for seq in range(state.size)]
    for old, new in ((1, 1), (1, 2), (2, 256), (255, 257), (256, 512), (300, state.size), (state.size, state.size)):
        said = get(filled, f"proofs/consistency?old={old}&new={new}").json()
        assert (said["old"], said["new"]) == (old, new)
        nodes = [bytes.fromhex(node) for node in said["proof"]]
        merkle.check_consistency(old, merkle.root(leaves[:old]), new, merkle.root(leaves[:new]), nodes)
    said = get(filled, "proofs/consistency?old=5").json()
    assert said["new"] >= state.size
    for query in (f"old=1&new={filled.size + 1}", f"old={filled.size + 1}"):
        problem(get(filled, f"proofs/consistency?{query}"), "not-found")
    # Anything is consistent with nothing; there is no proof of it.
    for query in ("old=0", "old=1&new=0", "old=3&new=2"):
        problem(get(filled, f"proofs/consistency?{query}"), "invalid")


def test_whoever_holds_a_receipt_finds_what_it_promises_at_once(filled: Served) -> None:
    # However old the checkpoint is that others are shown.
    for _ in range(10):
        newest(filled)
        receipt = filled.record()["receipt"]
        size = filled.open(receipt["checkpoint"]).size
        last, wide = divmod(size, 256)
        assert get(filled, f"entries/{receipt['seq']}").status_code == 200
        assert get(filled, f"entries/{receipt['seq']}.tlog-proof").status_code == 200
        assert get(filled, f"proofs/consistency?old=1&new={size}").status_code == 200
        assert not wide or get(filled, f"tile/entries/{last:03}.p/{wide}").status_code == 200


def test_a_checkpoint_never_goes_back(filled: Served) -> None:
    def follow(_: int) -> list[int]:
        return [newest(filled).size for _ in range(40)]

    with ThreadPoolExecutor(5) as pool:
        seen = [pool.submit(follow, k) for k in range(4)]
        for _ in range(20):
            filled.record()
        for sizes in (one.result() for one in seen):
            assert sizes == sorted(sizes)


def test_a_log_open_to_all(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path, public_log=True) as served:
        served.record()
        for path in ("checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3", "entries/0", "entries/0.tlog-proof"):
            assert get(served, path, "nobody").status_code == 200
        assert get(served, "proofs/consistency?old=1", "nobody").status_code == 200
        assert get(served, "tile/0/000.p/3", "nobody").headers["cache-control"] == f"public, {FOREVER}"
        # Recording is as closed as ever.
        problem(served.as_("nobody").post("/v1/messages"), "no-key")


def test_entries_hold_nothing_personal(filled: Served) -> None:
    everything = b"".join(get(filled, f"tile/entries/{n:03}").content for n in range(2))
    for word in (b"example.com", b"one.example", b"The plan", b"plan.pdf", b"@", b"test-sender"):
        assert word not in everything

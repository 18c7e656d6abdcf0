"""The worked examples: files, page and code say the same, byte for byte."""

from __future__ import annotations

import json
import runpy
from typing import Any

import pytest

from ledger import blobs, checkpoint, disclosure, document, entry, evidence, note, schema, tiles, vault
from ledger.audit import audit
from ledger.checkpoint import Checkpoint
from ledger.evidence import Trust
from ledger.merkle import leaf_hash, root
from tests.helpers import HOUSE

GOLDEN = HOUSE / "tests" / "golden" / "log"
MAKE: dict[str, Any] = runpy.run_path(str(GOLDEN / "make.py"))
FILES = {path.name: path.read_bytes() for path in GOLDEN.iterdir() if path.is_file() and path.suffix != ".py"}
ENTRIES = tiles.parse_bundle(FILES["entries"], 20)
SINGLE = sorted(name for name in FILES if name.endswith(".json") and name not in ("evidence.json", "trust.json"))
SIGNER = note.Signer(MAKE["ORIGIN"], MAKE["SEED"])


def test_a_second_reading_of_the_format_makes_the_same_files() -> None:
    assert MAKE["make"]() == FILES


def test_the_page_shows_these_files() -> None:
    section = (HOUSE / "docs" / "format.md").read_text().split("\n## Worked examples\n", 1)[1]
    assert section.partition("\n\n**`")[2] == MAKE["page"]().removeprefix("**`")


@pytest.mark.parametrize("seq", range(len(ENTRIES)))
def test_entries_go_there_and_back(seq: int) -> None:
    data = ENTRIES[seq]
    made = entry.from_bytes(data)
    assert made.seq == seq and entry.to_bytes(made) == data
    # Also from the facts as anybody would write them down.
    said = schema.parse_facts(made.kind, json.loads(data)["facts"])
    assert said == made.facts
    fields = {name: getattr(made, name) for name in made.__struct_fields__} | {"facts": said}
    assert entry.to_bytes(entry.TYPES[made.kind](**fields)) == data


def test_single_entries_are_those_of_the_bundle() -> None:
    assert {FILES[name] for name in SINGLE} <= set(ENTRIES)
    assert tiles.format_bundle(ENTRIES) == FILES["entries"]


def test_the_checkpoint_is_what_we_sign() -> None:
    state = Checkpoint(MAKE["ORIGIN"], len(ENTRIES), root([leaf_hash(e) for e in ENTRIES]))
    assert checkpoint.sign(state, SIGNER) == FILES["checkpoint"]
    assert SIGNER.vkey == MAKE["vkey"]()


def test_disclosure_data_key_and_box() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    text = FILES["disclosure"].decode()
    said = disclosure.parse(text)
    assert disclosure.make(said.name, said.value, said.salt) == text
    relayed = entry.from_bytes(FILES["relay-accepted.json"])
    assert relayed.sealed == [disclosure.digest(text)]
    kek, cipher, nonce = AESGCM(MAKE["KEK"]), AESGCM(MAKE["DATA_KEY"]), MAKE["NONCE"]
    assert vault.wrap(kek, 1, MAKE["R1"], MAKE["LOG"], MAKE["DATA_KEY"], nonce) == FILES["data-key"]
    assert vault.seal_box(cipher, MAKE["LOG"], relayed.seq, [text], nonce) == FILES["box"]
    assert vault.open_box(cipher, MAKE["LOG"], relayed.seq, FILES["box"]) == [text]


def test_the_evidence_is_valid() -> None:
    trust = Trust.parse(FILES["trust.json"])
    assert trust.to_bytes() == FILES["trust.json"]
    held = document.parse(FILES["evidence.json"])
    assert document.format(held) == FILES["evidence.json"]
    found = evidence.check(FILES["evidence.json"], trust)
    assert found.verdict == "valid", found


class Bundle:
    """The golden log as `ledger.audit` reads it."""

    def size(self) -> int:
        return len(ENTRIES)

    def checkpoint(self) -> bytes:
        return FILES["checkpoint"]

    def rows(self, part: int, parts: int, size: int) -> list[list[tuple[Any, ...]]]:
        numbers: dict[str, int] = {}
        rows = []
        for seq, data in enumerate(ENTRIES):
            made = entry.from_bytes(data)
            no = numbers.setdefault(made.chain, len(numbers))
            message = 0 if made.chain == MAKE["LOG"] else numbers[MAKE["MESSAGE"]]
            rows.append((seq, message, no, made.n, leaf_hash(data), data))
        return [rows]

    def tile(self, level: int, index: int) -> bytes | None:
        return None


def test_the_log_replays() -> None:
    report = audit(Bundle, origin=MAKE["ORIGIN"], vkeys=[SIGNER.vkey])
    assert list(report.findings) == []
    assert (report.size, report.checkpoint_size, report.messages, report.recipients) == (20, 20, 1, 2)


def test_a_blob_and_its_key() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    place = {"part": "body", "name": MAKE["BLOB"], "subject": MAKE["MESSAGE"]}
    place |= {"size": len(MAKE["KEPT"]), "small": len(MAKE["SMALL"])}
    cipher = AESGCM(MAKE["DATA_KEY"])
    blob = blobs.unwrap(cipher, FILES["blob-key"], MAKE["LOG"], MAKE["MESSAGE"], **place)
    assert blob.key == MAKE["BLOB_KEY"]
    assert blobs.wrap(cipher, blob, MAKE["LOG"], MAKE["MESSAGE"], MAKE["NONCE"]) == FILES["blob-key"]
    opened = blobs.decrypt(blob, MAKE["LOG"], MAKE["MESSAGE"], [FILES["blob"]])
    assert b"".join(opened) == MAKE["KEPT"]


def test_the_second_reading_of_chunked_encryption_has_chunks_of_its_own() -> None:
    """Across chunk borders, where the example does not come."""
    for size in (0, 1, 16383, 16384, 16385, 49152, 50000):
        plain = bytes(range(256)) * (size // 256) + bytes(size % 256)
        blob = blobs.Blob(part="whole", name="cd" * 16, subject="", size=size, small=0, key=bytes([7]) * 32)
        made = MAKE["chunked"](blob.key, bytes(24), b"postseal-blob/1:l:m:whole:" + b"cd" * 16, plain)
        assert b"".join(blobs.decrypt(blob, "l", "m", [made])) == plain
        ours = b"".join(blobs.encrypt(blob, "l", "m", [plain]))
        assert MAKE["chunked"](blob.key, ours[:24], b"postseal-blob/1:l:m:whole:" + b"cd" * 16, plain) == ours

"""Made package-1.zip beside it: docs/format.md, "Package", spelled out with the standard library alone.

It imports nothing of ours, so that it is a second reading of the format. The evidence is the golden one of ../log; the
words of HOW-TO-VERIFY.txt are part of the format and stand beside this file.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
EVIDENCE = HERE.parent / "log" / "evidence.json"
MAIL = b"From: jo@example.org\r\nTo: ann@example.com\r\nSubject: the plan\r\n\r\nsee attached\r\n"
CONTENT = {"data/content/message.eml": MAIL, "data/content/f1-plan.pdf": b"the plan itself"}
SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before an Ed25519 key in DER (RFC 8410)."""


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """The hashes of a multiproof and of the leaves it proves, by range of leaves."""

    def __init__(self, leaves: dict[int, bytes], size: int, proof: list[str]) -> None:
        self.leaves, self.size, self.proof = leaves, size, [bytes.fromhex(node) for node in proof]
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.fill(0, size)
        assert not self.proof

    def fill(self, low: int, high: int) -> bytes:
        if not any(low <= seq < high for seq in self.leaves):
            node = self.proof.pop(0)
        elif high - low == 1:
            node = self.leaves[low]
        else:
            middle = low + (1 << (high - low - 1).bit_length() - 1)
            left = self.fill(low, middle)
            node = node_hash(left, self.fill(middle, high))
        self.nodes[low, high] = node
        return node

    def path(self, seq: int) -> bytes:
        low, high = 0, self.size
        lines = []
        while high - low > 1:
            middle = low + (1 << (high - low - 1).bit_length() - 1)
            if seq < middle:
                lines.append(f"R {self.nodes[middle, high].hex()}\n")
                high = middle
            else:
                lines.append(f"L {self.nodes[low, middle].hex()}\n")
                low = middle
        return "".join(reversed(lines)).encode()


def fact(text: str) -> tuple[str, Any]:
    _, name, value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return name, value


def derived(evidence: dict[str, Any]) -> dict[str, bytes]:
    entries = {held["seq"]: base64.b64decode(held["entry"]) for held in evidence["entries"]}
    read = {seq: json.loads(data) for seq, data in entries.items()}
    size = int(evidence["checkpoint"].split("\n")[1])
    tree = Tree({seq: leaf_hash(data) for seq, data in entries.items()}, size, evidence["proof"])
    vkey = read[1]["facts"]["vkey"]
    key = base64.b64decode(vkey.split("+", 2)[2])[1:]
    pem = base64.b64encode(SPKI + key).decode()
    recipients = {one["chain"]: one["facts"]["recipient"] for one in read.values() if one["kind"] == "recipient.added"}
    chains = recipients | {read[0]["chain"]: "log", evidence["claim"]["message"]: "message"}
    shown = [(held["seq"], *fact(text)) for held in evidence["entries"] for text in held["disclosures"]]
    made = {
        "data/evidence.json": EVIDENCE.read_bytes(),
        "data/checkpoint.txt": evidence["checkpoint"].encode(),
        "data/keys/log.pem": f"-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n".encode(),
        "data/keys/log.vkey": f"{vkey}\n".encode(),
        "data/entries.txt": "".join(
            f"{seq}\t{one['at']}\t{chains[one['chain']]}\t{one['kind']}\n" for seq, one in read.items()
        ).encode(),
        "data/disclosures.txt": "".join(
            sorted((f"{seq}\t{name}\t{json.dumps(value)}\n" for seq, name, value in shown), key=numbered)
        ).encode(),
    }
    for held in evidence["entries"]:
        made[f"data/entries/{held['seq']}.json"] = entries[held["seq"]]
        made[f"data/proofs/{held['seq']}.txt"] = tree.path(held["seq"])
        for text in held["disclosures"]:
            made[f"data/disclosures/{held['seq']}-{fact(text)[0]}.txt"] = text.encode()
    return made | CONTENT


def numbered(line: str) -> tuple[int, str]:
    seq, _, rest = line.partition("\t")
    return int(seq), rest


def manifest(files: dict[str, bytes], algorithm: str) -> bytes:
    hashes = {place: hashlib.new(algorithm, files[place]).hexdigest() for place in sorted(files)}
    return "".join(f"{one}  {place}\n" for place, one in hashes.items()).encode()


def make() -> bytes:
    evidence = json.loads(EVIDENCE.read_bytes())
    data = derived(evidence)
    message = evidence["claim"]["message"]
    tags = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": (
            "Bag-Software-Agent: Postseal\n"
            "Bagging-Date: 2026-11-23\n"
            "External-Description: Evidence about an e-mail message; see HOW-TO-VERIFY.txt\n"
            f"External-Identifier: {message}\n"
            f"Payload-Oxum: {sum(map(len, data.values()))}.{len(data)}\n"
            "Postseal-Package: 1\n"
        ).encode(),
        "HOW-TO-VERIFY.txt": (HERE / "HOW-TO-VERIFY.txt").read_bytes(),
        "manifest-sha256.txt": manifest(data, "sha256"),
        "manifest-sha512.txt": manifest(data, "sha512"),
    }
    tags["tagmanifest-sha256.txt"] = manifest(tags, "sha256")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        first = ["bagit.txt", *sorted(tags.keys() - {"bagit.txt"})]
        for place in [*first, *sorted(data)]:
            info = zipfile.ZipInfo(f"postseal-{message}/{place}", (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o100600 << 16
            archive.writestr(info, (tags | data)[place])
    return out.getvalue()


def page() -> str:
    """The worked example of docs/format.md: every file of the package with its size and hash."""
    with zipfile.ZipFile(HERE / "package-1.zip") as archive:
        rows = [(one.filename.split("/", 1)[1], archive.read(one)) for one in archive.infolist()]
    return "".join(f"{hashlib.sha256(octets).hexdigest()} {len(octets):>5}  {place}\n" for place, octets in rows)


if __name__ == "__main__":
    (HERE / "package-1.zip").write_bytes(make())
    sys.stdout.write(page())

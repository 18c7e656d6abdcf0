"""Made the files beside it: docs/format.md spelled out with the standard library, AES-GCM and Ed25519 alone.

It imports nothing of ours, so that it is a second reading of the format. The log it writes is small: a message to two
recipients, what happened to it, a block, and evidence of all that. Keys here are for tests and protect nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ORIGIN = "log.example.org/mail"
LOG, MESSAGE, R1, R2, INSTANCE, ACT1, BLOCK, ACT2, TRANSFER, EVIDENCE, ACT3, OTHER = (
    f"01890a5d-ac96-774b-bcce-b302099a80{number:02x}" for number in range(0x57, 0x63)
)
SEED, KEK, DATA_KEY = (bytes([byte]) * 32 for byte in (10, 2, 1))
BLOB_KEY, BLOB_SALT, BLOB = bytes([3]) * 32, bytes(range(24)), "ab" * 16
NONCE = bytes(range(12))
SMALL = b"content-type: text/plain\r\n\r\n"
KEPT = SMALL + b"see attached\r\n"
MAIL = b"From: jo@example.org\r\nTo: ann@example.com\r\nSubject: the plan\r\n\r\nsee attached\r\n"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry)


def root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:]))


def prove(leaves: list[bytes], first: int, proved: set[int]) -> list[bytes]:
    """Roots of the maximal subtrees that hold no proved leaf, left before right."""
    if not proved & set(range(first, first + len(leaves))):
        return [root(leaves)]
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return prove(leaves[:split], first, proved) + prove(leaves[split:], first + split, proved)


def vkey() -> str:
    key = b"\x01" + Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    key_id = sha256(ORIGIN.encode() + b"\n" + key)[:4]
    return f"{ORIGIN}+{key_id.hex()}+{b64(key)}"


def note(text: str) -> str:
    name, key_id, _ = vkey().split("+", 2)
    signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(text.encode())
    return f"{text}\n— {name} {b64(bytes.fromhex(key_id) + signature)}\n"


def chunked(key: bytes, salt: bytes, context: bytes, plain: bytes) -> bytes:
    """C2SP chunked-encryption, Cobblestone-256. The salt is fixed here; it is random anywhere else."""
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00" + salt + context
    first = hmac.digest(key, info + b"\x01", "sha512")
    derived = first + hmac.digest(key, first + info + b"\x02", "sha512")
    inner, base, commitment = derived[:32], int.from_bytes(derived[32:44], "big"), derived[44:76]
    made = salt + commitment
    for number in range(len(plain) // 16384 + 1):
        nonce = (base ^ number).to_bytes(12, "big")
        made += AESGCM(inner).encrypt(nonce, plain[16384 * number : 16384 * (number + 1)], b"")
    return made


class Maker:
    """Appends entries; remembers what is sealed on each."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.heads: dict[str, tuple[int, bytes]] = {}
        self.sealed: dict[int, list[str]] = {}
        self.salts = 0
        self.seconds = 0

    def disclose(self, name: str, value: object) -> str:
        """D of a fact. The salts are fixed here; they are random anywhere else."""
        self.salts += 1
        return b64url(canonical([b64url(sha256(b"salt %d" % self.salts)[:16]), name, value]))

    def time(self) -> str:
        return f"2026-11-23T14:{self.seconds // 60:02}:{self.seconds % 60:02}.123456Z"

    def add(self, kind: str, chain: str, facts: dict[str, Any], source: str = "system", **more: Any) -> None:
        texts: list[str] = more.pop("sealed", [])
        n, cprev = self.heads.get(chain, (-1, b""))
        entry = {
            "v": 1,
            "seq": len(self.entries),
            "prev": leaf_hash(self.entries[-1]).hex() if self.entries else "0" * 64,
            "at": self.time(),
            "kind": kind,
            "chain": chain,
            "n": n + 1,
            "source": source,
            "facts": facts,
            "sealed": sorted(digest(text) for text in texts),
            **({"cprev": cprev.hex()} if cprev else {}),
            **more,
        }
        data = canonical(entry)
        self.sealed[len(self.entries)] = sorted(texts, key=digest)
        self.entries.append(data)
        self.heads[chain] = n + 1, leaf_hash(data)


def digest(text: str) -> str:
    return b64url(sha256(text.encode()))


def tracking(grade: str, **facts: Any) -> dict[str, Any]:
    return {"attestation": "D", "attribution": "exact", "grade": grade} | facts


def write() -> Maker:
    log = Maker()
    log.add("ledger.opened", LOG, {"log": LOG, "origin": ORIGIN, "vkey": vkey()})
    log.add("key.introduced", LOG, {"vkey": vkey()})
    log.add("ledger.started", LOG, {"instance": INSTANCE, "store": "sqlite", "version": "0.1.0"})
    log.seconds = 20
    message = [
        log.disclose("subject", "the plan"),
        log.disclose("raw", {"sha256": hashlib.sha256(MAIL).hexdigest(), "size": len(MAIL)}),
        log.disclose("r1", {"address": "ann@example.com", "chain": R1, "role": "to"}),
        log.disclose("r2", {"address": "bö@example.com", "chain": R2, "role": "bcc"}),
        log.disclose(
            "f1",
            {
                "media_type": "application/pdf",
                "name": "plan.pdf",
                "path": "2",
                "sha256": hashlib.sha256(b"the plan itself").hexdigest(),
                "size": 15,
                "where": "hosted",
            },
        ),
    ]
    facts = {
        "content": "hash_only",
        "envelope": "given",
        "files": 1,
        "fingerprint": "postseal-fingerprint-1",
        "grade": "G0",
        "recipients": 2,
    }
    log.add("message.recorded", MESSAGE, facts, "api", act=ACT1, sealed=message)
    for number, (chain, address) in enumerate([(R1, "ann@example.com"), (R2, "bö@example.com")], 1):
        token = hashlib.sha256(b"token %d" % number).hexdigest()
        facts = {"message": MESSAGE, "recipient": f"r{number}", "tokens": [token]}
        log.add("recipient.added", chain, facts, "api", act=ACT1, sealed=[log.disclose("address", address)])
    log.seconds = 21
    relayed = tracking("G1", code=250, status="2.0.0", tls=True)
    accepted = {"occurred": "2026-11-23T14:00:20.900000Z", "clock": "observed"}
    log.add("relay.accepted", R1, relayed, "gateway", sealed=[log.disclose("reply", "250 2.0.0 Ok")], **accepted)
    log.seconds = 70
    log.add("ledger.heartbeat", LOG, {"instance": INSTANCE})
    log.add("webhook.received", LOG, {"attestation": "B", "items": 1, "provider": "postmark"}, "webhook")
    verdict = {"agent": "machine", "inputs": b64url(sha256(b"inputs")), "list": "own-1", "rule": "scanner"}
    opened = tracking(
        "G4", attestation="B", input=8, item=0, token=hashlib.sha256(b"token 1").hexdigest(), verdict=verdict
    )
    stated = {"occurred": "2026-11-23T14:01:00.000000Z", "clock": "stated"}
    seen = [log.disclose("ip", "192.0.2.7"), log.disclose("user_agent", "curl/8")]
    log.add("link.opened", R1, opened, "webhook", sealed=seen, **stated)
    log.seconds = 75
    log.add("download.started", R1, tracking("G4", file="f1", transfer=TRANSFER), "portal")
    log.seconds = 90
    block = {"block": BLOCK, "files": ["f1"], "reason": "wrong-recipient", "scope": "all"}
    actor = [log.disclose("actor", "jo@example.org")]
    log.add("block.applied", MESSAGE, block | {"recipients": 2}, "api", act=ACT2, sealed=actor)
    log.add("block.applied", R1, block, "api", act=ACT2)
    log.add("block.applied", R2, block, "api", act=ACT2)
    log.seconds = 95
    denied = {"asked": "download.started", "block": BLOCK, "file": "f1", "transfer": OTHER}
    log.add("access.denied", R2, denied, "portal")
    log.seconds = 120
    closing = {"evidence": EVIDENCE}
    log.add("evidence.exported", R1, closing, "api", act=ACT3)
    log.add("evidence.exported", R2, closing, "api", act=ACT3)
    log.add("evidence.exported", MESSAGE, closing | {"recipients": 2}, "api", act=ACT3)
    on_log = closing | {"keys": [1], "message": MESSAGE, "pending": 0}
    log.add("evidence.exported", LOG, on_log, "api", act=ACT3)
    log.seconds = 130
    log.add("ledger.stopped", LOG, {"instance": INSTANCE})
    return log


def make() -> dict[str, bytes]:
    log = write()
    leaves = [leaf_hash(entry) for entry in log.entries]
    size = len(leaves)
    checkpoint = note(f"{ORIGIN}\n{size}\n{b64(root(leaves))}\n")
    kinds = [json.loads(entry)["kind"] for entry in log.entries]
    held = {seq for seq in range(size) if json.loads(log.entries[seq])["chain"] != LOG}
    held |= {0, 1, max(seq for seq in range(size) if kinds[seq] == "evidence.exported")}
    evidence = {
        "checkpoint": checkpoint,
        "claim": {"kind": "history", "message": MESSAGE},
        "entries": [
            {"disclosures": log.sealed[seq], "entry": b64(log.entries[seq]), "seq": seq} for seq in sorted(held)
        ],
        "format": "postseal-evidence/1",
        "proof": [node.hex() for node in prove(leaves, 0, held)],
        "replays": [],
        "timestamps": [],
    }
    trust = {
        "anchors": [],
        "auditors": [],
        "format": "postseal-trust/1",
        "logs": [{"compromised": [], "keys": [vkey()], "origin": ORIGIN}],
        "quorum": 0,
        "require": [],
        "witnesses": [],
    }
    relay = kinds.index("relay.accepted")
    (reply,) = log.sealed[relay]
    bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in log.entries)
    wrap = f"postseal-data-key/1:{LOG}:1:{R1}".encode()
    return {
        "entry-0.json": log.entries[0],
        "entry-1.json": log.entries[1],
        "message-recorded.json": log.entries[kinds.index("message.recorded")],
        "recipient-added.json": log.entries[kinds.index("recipient.added")],
        "relay-accepted.json": log.entries[relay],
        "link-opened.json": log.entries[kinds.index("link.opened")],
        "download-started.json": log.entries[kinds.index("download.started")],
        "block-applied.json": log.entries[kinds.index("block.applied")],
        "evidence-exported.json": log.entries[max(held)],
        "disclosure": reply.encode(),
        "data-key": NONCE + AESGCM(KEK).encrypt(NONCE, DATA_KEY, wrap),
        "box": NONCE + AESGCM(DATA_KEY).encrypt(NONCE, reply.encode(), f"postseal-sealed/1:{LOG}:{relay}".encode()),
        "blob": chunked(BLOB_KEY, BLOB_SALT, f"postseal-blob/1:{LOG}:{MESSAGE}:body:{BLOB}".encode(), KEPT),
        "blob-key": NONCE
        + AESGCM(DATA_KEY).encrypt(
            NONCE, BLOB_KEY, f"postseal-blob-key/1:{LOG}:{MESSAGE}:body:{BLOB}:{len(KEPT)}:{len(SMALL)}".encode()
        ),
        "checkpoint": checkpoint.encode(),
        "trust.json": canonical(trust),
        "entries": bundle,
        "evidence.json": canonical(evidence),
    }


SHOWN = {
    "entry-0.json": "Entry 0",
    "entry-1.json": "Entry 1",
    "recipient-added.json": "Entry 4, `n` = 0 of recipient `r1`'s chain",
    "relay-accepted.json": "Entry 6, with an instant claimed and a fact sealed",
    "disclosure": 'D of what is sealed there: `[salt, "reply", "250 2.0.0 Ok"]`',
    "data-key": (
        "The data key of `r1`'s chain, 32 bytes 01, wrapped under epoch 1's key-encryption key, 32 bytes 02, in hex"
    ),
    "box": "The box of entry 6 under that data key, in hex",
    "link-opened.json": "Entry 9, with a detector's verdict on a machine",
    "block-applied.json": "Entry 11, a block as it stands on the message's chain",
    "checkpoint": "The checkpoint over all entries",
    "trust.json": "A trust policy that believes the log's key",
    "blob": (
        "The blob `body` of a message of entry 3's id, in hex. Its name is 16 bytes ab, its key 32 bytes 03, its salt "
        "the bytes 00 to 17 (hex). It holds a small header of 28 octets, `content-type: text/plain` and two line ends, "
        "then `see attached` and a line end"
    ),
    "blob-key": "That key, wrapped under a data key of 32 bytes 01, in hex",
}
"""What docs/format.md shows, and under which words."""


def page() -> str:
    """The section "Worked examples" of docs/format.md, after its introduction."""
    parts = []
    for name, words in SHOWN.items():
        data = make()[name]
        text = data.hex() if name in ("data-key", "box", "blob", "blob-key") else data.decode()
        said = f" Leaf hash `{leaf_hash(data).hex()}`." if name.endswith(".json") and name != "trust.json" else ""
        said += f" Digest `{digest(text)}`." if name == "disclosure" else ""
        parts.append(f"**`{name}`**. {words}.{said}\n\n```\n{text.rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    for name, data in make().items():
        (Path(sys.argv[1]) / name).write_bytes(data)
    sys.stdout.write(page())

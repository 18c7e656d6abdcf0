"""Made the files beside it: docs/format.md spelled out with the standard library, AES-GCM and Ed25519 alone.

It imports nothing of ours, so that it is a second reading of the format. Keys here are for tests and protect nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LOG = "01890a5d-ac96-774b-bcce-b302099a8057"
CHAIN = "01890a5d-ac96-774b-bcce-b302099a8058"
ORIGIN = "log.example.org/mail"
NONCE = bytes(range(12))
MASTER = bytes(range(32))


def fill(byte: int) -> bytes:
    return bytes([byte]) * 32


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def gcm(key: bytes, plain: bytes, place: str) -> bytes:
    return NONCE + AESGCM(key).encrypt(NONCE, plain, place.encode())


def hkdf(purpose: str, length: int) -> bytes:
    extracted = hmac.digest(bytes(32), MASTER, "sha256")
    return hmac.digest(extracted, purpose.encode() + b"\x01", "sha256")[:length]


def public(seed: bytes) -> tuple[bytes, bytes]:
    key = b"\x01" + Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return hashlib.sha256(ORIGIN.encode() + b"\n" + key).digest()[:4], key


def vkey(seed: bytes) -> str:
    key_id, key = public(seed)
    return f"{ORIGIN}+{key_id.hex()}+{b64(key)}"


def note(text: str, seed: bytes) -> str:
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(text.encode())
    return f"{text}\n— {ORIGIN} {b64(public(seed)[0] + signature)}\n"


def endorse(new: bytes, old: bytes) -> str:
    return note(f"postseal-key/1\n{ORIGIN}\n{vkey(new)}\n", old)


def day(number: int) -> str:
    return f"2026-11-{number}T08:00:00.000000Z"


def ring() -> bytes:
    """Two rotations, the second not finished; three epochs, the first destroyed."""
    inside = {
        "blind": b64(fill(3)),
        "epochs": [
            {"created": day(20), "destroyed": day(23), "epoch": 1},
            {"created": day(21), "epoch": 2, "kek": b64(fill(20))},
            {"created": day(22), "epoch": 3, "kek": b64(fill(2))},
        ],
        "generation": 6,
        "keys": [
            {"created": day(20), "retired": day(22), "vkey": vkey(fill(10))},
            {
                "created": day(21),
                "endorsement": endorse(fill(11), fill(10)),
                "seed": b64(fill(11)),
                "vkey": vkey(fill(11)),
            },
            {
                "created": day(23),
                "endorsement": endorse(fill(12), fill(11)),
                "seed": b64(fill(12)),
                "vkey": vkey(fill(12)),
            },
        ],
        "log": LOG,
        "origin": ORIGIN,
    }
    master = hkdf("postseal-master-id/1", 8).hex()
    box = gcm(hkdf(f"postseal-ring/1:{LOG}", 32), canonical(inside), f"postseal-ring/1:{LOG}:{master}")
    return canonical({"box": b64(box), "format": "postseal-ring/1", "log": LOG, "master": master}) + b"\n"


def mark() -> bytes:
    root = hashlib.sha256(b"golden root").digest()
    signed = note(f"{ORIGIN}\n1000\n{b64(root)}\n", fill(11))
    outside = {
        "checkpoint": signed,
        "format": "postseal-mark/1",
        "log": LOG,
        "origin": ORIGIN,
        "root": root.hex(),
        "size": 1000,
    }
    return canonical(outside) + b"\n"


def make() -> dict[str, bytes]:
    return {
        "box": gcm(fill(1), b"D-of-a-first-fact\nD-of-a-second", f"postseal-sealed/1:{LOG}:7"),
        "data-key": gcm(fill(2), fill(1), f"postseal-data-key/1:{LOG}:3:{CHAIN}:shared"),
        "blind": hmac.digest(fill(3), "postseal-blind/1:address:büro@example.org".encode(), "sha256"),
        "master.key": MASTER.hex().encode() + b"\n",
        f"{LOG}.ring": ring(),
        f"{LOG}.json": mark(),
    }


if __name__ == "__main__":
    for name, data in make().items():
        (Path(sys.argv[1]) / name).write_bytes(data)

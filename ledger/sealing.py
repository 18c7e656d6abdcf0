"""What a batch seals, brought under the data keys of its subjects: those that stand, and fresh ones where none does.

A subject whose key was destroyed gets a fresh one: what is recorded of him after his erasure is sealed as before, and
can be erased again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger import blobs
from ledger.blobs import Blob
from ledger.state import Chain
from ledger.store.append import Appender, Rows
from ledger.tree import Tree
from ledger.vault import NONCE_SIZE, seal_box

Box = tuple[int, str, Sequence[str]]
"""What an entry seals under one data key: its seq, the key's subject, the disclosures D."""


class DataKeys(Protocol):
    """Where data keys come from."""

    def new_data_keys(self, subjects: Sequence[str]) -> Sequence[tuple[int, bytes, AESGCM]]:
        """Epoch, wrapped key and cipher of a fresh key for each subject."""

    def open_data_key(self, subject: str, epoch: int, wrapped: bytes) -> AESGCM:
        """The cipher of a stored key."""

    def blind(self, kind: str, value: str) -> bytes:
        """A MAC under the ring's blind-index key, 32 bytes."""


def seal(
    boxes: Sequence[Box],
    kept: Sequence[tuple[Chain, Blob]],
    tree: Tree,
    rows: Rows,
    appender: Appender,
    keys: DataKeys,
    log: str,
    random: Callable[[int], bytes],
) -> None:
    """Add to ``rows`` what is sealed, the keys of what is ``kept`` of the messages recorded with it, and the data keys
    made for both. Under the lock of the log's head."""
    if not boxes and not kept:
        return
    ciphers = tree.ciphers
    missing = {subject for _, subject, _ in boxes if subject not in ciphers}
    missing |= {blob.subject for _, blob in kept if blob.subject not in ciphers}
    if missing:
        _find(missing, tree, rows, appender, keys)
    nonces = random(NONCE_SIZE * len(boxes))
    at = 0
    for seq, subject, texts in boxes:
        no, cipher, _ = ciphers[subject]
        end = at + NONCE_SIZE
        rows.sealed.append((seq, no, seal_box(cipher, log, seq, texts, nonces[at:end])))
        at = end
    for message, blob in kept:
        no, cipher, _ = ciphers[blob.subject]
        wrapped = blobs.wrap(cipher, blob, log, message.id, random(NONCE_SIZE))
        rows.blobs.append((message.no, blob.part, blob.name, blob.size, blob.small, no, wrapped))


def _find(missing: set[str], tree: Tree, rows: Rows, appender: Appender, keys: DataKeys) -> None:
    # A chain that is opened here has no key yet; what else a message has is named after its chain.
    opened = {chain.id for chain in rows.opened}
    older = sorted(subject for subject in missing if subject[:36] not in opened)
    stored = appender.data_keys(older) if older else {}
    for subject, (no, epoch, wrapped) in stored.items():
        known = tree.doubtful.pop(subject, None)
        if known is None or (known[0], known[2]) != (no, wrapped):
            known = no, keys.open_data_key(subject, epoch, wrapped), wrapped
        tree.ciphers[subject] = known
    fresh = sorted(missing.difference(stored))
    for subject, (epoch, wrapped, cipher) in zip(fresh, keys.new_data_keys(fresh), strict=True):
        tree.last_key = 1 + (appender.last_data_key() if tree.last_key is None else tree.last_key)
        tree.ciphers[subject] = (tree.last_key, cipher, wrapped)
        rows.data_keys.append((tree.last_key, subject, epoch, wrapped))

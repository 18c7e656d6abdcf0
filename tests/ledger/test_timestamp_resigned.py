"""Tokens whose signed attributes were changed by the authority itself: every signature in here is genuine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ledger import der, timestamp
from ledger.errors import LedgerError, SignatureError
from tests.authority import NEEDS_OPENSSL, TIMESTAMPING, Authority, Holder, issue

pytestmark = NEEDS_OPENSSL

DIGEST = hashlib.sha256(b"checkpoint").digest()
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
DATA = "1.2.840.113549.1.7.1"


def resigned(token: bytes, signer: Holder, change: Callable[[dict[str, bytes]], object]) -> bytes:
    """``token`` with its attributes (identifier to the octets of its SET) changed, and signed again."""
    info, explicit = der.read(token).children()
    *before, signers = next(explicit.children()).children()
    fields = [child.octets for child in next(signers.children()).children()]
    attributes = {}
    for pair in der.read(fields[3]).children():
        name, values = pair.children()
        attributes[der.read_oid(name)] = values.octets
    change(attributes)
    pairs = sorted(der.write(der.SEQUENCE, der.write_oid(name), values) for name, values in attributes.items())
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    signature = signer.key.sign(der.write(der.SET, *pairs), ec.ECDSA(hashes.SHA256()))
    fields[3], fields[5] = der.write(0xA0, *pairs), der.write(der.OCTET_STRING, signature)
    whole = der.write(der.SET, der.write(der.SEQUENCE, *fields))
    signed = der.write(der.SEQUENCE, *(child.octets for child in before), whole)
    return der.write(der.SEQUENCE, info.octets, der.write(0xA0, signed))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.pop(CONTENT_TYPE), "does not call itself a TSTInfo"),
        (lambda found: found.update({CONTENT_TYPE: der.write(der.SET, der.write_oid(DATA))}), "does not call itself"),
        (lambda found: found.pop(MESSAGE_DIGEST), "hold no digest"),
        (lambda found: found.update({MESSAGE_DIGEST: der.write(der.SET, der.write(0x04, bytes(32)))}), "verifying"),
        (lambda found: found.pop(SIGNING_CERTIFICATE_V2), "do not name the signer's certificate"),
    ],
    ids=["no content type", "another content type", "no digest", "another digest", "no certificate named"],
)
def test_attributes_that_must_be_there(
    tmp_path: Path, change: Callable[[dict[str, bytes]], object], message: str
) -> None:
    root = issue("Root")
    authority = Authority(tmp_path, issue("Authority", root, usage=TIMESTAMPING))
    token = authority.token(DIGEST, 1)
    same = resigned(token, authority.signer, lambda found: None)
    assert timestamp.check(same, DIGEST, [root.certificate]) == timestamp.check(token, DIGEST, [root.certificate])
    with pytest.raises(SignatureError, match=message):
        timestamp.check(resigned(token, authority.signer, change), DIGEST, [root.certificate])


def test_attributes_signed_by_another_key(tmp_path: Path) -> None:
    root = issue("Root")
    authority = Authority(tmp_path, issue("Authority", root, usage=TIMESTAMPING))
    token = authority.token(DIGEST, 1)
    with pytest.raises(LedgerError):
        timestamp.check(resigned(token, issue("Thief"), lambda found: None), DIGEST, [root.certificate])

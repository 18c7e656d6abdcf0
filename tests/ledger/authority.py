"""A timestamp authority for tests that stamps at any instant it is told: what evidence proves of time hangs on order.

`tests/ledger/test_timestamp.py` holds the check of tokens against a real, independent authority (``openssl ts``).
"""

from __future__ import annotations

import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger import der, ids

SHA256 = der.write(der.SEQUENCE, der.write_oid("2.16.840.1.101.3.4.2.1"))
ECDSA = der.write(der.SEQUENCE, der.write_oid("1.2.840.10045.4.3.2"))
SIGNED_DATA = "1.2.840.113549.1.7.2"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2045, 1, 1, tzinfo=datetime.UTC)


class Authority:
    """A root and a timestamping certificate under it."""

    def __init__(self, name: str) -> None:
        root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        root_name, own_name = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (f"{name} Root", name)
        )
        self.root = _certificate(root_name, root_name, root_key.public_key(), root_key, ca=True)
        self.own = _certificate(own_name, root_name, self._key.public_key(), root_key, ca=False)
        self.anchor = self.root.public_bytes(Encoding.DER)

    def stamp(self, digest: bytes, micros: int) -> bytes:
        """A token (DER) over ``digest`` that says it was made at ``micros`` (since 1970), accurate to a second."""
        second = datetime.datetime.fromisoformat(ids.format_time(micros)).strftime("%Y%m%d%H%M%SZ")
        told = der.write(
            der.SEQUENCE,
            der.write_integer(1),
            der.write_oid("1.3.6.1.4.1.99999.1"),
            der.write(der.SEQUENCE, SHA256, der.write(der.OCTET_STRING, digest)),
            der.write_integer(micros),
            der.write(der.GENERALIZED_TIME, second.encode()),
            der.write(der.SEQUENCE, der.write_integer(1)),
        )
        own = self.own.public_bytes(Encoding.DER)
        named = der.write(der.SEQUENCE, der.write(der.OCTET_STRING, sha256(own).digest()))
        attributes = sorted(
            [
                _attribute("1.2.840.113549.1.9.3", der.write_oid(TST_INFO)),
                _attribute("1.2.840.113549.1.9.4", der.write(der.OCTET_STRING, sha256(told).digest())),
                _attribute(SIGNING_CERTIFICATE_V2, der.write(der.SEQUENCE, der.write(der.SEQUENCE, named))),
            ]
        )
        signature = self._key.sign(der.write(der.SET, *attributes), ec.ECDSA(hashes.SHA256()))
        signer = der.write(
            der.SEQUENCE,
            der.write_integer(1),
            der.write(der.SEQUENCE, self.own.issuer.public_bytes(), der.write_integer(self.own.serial_number)),
            SHA256,
            der.write(0xA0, *attributes),
            ECDSA,
            der.write(der.OCTET_STRING, signature),
        )
        content = der.write(der.SEQUENCE, der.write_oid(TST_INFO), der.write(0xA0, der.write(der.OCTET_STRING, told)))
        certificates = der.write(0xA0, own)
        signed = der.write(
            der.SEQUENCE,
            der.write_integer(3),
            der.write(der.SET, SHA256),
            content,
            certificates,
            der.write(der.SET, signer),
        )
        return der.write(der.SEQUENCE, der.write_oid(SIGNED_DATA), der.write(0xA0, signed))


def _attribute(name: str, value: bytes) -> bytes:
    return der.write(der.SEQUENCE, der.write_oid(name), der.write(der.SET, value))


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=not ca, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(END)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
    )
    if not ca:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(purpose, critical=True)
    return builder.sign(signer, hashes.SHA256())

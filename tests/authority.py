"""A real timestamp authority that is not ours: ``openssl ts`` with certificates made on the fly."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger import timestamp

OPENSSL = shutil.which("openssl")
NEEDS_OPENSSL = pytest.mark.skipif(OPENSSL is None, reason="the independent timestamp authority is the openssl command")

POLICY = "1.3.6.1.4.1.99999.1"
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
TIMESTAMPING = [ExtendedKeyUsageOID.TIME_STAMPING]
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Holder:
    key: Key
    certificate: x509.Certificate


def issue(
    name: str,
    issuer: Holder | None = None,
    *,
    key: Key | None = None,
    usage: list[x509.ObjectIdentifier] | None = None,
    critical: bool = True,
    signs: bool = True,
    ca: bool | None = None,
    start: datetime.datetime = NOW - 30 * DAY,
    end: datetime.datetime = NOW + 30 * DAY,
    serial: int | None = None,
) -> Holder:
    """A certificate for a new key; an authority unless ``usage`` is given, self-signed without an issuer."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Prüfstelle")]
    )
    is_ca = usage is None if ca is None else ca
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=signs and not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, content_commitment=False,
                key_encipherment=not signs, data_encipherment=False, key_agreement=False, encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=critical)
    return Holder(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()))


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


@dataclass(frozen=True)
class Authority:
    """An ``openssl ts`` set-up in a folder; ``settings`` override lines of its configuration."""

    folder: Path
    signer: Holder
    chain: tuple[x509.Certificate, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()

    def answer(self, request: bytes) -> bytes:
        private = self.signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files = {"key": private, "cert": pem(self.signer.certificate), "chain": pem(*self.chain), "q": request}
        for name, octets in files.items():
            (self.folder / name).write_bytes(octets)
        (self.folder / "serial").write_text("0100\n")
        lines = {
            "serial": "serial", "signer_cert": "cert", "signer_key": "key", "signer_digest": "sha256",
            "default_policy": POLICY, "digests": "sha256,sha512", "accuracy": "secs:1,millisecs:500,microsecs:7",
            "clock_precision_digits": "6", "ordering": "yes", "tsa_name": "yes", "ess_cert_id_alg": "sha256",
        } | ({"certs": "chain"} if self.chain else {}) | dict(self.settings)  # fmt: skip
        config = "[tsa]\ndefault_tsa = t\n[t]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())
        (self.folder / "config").write_text(config)
        command = [str(OPENSSL), "ts", "-reply", "-queryfile", "q", "-config", "config", "-out", "r"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=60)
        return (self.folder / "r").read_bytes()

    def token(self, digest: bytes, nonce: int) -> bytes:
        return timestamp.parse_response(self.answer(timestamp.format_request(digest, nonce)))

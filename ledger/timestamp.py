"""RFC 3161 timestamps: the request, the response, and the check of a token without network. Tokens are DER octets.

A token says: an authority saw this digest not later than ``gen_time`` (plus ``accuracy``). `check` judges it as of that
time, so it goes on passing after certificates have expired. Signature and chain are OpenSSL's work, through
rfc3161-client; around it, because the library does not:

* reads the fraction of ``gen_time`` (the library drops it), and tokens whose certificates are not in DER's order, which
  OpenSSL itself makes (the library cannot parse them; the set is not signed, so it is sorted for the library's eyes);
* binds the signature to one certificate: exactly one signer, exactly one embedded certificate that fits, and its hash
  in the signed attributes (ESSCertID, RFC 3161 section 2.4.1, RFC 5816). Otherwise another certificate for the same
  key, with another name or purpose, could be slipped in;
* insists that timestamping is the only purpose of that key and marked critical (section 2.3), that it may sign, on
  RSA of 2048 bits or more, and on SHA-2 for the imprint and for the signature;
* refuses critical extensions that nobody here understands.

What is **not** checked here: revocation (evidence carries the revocation data, and it is judged there), and the ``tsa``
field of the token, which is the authority's word about itself: `Timestamp.tsa` is the certificate's subject.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import rfc3161_client
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from ledger import der
from ledger.errors import FormatError, ProofError, SignatureError

MAX_TOKEN: Final = 200_000
"""Octets, far above the 10 kB of a token with three certificates."""

MAX_NONCE: Final = 2**159 - 1

_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
_SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
_HASHES: Final = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_IMPRINTS: Final = {32: "2.16.840.1.101.3.4.2.1", 64: "2.16.840.1.101.3.4.2.3"}
_TIME: Final = re.compile(r"([0-9]{14})(?:\.([0-9]{0,17}[1-9]))?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A token that passed. ``gen_time`` is UTC, ``YYYY-MM-DDTHH:MM:SS.ffffffZ`` (finer digits cut off); ``accuracy`` is
    in microseconds either way, None where the authority states none; ``policy`` a dotted identifier; ``tsa`` the
    subject (RFC 4514) of the certificate that signed; ``certificates`` those in the token, DER, the signer's first."""

    gen_time: str
    accuracy: int | None
    serial: int
    policy: str
    tsa: str
    certificates: tuple[bytes, ...]


def format_request(digest: bytes, nonce: int, policy: str | None = None) -> bytes:
    """A TimeStampReq (section 2.4.1) for a SHA-256 (32 octets) or SHA-512 (64) ``digest``, asking for certificates.

    ``nonce`` is the caller's chance, 0 to `MAX_NONCE`, 64 bits or more of it.
    """
    if type(nonce) is not int or not 0 <= nonce <= MAX_NONCE:
        raise FormatError("timestamp: a nonce is an integer from 0 to 2^159 - 1")
    algorithm = der.write(der.SEQUENCE, der.write_oid(_imprint(digest)), der.NULL)
    return der.write(
        der.SEQUENCE,
        der.write_integer(1),
        der.write(der.SEQUENCE, algorithm, der.write(der.OCTET_STRING, digest)),
        b"" if policy is None else der.write_oid(policy),
        der.write_integer(nonce),
        der.write(der.BOOLEAN, b"\xff"),
    )


def parse_response(data: bytes) -> bytes:
    """The token in a TimeStampResp (section 2.4.2), unchecked. SignatureError if the authority gave none."""
    fields = der.Fields(_read(data))
    status = der.read_integer(der.Fields(fields.take(der.SEQUENCE)).take(der.INTEGER))
    token = fields.take_if(der.SEQUENCE)
    fields.end()
    if status not in (0, 1) or token is None:  # granted, grantedWithMods: `check` decides what the mods are worth
        raise SignatureError(f"timestamp: the authority gave no token, status {status}")
    return token.octets


def load_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """Certificates from PEM (any number) or DER (one)."""
    try:
        if data.lstrip().startswith(b"-----BEGIN"):
            return tuple(x509.load_pem_x509_certificates(data))
        return (x509.load_der_x509_certificate(data),)
    except ValueError as error:
        raise FormatError(f"timestamp: not a certificate: {str(error).splitlines()[0]}") from None


def check(
    token: bytes,
    digest: bytes,
    anchors: Sequence[x509.Certificate],
    *,
    nonce: int | None = None,
    policies: Collection[str] = (),
    intermediates: Sequence[x509.Certificate] = (),
) -> Timestamp:
    """Check that ``token`` timestamps ``digest`` and was signed under one of ``anchors`` (self-signed certificates).

    ``nonce`` is that of the request: to be given when a response comes in, unknown later. ``policies``: acceptable
    ones, all if empty. ``intermediates`` help to build the chain and are trusted with nothing. Raises FormatError
    (not a token), ProofError (another digest or nonce) and SignatureError (everything about keys and trust).
    """
    parsed = _parse(token)
    told = parsed.told
    if told.imprint != (_imprint(digest), digest):
        raise ProofError("timestamp: it is of another digest")
    if nonce is not None and told.nonce != nonce:
        raise ProofError("timestamp: it does not answer this request, the nonce differs")
    if policies and told.policy not in policies:
        raise SignatureError(f"timestamp: policy {told.policy} is not accepted here")
    signer = _signer(parsed)
    _check_signer(signer, told.instant)
    extra = [certificate.public_bytes(Encoding.DER) for certificate in intermediates]
    _check_chain(parsed, extra, anchors, digest)
    own = signer.public_bytes(Encoding.DER)
    return Timestamp(
        told.gen_time,
        told.accuracy,
        told.serial,
        told.policy,
        signer.subject.rfc4514_string(),
        (own, *(certificate for certificate in parsed.certificates if certificate != own)),
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """TSTInfo, section 2.4.2."""

    policy: str
    imprint: tuple[str, bytes]
    serial: int
    gen_time: str
    instant: datetime
    accuracy: int | None
    nonce: int | None


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A token taken apart; the elements are those around the certificates, to put it together again."""

    told: _Told
    certificates: tuple[bytes, ...]
    before: bytes
    after: bytes
    issuer: bytes
    serial: int
    cert_hash: tuple[str, bytes]


def _imprint(digest: bytes) -> str:
    if type(digest) is not bytes or len(digest) not in _IMPRINTS:
        raise FormatError("timestamp: a digest is 32 (SHA-256) or 64 (SHA-512) octets")
    return _IMPRINTS[len(digest)]


def _read(data: bytes) -> der.Element:
    if type(data) is not bytes or len(data) > MAX_TOKEN:
        raise FormatError(f"timestamp: no bytes, or more than {MAX_TOKEN} of them")
    return der.read(data)


def _parse(token: bytes) -> _Parsed:
    """ContentInfo and SignedData, RFC 5652 sections 3 and 5."""
    info = der.Fields(_read(token))
    if der.read_oid(info.take(der.OBJECT_IDENTIFIER)) != _SIGNED_DATA:
        raise FormatError("timestamp: not signed data")
    signed = der.Fields(_only(info.take(0xA0)))
    info.end()
    version, algorithms = signed.take(der.INTEGER), signed.take(der.SET)
    content = signed.take(der.SEQUENCE)
    encapsulated = der.Fields(content)
    if der.read_oid(encapsulated.take(der.OBJECT_IDENTIFIER)) != _TST_INFO:
        raise FormatError("timestamp: the signed data is no TSTInfo")
    octets = _only(encapsulated.take(0xA0))
    if octets.tag != der.OCTET_STRING:
        raise FormatError("timestamp: a TSTInfo that is no octet string")
    certificates = signed.take_if(0xA0)
    lists = signed.take_if(0xA1)
    signers = signed.take(der.SET)
    signed.end()
    issuer, serial, cert_hash = _parse_signer(_only(signers))
    return _Parsed(
        _parse_told(octets.content),
        tuple(certificate.octets for certificate in certificates.children()) if certificates else (),
        version.octets + algorithms.octets + content.octets,
        (lists.octets if lists else b"") + signers.octets,
        issuer,
        serial,
        cert_hash,
    )


def _only(element: der.Element) -> der.Element:
    inside = list(element.children())
    if len(inside) != 1:
        raise FormatError(f"timestamp: {len(inside)} elements where one belongs")
    return inside[0]


def _parse_signer(element: der.Element) -> tuple[bytes, int, tuple[str, bytes]]:
    """Issuer (DER), serial number, and (hash, value) of the signer's certificate as the signed attributes name it."""
    signer = der.Fields(element)
    if der.read_integer(signer.take(der.INTEGER)) != 1:
        raise FormatError("timestamp: the signer is not named by issuer and serial number")
    named = der.Fields(signer.take(der.SEQUENCE))
    issuer, serial = named.take(der.SEQUENCE).octets, der.read_integer(named.take(der.INTEGER))
    algorithm = der.read_oid(next(signer.take(der.SEQUENCE).children(), _NOTHING))
    if algorithm not in _HASHES:
        raise SignatureError(f"timestamp: signed with the hash {algorithm}, which is not SHA-2")
    attributes: dict[str, der.Element] = {}
    for attribute in signer.take(0xA0).children():
        pair = der.Fields(attribute)
        name = der.read_oid(pair.take(der.OBJECT_IDENTIFIER))
        if name in attributes:
            raise FormatError(f"timestamp: the signed attribute {name} comes twice")
        attributes[name] = pair.take(der.SET)
    if _CONTENT_TYPE not in attributes or der.read_oid(_only(attributes[_CONTENT_TYPE])) != _TST_INFO:
        raise SignatureError("timestamp: what was signed does not call itself a TSTInfo")
    if _MESSAGE_DIGEST not in attributes:
        raise SignatureError("timestamp: the signed attributes hold no digest")
    newer, older = attributes.get(_SIGNING_CERTIFICATE_V2), attributes.get(_SIGNING_CERTIFICATE)
    if newer is None and older is None:
        raise SignatureError("timestamp: the signed attributes do not name the signer's certificate")
    # SigningCertificate[V2] holds a sequence of ESSCertID[v2]; the first is the signer's (RFC 5035 section 3).
    listed = der.Fields(_only(newer or older or _NOTHING)).take(der.SEQUENCE)
    first = der.Fields(next(listed.children(), _NOTHING))
    name = "sha1"
    if newer is not None:
        explicit = first.take_if(der.SEQUENCE)
        oid = der.read_oid(next(explicit.children(), _NOTHING)) if explicit else "2.16.840.1.101.3.4.2.1"
        if oid not in _HASHES:
            raise SignatureError(f"timestamp: names its certificate by the hash {oid}, which is not SHA-2")
        name = _HASHES[oid]
    return issuer, serial, (name, first.take(der.OCTET_STRING).content)


_NOTHING: Final = der.Element(0, b"", b"")


def _parse_told(octets: bytes) -> _Told:
    fields = der.Fields(der.read(octets))
    if der.read_integer(fields.take(der.INTEGER)) != 1:
        raise FormatError("timestamp: a TSTInfo of another version than 1")
    policy = der.read_oid(fields.take(der.OBJECT_IDENTIFIER))
    imprint = der.Fields(fields.take(der.SEQUENCE))
    algorithm = der.read_oid(next(imprint.take(der.SEQUENCE).children(), _NOTHING))
    digest = imprint.take(der.OCTET_STRING).content
    imprint.end()
    serial = der.read_integer(fields.take(der.INTEGER))
    gen_time, instant = _parse_time(fields.take(der.GENERALIZED_TIME).content)
    accuracy = fields.take_if(der.SEQUENCE)
    fields.take_if(der.BOOLEAN)
    nonce = fields.take_if(der.INTEGER)
    fields.take_if(0xA0)  # tsa
    extensions = fields.take_if(0xA1)
    fields.end()
    for extension in extensions.children() if extensions else ():
        named = der.Fields(extension)
        named.take(der.OBJECT_IDENTIFIER)
        if named.take_if(der.BOOLEAN):
            raise SignatureError("timestamp: a critical extension that is not understood here")
    return _Told(
        policy,
        (algorithm, digest),
        serial,
        gen_time,
        instant,
        _parse_accuracy(accuracy) if accuracy else None,
        der.read_integer(nonce) if nonce else None,
    )


def _parse_time(content: bytes) -> tuple[str, datetime]:
    found = _TIME.fullmatch(content.decode("ascii", "replace"))
    if found is None:
        raise FormatError("timestamp: a time in another form than YYYYMMDDhhmmss[.f]Z")
    try:
        second = datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise FormatError("timestamp: a time that is not in the calendar") from None
    micros = ((found[2] or "") + "000000")[:6]
    return f"{second:%Y-%m-%dT%H:%M:%S}.{micros}Z", second.replace(microsecond=int(micros))


def _parse_accuracy(element: der.Element) -> int:
    """Microseconds."""
    fields = der.Fields(element)
    parts = [fields.take_if(tag) for tag in (der.INTEGER, 0x80, 0x81)]
    fields.end()
    seconds, millis, micros = (der.read_integer(part) if part else 0 for part in parts)
    if not 0 <= seconds < 2**31 or not 0 <= millis <= 999 or not 0 <= micros <= 999:
        raise FormatError("timestamp: an accuracy out of range")
    return seconds * 1_000_000 + millis * 1_000 + micros


def _signer(parsed: _Parsed) -> x509.Certificate:
    found = [octets for octets in parsed.certificates if _issued(octets) == (parsed.issuer, parsed.serial)]
    if len(found) != 1:
        raise SignatureError(f"timestamp: {len(found)} certificates fit the signer, one expected")
    octets = found[0]
    name, value = parsed.cert_hash
    # SHA-1 only where RFC 3161's first ESSCertID has nothing else: it would take a second preimage that is itself a
    # certificate under our anchors.
    if not hmac.compare_digest(hashlib.new(name, octets, usedforsecurity=False).digest(), value):
        raise SignatureError("timestamp: the signed attributes name another certificate")
    return load_certificates(octets)[0]


def _issued(certificate: bytes) -> tuple[bytes, int]:
    """Issuer (DER) and serial number, RFC 5280 section 4.1."""
    fields = der.Fields(der.Fields(der.read(certificate)).take(der.SEQUENCE))
    fields.take_if(0xA0)  # version
    serial = der.read_integer(fields.take(der.INTEGER))
    fields.take(der.SEQUENCE)  # signature algorithm
    return fields.take(der.SEQUENCE).octets, serial


def _check_signer(certificate: x509.Certificate, instant: datetime) -> None:
    try:
        extensions = certificate.extensions
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        key = certificate.public_key()
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise SignatureError("timestamp: the signer's certificate has no readable extended key usage") from None
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise SignatureError("timestamp: the signer's certificate is not for timestamping alone, marked critical")
    for extension in extensions:
        allowed = extension.value
        if isinstance(allowed, x509.KeyUsage) and not (allowed.digital_signature or allowed.content_commitment):
            raise SignatureError("timestamp: the signer's certificate may not sign")
    if isinstance(key, RSAPublicKey) and key.key_size < 2048:
        raise SignatureError(f"timestamp: signed with RSA of {key.key_size} bits, 2048 required")
    if not certificate.not_valid_before_utc <= instant <= certificate.not_valid_after_utc:
        raise SignatureError("timestamp: the signer's certificate was not valid at that time")


def _check_chain(parsed: _Parsed, extra: Sequence[bytes], anchors: Sequence[x509.Certificate], digest: bytes) -> None:
    """Signature and chain as of gen_time, to the second.

    Only ``anchors`` are trusted: what the token brings along is not, and neither are ``extra``, which go where the
    token's own certificates are rather than into the library's store.
    """
    if not anchors:
        raise SignatureError("timestamp: no trust anchor given")
    certificates = der.write(0xA0, *sorted({*parsed.certificates, *extra}))
    signed = der.write(der.SEQUENCE, parsed.before, certificates, parsed.after)
    token = der.write(der.SEQUENCE, der.write_oid(_SIGNED_DATA), der.write(0xA0, signed))
    granted = der.write(der.SEQUENCE, der.write_integer(0))
    builder = rfc3161_client.VerifierBuilder()
    for anchor in dict.fromkeys(anchors):
        builder = builder.add_root_certificate(anchor)
    try:
        response = rfc3161_client.decode_timestamp_response(der.write(der.SEQUENCE, granted, token))
        builder.build().verify(response, digest)
    except ValueError:
        raise FormatError("timestamp: a token that the verifying library cannot read") from None
    except rfc3161_client.VerificationError as error:
        raise SignatureError(f"timestamp: {str(error).splitlines()[0]}") from None

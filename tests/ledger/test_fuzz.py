"""Every reader of mail against messages that were built to break it, and against a fuzzer that watches its branches.

Findings are inputs that raise anything but FormatError, do not come back from JSON, take too long or too much memory.
"""

from __future__ import annotations

import base64
import binascii
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.helpers import HOUSE, VECTORS
from tests.ledger.hostile import SHAPES, examine
from tests.ledger.test_dkim import RFC8463, TEST
from tests.ledger.test_fingerprint import REAL

MINUTES = 5
SECONDS_AN_INPUT = 10
MEGABYTES = 1_500

# -- messages, built -------------------------------------------------------------------------------------------------

ends = st.sampled_from([b"\r\n"] * 6 + [b"\n", b"\r", b"\r\r\n", b"\n\r", b""])
folds = st.sampled_from(
    [b"", b"", b" ", b"\t", b"\r\n ", b"\r\n\t", b"\n ", b"\r\n \r\n ", b"(", b"(())", b"(a;b)", b"\\"]
)
charsets = st.sampled_from(
    [b"utf-8", b"UTF-8", b"us-ascii", b"latin-1", b"iso-8859-15", b"windows-1252", b"cp65001", b"koi8-r", b"utf-7",
     b"utf-16", b"utf-16-le", b"utf-32", b"iso-2022-jp", b"iso-2022-kr", b"hz", b"gb18030", b"big5", b"euc-kr",
     b"shift_jis", b"johab", b"unknown-8bit", b"x", b"", b"punycode", b"idna", b"rot13", b"unicode_escape", b"utf-8*en",
     b"utf-8\x00", b"\xff"]
)  # fmt: skip
words = st.binary(max_size=8) | st.sampled_from(
    [b"a", b"=41", b"=4", b"=", b"_", b"?", b"%41", b"%", b"'", b'"', b'\\"', b"+AGE-", b"+2AA-", b"\x1b$B", b"~{",
     b"\xed\xa0\x80", "ü".encode(), "e\u0301".encode(), b"<", b">", b",", b"a@b", b";", b"*", b"\x00"]
)  # fmt: skip


@st.composite
def encoded_words(draw: st.DrawFn) -> bytes:
    text = draw(st.lists(words, max_size=4).map(b"".join))
    kind = draw(st.sampled_from([b"q", b"Q", b"b", b"B", b"x", b""]))
    if kind in (b"b", b"B") and draw(st.booleans()):
        text = base64.b64encode(text)
    return b"=?" + draw(charsets) + b"?" + kind + b"?" + text + draw(st.sampled_from([b"?=", b"?=", b"?", b"="]))


texts = st.lists(words | encoded_words() | folds, max_size=5).map(b"".join)


@st.composite
def parameters(draw: st.DrawFn) -> bytes:
    """Many, repeated, in pieces, out of order, quoted and not."""
    out = b""
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from([b"name", b"filename", b"boundary", b"charset", b"x", b""]))
        section = draw(
            st.sampled_from([b"", b"", b"*", b"*0", b"*0*", b"*1", b"*1*", b"*2*", b"*9999", b"*00", b"*-1", b"**"])
        )
        value = draw(texts)
        if "*" in section.decode() and draw(st.booleans()):
            value = draw(charsets) + b"'en'" + value
        quoted = draw(st.sampled_from([b"%b", b'"%b"', b'"%b', b"'%b'"]))
        out += b";" + draw(folds) + name + section + draw(folds) + b"=" + quoted % value
    return out + draw(st.sampled_from([b"", b"", b"", b";x=1" * 300, b";;" * 50, b";name*0*=" * 30]))


@st.composite
def header_fields(draw: st.DrawFn) -> bytes:
    name = draw(
        st.sampled_from(
            [b"From", b"To", b"CC", b"Subject", b"Date", b"Message-ID", b"X", b"", b"a b", b"\xff", b"Content-ID"]
        )
    )
    return name + draw(folds) + b":" + draw(texts) + draw(ends)


@st.composite
def signature_fields(draw: st.DrawFn) -> bytes:
    """Close to a signature, so that the branches behind the first refusal are reached."""
    tags = {
        "v": ["1", "2", ""], "a": ["ed25519-sha256", "rsa-sha256", "rsa-sha1", "x"], "d": ["a.b", "b", "\u00e4.b"],
        "c": ["simple", "relaxed/relaxed", "simple/x", "/", ""], "s": ["s", "a.b", "..", ""],
        "i": ["@a.b", "x@y.a.b", "@", "a"], "h": ["from", "from:to:from", ":", "from:" * 300, "to", ""],
        "l": ["0", "5", "9" * 76, "-1", "\u0663"], "t": ["0", "5", "x"], "x": ["1", "9" * 12, "9" * 13],
        "bh": ["AA==", "A", ""], "b": ["AA==", "=", ""], "z": ["x" * 70_000], "q": ["dns/txt", "x"], "y" * 50: ["1"],
    }  # fmt: skip
    chosen = draw(st.lists(st.sampled_from(sorted(tags)), unique=draw(st.booleans()), max_size=16))
    specs = [
        b"%b%b%b=%b%b"
        % (draw(folds), name.encode(), draw(folds), draw(folds), draw(st.sampled_from(tags[name])).encode())
        for name in chosen
    ]
    if draw(st.booleans()):
        specs = [b"v=1;a=ed25519-sha256;d=a.b;s=s;h=from;bh=AA==;b=AA==", *specs[:2]]
    name = draw(st.sampled_from([b"DKIM-Signature", b"dkim-signature ", b"ARC-Seal", b"DKIM2-Signature"]))
    return name + b":" + b";".join(specs) + draw(st.sampled_from([b"", b";", b"; "])) + draw(ends)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A transfer encoding, and octets in it, more or less."""
    octets = draw(st.binary(max_size=200) | st.lists(words | ends, max_size=30).map(b"".join))
    encoding = draw(
        st.sampled_from([b"base64", b"quoted-printable", b"7bit", b"x-uuencode", b"", b"base64 (x)", b"BASE64"])
    )
    if encoding.lower().startswith(b"base64"):
        octets = base64.encodebytes(octets).replace(b"\n", draw(ends))
    elif encoding == b"quoted-printable":
        octets = binascii.b2a_qp(octets)
    if draw(st.booleans()):  # damage
        at = draw(st.integers(0, len(octets)))
        octets = (
            octets[:at]
            + draw(st.sampled_from([b"=", b"*", b"==", b"\r", b" ", b"", b"\x00", b"=\r", b"="]))
            + octets[at + 1 :]
        )
    return encoding, octets


@st.composite
def entities(draw: st.DrawFn, depth: int = 3) -> bytes:
    head = b"".join(draw(st.lists(header_fields() | signature_fields(), max_size=2 if depth < 3 else 5)))
    kind = draw(st.sampled_from(["leaf", "leaf", "multipart", "message"])) if depth else "leaf"
    disposition = draw(st.sampled_from([b"", b"Content-Disposition: attachment", b"Content-Disposition: x"]))
    if disposition:
        head += disposition + draw(parameters()) + draw(ends)
    if kind == "multipart":
        boundary = draw(st.sampled_from([b"b", b"b", b"bb", b"", b"--", b"b b", b'"', b"=_\xff", b"b" * 80]))
        subtype = draw(st.sampled_from([b"mixed", b"digest", b"related", b"", b"alternative;x"]))
        parts = draw(st.lists(entities(depth - 1), max_size=3))
        after = st.sampled_from([b"", b"", b" ", b"x", b"--"])
        text = b"".join(draw(ends) + b"--" + boundary + draw(after) + draw(ends) + part for part in parts)
        close = draw(st.sampled_from([b"", b"\r\n--" + boundary + b"--", b"--" + boundary + b"--\r\nepilogue"]))
        field = b'Content-Type: multipart/%b; boundary="%b"%b' % (subtype, boundary, draw(parameters()))
        return head + field + draw(ends) + draw(ends) + text + close
    if kind == "message":
        encoding, _ = draw(bodies())
        inner = draw(entities(depth - 1))
        if encoding == b"base64":
            inner = base64.encodebytes(inner)
        return head + b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + inner
    encoding, octets = draw(bodies())
    media_types = [b"text/plain", b"text/html", b"a/b", b"message/delivery-status", b"text", b"\xff/x", b""]
    return (
        head + b"Content-Type: " + draw(st.sampled_from(media_types)) + draw(parameters()) + draw(ends)
        + b"Content-Transfer-Encoding:" + draw(folds) + encoding + draw(ends) + draw(ends) + octets
    )  # fmt: skip


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


@given(entities())
@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@example(RFC8463)
@example(REAL)
def test_built_messages(octets: bytes) -> None:
    examine(octets)


@pytest.mark.soak
@given(entities())
@settings(max_examples=1_000, deadline=5_000, suppress_health_check=SLOW)
def test_many_built_messages(octets: bytes) -> None:
    examine(octets)


# -- a fuzzer that sees which branches were taken --------------------------------------------------------------------

TOKENS = (
    "\\x0d\\x0a", "\\x0d\\x0a\\x0d\\x0a", "\\x0d\\x0a ", "--b", "--b--", "=?utf-8?q?", "=?utf-8?b?", "?=", "=0D",
    "Content-Type: multipart/mixed; boundary=b\\x0d\\x0a", "Content-Type: message/rfc822\\x0d\\x0a",
    "Content-Transfer-Encoding: base64\\x0d\\x0a", "Content-Transfer-Encoding: quoted-printable\\x0d\\x0a",
    "Content-Disposition: attachment; filename*0*=utf-8''", "filename*1*=", "Subject: ", "utf-7", "utf-16", "hz",
    "iso-2022-jp", "DKIM-Signature: ", "v=1;", "a=ed25519-sha256;", "c=relaxed/simple;", "d=a.b;", "s=s;", "h=from:to;",
    "l=10;", "bh=;", "b=;",
)  # fmt: skip


def seeds(folder: Path) -> None:
    folder.mkdir()
    octets = [shape(200) for shape in SHAPES.values()] + [RFC8463, REAL, TEST.partition("p=")[2].encode()]
    if VECTORS.is_dir():
        octets += [path.read_bytes()[:20_000] for path in sorted((VECTORS / "reports").iterdir())]
    for number, seed in enumerate(octets):
        examine(seed)
        (folder / f"seed-{number}").write_bytes(seed)


@pytest.mark.soak
@pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris, the fuzzer, has no wheel for this platform or Python"
)
def test_a_coverage_guided_fuzzer_finds_nothing(tmp_path: Path) -> None:
    seeds(tmp_path / "corpus")
    (tmp_path / "tokens").write_text("".join(f'"{token}"\n' for token in TOKENS))
    command = [
        sys.executable, "-m", "tests.ledger.fuzzer", str(tmp_path / "corpus"), f"-max_total_time={60 * MINUTES}",
        f"-timeout={SECONDS_AN_INPUT}", f"-rss_limit_mb={MEGABYTES}", "-max_len=16384", f"-dict={tmp_path / 'tokens'}",
        f"-artifact_prefix={tmp_path}/", "-print_final_stats=1",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, errors="replace")
    found = [path for kind in ("crash", "timeout", "oom") for path in tmp_path.glob(f"{kind}-*")]
    finding = f"{[path.read_bytes() for path in found]}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    assert done.returncode == 0 and not found, finding
    print(done.stderr[-600:])

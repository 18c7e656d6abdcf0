"""`postseal certificate`, `withdraw` and `verify` of a certificate."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pypdfium2
import pytest

from tests.cli.commands import Commands, run


@pytest.fixture
def blocked(postseal: Commands, message: str) -> str:
    """Delivered to r1, and its file blocked for all."""
    postseal.ok("event", message, "delivery.delivered", "--recipient", "r1")
    postseal.ok("block", message, "--scope", "all")
    return message


def number(out: str) -> str:
    found = re.search(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}", out)
    assert found is not None
    return found[0]


def command(out: str) -> list[str]:
    """The verifying command that is shown, ready to run."""
    line = next(line for line in out.splitlines() if line.startswith("postseal verify"))
    return line.split()[1:]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("dispatch", ()),
        ("delivery", ("--recipient", "bob@one.example")),
        ("block", ("--language", "nl", "--paper", "letter")),
        ("non-access", ("--recipient", "r2")),
    ],
)
def test_issued_and_verified_elsewhere(
    postseal: Commands, blocked: str, tmp_path: Path, kind: str, more: tuple[str, ...]
) -> None:
    path = tmp_path / "certificate.pdf"
    ran = postseal.ok("certificate", blocked, "--kind", kind, *more, "-o", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # In a process that has no ledger.
    judged = run(*command(ran.out), DATA_DIR=str(tmp_path / "nowhere"))
    assert judged.status == (3 if kind == "non-access" else 0), judged
    assert "drawn again it is the same" in judged.out.replace("\n", " ")
    again = tmp_path / "again.pdf"
    postseal.ok("certificate", number(ran.out), "-o", again)
    assert again.read_bytes() == path.read_bytes()


def test_refused_with_the_fact(postseal: Commands, blocked: str, tmp_path: Path) -> None:
    postseal.ok("event", blocked, "link.opened", "--recipient", "r1", "--source", "webhook")
    path = tmp_path / "certificate.pdf"
    ran = postseal("certificate", blocked, "--kind", "non-access", "--recipient", "r1", "-o", path)
    assert ran.status == 1 and "link.opened on the chain of r1" in ran.err and not path.exists()
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("MESSAGE",),
        ("MESSAGE", "--kind", "reading"),
        ("MESSAGE", "--kind", "dispatch", "--language", "tlh"),
        ("MESSAGE", "--kind", "dispatch", "--paper", "a5"),
        ("MESSAGE", "--kind", "dispatch", "--recipient", "R1"),
        ("MESSAGE", "--kind", "dispatch", "--file", "f1"),
        ("MESSAGE", "--kind", "dispatch", "--supersedes", "abc"),
        ("aaaa-aaaa-aaaa-aaaa", "--kind", "dispatch"),
        ("aaaa-aaaa-aaaa-aaaa",),
        ("nobody", "--kind", "dispatch"),
    ],
)
def test_asked_wrongly(postseal: Commands, blocked: str, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = [blocked if one == "MESSAGE" else one for one in arguments]
    path = tmp_path / "x.pdf"
    ran = postseal("certificate", *said, "-o", path)
    assert ran.status == 2 and len(ran.err.splitlines()) == 1 and not path.exists()


def test_never_over_a_file(postseal: Commands, blocked: str, mail: Path) -> None:
    before = mail.read_bytes()
    assert postseal("certificate", blocked, "--kind", "dispatch", "-o", mail).status == 2
    assert mail.read_bytes() == before


def test_withdrawn(postseal: Commands, blocked: str, tmp_path: Path) -> None:
    first = postseal.ok("certificate", blocked, "--kind", "dispatch", "-o", tmp_path / "1.pdf")
    ran = postseal.ok("withdraw", number(first.out).upper(), "--reason", "mistake")
    assert "is withdrawn since" in ran.out
    assert postseal("withdraw", number(first.out)).status == 2
    assert postseal("withdraw", "aaaa-aaaa-aaaa-aaaa").status == 2
    shown = postseal.ok("show", blocked).out
    assert "certificate" in shown


def test_who_runs_it_stands_on_it(
    postseal: Commands, blocked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTSEAL_OPERATOR", "Example Ltd, Amsterdam")
    monkeypatch.setenv("POSTSEAL_LEGAL_BASIS", "Art. 6(1)(f) GDPR")
    monkeypatch.setenv("POSTSEAL_PUBLIC_URL", "https://log.example.org/")
    path = tmp_path / "1.pdf"
    postseal.ok("certificate", blocked, "--kind", "dispatch", "-o", path)
    text = "".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(path))
    for said in ("Example Ltd, Amsterdam", "Art. 6(1)(f) GDPR", "https://log.example.org/verify"):
        assert said in text


def test_evidence_loads_nothing_that_draws(postseal: Commands, blocked: str, tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    postseal.ok("export", blocked, "-o", path)
    program = (
        "import sys; from cli.main import main; main(['verify', sys.argv[1]]);"
        "print([n for n in ('reportlab', 'pikepdf', 'sqlalchemy', 'fontTools', 'uharfbuzz') if n in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_a_package_with_its_certificate(postseal: Commands, blocked: str, mail: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "1.pdf", tmp_path / "2.pdf"
    of_one = number(postseal.ok("certificate", blocked, "--kind", "block", "--recipient", "r1", "-o", one).out)
    of_all = number(postseal.ok("certificate", blocked, "--kind", "block", "-o", two).out)
    path = tmp_path / "case.zip"
    ran = postseal.ok("export", blocked, "--recipient", "r1", "--certificate", of_one, "-o", path)
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("certificate.pdf"))
        assert archive.read(name) == one.read_bytes()
    judged = run(*command(ran.out), DATA_DIR=str(tmp_path / "nowhere"))
    assert judged.status == 0 and "The certificate is the one that was issued" in judged.out
    # It would show others; it is about another message; it is none; it goes into a package alone.
    other = postseal.ok("record", mail, "--quiet").out.strip()
    for arguments in (
        (blocked, "--recipient", "r1", "--certificate", of_all, "-o", tmp_path / "x.zip"),
        (other, "--certificate", of_one, "-o", tmp_path / "x.zip"),
        (blocked, "--certificate", "aaaa-aaaa-aaaa-aaaa", "-o", tmp_path / "x.zip"),
        (blocked, "--certificate", "aaaa", "-o", tmp_path / "x.zip"),
        (blocked, "--certificate", of_one, "-o", tmp_path / "x.json"),
    ):
        refused = postseal("export", *arguments)
        assert refused.status == 2 and len(refused.err.splitlines()) == 1
    assert not (tmp_path / "x.zip").exists()
    postseal.ok("withdraw", of_one)
    assert postseal("export", blocked, "--certificate", of_one, "-o", tmp_path / "x.zip").status == 2

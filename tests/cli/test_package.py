"""`postseal export -o FILE.zip` and `postseal verify FILE.zip`: what goes in, what is on record, what is told."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.commands import MAIL, Commands
from tests.cli.test_verify import HEAVY
from tests.helpers import HOUSE
from tests.reports.packages import forge, unpack

CRLF = MAIL.replace(b"\n", b"\r\n")
ENVELOPE = ("--from", "ann@sender.example", "--to", "bob@one.example", "--to", "cy@two.example", "--hosted", "f1")


@pytest.fixture
def kept(postseal: Commands, mail: Path) -> str:
    return postseal.ok("record", "--keep", mail, *ENVELOPE, "--quiet").out.strip()


@pytest.fixture
def vkey(postseal: Commands, kept: str) -> str:
    made: str = postseal.ok("keys", "list", "--json").json["vkey"]
    return made


def kinds(postseal: Commands, message: str) -> list[str]:
    return [line["entry"]["kind"] for line in postseal.ok("show", message, "--json").lines]


def test_a_package_with_what_was_kept(postseal: Commands, kept: str, vkey: str, tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    ran = postseal.ok("export", kept, "-o", path, "--content")
    assert "raw, f1" in ran.out and "postseal verify" in ran.out and stat.S_IMODE(path.stat().st_mode) == 0o600
    folder, files = unpack(path.read_bytes())
    assert folder == f"postseal-{kept}/"
    assert files["data/content/message.eml"] == CRLF
    assert files["data/content/f1-plan.pdf"] == b"not really a PDF"
    # The look is before the export, and so in the evidence itself.
    assert b"content.viewed" in files["data/entries.txt"]
    assert kinds(postseal, kept).index("content.viewed") < kinds(postseal, kept).index("evidence.exported")
    ran = postseal.ok("verify", path, "--vkey", vkey)
    assert ran.out.startswith("VALID") and f"history of message {kept}" in " ".join(ran.out.split())
    said = postseal.ok("verify", path, "--vkey", vkey, "--json").json
    assert [one["name"] for one in said["checks"]][-2:] == ["package", "certificate"]
    assert {"content", "package"} <= set(said["required"]) and "certificate" not in said["required"]
    assert postseal("verify", path).status == 3
    assert postseal.ok("audit").status == 0


def test_without_content_nobody_looks(postseal: Commands, kept: str, vkey: str, tmp_path: Path) -> None:
    path = tmp_path / "package.ZIP"
    postseal.ok("export", kept, "-o", path)
    assert not [place for place in unpack(path.read_bytes())[1] if "/content/" in place]
    assert "content.viewed" not in kinds(postseal, kept)
    assert postseal.ok("verify", path, "--vkey", vkey).status == 0


def test_of_one_recipient_files_alone(postseal: Commands, kept: str, vkey: str, tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    postseal.ok("export", kept, "-o", path, "--content", "--recipient", "bob@one.example")
    data = path.read_bytes()
    assert [place for place in unpack(data)[1] if "/content/" in place] == ["data/content/f1-plan.pdf"]
    assert b"cy@two.example" not in data and b"see attached" not in data
    looks = [line for line in postseal.ok("show", kept, "--json").lines if line["entry"]["kind"] == "content.viewed"]
    assert [line["entry"]["facts"]["what"] for line in looks] == ["file.f1"]
    assert postseal.ok("verify", path, "--vkey", vkey).status == 0


def test_what_cannot_go_along_leaves_no_trace(postseal: Commands, kept: str, mail: Path, tmp_path: Path) -> None:
    hash_only = postseal.ok("record", mail, "--from", "x@sender.example", "--to", "y@one.example", "-q").out.strip()
    path = tmp_path / "package.zip"
    before = kinds(postseal, kept), kinds(postseal, hash_only)
    for arguments, status, said in (
        ((hash_only, "--content"), 2, "not kept"),
        ((kept, "--content", "--only", "subject"), 2, "none of the content"),
        ((kept, "--content", "--only", "raw", "--recipient", "r1"), 2, "names its other recipients"),
        ((kept, "--content", "--only", "f7"), 2, "nothing is sealed"),
    ):
        ran = postseal("export", "-o", path, *arguments)
        assert (ran.status, len(ran.err.splitlines())) == (status, 1) and said in ran.err
        assert not path.exists()
    ran = postseal("export", kept, "-o", tmp_path / "evidence.json", "--content")
    assert ran.status == 2 and "FILE.zip" in ran.err
    assert (kinds(postseal, kept), kinds(postseal, hash_only)) == before


def test_an_auditors_word_goes_into_a_package(
    postseal: Commands, kept: str, vkey: str, tmp_path: Path, mail: Path
) -> None:
    path, key = tmp_path / "package.zip", tmp_path / "auditor.key"
    postseal.ok("export", kept, "-o", path, "--content", "--only", "f1")
    auditor = postseal.ok("keys", "auditor", key, "--name", "auditor.example").out.strip()
    policy = tmp_path / "trust.json"
    policy.write_text(postseal.ok("trust", "--auditor", auditor).out)

    def unforked() -> str:
        said = postseal("verify", "--trust", policy, path, "--json").json
        assert said["verdict"] == "valid"
        return str(next(one["status"] for one in said["checks"] if one["name"] == "unforked"))

    assert unforked() == "not_checked"
    postseal.ok("audit", "--sign", key, "--into", path)
    assert unforked() == "passed"
    assert unpack(path.read_bytes())[1]["data/content/f1-plan.pdf"] == b"not really a PDF"
    forged = tmp_path / "forged.zip"
    forged.write_bytes(forge(path.read_bytes(), {"data/content/f1-plan.pdf": b"x"}))
    kept_bytes = forged.read_bytes()
    ran = postseal("audit", "--sign", key, "--into", forged)
    assert ran.status == 1 and "is not what the evidence discloses" in ran.err and forged.read_bytes() == kept_bytes


def test_files_of_either_sort_are_judged_together(postseal: Commands, kept: str, vkey: str, tmp_path: Path) -> None:
    package, evidence, forged, other = (tmp_path / name for name in ("p.zip", "e.json", "forged.zip", "other.zip"))
    postseal.ok("export", kept, "-o", package, "--content")
    postseal.ok("export", kept, "-o", evidence)
    assert postseal.ok("verify", package, evidence, "--vkey", vkey).out.count("VALID") == 2
    forged.write_bytes(forge(package.read_bytes(), {"data/content/f1-plan.pdf": b"x"}))
    ran = postseal("verify", package, forged, "--vkey", vkey)
    assert ran.status == 1 and "FAILED: data/content/f1-plan.pdf is not what" in " ".join(ran.out.split())
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("evidence.json", evidence.read_bytes())
    ran = postseal("verify", other, "--vkey", vkey)
    assert (ran.status, ran.err) == (2, f"postseal: {other} is not a Postseal package\n")
    assert postseal("verify", other, package, "--vkey", vkey).status == 2
    # Cut short it is a package that cannot be read.
    forged.write_bytes(package.read_bytes()[:-9])
    ran = postseal("verify", forged, "--vkey", vkey)
    assert ran.status == 1 and "cut short" in ran.out
    # With it goes the reader's own copy.
    mine = tmp_path / "mine.pdf"
    mine.write_bytes(b"not really a PDF")
    assert postseal.ok("verify", package, "--vkey", vkey, "--content", mine).status == 0
    mine.write_bytes(b"not really a PDF.")
    assert postseal("verify", package, "--vkey", vkey, "--content", mine).status == 1


def test_it_needs_nothing_of_ours(postseal: Commands, kept: str, vkey: str, tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    postseal.ok("export", kept, "-o", path, "--content")
    heavy = (*HEAVY, "typer", "api.settings", "pikepdf", "ledger.content", "ledger.blobs", "zipfile")
    script = (
        "import sys\nfrom cli.main import main\nstatus = main(sys.argv[1:])\n"
        f"print(*[name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\nsys.exit(status)"
    )
    command = [sys.executable, "-c", script, "verify", "--vkey", vkey, "--json", "-"]
    ran = subprocess.run(
        command, input=path.read_bytes(), capture_output=True, cwd=HOUSE, env={"PYTHONUTF8": "1"}, timeout=60
    )
    assert (ran.returncode, ran.stderr.strip()) == (0, b"")
    assert json.loads(ran.stdout)["verdict"] == "valid"

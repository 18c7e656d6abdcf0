"""`postseal verify`: the right word, the right exit status, and nothing loaded that a stranger does not have."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.main import main
from tests.cli.commands import MAIL, Commands, Ran, run
from tests.helpers import HOUSE, environment

HEAVY = ("sqlalchemy", "alembic", "psycopg", "fastapi", "httpx", "reportlab", "rich", "ledger.log", "ledger.store")


@dataclass(frozen=True)
class Case:
    """Evidence of a history and of no access, with the auditor's word in the second, and whom to trust."""

    history: Path
    no_access: Path
    trust: Path
    vkey: str
    mail: Path


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Made once; the tests only read it."""
    here = tmp_path_factory.mktemp("evidence")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTSEAL_DATA_DIR", str(here / "data"))
        mail = here / "mail.eml"
        mail.write_bytes(MAIL)

        def postseal(*arguments: object) -> str:
            ran = run(*arguments, DATA_DIR=str(here / "data"))
            assert ran.status == 0, ran
            return ran.out.strip()

        sent = ["--from", "ann@sender.example", "--to", "bob@one.example", "--hosted", "f1", "-q"]
        message = postseal("record", mail, *sent)
        for arguments in (
            ["block", message, "--scope", "all"],
            ["export", message, "-o", str(here / "history.json")],
        ):
            assert main(arguments) == 0
        # A beat must stand before the message and none be missing since: one process for both.
        script = (
            "from pathlib import Path\nfrom cli.writing import open_log\n"
            "from ledger import durable, envelope, evidence, fingerprint\n"
            f"octets = open({str(mail)!r}, 'rb').read()\n"
            "with open_log() as log:\n"
            "    sent = envelope.given('ann@sender.example', ['bob@one.example'])\n"
            "    roles = envelope.roles(octets, sent)\n"
            "    done = log.record(fingerprint.take(octets), sent, roles, hosted=['f1'])\n"
            "    log.block(done.message, 'all')\n"
            "    made = log.export(done.message, recipient='r1', kind='non_access')\n"
            f"    durable.create(Path({str(here / 'no-access.json')!r}), evidence.format(made))\n"
        )
        env = environment(DATA_DIR=str(here / "data"))
        subprocess.run([sys.executable, "-c", script], check=True, env=env, cwd=HOUSE, timeout=60)
        auditor = postseal("keys", "auditor", here / "auditor.key", "--name", "auditor.example")
        postseal("audit", "--sign", here / "auditor.key", "--into", here / "no-access.json")
        (here / "trust.json").write_text(postseal("trust", "--auditor", auditor))
        vkey = json.loads(postseal("keys", "list", "--json"))["vkey"]
    return Case(here / "history.json", here / "no-access.json", here / "trust.json", vkey, mail)


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    # Neither a ledger nor a setting: a misspelt one, which every other command refuses, is nothing to this one.
    monkeypatch.setenv("POSTSEAL_NONSENSE", "1")
    return Commands(Path(), capsys)


def verdicts(ran: Ran) -> dict[str, str]:
    return {Path(line["file"]).name: line.get("verdict", "unusable") for line in ran.lines}


def test_it_loads_no_database_library(case: Case) -> None:
    script = (
        "import sys\nfrom cli.main import main\nstatus = main(sys.argv[1:])\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\nsys.exit(status)"
    )
    command = [sys.executable, "-c", script, "verify", "--trust", str(case.trust), str(case.no_access)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=HOUSE, env={"PYTHONUTF8": "1"}, timeout=60)
    assert (ran.returncode, ran.stderr.strip()) == (0, "")
    assert ran.stdout.startswith("VALID")


def test_help_loads_no_command_at_all() -> None:
    script = (
        "import sys\nfrom cli.main import main\nmain(['--help'])\n"
        "assert not {'typer', 'rich', 'msgspec', 'cryptography'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, cwd=HOUSE, timeout=60)


def test_with_trust_it_is_valid(verify: Commands, case: Case) -> None:
    ran = verify("verify", "--trust", case.trust, case.history, case.no_access)
    assert ran.status == 0 and ran.out.count("VALID") == 2
    assert verify("verify", "--vkey", case.vkey, case.history).status == 0


def test_without_trust_it_is_unknown_and_says_what_to_do(verify: Commands, case: Case) -> None:
    ran = verify("verify", case.history)
    assert ran.status == 3 and ran.out.startswith("UNKNOWN") and "--trust or --vkey" in ran.out
    # The log's key alone cannot vouch that nothing is filed elsewhere.
    ran = verify("verify", "--vkey", case.vkey, case.no_access)
    assert ran.status == 3 and "unforked could not be checked" in ran.out


def test_content_is_compared(verify: Commands, case: Case, tmp_path: Path) -> None:
    good = verify("verify", "--vkey", case.vkey, case.history, "--content", case.mail, "--json").json
    assert next(c for c in good["checks"] if c["name"] == "content")["status"] == "passed"
    other = tmp_path / "other.eml"
    other.write_bytes(MAIL.replace(b"not really", b"really not"))
    assert verify("verify", "--vkey", case.vkey, case.history, "--content", other).status == 1
    # Evidence has hashes only: a text that is not the same may have got a footer, or another meaning.
    other.write_bytes(MAIL.replace(b"see attached", b"see nothing"))
    assert verify("verify", "--vkey", case.vkey, case.history, "--content", other).status == 3


def test_any_change_is_found(verify: Commands, case: Case, tmp_path: Path) -> None:
    data = case.history.read_bytes()
    forged = tmp_path / "forged.json"
    for place in range(100, len(data), len(data) // 23):
        forged.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert verify("verify", "--vkey", case.vkey, forged).status in (1, 2), place
    value = json.loads(data)
    entry = base64.b64decode(value["entries"][3]["entry"]).replace(b'"at":"2', b'"at":"3')
    value["entries"][3]["entry"] = base64.b64encode(entry).decode()
    forged.write_text(json.dumps(value, separators=(",", ":"), sort_keys=True))
    ran = verify("verify", "--vkey", case.vkey, forged)
    assert ran.status == 1 and ran.out.startswith("INVALID") and "included" in ran.out


def test_of_several_files_the_worst_counts(verify: Commands, case: Case, tmp_path: Path) -> None:
    broken, nothing = tmp_path / "broken.json", tmp_path / "mail.eml"
    broken.write_bytes(case.history.read_bytes()[:-2])
    nothing.write_bytes(MAIL)
    all_ = [case.history, case.no_access, nothing, broken, tmp_path / "missing"]
    ran = verify("verify", "--json", "--vkey", case.vkey, *all_)
    assert ran.status == 1
    assert verdicts(ran) == {
        "history.json": "valid",
        "no-access.json": "unknown",
        "mail.eml": "unusable",
        "broken.json": "invalid",
        "missing": "unusable",
    }
    assert verify("verify", "--vkey", case.vkey, case.history, nothing).status == 2
    assert verify("verify", "--vkey", case.vkey, case.history, case.no_access).status == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vkey", "nonsense"], "verifier key"),
        (["--trust", "missing.json"], "cannot be read"),
        (["--trust", "mail.eml"], "not a trust policy"),
        (["--trust", "trust.json", "--vkey", "x"], "exclude each other"),
        (["--content", "missing"], "cannot be read"),
    ],
)
def test_unusable_trust_or_content_ends_it(
    verify: Commands, case: Case, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(case.trust.parent)
    ran = verify("verify", *arguments, case.history)
    assert ran.status == 2 and said in ran.err and len(ran.err.splitlines()) == 1 and ran.out == ""


def test_evidence_from_standard_input(verify: Commands, case: Case) -> None:
    def piped(*arguments: object) -> Ran:
        command = [sys.executable, "-m", "cli.main", "verify", *map(str, arguments)]
        env = environment() | {"PYTHONUTF8": "1"}
        ran = subprocess.run(
            command, input=case.history.read_bytes(), capture_output=True, cwd=HOUSE, env=env, timeout=60
        )
        return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())

    ran = piped("--vkey", case.vkey, "-", case.history)
    assert ran.status == 0 and ran.out.startswith("VALID  -\n") and ran.out.count("VALID") == 2
    for twice in (["-", "-"], ["--content", "-", "-"], ["--trust", "-", "-"]):
        ran = piped(*twice)
        assert ran.status == 2 and ran.err == "postseal: standard input (-) can be read once\n"

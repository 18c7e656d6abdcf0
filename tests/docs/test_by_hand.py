"""docs/verify-by-hand.md does what it says: its own commands, in a shell, on a real package and on tampered ones."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reports import byhand
from tests.helpers import HOUSE
from tests.ledger.ledgers import open_log
from tests.reports.packages import PDF, PLAN, certify, forge, pack, record, unpack

PAGE = (HOUSE / "docs" / "verify-by-hand.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
TOOLS = (
    "unzip", "sha256sum", "openssl", "base64", "xxd", "awk", "sed", "grep", "tr", "cut", "sort", "find", "cat", "head",
    "tail", "mktemp", "rm",
)  # fmt: skip
"""All that the commands may use beside the shell: whoever follows the page has no more."""

SHELLS = ("sh", "bash")

STEP = {"files": 1, "content": 2, "facts": 3, "entries": 4, "signature": 5, "key": 6, "certificate": 7}
"""The block of each step, counted from the one that unpacks."""


@dataclass(frozen=True)
class Ran:
    lines: list[str]
    status: int

    @property
    def fine(self) -> list[str]:
        return [line for line in self.lines if line.startswith("OK")]

    @property
    def failed(self) -> bool:
        return self.status != 0 or any("FAILED" in line for line in self.lines)


@dataclass(frozen=True)
class Made:
    whole: bytes
    of_one: bytes
    vkey: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    directory = tmp_path_factory.mktemp("byhand")
    with open_log(f"sqlite:///{directory / 'ledger.db'}", directory) as log:
        message = record(log)
        certify(log, message)
        log.event(message, "r1", "relay.accepted", source="gateway", sealed=[("reply", "250 ok \x1b[31m \u202e")])
        log.block(message, "all")
        yield Made(
            pack(log, message, pdf=PDF),
            pack(log, message, recipient="r3", only=["f1"]),
            log.ring.signer().vkey,
        )


def run(place: Path, data: bytes, *steps: str, shell: str = "sh") -> Ran:
    """The page's commands of these steps, or of all, as somebody would copy them who saw one block after the other."""
    place.mkdir(parents=True)
    tools = place.with_name(f"{place.name}-tools")
    tools.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool, path="/usr/bin:/bin")
        assert found is not None, f"{tool} is not installed"
        (tools / tool).symlink_to(found)
    (place / "package.zip").write_bytes(data)
    blocks = [BLOCKS[0], *(BLOCKS[STEP[step]] for step in steps or STEP)]
    if "facts" in steps and "content" not in steps:
        blocks.insert(1, BLOCKS[STEP["content"]])
    ran = subprocess.run(
        [f"/bin/{shell}", "-eu"],
        input="\n".join(blocks),
        capture_output=True,
        text=True,
        cwd=place,
        env={"PATH": str(tools), "TMPDIR": str(place)},
        timeout=120,
    )
    return Ran((ran.stdout + ran.stderr).splitlines(), ran.returncode)


def test_the_commands_are_those_that_every_package_brings_along() -> None:
    said = byhand.TEMPLATE.read_text("ascii")
    steps = re.split(r"^\d\. .*$", said, flags=re.MULTILINE)[1:]
    commands = ["\n".join(line[4:] for line in step.split("\n") if line.startswith("    ")) for step in steps]
    assert [command + "\n" for command in commands] == BLOCKS[1:] and len(STEP) == len(commands)
    titles = re.findall(r"^\d\. (.*)$", said, flags=re.MULTILINE)
    assert [title.lower() for title in titles] == [
        title.lower() for title in re.findall(r"^## Step \d: (.*)$", PAGE, flags=re.MULTILINE)
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_package(made: Made, tmp_path: Path, shell: str) -> None:
    ran = run(tmp_path / "here", made.whole, shell=shell)
    assert not ran.failed, ran.lines
    _, files = unpack(made.whole)
    entries = sum(place.startswith("data/entries/") for place in files)
    facts = sum(place.startswith("data/disclosures/") for place in files)
    content = sum(place.startswith("data/content/") for place in files)
    # Two of step 1, one each of the signature, the key and the certificate.
    assert len(ran.fine) == 2 + content + facts + entries + 3 and content == 3
    assert made.vkey in ran.lines
    assert 'OK: entry 3 holds the hash of ["' in "\n".join(ran.lines)
    assert "(message.recorded) is in the log" in "\n".join(ran.lines)
    # Nothing that a stranger wrote reaches the terminal as it is.
    assert all(line.isascii() and line.isprintable() for line in ran.lines)


def test_the_package_of_one_recipient_and_one_file(made: Made, tmp_path: Path) -> None:
    ran = run(tmp_path / "here", made.of_one)
    assert not ran.failed, ran.lines
    assert "OK: data/content/f1-plan.pdf has the hash that was recorded" in ran.lines


def entry(files: dict[str, bytes], kind: str) -> str:
    return next(place for place, o in files.items() if place.startswith("data/entries/") and b'"' + kind.encode() in o)


def changed(place: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    def change(files: dict[str, bytes]) -> dict[str, bytes]:
        assert old in files[place]
        return {place: files[place].replace(old, new)}

    return change


def entry_changed(files: dict[str, bytes]) -> dict[str, bytes]:
    place = entry(files, "block.applied")
    return {place: files[place].replace(b'"scope":"all"', b'"scope":"one"')}


def entry_dated_back(files: dict[str, bytes]) -> dict[str, bytes]:
    place = entry(files, "block.applied")
    return {place: re.sub(rb'"at":"2', b'"at":"1', files[place])}


def entry_of_another_time(files: dict[str, bytes]) -> dict[str, bytes]:
    """A whole entry of the log under another's number."""
    return {entry(files, "block.applied"): files["data/entries/1.json"]}


def proof_changed(files: dict[str, bytes]) -> dict[str, bytes]:
    place = entry(files, "message.recorded").replace("entries", "proofs").replace(".json", ".txt")
    octets = files[place]
    return {place: octets[:2] + (b"1" if octets[2:3] != b"1" else b"2") + octets[3:]}


def proof_turned(files: dict[str, bytes]) -> dict[str, bytes]:
    place = entry(files, "message.recorded").replace("entries", "proofs").replace(".json", ".txt")
    return {place: files[place].translate(bytes.maketrans(b"LR", b"RL"))}


def proof_emptied(files: dict[str, bytes]) -> dict[str, bytes]:
    return {entry(files, "message.recorded").replace("entries", "proofs").replace(".json", ".txt"): b""}


def root_changed(files: dict[str, bytes]) -> dict[str, bytes]:
    lines = files["data/checkpoint.txt"].split(b"\n")
    lines[2] = (b"A" if lines[2][:1] != b"A" else b"B") + lines[2][1:]
    return {"data/checkpoint.txt": b"\n".join(lines)}


def size_changed(files: dict[str, bytes]) -> dict[str, bytes]:
    lines = files["data/checkpoint.txt"].split(b"\n")
    lines[1] = lines[1] + b"0"
    return {"data/checkpoint.txt": b"\n".join(lines)}


def signature_changed(files: dict[str, bytes]) -> dict[str, bytes]:
    octets = bytearray(files["data/checkpoint.txt"])
    octets[-40] = ord("A") if octets[-40] != ord("A") else ord("B")
    return {"data/checkpoint.txt": bytes(octets)}


def signature_gone(files: dict[str, bytes]) -> dict[str, bytes]:
    return {"data/checkpoint.txt": files["data/checkpoint.txt"].partition(b"\n\n")[0] + b"\n\n"}


def fact_changed(files: dict[str, bytes]) -> dict[str, bytes]:
    place = next(place for place in files if place.endswith("-subject.txt"))
    return {place: files[place][:-2] + b"AA"}


def fact_for_other_content(files: dict[str, bytes]) -> dict[str, bytes]:
    """Content, and a fact that fits it: then the entry does not."""
    place = next(place for place in files if place.endswith("-f1.txt"))
    old, new = (hashlib.sha256(octets).hexdigest().encode() for octets in (PLAN, b"x"))
    plain = base64.urlsafe_b64decode(files[place] + b"=" * (-len(files[place]) % 4)).replace(old, new)
    return {place: base64.urlsafe_b64encode(plain).rstrip(b"="), "data/content/f1-plan.pdf": b"x"}


def own_key(files: dict[str, bytes]) -> dict[str, bytes]:
    """Both forms of a key of the forger's own."""
    key = bytes(range(32))
    pem = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + key).decode()
    vkey = base64.b64encode(b"\x01" + key).decode()
    return {
        "data/keys/log.pem": f"-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n".encode(),
        "data/keys/log.vkey": f"log.example/mail+00000000+{vkey}\n".encode(),
    }


TAMPERED: dict[str, tuple[Callable[[dict[str, bytes]], dict[str, bytes]], tuple[str, ...]]] = {
    "a content byte": (changed("data/content/f1-plan.pdf", b"really", b"reallx"), ("content",)),
    "a byte of the message": (changed("data/content/message.eml", b"see", b"sea"), ("content",)),
    "content emptied": (lambda files: {"data/content/f1-plan.pdf": b""}, ("content",)),
    "content of no fact": (lambda files: {"data/content/f9-more.pdf": b""}, ("content",)),
    "content with its fact": (fact_for_other_content, ("facts",)),
    "a fact": (fact_changed, ("facts",)),
    "an entry": (entry_changed, ("entries",)),
    "an entry's time": (entry_dated_back, ("entries",)),
    "an entry for another": (entry_of_another_time, ("entries",)),
    "a hash of a proof": (proof_changed, ("entries",)),
    "the sides of a proof": (proof_turned, ("entries",)),
    "a proof emptied": (proof_emptied, ("entries",)),
    "the root": (root_changed, ("entries", "signature")),
    "the size": (size_changed, ("signature",)),
    "the log's name": (changed("data/checkpoint.txt", b"log.example", b"lag.example"), ("signature",)),
    "the signature": (signature_changed, ("signature",)),
    "no signature": (signature_gone, ("signature",)),
    "the key": (own_key, ("signature", "key")),
    "the certificate": (changed("data/certificate.pdf", b"PDF", b"PDE"), ("certificate",)),
}


@pytest.mark.parametrize(("change", "steps"), TAMPERED.values(), ids=TAMPERED)
def test_a_tampered_package_fails_in_the_step_that_says_so(
    made: Made, tmp_path: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]], steps: tuple[str, ...]
) -> None:
    _, files = unpack(made.whole)
    forged = forge(made.whole, change(files))
    for step in steps:
        assert not run(tmp_path / step / "before", made.whole, step).failed
        assert run(tmp_path / step / "after", forged, step).failed
    # The lists were made to fit: step 1 alone would be content.
    assert not run(tmp_path / "lists", forged, "files").failed
    # And where they were not, it is enough.
    assert run(tmp_path / "old", forge(made.whole, change(files), lists=False), "files").failed


def test_a_file_that_is_on_no_list(made: Made, tmp_path: Path) -> None:
    assert run(tmp_path / "here", forge(made.whole, {"data/more.txt": b"x"}, lists=False), "files").failed


def test_the_words_of_a_package_name_what_is_in_it(made: Made, tmp_path: Path) -> None:
    for data in (made.whole, made.of_one):
        _, files = unpack(data)
        said = files["HOW-TO-VERIFY.txt"].decode("ascii")
        named = re.findall(r"^(data/\S+)\n  ", said, flags=re.MULTILINE)
        for place in named:
            assert place in files or any(other.startswith(place + "/") for other in files), place
        for place in files:
            if place.startswith(("data/content/", "data/certificate")):
                assert place in named

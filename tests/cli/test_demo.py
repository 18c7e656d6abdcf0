"""`postseal demo`: what `make run` shows, through the API, on a new ledger and again on the same; then it serves."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cli.demo import service
from cli.demo.client import Client
from cli.exits import NO, UNAVAILABLE, Stop
from ledger import entry
from ledger.store import open_store
from tests.api.serving import serving, settings
from tests.cli.commands import MAIL, Commands, Ran, run
from tests.helpers import HOUSE, environment
from tests.ledger.ledgers import open_log

KEY = re.compile(r"postseal_[a-z2-7]{10}_[A-Za-z0-9_-]{43}")
ABSENT = "01890a5d-ac96-774b-bcce-b302099a8057"
LOGGED = ("postseal", "uvicorn.error", "asyncio")
PAPERS = {
    "offer-dispatch-all.pdf": "valid",
    "report-delivery-r1.pdf": "valid",
    "report-access-r1.pdf": "valid",
    "offer-block-r2.pdf": "valid",
    "offer-non-access-r2.pdf": "unknown",
    "forged.pdf": "invalid",
}
FILES = {
    "forged.json",
    "offer-history.json",
    "offer-no-access-r2.json",
    "offer-r2.zip",
    "replay-statement",
    "service.log",
    "trust.json",
    *PAPERS,
}
CALLS = (
    "POST /v1/messages  201  3 times",
    "POST /v1/messages/{message}/events  201  12 times",
    "POST /v1/messages/{message}/blocks  201  3 times",
    "POST /v1/messages/{message}/events  409",
    "POST /v1/messages/{message}/blocks/{block}/lift  201",
    "POST /v1/messages/{message}/evidence  200  2 times",
    "POST /v1/messages/{message}/certificates  409",
    "POST /v1/messages/{message}/evidence  200",
    "GET /v1/logs/{log}/checkpoint  200",
)


def once(data: Path, **more: str) -> Ran:
    return run("demo", "--once", cwd=data.parent, **{"DATA_DIR": str(data), "BIND": "127.0.0.1:0"} | more)


def kinds(data: Path) -> list[str]:
    store = open_store(f"sqlite:///{data / 'ledger.db'}")
    try:
        return [entry.decode(one).kind for one in store.reader.entries(0, store.reader.head().size)]
    finally:
        store.close()


@dataclass
class Running:
    """A demo in a process of its own. Its output goes to a file, so that no pipe can fill."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def out(self) -> str:
        return self.output.read_text()

    @property
    def err(self) -> str:
        return self.output.with_suffix(".err").read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        end = time.monotonic() + 60
        while (found := re.search(pattern, self.out, re.MULTILINE)) is None:
            assert self.process.poll() is None and time.monotonic() < end, (self.out, self.err)
            time.sleep(0.005)
        return found

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def demo(data: Path) -> Iterator[Running]:
    output = data.parent / f"{time.monotonic_ns()}.out"
    env = environment(DATA_DIR=str(data), BIND="127.0.0.1:0") | {"PYTHONPATH": str(HOUSE), "PYTHONUTF8": "1"}
    with output.open("wb") as out, output.with_suffix(".err").open("wb") as err:
        command = [sys.executable, "-m", "cli.main", "demo"]
        process = subprocess.Popen(command, cwd=data.parent, env=env, stdout=out, stderr=err)
    try:
        yield Running(process, output)
    finally:
        process.kill()
        process.wait()


def test_it_runs_and_goes_on_with_the_same_ledger(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = once(data, DATA_DIR="data")
    assert first.status == 0, first
    assert first.err == ""
    assert [call for call in CALLS if f"\n{call}\n" not in first.out] == []
    for said in ("data, new", "in time", "too late", "out of reach", "denied", "lifted", "refused"):
        assert said in first.out
    assert "It loaded none of sqlalchemy, psycopg, fastapi, uvicorn, reportlab, pikepdf." in first.out
    refused = "\nrefused  non-access of r1 to f1, because the block came too late: entry 19: download.started"
    assert refused in first.out
    verdicts = re.findall(r"^(\S+\.pdf) +(valid|invalid|unknown) ", first.out, re.MULTILINE)
    assert dict(verdicts) == PAPERS
    assert re.search(r"^offer-r2\.zip +valid +certificate \S+, issued by entry", first.out, re.MULTILINE)
    assert [
        line.split()[1] for line in first.out.splitlines() if re.match(r"(offer-\S+|forged)\.json +(in)?valid ", line)
    ] == [
        "valid",
        "valid",
        "invalid",
    ]
    # The last lines work for whoever copies them, wherever he stands.
    assert f"\nexport POSTSEAL_DATA_DIR={data}\n" in first.out
    assert f" verify --trust {data}/demo/1/trust.json {data}/demo/1/offer-no-access-r2.json\n" in first.out
    second = once(data)
    assert second.status == 0, second
    assert f"{data}, with 3 messages" in second.out or "data, with 3 messages" in second.out
    for number in ("1", "2"):
        assert {path.name for path in (data / "demo" / number).iterdir()} == FILES
    # What was written by the first run is still true after the second.
    place = data / "demo" / "1"
    for name, status in (("offer-history.json", 0), ("offer-r2.zip", 0), ("offer-block-r2.pdf", 0), ("forged.pdf", 1)):
        checked = run("verify", "--trust", place / "trust.json", place / name, cwd=tmp_path)
        assert checked.status == status, checked
    assert run("audit", DATA_DIR=str(data)).status == 0


def test_the_first_key_is_shown_once_and_kept_nowhere(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with demo(data) as first:
        url = first.wait_for(r"^Serving (\S+) until Ctrl-C$")[1]
        (key,) = KEY.findall(first.out)
        assert key in first.out.partition("1  Three mails go out")[0]
        assert httpx.get(f"{url}/v1/messages", headers={"authorization": f"Bearer {key}"}).status_code == 200
        assert first.stop() == 0
    with demo(data) as second:
        url = second.wait_for(r"^Serving (\S+) until Ctrl-C$")[1]
        assert KEY.findall(second.out) == []
        assert "shown before" in second.out
        assert re.search(f"^POSTSEAL_DATA_DIR={re.escape(str(data))} .* apikey create --role admin$", second.out, re.M)
        # It belongs to the ledger, not to a run.
        assert httpx.get(f"{url}/v1/messages", headers={"authorization": f"Bearer {key}"}).status_code == 200
        assert second.stop() == 0
    secret = key.split("_", 2)[2].encode()
    assert [path for path in data.rglob("*") if path.is_file() and secret in path.read_bytes()] == []
    # What the story itself used opens nothing any more.
    listed = run("apikey", "list", "--json", DATA_DIR=str(data)).lines
    assert [(one["label"], one["role"], "revoked" in one) for one in listed] == [
        ("first", "admin", False),
        ("demo", "sender", True),
        ("demo", "sender", True),
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    data = tmp_path / "data"
    with demo(data) as running:
        url = running.wait_for(r"^Serving (\S+) until Ctrl-C$")[1]
        running.wait_for(r"^Requests +logged in data/demo/1/service\.log$")
        for path in ("docs", "verify"):
            assert f" {url}/{path}\n" in running.out
            assert httpx.get(f"{url}/{path}").status_code == 200
        # A client that stays connected does not keep it.
        with httpx.Client(base_url=url) as client:
            client.get("/healthz")
            assert running.stop(number) == 0
    assert running.err == ""
    assert running.out.endswith("\nStopped, and the ledger is closed. Run again, the demo goes on with it.\n")
    assert kinds(data)[-1] == "ledger.stopped"
    logged = (data / "demo" / "1" / "service.log").read_text()
    assert [one["route"] for one in map(json.loads, logged.splitlines())][-3:] == ["/docs", "/verify", "/healthz"]
    assert "@" not in logged and "example" not in logged


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_the_lines_to_copy_work_as_printed(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "postseal").write_text(f'#!/bin/sh\nPYTHONPATH="{HOUSE}" exec "{sys.executable}" -m cli.main "$@"\n')
    (programs / "postseal").chmod(0o755)
    data = tmp_path / "data"
    for again in (False, True):
        with demo(data) as running:
            running.wait_for(r"^Serving ")
            tail = running.out.partition("Look for yourself")[2].replace(f"{HOUSE}/cli/main.py ", "postseal ")
            lines = re.findall(r"^(?:export|curl|postseal) .*$", tail, re.MULTILINE)
            assert any("forged.json" in line for line in lines)
            expected = "00001000"
            if again:
                # What differs is where the key comes from.
                lines = [line for line in lines if not line.startswith("postseal")]
                expected = "0000"
            env = environment() | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONUTF8": "1"}
            if key := KEY.search(running.out):
                env["KEY"] = key[0]
            script = "\n".join(f"{line}\nprintf '\\nstatus=%s\\n' $?" for line in lines)
            ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env, timeout=120)
            assert "".join(re.findall(r"^status=(\d+)$", ran.stdout, re.MULTILINE)) == expected, ran
            assert '"subject":"Confidential: offer for the new building"' in ran.stdout
            assert '{"verdict":"valid"' in ran.stdout
            assert running.stop() == 0


def test_interrupted_it_closes_the_ledger_wherever_it_is(tmp_path: Path) -> None:
    data = tmp_path / "data"
    keys = []
    for number, mark in enumerate(("Address", "2  What then", "7  An auditor")):
        with demo(data) as running:
            running.wait_for(f"^{mark}")
            assert running.stop() == 130, (running.out, running.err)
            assert running.err == "postseal: interrupted\n"
            assert "Serving" not in running.out
            keys += KEY.findall(running.out)
        assert kinds(data)[-1] == "ledger.stopped", mark
        listed = run("apikey", "list", "--json", DATA_DIR=str(data)).lines
        assert len(keys) == 1 and len(listed) <= number + 2 and "revoked" not in listed[0]
        assert all("revoked" in one for one in listed[1:])
    ran = once(data)
    assert ran.status == 0 and KEY.findall(ran.out) == []
    assert run("audit", DATA_DIR=str(data)).status == 0


def test_told_to_end_while_it_starts(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert once(data).status == 0
    for wait in (0.4, 0.8, 1.2):
        with demo(data) as running:
            time.sleep(wait)
            # -15: before it had done anything.
            assert running.stop(signal.SIGTERM) in (130, -15), (running.out, running.err)
            assert "Traceback" not in running.err
        assert kinds(data)[-1] == "ledger.stopped"


def test_a_port_that_is_taken_is_said_and_another_used(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = once(tmp_path / "data", BIND=f"127.0.0.1:{port}")
    assert ran.status == 0, ran
    assert f"127.0.0.1:{port} is taken; this demo uses a free port instead.\n" in ran.out
    address = re.search(r"^Address +http://127\.0\.0\.1:(\d+)$", ran.out, re.MULTILINE)
    assert address is not None and int(address[1]) != port


def test_an_address_that_is_not_ours_leaves_no_trace(tmp_path: Path) -> None:
    ran = once(tmp_path / "data", BIND="203.0.113.1:8080")
    assert ran.status == 2 and ran.out == "" and ran.err.count("\n") == 1
    assert "cannot listen on 203.0.113.1:8080 (POSTSEAL_BIND)" in ran.err
    assert not (tmp_path / "data").exists()


def test_it_leaves_a_ledger_in_earnest_alone(postseal: Commands, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTSEAL_BIND", "127.0.0.1:0")
    ran = postseal("demo")
    assert ran.status == 1 and "give it another POSTSEAL_DATA_DIR" in ran.err and ran.out == ""
    assert len(postseal.ok("messages", "--json").lines) == 1
    assert postseal.ok("apikey", "list", "--json").lines == []


def test_it_leaves_a_ledger_alone_that_others_wrote_to(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with demo(data) as running:
        url = running.wait_for(r"^Serving (\S+) until Ctrl-C$")[1]
        (key,) = KEY.findall(running.out)
        headers = {"authorization": f"Bearer {key}", "content-type": "message/rfc822"}
        assert httpx.post(f"{url}/v1/messages", headers=headers, content=MAIL).status_code == 201
        assert running.stop() == 0
    before = kinds(data).count("message.recorded")
    again = once(data)
    assert again.status == 1 and "holds mail that is not the demo's" in again.err and again.out == ""
    assert kinds(data).count("message.recorded") == before == 4


@pytest.fixture
def loggers() -> Iterator[None]:
    """A process has one log; what a test makes of it ends with the test."""
    kept = [(one, one.handlers, one.level, one.propagate) for one in map(logging.getLogger, LOGGED)]
    yield
    for logger, handlers, level, propagate in kept:
        for handler in set(logger.handlers) - set(handlers):
            handler.close()
        logger.handlers, logger.level, logger.propagate = handlers, level, propagate


def test_a_service_that_does_not_start_is_said_in_a_line(tmp_path: Path, loggers: None) -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    closed.close()
    logfile = tmp_path / "service.log"
    with (
        open_log(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path) as log,
        pytest.raises(Stop, match="the service did not start") as stop,
        service.serving(log, settings(tmp_path), closed, logfile),
    ):
        pass
    assert stop.value.status == UNAVAILABLE
    assert "the service failed" in [json.loads(line)["what"] for line in logfile.read_text().splitlines()]


def test_an_answer_that_was_not_expected_ends_it(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path) as served:
        with closing(Client(served.url, "postseal_wrong")) as client:
            said = r"POST /v1/messages/\{message\}/events was answered 401, not 201: this API key is not known"
            with pytest.raises(Stop, match=said) as stop:
                client.post("/v1/messages/{message}/events", {}, message=ABSENT)
            assert stop.value.status == NO
        url = served.url
    with closing(Client(url, "postseal_wrong")) as client:
        with pytest.raises(Stop, match=r"GET /healthz was not answered: ConnectionRefusedError") as stop:
            client.get("/healthz")
        assert stop.value.status == UNAVAILABLE


@pytest.mark.parametrize(("columns", "colour"), [(80, True), (120, True), (80, False)])
def test_on_a_terminal_nothing_is_cut_off(tmp_path: Path, columns: int, colour: bool) -> None:
    out = _on_terminal(tmp_path / "data", columns, {} if colour else {"NO_COLOR": "1"})
    assert ("\x1b[1;32m" in out) is colour
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out)
    lines = [line.rstrip() for line in text.splitlines()]
    assert any(KEY.fullmatch(line.removeprefix("API key  ")) for line in lines)
    assert "…" not in text and "..." not in text
    # Lines to copy are as long as they are: broken, they could not be copied.
    copied = ("/", "export ", "postseal ", "curl ")
    drawn = [line for line in lines if not line.startswith(copied) and "auditing" not in line]
    assert [line for line in drawn if len(line) > columns] == []


def _on_terminal(data: Path, columns: int, more: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = environment(DATA_DIR=str(data), BIND="127.0.0.1:0") | {"PYTHONPATH": str(HOUSE), "TERM": "xterm"} | more
    env = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES", "CI")}
    command = [sys.executable, "-m", "cli.main", "demo", "--once"]
    process = subprocess.Popen(command, cwd=data.parent, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    with open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123 - a descriptor, no path
        while True:
            try:
                part = terminal.read(65_536)
            except OSError:  # the other end is closed
                break
            said += part
    assert process.wait(60) == 0, said
    return said.decode()

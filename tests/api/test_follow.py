"""The log followed by readers that others wrote: Go's sumdb packages, and tlog-scales and pymerkle in Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pymerkle
import pytest
from tlog_scales import reader as scales
from tlog_scales import tiles, tlog
from tlog_scales.signing import Vkey

from tests.api.serving import Served

SOURCE = Path(__file__).parent / "gofollow"
DEBIAN = Path("/usr/share/gocode")
GO = shutil.which("go", path=os.environ.get("PATH", "") + ":/usr/local/go/bin:/usr/lib/go/bin")


@pytest.fixture(scope="module")
def grow(served: Served) -> Callable[[int], None]:
    """A function that adds so many events to the ledger."""
    message = served.record()["message"]
    line = b'{"message":"%s","kind":"message.opened","recipient":"r1"}\n' % message.encode()

    def add(count: int) -> None:
        headers = {"content-type": "application/x-ndjson"}
        assert served.as_("ingest").post("/v1/events", content=line * count, headers=headers).status_code == 200

    return add


def vkey(served: Served) -> str:
    (said,) = served.as_("nobody").get("/v1/logs").json()["logs"]
    found: str = said["vkey"]
    return found


# tlog-scales


class Backend:
    """What tlog-scales reads through: its own HTTP client brings no key along."""

    def __init__(self, client: httpx.Client, prefix: str) -> None:
        self._client, self._prefix = client, prefix

    def get(self, *path: str) -> bytes | None:
        got = self._client.get("/".join([self._prefix, *path]))
        return got.content if got.status_code == 200 else None


def test_tlog_scales_follows_it(served: Served, grow: Callable[[int], None]) -> None:
    backend = Backend(served.as_("auditor"), f"/v1/logs/{served.log.id}")
    key = Vkey.from_string(vkey(served))
    old: tlog.Checkpoint | None = None
    for count in (1, 200, 256, 1, 300):
        grow(count)
        # It would not fetch a tile again that it has seen; so each round has a reader of its own.
        reading = scales.TilesReader(backend)
        state = reading.get_checkpoint()
        state.verify(key)
        assert reading.calculate_root_hash() == state.root_hash
        entries = [reading.get_entry(n) for n in range(state.size)]
        for n in (0, state.size // 2, state.size - 1):
            reading.get_inclusion_proof(n, state.size).check(tiles.leaf_hash(entries[n]), state.root_hash)
        if old is not None:
            reading.get_consistency_proof(old.size, state.size).check(old.root_hash, state.root_hash)
            said = served.as_("auditor").get(
                f"/v1/logs/{served.log.id}/proofs/consistency?old={old.size}&new={state.size}"
            )
            nodes = [bytes.fromhex(node) for node in said.json()["proof"]]
            tlog.ConsistencyProof(old.size, state.size, nodes).check(old.root_hash, state.root_hash)
        old = state


def test_pymerkle_comes_to_the_same_root(served: Served, grow: Callable[[int], None]) -> None:
    grow(20)
    backend = Backend(served.as_("auditor"), f"/v1/logs/{served.log.id}")
    reading = scales.TilesReader(backend)
    state = reading.get_checkpoint()
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for n in range(state.size):
        tree.append_entry(reading.get_entry(n))
    assert tree.get_root() == state.root_hash


# Go


@pytest.fixture(scope="session")
def gofollow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The follower in Go, built here: with Debian's copy of golang.org/x/mod, or with that of the module proxy."""
    if GO is None:
        pytest.skip("Go is not installed")
    environment = os.environ | {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    if (DEBIAN / "src" / "golang.org" / "x" / "mod").is_dir():
        environment |= {"GO111MODULE": "off", "GOPATH": str(DEBIAN)}
    else:
        fetched = _go(environment, "mod", "download", "golang.org/x/mod")
        if fetched.returncode:
            pytest.skip(f"golang.org/x/mod is not to be had: {fetched.stderr.strip()[-200:]}")
    built = tmp_path_factory.mktemp("gofollow") / "gofollow"
    ran = _go(environment, "build", "-o", str(built), "main.go")
    assert ran.returncode == 0, ran.stderr
    return built


def _go(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    assert GO is not None
    # Its first build on a machine takes most of a minute, later ones none: it keeps what it has built.
    return subprocess.run([GO, *arguments], cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=280)


@pytest.fixture
def follower(served: Served, gofollow: Path) -> Iterator[Any]:
    prefix = f"{served.url}/v1/logs/{served.log.id}"
    environment = {"KEY": served.keys["auditor"], "NO_PROXY": "127.0.0.1"}
    with subprocess.Popen(
        [gofollow, prefix, vkey(served)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield process
        process.kill()


def look(follower: Any) -> int:
    """One look of the follower at the log: the size it came to."""
    follower.stdin.write("\n")
    follower.stdin.flush()
    line = follower.stdout.readline()
    assert line, follower.stderr.read()
    return int(line)


def test_go_follows_it_while_it_grows(served: Served, grow: Callable[[int], None], follower: Any) -> None:
    sizes = [look(follower)]
    for count in (1, 255, 1, 400, 0):
        grow(count)
        sizes.append(look(follower))
    assert sizes == sorted(sizes) and sizes[-1] >= sizes[0] + 657
    follower.stdin.close()
    assert follower.wait(30) == 0


def test_go_notices_another_key(served: Served, gofollow: Path) -> None:
    from ledger.note import Signer

    key = Signer(served.log.origin, bytes(32)).vkey
    environment = {"KEY": served.keys["auditor"], "NO_PROXY": "127.0.0.1"}
    ran = subprocess.run(
        [gofollow, f"{served.url}/v1/logs/{served.log.id}", key],
        input="\n",
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert ran.returncode == 1 and "no verifiable signatures" in ran.stderr

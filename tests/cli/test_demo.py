"""`postseal demo`: what `make run` shows, once on a new ledger and once more on the same."""

from __future__ import annotations

from pathlib import Path

from tests.cli.commands import Commands, run


def test_it_runs_and_goes_on_with_the_same_ledger(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = run("demo", cwd=tmp_path, DATA_DIR="data")
    assert first.status == 0, first
    assert first.err == ""
    for said in ("it is new", "in time", "too late", "out of reach", "denied", "none of sqlalchemy, alembic, psycopg"):
        assert said in first.out
    assert first.out.count("valid") >= 3 and "invalid" in first.out
    # The last lines work for whoever copies them, wherever he stands.
    assert f"\nexport POSTSEAL_DATA_DIR={data}\n" in first.out
    assert f" verify --trust {data}/demo/1/trust.json {data}/demo/1/offer-no-access-r2.json\n" in first.out
    second = run("demo", cwd=tmp_path, DATA_DIR=str(data))
    assert second.status == 0, second
    assert "it holds 3 messages already" in second.out
    for number in ("1", "2"):
        files = {path.name for path in (data / "demo" / number).iterdir()}
        assert files == {
            "forged.json",
            "offer-history.json",
            "offer-no-access-r2.json",
            "replay-statement",
            "trust.json",
        }
    # What was written by the first run is still true after the second.
    place = data / "demo" / "1"
    checked = run("verify", "--trust", place / "trust.json", place / "offer-no-access-r2.json", cwd=tmp_path)
    assert checked.status == 0, checked


def test_it_leaves_a_ledger_in_earnest_alone(postseal: Commands, message: str) -> None:
    ran = postseal("demo")
    assert ran.status == 1 and "give it another POSTSEAL_DATA_DIR" in ran.err
    assert len(postseal.ok("messages", "--json").lines) == 1

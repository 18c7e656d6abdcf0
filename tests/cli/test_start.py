"""What a command loads before it does anything: no driver and no tool that it has no use for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from ledger.store import engine
from tests.cli.commands import Commands
from tests.helpers import HOUSE, environment


@pytest.mark.parametrize("command", [["messages"], ["keys", "list"], ["record", "cli/demo/report.eml"]])
def test_on_sqlite_neither_the_other_driver_nor_migrations_are_loaded(
    postseal: Commands, message: str, command: list[str]
) -> None:
    script = (
        "import sys\nfrom cli.main import main\nstatus = main(sys.argv[1:])\n"
        "print(*{'alembic', 'mako', 'psycopg'} & set(sys.modules), file=sys.stderr)\nsys.exit(status)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *command],
        capture_output=True,
        text=True,
        cwd=HOUSE,
        env=environment(DATA_DIR=str(postseal.data)),
        timeout=60,
    )
    assert (ran.returncode, ran.stderr.strip()) == (0, "")


def test_the_newest_migration_is_known_without_them() -> None:
    config = Config()
    config.set_main_option("script_location", "ledger.store:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [engine.REVISION]

"""A service that all tests of a file share, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.serving import Served, serving


@pytest.fixture(scope="module")
def served(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running service; tests must not mind each other's traces in its ledger."""
    directory: Path = tmp_path_factory.mktemp("served")
    # The default would be slow to fill.
    with serving(any_database, directory, message_mb=4) as made:
        yield made

"""One ledger for all attacks, built once; a copy of it for each that breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.world import World, build


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    directory = tmp_path_factory.mktemp("world")
    return build(f"sqlite:///{directory / 'ledger.db'}", directory)


@pytest.fixture
def prey(world: World, tmp_path: Path) -> World:
    return world.copy(tmp_path / "prey")

"""Messages are looked up by Message-ID, date and text too: the rows are made again when the ledger is next opened."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM lookups")

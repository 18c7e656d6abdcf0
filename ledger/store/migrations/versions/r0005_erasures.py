"""Erasures that were asked for and are not done yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("chain", _BIG, primary_key=True, nullable=False, autoincrement=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("keys", sa.Text, nullable=False),
        sa.Column("blind", sa.LargeBinary, nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("waiting", sa.Boolean, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )

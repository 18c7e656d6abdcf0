"""The content of messages that were kept: where it lies, and the key of each blob."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "blobs",
        sa.Column("message", _BIG, primary_key=True, nullable=False, autoincrement=False),
        sa.Column("part", sa.Text, primary_key=True, nullable=False),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("size", _BIG, nullable=False),
        sa.Column("small", _BIG, nullable=False),
        sa.Column("key", _BIG, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )

"""What messages are found by, and who may ask the service.

A log that has messages already gets their rows of ``lookups`` when it is next opened for writing (`ledger.log`): they
are made of what is sealed, and no migration has the key ring.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "lookups",
        sa.Column("part", _BIG, primary_key=True, nullable=False, autoincrement=False),
        sa.Column("blind", sa.LargeBinary, primary_key=True, nullable=False),
        sa.Column("message", _BIG, primary_key=True, nullable=False, autoincrement=False),
        sa.Column("subject", sa.Text, primary_key=True, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("created", _BIG, nullable=False),
        sa.Column("last_used", _BIG, nullable=True),
        sa.Column("revoked", _BIG, nullable=True),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )

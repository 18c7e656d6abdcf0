"""The ledger: entries, what is sealed, keys, the tree, and what the entries add up to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _big(name: str, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(name, _BIG, primary_key=primary_key, nullable=False, autoincrement=False)


def _text(name: str, primary_key: bool = False, unique: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False, unique=unique)


def _blob(name: str, primary_key: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, primary_key=primary_key, nullable=False)


def _small(name: str, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.SmallInteger, primary_key=primary_key, nullable=False, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "head",
        _small("id", primary_key=True),
        _text("log"),
        _text("origin"),
        _big("size"),
        _blob("root"),
        _blob("frontier"),
        _text("leaf"),
        _big("at"),
        _big("chains"),
        _big("batch"),
        _blob("mac"),
    )
    op.create_table("batches", _big("no", primary_key=True), _text("id"))
    op.create_table(
        "entries", _big("seq", primary_key=True), _big("root"), _big("chain"), _big("n"), _blob("leaf"), _blob("entry")
    )
    op.create_index("entries_chain_n", "entries", ["chain", "n"], unique=True)
    op.create_table(
        "sealed", _big("seq", primary_key=True), _big("key", primary_key=True), _blob("box"), sqlite_with_rowid=False
    )
    op.create_table(
        "data_keys",
        _big("no", primary_key=True),
        _text("subject", unique=True),
        sa.Column("epoch", sa.Integer, nullable=False),
        _blob("wrapped"),
    )
    op.create_table("requests", _blob("key", primary_key=True), _blob("digest"), _text("seqs"), sqlite_with_rowid=False)
    op.create_table(
        "seen", _big("chain", primary_key=True), _blob("key", primary_key=True), _big("seq"), sqlite_with_rowid=False
    )
    op.create_table("tiles", _small("level", primary_key=True), _big("n", primary_key=True), _blob("data"))
    op.create_table("edge", _small("level", primary_key=True), _blob("data"))
    op.create_table(
        "chains",
        _big("no", primary_key=True),
        _text("id", unique=True),
        _big("root"),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("files", sa.Integer, nullable=False),
        sa.Column("recipients", sa.Integer, nullable=False),
        _big("n"),
        _text("leaf"),
        _small("grade"),
        _big("accesses"),
        *map(_big, ("sent", "received", "opened", "link_opened", "started", "downloaded", "bounced", "denied")),
        _text("extra"),
        postgresql_with={"fillfactor": 60},
    )
    op.create_index("chains_root_ordinal", "chains", ["root", "ordinal"], unique=True)
    op.create_table("tokens", _blob("token", primary_key=True), _big("chain"), sqlite_with_rowid=False)
    op.create_table(
        "transfers",
        _text("id", primary_key=True),
        _big("chain"),
        _text("file"),
        sa.Column("ended", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )

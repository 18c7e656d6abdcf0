"""The schema. One database holds one log: an SQLite file, or a PostgreSQL database or schema.

`entries`, `sealed`, `blobs`, `data_keys` and `requests` are what cannot be derived. `tiles` and `edge` are the tree,
`chains`, `tokens` and `transfers` what the entries add up to (`ledger.state`), `seen` which events were recorded: all
of them can be recomputed from the entries but `seen`, whose keys are hashes of what their sources call them. `lookups`
can be recomputed from the entries and what is sealed on them, `erasures` from the entries but for what they are to
destroy. `api_keys` is no part of the log.

Alembic's migrations make the tables; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text

metadata: Final = MetaData()

# SQLite makes a rowid table out of INTEGER PRIMARY KEY only; PostgreSQL needs eight bytes.
_Big = BigInteger().with_variant(Integer, "sqlite")

head: Final = Table(
    "head",
    metadata,
    Column("id", SmallInteger, primary_key=True),  # always 1: the row every writer locks first
    Column("log", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("size", _Big, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),  # merkle.Frontier
    Column("leaf", Text, nullable=False),  # hex leaf hash of the last entry
    Column("at", _Big, nullable=False),  # microseconds since 1970
    Column("chains", _Big, nullable=False),  # how many chains there are
    Column("batch", _Big, nullable=False),  # number of the last batch
    Column("mac", LargeBinary, nullable=False),  # of all of this, under the ring (ledger.store.append.Head)
)

batches: Final = Table(
    "batches",
    metadata,
    # What a writer whose COMMIT was never answered looks for; old rows are dropped.
    Column("no", _Big, primary_key=True),
    Column("id", Text, nullable=False),
)

entries: Final = Table(
    "entries",
    metadata,
    Column("seq", _Big, primary_key=True),
    Column("root", _Big, nullable=False),  # chains.no of the message it belongs to; 0 for the log's own
    Column("chain", _Big, nullable=False),  # chains.no
    Column("n", _Big, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Index("entries_chain_n", "chain", "n", unique=True),
)

sealed: Final = Table(
    "sealed",
    metadata,
    Column("seq", _Big, primary_key=True),
    Column("key", _Big, primary_key=True),  # data_keys.no
    Column("box", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

blobs: Final = Table(
    "blobs",
    metadata,
    # What is kept of a message, and the key that opens it: docs/format.md, "Blobs". What it says of itself is bound to
    # the wrapped key.
    Column("message", _Big, primary_key=True),  # chains.no of the message
    Column("part", Text, primary_key=True),  # ledger.content.PARTS, or ledger.papers.PART and a number
    Column("name", Text, nullable=False, unique=True),  # where it lies
    Column("size", _Big, nullable=False),  # octets of what it holds
    Column("small", _Big, nullable=False),  # how many of these are a header made for it
    Column("key", _Big, nullable=False),  # data_keys.no
    Column("wrapped", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

data_keys: Final = Table(
    "data_keys",
    metadata,
    Column("no", _Big, primary_key=True),
    Column("subject", Text, nullable=False, unique=True),
    Column("epoch", Integer, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
)

requests: Final = Table(
    "requests",
    metadata,
    # Nothing personal: a hash of scope and key, a digest of the request, and what it wrote.
    Column("key", LargeBinary, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("seqs", Text, nullable=False),
    sqlite_with_rowid=False,
)

seen: Final = Table(
    "seen",
    metadata,
    # Keyed by chain first: events of one message come together, so the index grows in few places at a time.
    Column("chain", _Big, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("seq", _Big, nullable=False),
    sqlite_with_rowid=False,
)

tiles: Final = Table(
    "tiles",
    metadata,
    # Full tiles only, 256 hashes each, never changed.
    Column("level", SmallInteger, primary_key=True),
    Column("n", _Big, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

edge: Final = Table(
    "edge",
    metadata,
    # The growing tile of each level above 0; that of level 0 stands in entries.leaf.
    Column("level", SmallInteger, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

chains: Final = Table(
    "chains",
    metadata,
    Column("no", _Big, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("root", _Big, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("files", Integer, nullable=False),
    Column("recipients", Integer, nullable=False),
    Column("n", _Big, nullable=False),  # entries so far
    Column("leaf", Text, nullable=False),
    Column("grade", SmallInteger, nullable=False),
    Column("accesses", _Big, nullable=False),
    *(
        # Seq of the first of its kind, -1 when there is none (ledger.state.FIRSTS).
        Column(name, _Big, nullable=False)
        for name in ("sent", "received", "opened", "link_opened", "started", "downloaded", "bounced", "denied")
    ),
    Column("extra", Text, nullable=False),  # canonical JSON of ledger.state.Chain.extra
    Index("chains_root_ordinal", "root", "ordinal", unique=True),
    # Its rows change often and their keys never: room for the new version beside the old, and no index is touched.
    postgresql_with={"fillfactor": 60},
)

tokens: Final = Table(
    "tokens",
    metadata,
    Column("token", LargeBinary, primary_key=True),
    Column("chain", _Big, nullable=False),
    sqlite_with_rowid=False,
)

transfers: Final = Table(
    "transfers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("chain", _Big, nullable=False),
    Column("file", Text, nullable=False),
    Column("ended", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

lookups: Final = Table(
    "lookups",
    metadata,
    # What a message is found by: docs/format.md, "Lookups". One row says nothing to whoever has no key ring.
    # Blind indexes are random, and random keys all over a large index cost a page each. By part they are random among
    # the rows of the newest messages alone, and a search asks one part after another (ledger.store.find).
    Column("part", _Big, primary_key=True),  # message // LOOKUP_PART
    Column("blind", LargeBinary, primary_key=True),  # of a term (ledger.drafts.blind_terms)
    Column("message", _Big, primary_key=True),  # chains.no of the message
    Column("subject", Text, primary_key=True),  # data_keys.subject: whose erasure deletes the row
    sqlite_with_rowid=False,
)
LOOKUP_PART: Final = 8192
"""Numbers of chains that share a part of `lookups`."""

erasures: Final = Table(
    "erasures",
    metadata,
    # Asked for and not done yet (ledger.pending); a row for each chain covered, deleted when it is done.
    Column("id", Text, primary_key=True),
    Column("chain", _Big, primary_key=True),  # chains.no
    Column("scope", Text, nullable=False),
    Column("keys", Text, nullable=False),  # data_keys.subject of those that fall with it
    Column("blind", LargeBinary, nullable=False),  # of a person's address
    Column("requester", Text, nullable=False),
    Column("waiting", Boolean, nullable=False),  # for a second person
    Column("mac", LargeBinary, nullable=False),  # of all of this, under the ring
    sqlite_with_rowid=False,
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    # Who may ask the service (ledger.store.credentials). No evidence: nothing in the log rests on it.
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of the whole key
    Column("role", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("created", _Big, nullable=False),  # microseconds since 1970, as the next two
    Column("last_used", _Big, nullable=True),
    Column("revoked", _Big, nullable=True),
    Column("mac", LargeBinary, nullable=False),  # of all of this but last_used, under the ring
    sqlite_with_rowid=False,
)

"""The record: an append-only, hash-chained, Merkle-proved and signed ledger. No web, no paper, no network.

A file imports only from lower floors:

    8  log  keeping  preparing  reading  export   what callers hold
       search  overview                        what reading is made of
    7  sequencer  transaction  tree            the only writer: order, chains, tree, commit, sign
    6  keys  ring  mark  store  drafts         secrets, the database, what a caller begins with
    5  evidence: absence  vouched  timed  complete  keyhistory  case
       audit: blocks  replay  dossier  journal  scan
       act  plan                               what one request asks, decided under the lock
    4  entry  state  document  trust  statement  timestamp  witness
    3  policy  schema  content
    2  blobs  checkpoint  envelope  event  fingerprint  multiproof  tiles
    1  canonical  chain  chance  clock  der  disclosure  durable  headertext  ids  merkle  mime  note
       rules  spelling  terms  vault  verdict  workers
    0  errors

The exact order is the layers contract in pyproject.toml, which `make check` keeps.
docs/format.md is the specification of every byte; `ledger.evidence` and `ledger.audit` are all a stranger needs.
"""

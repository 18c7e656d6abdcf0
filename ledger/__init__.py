"""The record: an append-only, hash-chained, Merkle-proved and signed ledger. No web, no paper, no network.

A file imports only from lower floors:

    8  erasing  log  keeping  preparing  reading   what callers hold
       export  due  epochs  subjects            evidence, what is kept too long, keys turned, whose data is where
       identify                                 which message a copy is of
       search  overview                        what reading is made of
    7  sequencer  transaction  sealing  tree   the only writer: order, chains, tree, commit, sign
    6  keys  ring  mark  store  drafts         secrets, the database, what a caller begins with
    5  evidence: absence  vouched  timed  complete  keyhistory  case
       audit: blocks  replay  dossier  journal  kept  scan
       act  erasure  hold  plan                what one request asks, decided under the lock
    4  entry  state  document  trust  statement  timestamp  witness
    3  policy  schema  content  match  originals  hashonly
    2  blobs  checkpoint  dkim  envelope  event  fingerprint  multiproof  passage  retention  tiles
    1  canonical  chain  chance  clock  der  differs  disclosure  dkimkey  durable  grades  headertext  ids
       merkle  mime  note  pending  relaxed  rules  spelling  terms  text  transfer  vault  verdict
       visible  workers
    0  errors

The exact order is the layers contract in pyproject.toml, which `make check` keeps.
docs/format.md is the specification of every byte; `ledger.evidence` and `ledger.audit` are all a stranger needs.
"""

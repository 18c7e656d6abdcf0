"""The record: an append-only, hash-chained, Merkle-proved and signed ledger. No web, no paper, no network.

A file imports only from lower floors:

    8  log          what callers hold
    7  sequencer    the only writer: order, chains, tree, commit, sign
    6  keys  mark  ring  store
    5  act  audit  evidence
    4  entry  state  timestamp  witness
    3  policy
    2  checkpoint  event  fingerprint  multiproof  tiles
    1  canonical  chain  disclosure  durable  merkle  note  vault
    0  errors

docs/format.md is the specification of every byte; `ledger.evidence` and `ledger.audit` are all a stranger needs.
"""

"""`postseal demo`: the main job before one's eyes, on three real messages that lie beside this file.

`command` opens the ledger and starts the `service`; `story` does everything through HTTP, with a `client` like any
other; `proof` audits and has the evidence checked elsewhere; `telling` prints what was done.
"""

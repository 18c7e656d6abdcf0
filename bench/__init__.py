"""What ``make bench`` runs: how fast the ledger is with everything on, and how the same work goes with others' tools.

Not part of the distribution. It may import packages (pymerkle is GPL) that nothing distributed may import.
"""

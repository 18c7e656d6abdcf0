"""What `make bench` runs: how fast the ledger is on this machine, beside others and beside the limit.

Figures are medians over windows of one run, with the slowest and fastest window; rates are of wall-clock time on a disk
that is synced. What is left out is said beside the figure.
"""

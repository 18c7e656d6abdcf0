"""Paper and parcels: what people carry away from the ledger.

A report is drawn from a claims document that the ledger has already recorded, so that drawing it again gives the same
bytes. It shows what the record says and never decides what is true: that is ``ledger.policy`` and ``ledger.evidence``.

Imports ``ledger`` only. It never meets ``adapters``, opens no database and reaches no network.
"""

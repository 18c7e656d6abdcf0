"""Foreign tongues, in and out: everything Postseal hears from others or says to them in a format that is not its own.

A foreign tongue gets one file and one table: the file parses or writes it, the table maps its words to the vocabulary
of ``ledger.event``. A word that is not in the table is a value ("unknown"), never a crash, and the raw bytes are kept
and hashed. Parsing is pure; what must reach the network takes the connection as an argument.

Imports ``ledger`` only. It never meets ``reports``, and knows nothing of HTTP routes or commands.
"""

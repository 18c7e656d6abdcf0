"""The ledger over HTTP, and the settings of the installation.

Here, and nowhere below, are requests, credentials and status codes known, and here the pieces are put together: what a
lower floor needs from above is handed to it as an argument. ``api.settings`` is the only reader of the environment.

Imports ``adapters``, ``reports`` and ``ledger``; only ``cli`` imports it.
"""

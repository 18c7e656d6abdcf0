"""The command ``postseal``: ``main.py`` dispatches, and each command is one file.

Answers go to standard output, everything else to standard error. ``postseal verify`` loads no database library, so that
evidence can be checked on a machine that has none.

Imports every floor below; nothing imports it.
"""

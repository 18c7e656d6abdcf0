"""What becomes of a recorded message in transit, and whether the ledger still knows it: the survival table.

``python -m bench.survival CORPUS...`` records every message of a corpus (eml files, mboxes, Maildirs, folders), applies
each change to a sample of them, asks the ledger what the changed copy is, and prints one row for each change and hand.

A **hand** is whoever makes the change. The own hand (`bench.survival.own`) works on octets and changes exactly what it
says; it is always there. The others (`bench.survival.hands`) are mail software that really stands between sender and
reader: what they change beside what they were asked to is the point of asking them. One that is not installed is left
out, with a line that says so.

Nothing of a corpus is kept: the ledger and all scratch files live in a temporary directory.
"""

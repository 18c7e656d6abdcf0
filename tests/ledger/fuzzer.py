"""A coverage-guided fuzzer of every reader of mail. `test_fuzz` runs it; alone, from the root of the checkout:

    python -m tests.ledger.fuzzer DIRECTORY -max_total_time=600 -timeout=10 -rss_limit_mb=1500

DIRECTORY holds the seeds and gets what is found on the way; the other arguments are libFuzzer's. It ends with another
status than 0 at the first input that is a finding of `hostile.examine`, or takes too long or too much memory, and
leaves that input as a file ``crash-...``, ``timeout-...`` or ``oom-...``.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(
    include=[
        f"ledger.{name}" for name in ("mime", "transfer", "headertext", "fingerprint", "dkim", "dkimkey", "relaxed")
    ]
):
    from ledger import dkim, dkimkey, fingerprint, headertext, mime, relaxed, transfer

from tests.ledger.hostile import examine

INSTRUMENTED = (dkim, dkimkey, fingerprint, headertext, mime, relaxed, transfer)


def main() -> None:
    # No fuzzer finds a signature that verifies; what comes after one is to be reached too.
    dkimkey.Key.verifies = lambda self, signature, digest: True  # type: ignore[method-assign]
    atheris.Setup(sys.argv, examine)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

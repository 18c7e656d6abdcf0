"""Every way the ledger can say no.

    LedgerError
    ├── FormatError            bytes or text break a format of docs/format.md
    │   └── Unparsable           octets are whole, but their structure will not be followed
    ├── ProofError             a recomputed hash, link or proof does not match
    ├── SignatureError         a signature fails, or no key we trust made one
    ├── Refused                the request was understood and will not be recorded
    │   ├── InvalidRequest       the facts do not fit the schema of their kind
    │   ├── UnknownReference     message, recipient, file, block or token not in this log
    │   ├── Blocked              a block covers it; the denial itself was recorded (``receipt``)
    │   ├── Adverse              what was to be claimed would not be true, or cannot be shown
    │   ├── Erased               what is asked for was kept here, and was erased
    │   ├── Held                 a hold covers what was to be erased, or an erasure what was to be held
    │   ├── Retained             its minimum retention has not passed
    │   ├── SecondPerson         who asked for an erasure cannot approve it as well
    │   ├── KeyReused            an idempotency key came back with another body
    │   └── InFlight             the first request with this idempotency key is not answered yet
    ├── Damaged                what was kept is missing, or is not what the ledger recorded
    ├── Unavailable            nothing was acknowledged; the same request may be sent again
    │   ├── StoreUnavailable     database unreachable, read-only, full, or its answer was lost
    │   └── ClockRefused         the clock moved further than a ledger may follow
    ├── SecretError            a secret is missing, cannot be opened, or was destroyed
    └── StartRefused           this database must not be written to
        ├── UnsafeStore          the database would acknowledge what a power cut can take back
        └── RolledBack           the database is behind, or forked from, the high-water mark

Messages are one line, name the thing and the limit, and never hold a secret or personal data. Errors know nothing
of HTTP or exit codes: ``api/errors.py`` and ``cli`` map them.
"""

from __future__ import annotations


class LedgerError(Exception):
    """Root of the tree; ``str()`` is one line for a person."""


class FormatError(LedgerError):
    """Bytes or text break a format of docs/format.md. The one error of every parser."""


class Unparsable(FormatError):
    """The octets are whole but their structure will not be followed; the text says which limit or rule stopped us."""


class ProofError(LedgerError):
    """A recomputed hash, chain link, inclusion or consistency proof does not match."""


class SignatureError(LedgerError):
    """A signature fails, or none was made by a key that is trusted here."""


class Refused(LedgerError):
    """Understood, and will not be recorded; sending it again unchanged changes nothing."""


class InvalidRequest(Refused):
    """The facts do not fit the schema of their kind."""


class UnknownReference(Refused):
    """The message, recipient, file, block or token named is not in this log."""


class Blocked(Refused):
    """A block covers what was asked. The denial is itself an entry.

    ``receipt`` is the receipt of that ``access.denied`` entry.
    """

    def __init__(self, message: str, receipt: object) -> None:
        super().__init__(message)
        self.receipt = receipt


class Adverse(Refused):
    """What was to be claimed would not be true, or cannot be shown; the message is the fact in the way."""


class Erased(Refused):
    """What is asked for was kept here, and was erased; the message says when."""


class Held(Refused):
    """A hold covers what was to be erased; or an erasure is under way of what was to be held."""


class Retained(Refused):
    """The minimum retention of what was to be erased has not passed; the message says when it will have."""


class SecondPerson(Refused):
    """Two people are needed for an erasure, and this is the one who asked for it."""


class KeyReused(Refused):
    """An idempotency key came back with another body."""


class InFlight(Refused):
    """The first request with this idempotency key has not been answered yet."""


class Damaged(LedgerError):
    """What was kept is missing, or is not what the ledger recorded. None of it is shown."""


class Unavailable(LedgerError):
    """Nothing was acknowledged. The same request may be sent again, best under an idempotency key."""


class StoreUnavailable(Unavailable):
    """The database is unreachable, read-only or full, or its answer to COMMIT was lost for good."""


class ClockRefused(Unavailable):
    """The clock moved further than a ledger may follow without a person's word."""


class SecretError(LedgerError):
    """A secret is missing, cannot be opened, or was destroyed."""


class StartRefused(LedgerError):
    """This database must not be written to as it stands; the message says the way out."""


class UnsafeStore(StartRefused):
    """The database is set up to acknowledge what a power cut can take back."""


class RolledBack(StartRefused):
    """The database is behind the high-water mark kept outside it, or forked from it."""

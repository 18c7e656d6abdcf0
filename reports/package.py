"""What subject access found, as a package that its subject can read: a page to print, the same as data, and what was
kept of each message."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import chain
from typing import Any, Final

SAYS: Final[Mapping[str, str]] = {
    "recipient.added": "You were recorded as a recipient of the message.",
    "recipient.identified": "Somebody was identified as you.",
    "recipient.acknowledged": "Receipt was declared.",
    "recipient.refused": "Receipt was refused.",
    "relay.accepted": "The next mail server on the way took the message over.",
    "relay.deferred": "The next mail server asked to try again later.",
    "relay.failed": "The message could not be handed to the next mail server.",
    "delivery.delivered": "Delivery was reported.",
    "delivery.bounced": "The message came back as undeliverable.",
    "message.opened": "Content of the message was fetched: by you, or by software of your mail service.",
    "link.opened": "The link in the message was followed: by you, or by software.",
    "link.confirmed": "A page that asks for a deliberate step was submitted.",
    "code.sent": "A one-time code was sent.",
    "code.failed": "A wrong one-time code was entered.",
    "code.confirmed": "The one-time code was entered.",
    "consent.given": "Consent was given.",
    "consent.withdrawn": "Consent was withdrawn.",
    "download.started": "Handing over a file began.",
    "download.completed": "A file was handed over whole.",
    "download.aborted": "Handing over a file broke off.",
    "access.denied": "A file was asked for, and withheld.",
    "block.applied": "Files were withheld from here on.",
    "block.lifted": "Files were no longer withheld.",
    "hold.placed": "What is recorded must be kept from here on.",
    "hold.released": "It need not be kept any longer.",
    "erasure.requested": "Erasing what is held about you was asked for.",
    "erasure.done": "What was held about you up to here was erased.",
    "evidence.exported": "What is recorded was handed out as evidence.",
    "certificate.issued": "A certificate was issued of what is recorded.",
    "content.viewed": "Somebody who may look at what is recorded did.",
}
"""Sentences for whom it is about; of other kinds the name stands."""

_WAS: Final = {"recipient": "a recipient", "sender": "the sender", "mentioned": "mentioned in To or Cc"}
_PLAIN: Final = frozenset({"attestation", "attribution", "grade", "message", "recipient", "tokens", "token"})
_TURNS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_FOUND: Final = """
of which this address is a recipient or the sender, or in which it is mentioned, as the ledger knows them now. What was
erased before is not here.</p>"""

_HELD: Final = """<p>Of a message is held whom it was to, its subject, names and hashes of its files, and what
happened to it; where its content was kept as well, that lies beside this page, without its header, unless you are only
mentioned in it or it could not be taken apart: ask for it then. Other recipients
are counted, never named, unless a text itself names them. Notes on a message as a whole are left out, because they may
name others. That this was made is itself recorded.</p>"""

_STYLE: Final = """
body { font: 11pt/1.45 system-ui, sans-serif; color: #1a1a1a; max-width: 46em; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin-top: 2em; border-top: 1px solid #bbb; padding-top: 1em }
table { border-collapse: collapse; width: 100%; margin: .6em 0 } caption { text-align: left; font-weight: 600 }
th, td { text-align: left; vertical-align: top; padding: .25em .6em .25em 0; border-bottom: 1px solid #e3e3e3 }
th { font-weight: 600; white-space: nowrap } td { overflow-wrap: anywhere } .dim { color: #666 }
@media print { body { margin: 0; max-width: none } h2, tr { break-inside: avoid } }
"""


class _Pipe(io.RawIOBase):
    """What was written since it was last asked."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """And no longer held."""
        taken = b"".join(self._written)
        self._written.clear()
        return taken


def package(found: Mapping[str, Any], contents: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """A ZIP archive of README.html, data.json and the ``contents``, a piece at a time. The same of the same."""
    pages = (("README.html", page(found)), ("data.json", json.dumps(found, ensure_ascii=False, indent=1) + "\n"))
    out = _Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pieces in chain(((name, [text.encode()]) for name, text in pages), contents):
            # Dated by the zero of the format, so that nothing but what was found makes a difference.
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            with archive.open(info, "w", force_zip64=True) as member:
                for piece in pieces:
                    member.write(piece)
                    yield out.taken()
    yield out.taken()


def page(found: Mapping[str, Any]) -> str:
    """The page: plain HTML, no script, nothing from elsewhere. Who wrote a subject or a file name wrote no markup."""
    messages = found["messages"]
    told = f"{len(messages)} message" + ("" if len(messages) == 1 else "s")
    body = [
        f"<h1>What is held about {_text(found['address'])}</h1>",
        f"<p>Made at {_moment(found['made_at'])} from the ledger {_text(found['log'])}. All times are UTC.",
        told + _FOUND,
        _HELD,
        *(_message(number, one) for number, one in enumerate(messages, 1)),
        *_acts(found["own_acts"]),
        '<p class="dim">The file data.json beside this page holds the same, for programs.</p>',
    ]
    head = f'<meta charset="utf-8"><title>What is held about you</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"


def _message(number: int, one: Mapping[str, Any]) -> str:
    about = one["about"]
    was = " and ".join(_WAS[word] for word in one["was"])
    rows = [
        ("you were", was + (f" ({', '.join(one['roles'])})" if one["roles"] else "")),
        ("recorded", _moment(one["recorded_at"])),
        ("subject", about.get("subject", "(none, or erased)")),
        ("from", about.get("from", about.get("mail_from", "(erased)"))),
        ("recipients", f"{one['recipients_in_all']} in all"),
        ("message", f"{one['message']}, entry {one['entry']}"),
    ]
    if "kept" in one:
        kept = f"class {one['kept']['class']}, at least until {_moment(one['kept']['at_least_until'])}"
        until = one["kept"].get("at_most_until")
        rows.append(("kept", kept + (f", at most until {_moment(until)}" if until else "")))
    if one["held"]:
        rows.append(("held", "what is recorded must be kept for now, whatever else was said"))
    if "content" in one:
        rows.append(("content", f"kept, and in {one['content']} beside this page"))
    files = [(f["id"], f"{f.get('name', '(no name, or erased)')} {_size(f)}") for f in one["files"]]
    return "".join(
        (
            f"<h2>{number}. {_text(about.get('subject', 'A message'))}</h2>",
            _table("", rows),
            _table("Files", files) if files else "",
            _table("What happened, as far as it is recorded of you", map(_event, one["events"])),
        )
    )


def _size(file: Mapping[str, Any]) -> str:
    where = {"hosted": "behind a link", "inside": "inside the mail"}.get(file.get("where", ""), "")
    return f"({file['media_type']}, {file['size']:,} bytes, {where})" if "size" in file else ""


def _event(one: Mapping[str, Any]) -> tuple[str, str]:
    said = [SAYS.get(one["kind"], one["kind"])]
    if "occurred" in one:
        said.append(f"It is said to have happened at {_moment(one['occurred'])}.")
    facts = {name: value for name, value in one["facts"].items() if name not in _PLAIN}
    said += [f"{name}: {_word(value)}" for name, value in {**facts, **one["disclosed"]}.items()]
    return _moment(one["recorded_at"]), " · ".join(said)


def _acts(acts: Iterable[Mapping[str, Any]]) -> list[str]:
    rows = [(_moment(one["recorded_at"]), f"{one['kind']}, entry {one['entry']}") for one in acts]
    return ["<h2>What you did in the service</h2>", _table("", rows)] if rows else []


def _table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    made = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows)
    if not made:
        return ""
    return f"<table>{f'<caption>{_text(caption)}</caption>' if caption else ''}{made}</table>"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _moment(at: str) -> str:
    return f"{at[:10]} {at[11:19]}"


def _text(value: Any) -> str:
    return escape(_TURNS.sub("\N{REPLACEMENT CHARACTER}", _word(value)))

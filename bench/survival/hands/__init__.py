"""The other hands: mail software as Debian ships it, each in a file.

What they do to a mail beside what they are asked to, seen octet by octet on the packages of Debian 12:

* **Postfix** deletes Return-Path, Bcc, Resent-Bcc and Content-Length; breaks every line beyond 998 octets, header and
  body alike and within a character if need be, by CRLF and a space (998 octets, then a space and 997 at a time); makes
  a bare CR a space; puts the empty line where there was none. For a 7bit host what is labelled 8bit becomes
  quoted-printable, within attached messages too; 8bit that is not labelled so goes out as it is.
* **Mailman** writes the mail anew by Python's generator: fields beyond 78 folded, in parts and attached messages too,
  ``From `` at the start of a line made ``>From ``. A footer goes into the text of a plain mail only, which is decoded
  and encoded again; multipart/mixed gets a part more; all else is wrapped, so that every path moves one level down.
  The subject is decoded and encoded again, the tag before ``Re:``.
* **alterMIME** puts the footer after the text without a line end between, in quoted-printable as ``=0A``; in HTML
  before ``</body>``, nothing where there is none. Forced into base64 it cuts the footer's end off. A removed last part
  takes the close delimiter with it. A tag may land on a field whose name only ends in ``Subject``.
* **reformime** renews all boundaries, and in attached messages too; gives every part without a charset UTF-8, whatever
  its octets are; drops Content-Type where MIME-Version is missing; deletes a ``=`` that encodes nothing.
* **formail** leaves the blanks of a fold standing, **reformail** makes one space of them; formail writes ``>From ``.
* **MIME::Tools** encodes quoted-printable and base64 bodies anew; base64 text turned into quoted-printable ends its
  lines in CR CR LF. **Email::MIME** mixes CRLF and LF in one mail, drops preamble and epilogue, sorts parameters.
* **lxml** writes all of the HTML anew: entities resolved, attributes quoted, tags closed, a DOCTYPE on top.
* **Python's email** re-encodes subjects and names in UTF-8 where it folds all fields; ``set_content`` drops
  format=flowed and enters attached messages; an unclosed multipart is closed, by an empty part more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench.survival.change import Apply, Change, Copy, Missing, crlf
from bench.survival.hands import altermime, lxml, maildrop, mailman, perl, postfix, procmail, python_email

Opened = Callable[[Path], AbstractContextManager[list[Change]]]


@contextmanager
def _altermime(scratch: Path) -> Iterator[list[Change]]:
    yield altermime.Altermime(scratch).changes()


@contextmanager
def _maildrop(scratch: Path) -> Iterator[list[Change]]:
    yield maildrop.Maildrop(scratch).changes()


@contextmanager
def _procmail(scratch: Path) -> Iterator[list[Change]]:
    yield procmail.Procmail(scratch).changes()


_HANDS: dict[str, Opened] = {
    "altermime": _altermime,
    "maildrop": _maildrop,
    "procmail": _procmail,
    "mime-tools": perl.mime_tools,
    "email-mime": perl.email_mime,
    "mailman": mailman.opened,
    "lxml": lxml.opened,
    "postfix": postfix.opened,
}


def opened(stack: ExitStack, scratch: Path, say: Callable[[str], None]) -> list[Change]:
    """The changes of every hand that is here; ``say`` hears of those that are not. They end with ``stack``."""
    found = python_email.changes()
    for name, hand in _HANDS.items():
        directory = scratch / name
        directory.mkdir()
        try:
            found += stack.enter_context(hand(directory))
        except Missing as missing:
            say(str(missing))
    return found + _chained(found)


def _chained(found: list[Change]) -> list[Change]:
    """A list's copy as its members get it: relayed on, to a host that takes 7bit only."""
    lists = [change for change in found if change.kind == "list"]
    relays = [change for change in found if change.kind == "relayed-7bit"]
    return [
        Change("list-relayed", f"{first.hand}, then {second.hand}", partial(_both, first.apply, second.apply))
        for first in lists
        for second in relays
    ]


def _both(first: Apply, second: Apply, octets: bytes) -> Copy | None:
    """The second step may have nothing to do: then the first one's copy is the copy."""
    copy = first(octets)
    if copy is None:
        return None
    after = second(crlf(copy.octets))
    return Copy(after.octets, copy.named) if after else copy

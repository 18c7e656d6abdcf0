"""A worker (see program.py) run by Debian's own Python: HTML parsed and written anew by lxml, as link counters do it.

It is given HTML in UTF-8, without the mail around it. The library is loaded by name, since it is not there where this
project is checked.
"""

from __future__ import annotations

import sys
from importlib import import_module
from urllib.parse import quote

BANNER = (
    "<div><b>CAUTION:</b> this message came from outside the organisation. Do not open what you did not expect.</div>"
)


def tracked(url: str) -> str:
    return f"https://click.example.net/c?to={quote(url, safe='')}" if url.startswith(("http:", "https:")) else url


def changed(what: str, octets: bytes) -> bytes | None:
    html = import_module("lxml.html")
    document = html.document_fromstring(octets.decode())
    if what == "links":
        links = 0
        for element, name, url, _ in document.iterlinks():
            if element.tag == "a" and name == "href" and tracked(url) != url:
                element.set(name, tracked(url))
                links += 1
        if not links:
            return None
    elif what == "banner":
        document.body.insert(0, html.fragment_fromstring(BANNER))
        document.body[0].tail, document.body.text = document.body.text, None
    return bytes(html.tostring(document, encoding="unicode", doctype=document.getroottree().docinfo.doctype).encode())


def main() -> None:
    while line := sys.stdin.buffer.readline():
        what, size = line.split()
        octets = sys.stdin.buffer.read(int(size))
        try:
            answer = changed(what.decode(), octets)
        except Exception:  # HTML that the library will not read
            answer = None
        sys.stdout.buffer.write(b"-\n" if answer is None else b"%d\n%b" % (len(answer), answer))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

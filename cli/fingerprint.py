"""`postseal fingerprint`: what a message is, as JSON; the content stays where it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from api import settings
from cli.exits import USAGE, Stop
from ledger import fingerprint as fingerprints
from ledger import hashonly, mime

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def fingerprint(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A message (.eml); - is standard input.")],
) -> int:
    """Print the fingerprint of a message as JSON: its hash, and that of each of its parts.

    It is what hash-only recording sends instead of the message. A message that cannot be parsed has its hash, and the
    reason. Hashes and sizes are those of the octets with CRLF line ends, as mail travels: of a copy that is saved with
    others, sha256sum says something else.
    """
    limit = mime.Limits().size
    if str(file) == "-":
        octets = sys.stdin.buffer.read(limit + 1)
    else:
        try:
            with file.open("rb") as opened:
                octets = opened.read(limit + 1)
        except OSError as error:
            raise Stop(USAGE, f"{file} cannot be read: {error.strerror}") from None
    if octets != mime.normalise(octets):
        sys.stderr.write("postseal: the line ends are not CRLF; hashes and sizes are those with CRLF\n")
    made = hashonly.to_json(fingerprints.take(octets, second=settings.from_environment().second_digest))
    sys.stdout.write(json.dumps(made, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    return 0

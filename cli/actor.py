"""Who acts on a command line: the user of this machine that the command runs as, as the system knows him."""

from __future__ import annotations

import os
import pwd

from ledger.preparing import Preparing


def person(log: Preparing) -> tuple[str, str]:
    """For what is recorded of him. Not by the environment, which says what its owner wants."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = f"uid {number}"
    return log.person(f"os:{number}", f"{name} (command line)")

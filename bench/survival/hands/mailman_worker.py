"""A worker (see program.py) run by Debian's own Python, where Mailman's code is: its handlers, on a list of its own.

Everything lives in the directory that is given; nothing of an installed Mailman is touched. Modules are loaded by name,
since they are not there where this project is checked.
"""

from __future__ import annotations

import email
import email.generator
import io
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

CONFIG = """
[mailman]
layout: here
[paths.here]
var_dir: {directory}
queue_dir: {directory}/queue
log_dir: {directory}/logs
lock_dir: {directory}/locks
data_dir: {directory}/data
cache_dir: {directory}/cache
etc_dir: {directory}/etc
messages_dir: {directory}/messages
archive_dir: {directory}/archives
template_dir: {directory}/templates
pid_file: {directory}/master.pid
lock_file: {directory}/master.lck
bin_dir: {directory}/bin
list_data_dir: {directory}/lists
[database]
class: mailman.database.sqlite.SQLiteDatabase
url: sqlite:///{directory}/mailman.db
"""
HEADER = "CAUTION: this message came from outside the organisation.\n"
FOOTER = "Circulated by the announcements desk\nTo leave it write to $list_name-leave@$mail_host\n"
HANDLERS = {
    "tag": ("subject-prefix",),
    "footer": ("decorate",),
    "banner": ("decorate",),
    "filter": ("mime-delete",),
    "munged": ("cleanse", "cook-headers", "rfc-2369", "subject-prefix", "decorate", "dmarc"),
    "list": ("cleanse", "cook-headers", "rfc-2369", "subject-prefix", "decorate"),
}


def mailing_list(directory: Path) -> Any:
    """A new list with a footer. Mailman keeps its state in modules, so there is one to a process."""
    config = directory / "mailman.cfg"
    config.write_text(CONFIG.format(directory=directory))
    import_module("mailman.core.initialize").initialize(str(config))
    get = import_module("zope.component").getUtility
    get(import_module("mailman.interfaces.domain").IDomainManager).add("lists.example.org")
    made = import_module("mailman.app.lifecycle").create_list("desk@lists.example.org")
    made.subject_prefix = "[list] "
    made.dmarc_mitigate_action = import_module("mailman.interfaces.mailinglist").DMARCMitigateAction.munge_from
    made.dmarc_mitigate_unconditionally = True
    made.filter_content = made.collapse_alternatives = True
    made.convert_html_to_plaintext = False
    return made


def decorate(mlist: Any, directory: Path, name: str, text: str) -> None:
    """Have only this template: a header, or a footer."""
    templates = import_module("zope.component").getUtility(
        import_module("mailman.interfaces.template").ITemplateManager
    )
    for which in ("header", "footer"):
        said = text if which == name else ""
        file = directory / "templates" / "lists" / mlist.list_id / "en" / f"list:member:regular:{which}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(said)
        uri = f"mailman:///{mlist.fqdn_listname}/en/list:member:regular:{which}.txt"
        templates.set(f"list:member:regular:{which}", mlist.list_id, uri)


def changed(mlist: Any, what: str, octets: bytes) -> bytes:
    """As the LMTP runner takes a message in, and as smtplib writes it out when it is delivered to members."""
    message = email.message_from_bytes(octets, import_module("mailman.email.message").Message)
    config = import_module("mailman.config").config
    about = {"original_size": len(octets), "original_sender": message.sender, "recipients": {"r@example.com"}}
    for name in HANDLERS.get(what, ()):
        config.handlers[name].process(mlist, message, dict(about))
    del message["Bcc"], message["Resent-Bcc"]
    out = io.BytesIO()
    email.generator.BytesGenerator(out).flatten(message, linesep="\r\n")
    return out.getvalue()


def main() -> None:
    directory = Path(sys.argv[1])
    mlist = mailing_list(directory)
    decorated = ""
    while line := sys.stdin.buffer.readline():
        what, size = line.split()
        octets = sys.stdin.buffer.read(int(size))
        wanted = "header" if what == b"banner" else "footer"
        if wanted != decorated:
            decorate(mlist, directory, wanted, HEADER if wanted == "header" else FOOTER)
            decorated = wanted
        try:
            answer = changed(mlist, what.decode(), octets)
        except Exception:  # a message that Mailman would shunt
            sys.stdout.buffer.write(b"-\n")
        else:
            sys.stdout.buffer.write(b"%d\n%b" % (len(answer), answer))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

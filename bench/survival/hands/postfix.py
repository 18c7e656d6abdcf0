"""A real Postfix (Debian: postfix) on the loopback, an instance of its own, that relays to a sink and nowhere else.

One next hop offers 8BITMIME; the other does not, so that Postfix has to turn 8bit into quoted-printable (RFC 6152).
It needs root, as Postfix does, and reaches no other address: every recipient's domain has its transport.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench.survival.change import Change, Copy, Missing
from bench.survival.hands import program
from bench.survival.hands.sink import Sink

SECONDS: Final = 20
MAIN: Final = """
compatibility_level = 3.6
queue_directory = {spool}
data_directory = {data}
multi_instance_enable = no
syslog_name = survival
maillog_file = {log}
maillog_file_prefixes = {scratch}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example.net
mydestination =
mynetworks = 127.0.0.0/8
local_transport = error:none
default_transport = error:none
transport_maps = inline:{{ eight.test=smtp:[127.0.0.1]:{eight}, seven.test=smtp:[127.0.0.1]:{seven} }}
relay_domains = eight.test, seven.test
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_authorized_xforward_hosts =
smtpd_forbid_bare_newline = no
message_size_limit = 100000000
bounce_queue_lifetime = 0
maximal_queue_lifetime = 1h
alias_maps =
alias_database =
header_checks =
local_header_rewrite_clients =
always_add_missing_headers = no
"""
# The smtpd of its own port, and what it needs; none of them in a chroot.
MASTER: Final = """
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
smtp unix - - n - 4 smtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


class Relay:
    """Hands messages to Postfix and waits until the sink has them."""

    def __init__(self, port: int, sinks: dict[str, Sink]) -> None:
        self._port = port
        self._sinks = sinks
        self._numbers = itertools.count()

    def through(self, domain: str, octets: bytes) -> Copy | None:
        recipient = f"r{next(self._numbers)}@{domain}"
        # Not through send_message, which would parse and write the message anew.
        try:
            with smtplib.SMTP("127.0.0.1", self._port, timeout=SECONDS) as client:
                client.sendmail("sender@example.org", [recipient], octets, ["BODY=8BITMIME"])
        except (smtplib.SMTPException, OSError):
            return None
        arrived = self._sinks[domain].wait(recipient, SECONDS)
        return Copy(arrived) if arrived is not None else None

    def seven_bit(self, octets: bytes) -> Copy | None:
        """Only what has octets beyond ASCII is changed more than by the other next hop."""
        return None if octets.isascii() else self.through("seven.test", octets)


@contextmanager
def opened(scratch: Path) -> Iterator[list[Change]]:
    """Raises Missing."""
    binary = program.find("postfix", "relaying by our own hand only")
    if os.geteuid() != 0:
        raise Missing("Postfix is installed but needs root: relaying by our own hand only")
    with Sink(eight_bit=True) as eight, Sink(eight_bit=False) as seven:
        port = _configure(scratch, eight.port, seven.port)
        config = scratch / "config"
        started = subprocess.run(
            [binary, "-c", str(config), "start"], capture_output=True, text=True, check=False, timeout=60
        )
        if started.returncode != 0:
            raise Missing(f"Postfix did not start ({started.stderr.strip()[-200:]}): relaying by our own hand only")
        try:
            relay = Relay(port, {"eight.test": eight, "seven.test": seven})
            hand = program.titled("Postfix", "postfix")
            yield [
                Change("relayed", f"{hand}, to an 8BITMIME host", partial(relay.through, "eight.test")),
                Change("relayed-7bit", f"{hand}, to a 7bit host", relay.seven_bit),
            ]
        finally:
            subprocess.run([binary, "-c", str(config), "stop"], capture_output=True, check=False, timeout=60)


def _configure(scratch: Path, eight: int, seven: int) -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    # Temporary directories are closed to others, and Postfix lets its daemons run as one.
    scratch.parent.chmod(0o711)
    scratch.chmod(0o711)
    config, spool, data = scratch / "config", scratch / "spool", scratch / "data"
    for directory in (config, spool, data):
        directory.mkdir()
    owner = pwd.getpwnam("postfix")
    os.chown(data, owner.pw_uid, owner.pw_gid)
    places = {"spool": spool, "data": data, "scratch": scratch, "log": scratch / "postfix.log"}
    (config / "main.cf").write_text(MAIN.format(**places, eight=eight, seven=seven))
    (config / "master.cf").write_text(MASTER.format(port=port))
    system = Path("/etc/postfix")
    for name in ("dynamicmaps.cf", "postfix-files"):
        if (system / name).exists():
            shutil.copy(system / name, config / name)
    return port

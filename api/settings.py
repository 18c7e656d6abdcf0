"""The settings of an installation, and the only reader of the environment.

A setting is an environment variable whose name starts with ``POSTSEAL_``. A name that is not in ``TABLE`` is refused,
because a misspelt setting that is silently ignored may be the one that was meant to protect something.

This file imports no database library: ``postseal verify`` must run where there is none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, get_args

from ledger import retention
from ledger.errors import FormatError, InvalidRequest
from ledger.retention import Class

PREFIX = "POSTSEAL_"

SecondDigest = Literal["sha3-256", "sha512"]
SECOND_DIGESTS: Final[tuple[SecondDigest, ...]] = get_args(SecondDigest)
"""Those of `ledger.fingerprint`, which is not loaded for this alone."""

# A host, perhaps a port, then path segments: a URL without its scheme. It becomes the name of the log's signing key
# and the first line of every checkpoint, where a space, a plus or a line break would end the name early.
_ORIGIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*")
_ORIGIN_MAX = 255  # bytes; the length field of a key name in witness messages

_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]{1,120}(/[A-Za-z0-9._~-]+)*/?")
_LINE_MAX = 500


class SettingsError(ValueError):
    """A setting is unknown or unusable; one line that names it. A value that may hold a password is never repeated."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: its name after the prefix, its default and meaning as a person reads them."""

    name: str
    default: str
    meaning: str


TABLE = (
    Setting(
        "DATA_DIR",
        "`$XDG_DATA_HOME/postseal`, or `~/.local/share/postseal`",
        "Directory of everything Postseal keeps outside its database, and of the database itself while that is SQLite.",
    ),
    Setting(
        "DATABASE_URL",
        "`sqlite:///<DATA_DIR>/ledger.db`",
        "Database of the ledger: `sqlite:///FILE` or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`.",
    ),
    Setting(
        "ORIGIN",
        "`localhost/postseal`",
        "Name of the log in every checkpoint and proof: a URL without its scheme, under a domain of yours. "
        "It is fixed when the ledger is opened and can never change.",
    ),
    Setting(
        "MASTER_KEY_FILE",
        "`<DATA_DIR>/keys/master.key`",
        "File with the 32-byte master secret that protects all other keys. "
        "Keep a copy apart from the backups of the database.",
    ),
    Setting(
        "BIND",
        "`127.0.0.1:8080`",
        "Address and port `postseal serve` listens on. Anything but loopback belongs behind a proxy that ends TLS.",
    ),
    Setting(
        "TRUSTED_PROXIES",
        "none",
        "IP addresses, with commas, of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
    ),
    Setting(
        "PUBLIC_URL",
        "none",
        "Where this service is reached from outside, such as `https://log.example.org`: certificates lead there.",
    ),
    Setting("OPERATOR", "none", "Who runs this service and how to reach him, in one line: printed on certificates."),
    Setting("LEGAL_BASIS", "none", "On which legal basis it records, in one line: printed on certificates."),
    Setting("PUBLIC_LOG", "`0`", "`1` opens tiles, entries and proofs to all; checkpoints always are."),
    Setting("MESSAGE_MB", "`50`", "The largest message that is taken, in megabytes."),
    Setting(
        "SECOND_DIGEST",
        "none",
        "`sha512` or `sha3-256`: a digest that stands beside each SHA-256 of what is recorded from now on.",
    ),
    Setting("DUAL_CONTROL", "`0`", "`1`: every erasure is carried out only once a second person has approved it."),
    Setting(
        "RETENTION",
        "none",
        "Classes of retention in days, with commas: `standard=0-3650,finance=2555-3650,legal=2555-`. The first counts "
        "where no other is named; before the minimum nothing is erased.",
    ),
    Setting("QUEUE", "`20000`", "Requests that may wait for the writer; further ones are answered 503."),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment said, checked. Nothing here has been created or opened yet."""

    data_dir: Path
    database_url: str = field(repr=False)  # may hold a password
    origin: str
    master_key_file: Path
    bind: tuple[str, int] = ("127.0.0.1", 8080)
    trusted_proxies: tuple[str, ...] = ()
    public_url: str | None = None
    operator: str | None = None
    legal_basis: str | None = None
    public_log: bool = False
    message_mb: int = 50
    second_digest: SecondDigest | None = None
    dual_control: bool = False
    retention: Mapping[str, Class] = field(default_factory=dict)
    queue: int = 20_000

    @property
    def blobs_dir(self) -> Path:
        """Where the content of messages lies that is kept."""
        return self.data_dir / "blobs"

    @property
    def verify_page(self) -> str | None:
        """The page that certificates lead to, if there is one."""
        return None if self.public_url is None else f"{self.public_url}/verify"

    @property
    def message_bytes(self) -> int:
        return self.message_mb * 1_000_000

    def retention_class(self, name: str | None) -> Class | None:
        """The class of this name, or the default; None where there are none. InvalidRequest for one that is not."""
        if name is None:
            return next(iter(self.retention.values()), None)
        if name not in self.retention:
            raise InvalidRequest(f"no class of retention is called so; there are {', '.join(self.retention) or 'none'}")
        return self.retention[name]


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from variables; those without the prefix only say where the home directory is."""
    known = {PREFIX + setting.name for setting in TABLE}
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsError(f"{unknown[0]} is not a setting; `postseal --help` lists them all")
    data_dir = _path(environ, "DATA_DIR") or _default_data_dir(environ)
    return Settings(
        data_dir=data_dir,
        database_url=_database_url(environ) or f"sqlite:///{data_dir / 'ledger.db'}",
        origin=_origin(environ) or "localhost/postseal",
        master_key_file=_path(environ, "MASTER_KEY_FILE") or data_dir / "keys" / "master.key",
        bind=_bind(environ),
        trusted_proxies=_proxies(environ),
        public_url=_public_url(environ),
        operator=_line(environ, "OPERATOR"),
        legal_basis=_line(environ, "LEGAL_BASIS"),
        public_log=_flag(environ, "PUBLIC_LOG"),
        message_mb=_count(environ, "MESSAGE_MB", 50, 1000),
        second_digest=_second_digest(environ),
        dual_control=_flag(environ, "DUAL_CONTROL"),
        retention=_retention(environ),
        queue=_count(environ, "QUEUE", 20_000, 1_000_000),
    )


def from_environment() -> Settings:
    return load(os.environ)


def describe() -> str:
    """The table as text for ``--help``."""
    rows = [f"{PREFIX}{row.name}\n    {row.meaning}\n    Default: {row.default}" for row in TABLE]
    return "\n".join(rows).replace("`", "")


def _value(environ: Mapping[str, str], name: str) -> str | None:
    """None where it is not set. Set to nothing is refused: it is neither the default nor a value."""
    value = environ.get(PREFIX + name)
    if value is None:
        return None
    if not value.strip():
        raise SettingsError(f"{PREFIX}{name} is set but empty; unset it to use the default")
    return value


def _second_digest(environ: Mapping[str, str]) -> SecondDigest | None:
    value = _value(environ, "SECOND_DIGEST")
    for name in SECOND_DIGESTS:
        if value == name:
            return name
    if value is not None:
        raise SettingsError(f"{PREFIX}SECOND_DIGEST is one of {', '.join(SECOND_DIGESTS)}")
    return None


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    value = _value(environ, name)
    if value is None:
        return None
    if value.startswith("~"):
        # Shells expand it, service managers and container files do not: a directory called "~" would hold the ledger.
        raise SettingsError(f"{PREFIX}{name} starts with ~, which is not expanded here; write the path in full")
    return Path(value)


def _default_data_dir(environ: Mapping[str, str]) -> Path:
    if data_home := environ.get("XDG_DATA_HOME"):
        return Path(data_home) / "postseal"
    if home := environ.get("HOME"):
        return Path(home) / ".local" / "share" / "postseal"
    raise SettingsError(f"{PREFIX}DATA_DIR is not set, and there is no HOME to put it under")


def _database_url(environ: Mapping[str, str]) -> str | None:
    value = _value(environ, "DATABASE_URL")
    if value is None:
        return None
    if value.startswith("sqlite:///") and len(value) > len("sqlite:///"):
        if value.startswith("sqlite:///:memory:"):
            raise SettingsError(f"{PREFIX}DATABASE_URL keeps the ledger in memory only, where nothing is durable")
        return value
    if value.startswith("postgresql+psycopg://"):
        return value
    if value.startswith(("postgresql:", "postgres:")):
        raise SettingsError(f"{PREFIX}DATABASE_URL names no driver; it must start with postgresql+psycopg://")
    raise SettingsError(f"{PREFIX}DATABASE_URL must start with sqlite:/// and a file, or with postgresql+psycopg://")


def _origin(environ: Mapping[str, str]) -> str | None:
    value = _value(environ, "ORIGIN")
    if value is None:
        return None
    if "://" in value:
        raise SettingsError(f"{PREFIX}ORIGIN is written without a scheme: {value.split('://', 1)[1]!r}")
    if len(value) > _ORIGIN_MAX or not _ORIGIN.fullmatch(value):
        raise SettingsError(
            f"{PREFIX}ORIGIN must be a lower-case host name and path such as log.example.org/mail, "
            f"at most {_ORIGIN_MAX} characters of a-z 0-9 . - / and, in the path, A-Z _ ~"
        )
    return value


def _bind(environ: Mapping[str, str]) -> tuple[str, int]:
    value = _value(environ, "BIND")
    if value is None:
        return "127.0.0.1", 8080
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise SettingsError(f"{PREFIX}BIND must be an address and a port, such as 127.0.0.1:8080 or [::1]:8080")
    return host, int(port)


def _public_url(environ: Mapping[str, str]) -> str | None:
    value = _value(environ, "PUBLIC_URL")
    if value is not None and not _PUBLIC_URL.fullmatch(value):
        raise SettingsError(f"{PREFIX}PUBLIC_URL must be http:// or https://, a host, perhaps a port and a path")
    return None if value is None else value.rstrip("/")


def _line(environ: Mapping[str, str], name: str) -> str | None:
    value = _value(environ, name)
    if value is not None and (len(value) > _LINE_MAX or not value.isprintable()):
        raise SettingsError(f"{PREFIX}{name} is one line of at most {_LINE_MAX} characters")
    return value


def _proxies(environ: Mapping[str, str]) -> tuple[str, ...]:
    value = _value(environ, "TRUSTED_PROXIES")
    if value is None:
        return ()
    try:
        return tuple(str(ip_address(one.strip())) for one in value.split(","))
    except ValueError:
        raise SettingsError(f"{PREFIX}TRUSTED_PROXIES must be IP addresses with commas between them") from None


def _flag(environ: Mapping[str, str], name: str) -> bool:
    value = _value(environ, name)
    if value not in (None, "0", "1"):
        raise SettingsError(f"{PREFIX}{name} must be 0 or 1")
    return value == "1"


def _retention(environ: Mapping[str, str]) -> Mapping[str, Class]:
    value = _value(environ, "RETENTION")
    try:
        return {} if value is None else retention.parse(value)
    except FormatError as error:
        raise SettingsError(f"{PREFIX}RETENTION: {error}") from None


def _count(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    value = _value(environ, name)
    if value is None:
        return default
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= most:
        raise SettingsError(f"{PREFIX}{name} must be a number from 1 to {most}")
    return int(value)

from dataclasses import dataclass
from datetime import datetime


@dataclass
class Metadata:
    title: str
    author: str
    subject: str
    creator: str
    language: str
    issued: datetime


@dataclass
class Attachment:
    name: str
    data: bytes
    media_type: str
    description: str


def finish(raw, meta, attachments):
    return raw

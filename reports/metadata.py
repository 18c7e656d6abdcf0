"""What a file says of itself, twice and in the same words: the XMP packet of ISO 19005-3 section 6.6, and the Info
dictionary."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from reports.script import visible

_PACKET: Final = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:pdf="http://ns.adobe.com/pdf/1.3/"
 xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>3</pdfaid:part><pdfaid:conformance>{level}</pdfaid:conformance>{universal}
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{subject}</rdf:li></rdf:Alt></dc:description>
<xmp:CreatorTool>{creator}</xmp:CreatorTool>
<pdf:Producer>{producer}</pdf:Producer>
<xmp:CreateDate>{issued}</xmp:CreateDate>
<xmp:ModifyDate>{issued}</xmp:ModifyDate>
<xmp:MetadataDate>{issued}</xmp:MetadataDate>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""

# PDF/A knows no name for PDF/UA's claim, so the packet must describe it: ISO 19005-3 section 6.6.2.3.
_UNIVERSAL: Final = """
<pdfuaid:part xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">1</pdfuaid:part>
<pdfaExtension:schemas
 xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
 xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#"><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA Universal Accessibility Schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource"><pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType><pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 that is followed</pdfaProperty:description></rdf:li></rdf:Seq>
</pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas>"""


@dataclass(frozen=True, slots=True)
class Metadata:
    """``issued`` is told in whole seconds: the file's dates have no finer ones. ``accessible`` claims PDF/A-3a and
    PDF/UA-1, which holds where everything on the pages is tagged in an order that can be read out; else PDF/A-3b is
    claimed. No program's version is named, so that a later one may draw the same file."""

    title: str
    author: str
    subject: str
    issued: datetime
    creator: str = "Postseal"
    producer: str = "Postseal"
    accessible: bool = False

    def __post_init__(self) -> None:
        if self.issued.tzinfo is None:
            raise ValueError("the time of issue has no zone")

    @property
    def date(self) -> str:
        """ISO 32000-1 section 7.9.4."""
        return self.issued.astimezone(UTC).strftime("D:%Y%m%d%H%M%S+00'00'")

    def packet(self) -> bytes:
        said = {name: escape(text) for name, text in self._texts().items()}
        claim = {"level": "A", "universal": _UNIVERSAL} if self.accessible else {"level": "B", "universal": ""}
        issued = self.issued.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
        return _PACKET.format(**said, **claim, issued=issued).encode()

    def info(self) -> dict[str, str]:
        return {f"/{name.title()}": text for name, text in self._texts().items()} | {
            "/CreationDate": self.date,
            "/ModDate": self.date,
        }

    def _texts(self) -> dict[str, str]:
        """Without characters that XML has no way to write."""
        names = ("title", "author", "subject", "creator", "producer")
        return {name: visible(getattr(self, name)) for name in names}

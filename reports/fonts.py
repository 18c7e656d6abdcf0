"""The faces that certificates are set in: static fonts made of the variable ones that the font packages hold.

HarfBuzz makes a static font in a few hundredths of a second, so none is kept on disk, and no font is touched before a
text needs it. All that is remembered here follows from the packages alone: no document leaves anything behind.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib.resources import files
from importlib.util import find_spec
from itertools import chain
from struct import unpack_from
from typing import Final, Literal

import uharfbuzz as hb

Kind = Literal["text", "strong", "code"]

_WEIGHTS: Final[dict[Kind, int]] = {"text": 400, "strong": 600, "code": 400}
_NOTO: Final = "manimgx_fonts"
_MONO: Final = "fontpkg_jetbrains_mono"
_CJK: Final = "justmytype_intl_cjk"
_SCRIPTS: Final = (
    *("Hebrew", "Arabic", "Armenian", "Georgian", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil"),
    *("Telugu", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao", "Myanmar", "Khmer", "Ethiopic"),
)
HAN: Final = ("SC", "TC", "JP", "KR")
"""Chinese, simplified and traditional, Japanese and Korean draw the same characters differently."""

# What a reader of the file needs not, or what says when and from what the font was made.
_DROPPED: Final = ("DSIG", "MVAR", "OS/2", "STAT", "gasp", "meta", "name", "post", "vhea", "vmtx", "BASE")
ASCII: Final = "".join(map(chr, range(0x20, 0x7F)))


class Face:
    """One font at one weight. Lengths are in thousandths of the size, whatever the font's own unit is."""

    def __init__(self, package: str, path: str, name: str, weight: int) -> None:
        self._package, self._path, self._weight = package, path, weight
        self.name: Final = f"{name}-{weight}"
        self.fixed: Final = package == _MONO

    @cached_property
    def _variable(self) -> hb.Face:
        return hb.Face(hb.Blob(files(self._package).joinpath(self._path).read_bytes()))

    @cached_property
    def coverage(self) -> frozenset[int]:
        return frozenset(self._variable.unicodes)

    @cached_property
    def static(self) -> hb.Face:
        variable = self._variable
        wanted = hb.SubsetInput()
        wanted.keep_everything()
        wanted.flags = hb.SubsetFlags.NO_HINTING
        wanted.drop_table_tag_set.update(int.from_bytes(tag.encode(), "big") for tag in _DROPPED)
        for axis in variable.axis_infos:
            value = {"wght": self._weight, "wdth": 100}.get(axis.tag, axis.default_value)
            wanted.pin_axis_location(variable, axis.tag, min(max(value, axis.min_value), axis.max_value))
        made = hb.Face(hb.Blob(hb.subset(variable, wanted).blob.data))
        if self.coverage:
            vars(self).pop("_variable", None)  # up to 18 MB
        return made

    @cached_property
    def font(self) -> hb.Font:
        font = hb.Font(self.static)
        font.scale = (1000, 1000)
        return font

    def table(self, tag: str) -> bytes:
        return bytes(self.static.reference_table(tag).data)

    @cached_property
    def glyphs(self) -> Callable[[int], bytes]:
        """The outline of a glyph by its number, as the font stores it."""
        count = self.static.glyph_count
        outlines = self.table("glyf")
        if unpack_from(">h", self.table("head"), 50)[0]:
            places = unpack_from(f">{count + 1}I", self.table("loca"))
        else:
            places = tuple(2 * place for place in unpack_from(f">{count + 1}H", self.table("loca")))
        return lambda glyph: outlines[places[glyph] : places[glyph + 1]]

    @cached_property
    def ascii(self) -> dict[str, tuple[int, int]]:
        """Glyph and width of each printable character of ASCII."""
        glyphs = {character: self.font.get_nominal_glyph(ord(character)) or 0 for character in ASCII}
        return {character: (glyph, self.font.get_glyph_h_advance(glyph)) for character, glyph in glyphs.items()}

    def covers(self, text: str) -> bool:
        return self.coverage.issuperset(map(ord, text))


def _noto(name: str, weight: int) -> Face:
    return Face(_NOTO, f"Noto{name}[wght].ttf", f"Noto{name}", weight)


def _family(weight: int) -> dict[str, Face]:
    names = ("Sans", *(f"Sans{script}" for script in _SCRIPTS), "SansSymbols", "Emoji")
    family = {name: _noto(name, weight) for name in names}
    if find_spec(_CJK) is not None:
        for region in HAN:
            path = f"fonts/ofl/notosans{region.lower()}/NotoSans{region}[wght].ttf"
            family[region] = Face(_CJK, path, f"NotoSans{region}", weight)
    return family


_FAMILIES: Final = {weight: _family(weight) for weight in sorted(set(_WEIGHTS.values()))}
_CODE: Final = Face(_MONO, "files/JetBrainsMono[wght].ttf", "JetBrainsMono", 400)


def first(kind: Kind) -> Face:
    """The face of plain text."""
    return _CODE if kind == "code" else _FAMILIES[_WEIGHTS[kind]]["Sans"]


def chain_of(kind: Kind, han: str, emoji: bool) -> tuple[Face, ...]:
    """The faces to be tried in turn. ``han``: the region whose forms come first; ``emoji``: these before all others."""
    family = _FAMILIES[_WEIGHTS[kind]]
    regions = (han, *(region for region in HAN if region != han))
    names = chain(("Sans",), (f"Sans{script}" for script in _SCRIPTS), regions, ("SansSymbols", "Emoji"))
    faces = tuple(family[name] for name in names if name in family)
    ordered = (_CODE, *faces) if kind == "code" else (*faces, _CODE)
    return (family["Emoji"], *ordered) if emoji else ordered

"""Whether a part that is there is also shown as it was: under its name, as text or as a file, within which multiparts.

Programs show one part of a multipart/alternative, the first of a multipart/related or signed, and do not show the rest
or show it otherwise. docs/format.md, "Levels".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ledger.differs import ADDITIONS, DIFFERENT, LINKS, MISSING, Difference, excerpt
from ledger.fingerprint import Leaf


def named(name: str, mine: Leaf, theirs: Leaf) -> list[Difference]:
    """Its name, its type, and whether it is a file."""
    differences = []
    if (mine.file is None) != (theirs.file is None):
        said = "was part of what is read, and is a file now" if mine.file is None else "was a file, and is none now"
        differences.append(Difference(MISSING, "replaced", name, said))
    if mine.name != theirs.name:
        both = [None if said is None else excerpt(said) for said in (mine.name, theirs.name)]
        differences.append(Difference(ADDITIONS, "renamed", name, "has another name", *both))
    if mine.media_type != theirs.media_type:
        said = "is declared to be of another type"
        differences.append(Difference(ADDITIONS, "renamed", name, said, mine.media_type, theirs.media_type))
    return differences


def placed(name: str, mine: Leaf, theirs: Leaf, *, whole: bool) -> list[Difference]:
    """Whether a part is shown as it was. ``whole``: no part is missing, which may have left another alone."""
    differences = []
    was, now = _hiding(mine), _hiding(theirs)
    reads = mine.media_type.startswith("text/")
    if now - was:
        said = f"stands within multipart/{', '.join(sorted(now - was))} now, where programs may not show it"
        shows = not reads and "alternative" not in now - was
        differences.append(Difference(ADDITIONS if shows else DIFFERENT, "moved", name, said))
    elif was - now and whole:
        said = f"no longer stands within multipart/{', '.join(sorted(was - now))}"
        differences.append(Difference(ADDITIONS, "moved", name, said))
    if mine.charset != theirs.charset:
        said = "names a character set that is not known here, so that what it says is not known either"
        differences.append(Difference(DIFFERENT, "changed", name, said, mine.charset, theirs.charset))
    if mine.cid is not None and theirs.cid is not None and mine.cid != theirs.cid:
        said = "has another Content-ID, by which the text shows it"
        differences.append(Difference(LINKS, "link", name, said))
    attached = [leaf.disposition == "attachment" for leaf in (mine, theirs)]
    if attached[0] != attached[1] and (mine.file is None) == (theirs.file is None):
        said = "was shown with what is read, and is attached now" if attached[1] else "was attached, and is shown now"
        differences.append(
            Difference(MISSING, "replaced", name, said) if reads else Difference(ADDITIONS, "renamed", name, said)
        )
    return differences


def alternatives(leaf: Leaf) -> list[tuple[str, str]]:
    """The path of each multipart/alternative that a part stands in, and that of its child that leads to the part."""
    around = leaf.within.split("/") if leaf.within else []
    steps = leaf.path.split(".")
    top = len(steps) - len(around)
    return [
        (".".join(steps[: top + depth]), ".".join(steps[: top + depth + 1]))
        for depth, subtype in enumerate(around)
        if subtype == "alternative"
    ]


def merged(pairs: Iterable[tuple[Leaf, Leaf]]) -> bool:
    """Whether parts, recorded and received, are alternatives to each other now that were not, or otherwise."""
    groups: dict[str, list[tuple[dict[str, str], str]]] = {}
    for mine, theirs in pairs:
        before = dict(alternatives(mine))
        for around, child in alternatives(theirs):
            groups.setdefault(around, []).append((before, child))
    return any(len({child for _, child in some}) > 1 and not _as_before(some) for some in groups.values())


def _as_before(some: Sequence[tuple[dict[str, str], str]]) -> bool:
    """Whether one multipart parted all of these as another one does now."""
    for around in some[0][0]:
        if all(around in before for before, _ in some):
            both = {(before[around], child) for before, child in some}
            if len({was for was, _ in both}) == len(both) == len({now for _, now in both}):
                return True
    return False


def _hiding(leaf: Leaf) -> Counter[str]:
    """The multiparts around a part of which programs do not show every part; the first of those related or signed is
    what they show."""
    around = leaf.within.split("/") if leaf.within else []
    steps = leaf.path.split(".")[-len(around) :] if around else []
    return Counter(
        subtype
        for subtype, step in zip(around, steps, strict=False)  # what others made may lack steps
        if subtype != "mixed" and not (step == "1" and subtype in ("related", "signed"))
    )

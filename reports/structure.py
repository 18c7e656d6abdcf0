"""The tree that says what each mark on the pages is: ISO 32000-1 section 14.7, with the roles of section 14.8.4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from reports.objects import Objects, Raw, byte_string, text_string

ROLES: Final = frozenset(
    (
        *("Document", "Sect", "Part", "Div", "P", "H1", "H2", "H3", "L", "LI", "Lbl", "LBody", "Table", "THead"),
        *("TBody", "TR", "TH", "TD", "Caption", "Figure", "Link", "Span", "Note", "Reference", "Code", "BlockQuote"),
    )
)


class Mark(NamedTuple):
    """A marked part of a page's content."""

    page: int
    number: int


class Annotation(NamedTuple):
    page: int
    url: str
    box: tuple[float, float, float, float]
    says: str


class Stack(Protocol):
    def enter(self, node: Node | None) -> None: ...
    def leave(self) -> None: ...


class Node:
    """One element. What is drawn within ``with node:`` belongs to it; it may be entered again, on a later page too."""

    __slots__ = ("_stack", "alt", "box", "kids", "lang", "role", "scope", "span")

    def __init__(self, stack: Stack, role: str, *, scope: str, alt: str, span: int, lang: str) -> None:
        if role not in ROLES:
            raise ValueError(f"{role} is no role")
        self._stack = stack
        self.role, self.scope, self.alt, self.span, self.lang = role, scope, alt, span, lang
        self.kids: list[Node | Mark | Annotation] = []
        self.box: tuple[float, ...] = ()

    def __enter__(self) -> Node:
        self._stack.enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.leave()


class Written(NamedTuple):
    root: Raw
    annotations: dict[int, list[str]]
    """References to the annotations of each page."""


def write(objects: Objects, document: Node, pages: Sequence[Raw], marks: Sequence[int]) -> Written:
    """The tree under ``document``, and for each page and annotation the way back (section 14.7.4.4). ``marks`` are how
    many each page has."""
    root = objects.new()
    tree = _Tree(objects, pages, marks)
    top = tree.element(document, root)
    nums = [f"{page} [{' '.join(refs)}]" for page, refs in enumerate(tree.parents)]
    nums += [f"{len(pages) + at} {ref}" for at, ref in enumerate(tree.linked)]
    parents = objects.new(f"<</Nums[{' '.join(nums)}]>>")
    ends = len(pages) + len(tree.linked)
    root.content = f"<</Type/StructTreeRoot/K[{top}]/ParentTree {parents.ref}/ParentTreeNextKey {ends}>>".encode(
        "ascii"
    )
    return Written(root, tree.annotations)


class _Tree:
    def __init__(self, objects: Objects, pages: Sequence[Raw], marks: Sequence[int]) -> None:
        self._objects, self._pages = objects, pages
        self.parents = [[""] * count for count in marks]
        self.linked: list[str] = []
        self.annotations: dict[int, list[str]] = {}

    def element(self, node: Node, parent: Raw) -> str:
        raw = self._objects.new()
        kids, home = [], -1
        for kid in node.kids:
            if isinstance(kid, Node):
                kids.append(self.element(kid, raw))
            elif isinstance(kid, Annotation):
                kids.append(self._link(kid, raw.ref))
            else:
                page, number = kid
                home = page if home < 0 else home
                self.parents[page][number] = raw.ref
                kids.append(str(number) if page == home else f"<</Type/MCR/Pg {self._pages[page].ref}/MCID {number}>>")
        of = f"/Pg {self._pages[home].ref}" if home >= 0 else ""
        held = f"/K {kids[0]}" if len(kids) == 1 else f"/K[{' '.join(kids)}]" if kids else ""
        raw.content = f"<</S/{node.role}/P {parent.ref}{of}{held}{_attributes(node)}>>".encode("ascii")
        return raw.ref

    def _link(self, link: Annotation, ref: str) -> str:
        box = " ".join(f"{side:.2f}" for side in link.box)
        raw = self._objects.new(
            f"<</Type/Annot/Subtype/Link/Rect[{box}]/Border[0 0 0]/F 4/Contents{text_string(link.says)}"
            f"/A<</S/URI/URI{byte_string(link.url)}>>/StructParent {len(self._pages) + len(self.linked)}>>"
        )
        self.linked.append(ref)
        self.annotations.setdefault(link.page, []).append(raw.ref)
        return f"<</Type/OBJR/Pg {self._pages[link.page].ref}/Obj {raw.ref}>>"


def _attributes(node: Node) -> str:
    if not (node.scope or node.span != 1 or node.box or node.alt or node.lang):
        return ""
    out = []
    if node.scope or node.span != 1:
        scope = f"/Scope/{node.scope}" if node.scope else ""
        out.append(f"<</O/Table{scope}{f'/ColSpan {node.span}' if node.span != 1 else ''}>>")
    if node.box:
        out.append(f"<</O/Layout/Placement/Block/BBox[{' '.join(f'{side:.2f}' for side in node.box)}]>>")
    said = f"/A {out[0]}" if len(out) == 1 else f"/A[{''.join(out)}]" if out else ""
    alt = f"/Alt{text_string(node.alt)}" if node.alt else ""
    return said + alt + (f"/Lang{text_string(node.lang)}" if node.lang else "")

"""HTML and XHTML-IM: the part of HTML that is safe to show, and what it says as plain text.

RFC 7572 §7 and XEP-0071 §7; what is taken is less than the profile of its §7.8: nothing that is
fetched when it is shown, so that reading a message tells nobody.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from dragoman.mapping.failure import Refused
from dragoman.xmpp.element import Element, sanitize, to_xml
from dragoman.xmpp.ext import xhtml
from dragoman.xmpp.failure import StreamError
from dragoman.xmpp.parser import MAX_STANZA, parse_document

MOST_TAGS: Final = 2000
"""Tags of a text that is read: nested elements cost the square of their number."""
LONGEST: Final = 16_384
"""Characters of a text whose formatting is shown: a stanza holds it beside the body, escaped."""
DEEPEST: Final = 50
"""Elements within each other that are shown.

A stream takes 64, with those of the stanza and of what a server may forward it in (XEP-0280).
"""
MOST_QUOTED: Final = 3
"""Quotations within each other that plain text shows."""
ELEMENTS: Final = frozenset(
    {"a", "b", "blockquote", "br", "cite", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"i", "img", "li", "ol", "p", "pre", "q", "s", "span", "strike", "strong", "td", "th", "tr"}
    | {"u", "ul"}
)
"""What is understood; of others the content stays, of scripts and the like nothing."""
DROPPED: Final = {"script", "style", "title", "template", "noscript", "iframe", "object"}
SCHEMES: Final = {"http", "https", "mailto", "sip", "sips", "tel", "xmpp"}
STYLES: Final = {"color", "font-family", "font-style", "font-weight", "text-decoration"}
SHOWN_AS: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), ("p", "font-weight: bold")),
    "b": ("strong", ""),
    "code": ("span", "font-family: monospace"),
    "div": ("p", ""),
    "i": ("em", ""),
    "pre": ("p", "font-family: monospace"),
    "q": ("span", ""),
    "s": ("span", "text-decoration: line-through"),
    "strike": ("span", "text-decoration: line-through"),
    "td": ("span", ""),
    "th": ("span", "font-weight: bold"),
    "tr": ("p", ""),
    "u": ("span", "text-decoration: underline"),
}
"""Elements that the profile does not have, and what stands for them there, with its style."""

_BLOCKS: Final = frozenset({"blockquote", "li", "ol", "p", "ul"})
_SPACE: Final = re.compile(r"[ \t\r\n\f]+")
_VALUE: Final = re.compile(r"#?[A-Za-z0-9 .%,-]{1,64}|rgba?\([0-9 .%,]{1,40}\)")
_VOID: Final = re.compile(r'<(br|img)((?: [^<>"]+"[^"]*")*)>')
_TAG: Final = re.compile(r'<[^<>"]*(?:"[^"]*"[^<>"]*)*>')
_REFERENCES: Final = (("&nbsp;", "\u00a0"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
_CELLS: Final = frozenset({"td", "th"})


def from_html(text: str) -> tuple[str, Element | None]:
    """Return what a text/html body says as plain text, and as the element beside the body.

    That is None where the formatting says nothing, or is nested too deeply or too long to be
    shown. Raises Refused (413) for more than 2000 tags.
    """
    if text.count("<") > MOST_TAGS:
        raise Refused(f"HTML with more than {MOST_TAGS} tags", 413)
    clean = sanitize(_cleaned(text))
    tree = _tree(clean)
    if tree is None:
        return _bare(clean), None
    content = list(_formatted(tree.children))
    fits = len(text) <= LONGEST and _depth(content) <= DEEPEST
    shown = fits and any(_is_marked(each) for each in content)
    return plain(content), xhtml.html(content) if shown else None


def to_html(message: Element) -> str:
    """Return the formatted body of a stanza as a text/html document, "" where it has none."""
    found = xhtml.body(message)
    if found is None:
        return ""
    clean = _cleaned(to_xml(found))
    inner = clean.removeprefix("<body>").removesuffix("</body>")
    return f"<html><body>{inner}</body></html>" if inner.strip() else ""


def plain(content: Iterable[Element | str], quoted: int = 0) -> str:
    """Return formatted content as plain text, with the addresses that it leads to.

    `quoted` says in how many quotations it stands; of those inside of it few are marked as such.
    """
    lines: list[str] = [""]
    for piece in _pieces(content, "", quoted):
        if piece.startswith("\n"):
            if lines[-1].strip():
                lines.append("")
            lines[-1] = piece[1:]
        else:
            lines[-1] += piece if lines[-1] else piece.lstrip(" ")
    return "\n".join(line.rstrip() for line in lines).strip("\n ")


def _cleaned(text: str) -> str:
    import nh3  # loaded with the first HTML there is: 1.4 MiB, which many a gateway never needs

    return nh3.clean(
        text,
        tags=set(ELEMENTS),
        clean_content_tags=set(DROPPED),
        attributes={"a": {"href"}, "img": {"alt", "src"}, "*": {"style"}},
        url_schemes=SCHEMES,
        filter_style_properties=STYLES,
        link_rel=None,
    )


def _tree(clean: str) -> Element | None:
    """Return HTML that was cleaned as a tree; None where it is nested too deeply, or too long."""
    clean = _VOID.sub(r"<\1\2/>", clean).replace("&nbsp;", "&#160;")
    try:
        return parse_document(f"<body>{clean}</body>".encode(), limit=MAX_STANZA)
    except StreamError:
        return None


def _formatted(children: Iterable[Element | str]) -> Iterator[Element | str]:
    """Yield the content of a tree in the elements of XHTML-IM, white space as it is shown."""
    for child in children:
        if isinstance(child, str):
            text = _SPACE.sub(" ", child)
            if text:
                yield text
            continue
        if child.name == "img":
            yield from _picture(child)
            continue
        local, style = SHOWN_AS.get(child.name, (child.name, ""))
        attributes = _attributes(child, style)
        inner = list(_formatted(child.children))
        if local in {"a", "span"} and not attributes:
            yield from inner
        else:
            yield Element(xhtml.name(local), attributes, inner)
        if child.name in _CELLS:
            yield " "


def _picture(image: Element) -> Iterator[Element | str]:
    """Yield a way to a picture, which nobody fetches but by choice, or what it shows in words."""
    source, shown = image.get("src", ""), image.get("alt", "")
    if source.startswith(("http:", "https:")):
        yield Element(xhtml.name("a"), {"href": source}, (shown or source,))
    elif shown:
        yield f"[{shown}]"


def _attributes(element: Element, style: str) -> dict[str, str]:
    given = [each.strip() for each in element.get("style", "").split(";")]
    styles = [style, *(each for each in given if _VALUE.fullmatch(each.partition(":")[2].strip()))]
    found = {"style": "; ".join(each for each in styles if each)}
    if element.name == "a":
        href = element.get("href", "")
        found = {"href": href if href.partition(":")[0].lower() in SCHEMES else "", **found}
    return {name: value for name, value in found.items() if value}


def _depth(content: Iterable[Element | str]) -> int:
    inner = (_depth(each.children) for each in content if isinstance(each, Element))
    return max(inner, default=-1) + 1


def _is_marked(each: Element | str) -> bool:
    """Say whether there is any formatting that the plain text does not show as well."""
    if isinstance(each, str):
        return False
    bare = each.local_name in {"p", "br"} and not each.attributes
    return not bare or any(_is_marked(child) for child in each.children)


def _pieces(content: Iterable[Element | str], mark: str, quoted: int) -> Iterator[str]:
    """Yield text, and where a line begins "\\n" with what stands at its beginning."""
    number = 0
    for each in content:
        if isinstance(each, str):
            yield each
        elif each.local_name == "br":
            yield "\n"
        elif each.local_name in _BLOCKS:
            number += each.local_name == "li"
            yield from _block(each, mark, number, quoted)
        elif each.local_name == "a":
            shown = list(_pieces(each.children, mark, quoted))
            yield from shown
            yield _address(each.get("href", ""), "".join(shown).strip())
        else:
            yield from _pieces(each.children, mark, quoted)


def _block(block: Element, mark: str, number: int, quoted: int) -> Iterator[str]:
    kind = block.local_name
    if kind == "blockquote" and quoted < MOST_QUOTED:
        yield from (f"\n> {line}" for line in plain(block.children, quoted + 1).split("\n"))
    else:
        start = f"{number}." if mark == "ol" else "-"
        yield f"\n{start} " if kind == "li" else "\n"
        yield from _pieces(block.children, kind, quoted)
    yield "\n"


def _address(href: str, shown: str) -> str:
    """Return where a link leads, unless its text says so."""
    bare = href.removeprefix("mailto:").removeprefix("tel:")
    if not href or shown in {href, bare} or href.rstrip("/").endswith(f"//{shown.rstrip('/')}"):
        return ""
    return f" <{href}>" if shown else href


def _bare(clean: str) -> str:
    """Return the text of HTML that was cleaned: after that, four characters are references."""
    text = _SPACE.sub(" ", _TAG.sub("", clean)).strip()
    for reference, character in _REFERENCES:
        text = text.replace(reference, character)
    return text

"""XML elements as stanzas use them, and their printing (RFC 6120 §11; XML 1.0; XML Names)."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, overload

from dragoman.errors import LocalError

CLIENT: Final = "jabber:client"
SERVER: Final = "jabber:server"
COMPONENT: Final = "jabber:component:accept"
STREAMS: Final = "http://etherx.jabber.org/streams"
XML: Final = "http://www.w3.org/XML/1998/namespace"

NEUTRAL: Final[dict[str, str]] = {SERVER: CLIENT, COMPONENT: CLIENT}
"""Content namespaces that differ in name only: in here all are jabber:client (RFC 6120 §4.8.3)."""

_ILLEGAL: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_START: Final = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d"
    "\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME: Final = re.compile(f"[{_START}][{_START}.0-9\u00b7\u0300-\u036f\u203f\u2040-]*")


class Element:
    """One element: a tree of names, attributes and text, nothing of how it was written.

    `name` is "{namespace}local" ("local" in no namespace); `attributes` maps names, written in the
    same way except for "xml:lang", to values; `children` are elements and character data in order.
    Equality compares the whole tree.
    """

    __slots__ = ("attributes", "children", "name")

    def __init__(
        self,
        name: str,
        attributes: dict[str, str] | None = None,
        children: Iterable["Element | str"] = (),
    ) -> None:
        """Build one; `attributes` is kept, not copied."""
        self.name = name
        self.attributes: dict[str, str] = {} if attributes is None else attributes
        self.children: list[Element | str] = list(children)

    @property
    def namespace(self) -> str:
        """The namespace name, "" for none."""
        return self.name[1:].rpartition("}")[0] if self.name[:1] == "{" else ""

    @property
    def local_name(self) -> str:
        """The name without its namespace."""
        return self.name.rpartition("}")[2]

    @property
    def text(self) -> str:
        """The element's own character data, joined; what its children hold is not in it."""
        children = self.children
        if len(children) == 1 and isinstance(children[0], str):
            return children[0]
        return "".join([child for child in children if isinstance(child, str)])

    @property
    def elements(self) -> list["Element"]:
        """The child elements, in order."""
        return [child for child in self.children if isinstance(child, Element)]

    def find(self, name: str) -> "Element | None":
        """The first child element of that name, None when there is none."""
        for child in self.children:
            if isinstance(child, Element) and child.name == name:
                return child
        return None

    def find_all(self, name: str) -> list["Element"]:
        """Every child element of that name, in order."""
        return [c for c in self.children if isinstance(c, Element) and c.name == name]

    @overload
    def get(self, attribute: str) -> str | None: ...
    @overload
    def get(self, attribute: str, default: str) -> str: ...
    def get(self, attribute: str, default: str | None = None) -> str | None:
        """The attribute's value, or `default`."""
        return self.attributes.get(attribute, default)

    def __eq__(self, other: object) -> bool:
        """Compare names, attributes and children, all the way down."""
        if not isinstance(other, Element):
            return NotImplemented
        return (
            self.name == other.name
            and self.attributes == other.attributes
            and self.children == other.children
        )

    __hash__ = None  # type: ignore[assignment] # mutable, so unhashable

    def __repr__(self) -> str:
        """Name and number of children: content stays out of logs."""
        return f"<Element {self.name} with {len(self.children)} children>"


def sanitize(text: str) -> str:
    """`text` without the characters that XML 1.0 forbids (§2.2 Char; RFC 6120 §11.3)."""
    return text if text.isprintable() else _ILLEGAL.sub("", text)


def to_xml(
    element: Element, default_namespace: str = "", prefixes: Mapping[str, str] | None = None
) -> str:
    """Print `element` for a place where some namespaces are declared already.

    `default_namespace` is the one in scope; when it is a stream's content namespace, elements of
    jabber:client are taken to be in it (RFC 6120 §4.8.3). `prefixes` maps namespaces to prefixes in
    scope. No other declaration is repeated, none is missing. Characters that XML 1.0 forbids are
    dropped. A name that XML does not allow is a LocalError.
    """
    out: list[str] = []
    _write(out, element, NEUTRAL.get(default_namespace, default_namespace), prefixes or {})
    return "".join(out)


def _write(out: list[str], element: Element, scope: str, prefixes: Mapping[str, str]) -> None:
    namespace, tag = _split(element.name)
    if namespace == scope:
        out.append("<" + tag)
    elif namespace in prefixes:
        tag = f"{prefixes[namespace]}:{tag}"
        out.append("<" + tag)
    else:
        scope = namespace
        out.append(f"<{tag} xmlns='{_value(namespace)}'")
    if element.attributes:
        _write_attributes(out, element.attributes, prefixes)
    if not element.children:
        out.append("/>")
        return
    out.append(">")
    for child in element.children:
        if isinstance(child, str):
            out.append(_data(child))
        else:
            _write(out, child, scope, prefixes)
    out.append(f"</{tag}>")


def _write_attributes(
    out: list[str], attributes: dict[str, str], prefixes: Mapping[str, str]
) -> None:
    declared = 0
    for name, value in attributes.items():
        namespace, local = _split_attribute(name)
        if not namespace:
            out.append(f" {local}='{_value(value)}'")
        elif namespace in prefixes:
            out.append(f" {prefixes[namespace]}:{local}='{_value(value)}'")
        else:
            declared += 1
            out.append(
                f" xmlns:ns{declared}='{_value(namespace)}' ns{declared}:{local}='{_value(value)}'"
            )


@lru_cache(maxsize=4096)
def _split(name: str) -> tuple[str, str]:
    if name.startswith("xml:") and _NAME.fullmatch(name[4:]):
        return "", name
    namespace, _, local = name[1:].rpartition("}") if name[:1] == "{" else ("", "", name)
    if not _NAME.fullmatch(local):
        raise LocalError(f"not a name in XML: {name[:80]!r}")
    return (namespace, local) if namespace != XML else ("", f"xml:{local}")


@lru_cache(maxsize=4096)
def _split_attribute(name: str) -> tuple[str, str]:
    if name == "xmlns":
        raise LocalError("a namespace is part of a name, not an attribute")
    return _split(name)


def _data(text: str) -> str:
    printable = text.isprintable()
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if printable:
        return text
    # A bare CR would reach the other side as LF (XML 1.0 §2.11).
    return _ILLEGAL.sub("", text).replace("\r", "&#13;")


def _value(text: str) -> str:
    printable = text.isprintable()
    text = _data(text)
    if "'" in text:
        text = text.replace("'", "&apos;")
    # White space in attribute values is normalized unless it is referenced (XML 1.0 §3.3.3).
    return text if printable else text.replace("\n", "&#10;").replace("\t", "&#9;")

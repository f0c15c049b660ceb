"""Stanza Headers (XEP-0131): what other networks put into headers, beside a stanza's payload."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "http://jabber.org/protocol/shim"
HEADERS: Final = f"{{{NS}}}headers"
HEADER: Final = f"{{{NS}}}header"


def header(stanza: Element, name: str) -> str | None:
    """Return the value of the first header `name`, None where there is none."""
    headers = stanza.find(HEADERS)
    for each in () if headers is None else headers.find_all(HEADER):
        if each.get("name") == name:
            return each.text
    return None


def headers(named: dict[str, str]) -> Element:
    """Return the element that carries these headers."""
    return Element(HEADERS, None, [Element(HEADER, {"name": k}, (v,)) for k, v in named.items()])

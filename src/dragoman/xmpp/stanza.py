"""Messages, presence and info/query: building and answering them (RFC 6120 §8; RFC 6121)."""

from collections.abc import Iterable
from typing import Final

from dragoman.xmpp.element import CLIENT, COMPONENT, SERVER, STREAMS, Element, to_xml
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.jid import Jid

__all__ = [
    "BODY",
    "CLIENT",
    "COMPONENT",
    "ERROR",
    "IQ",
    "MESSAGE",
    "PRESENCE",
    "SERVER",
    "STREAMS",
    "SUBJECT",
    "THREAD",
    "ends",
    "error_reply",
    "iq",
    "is_stanza",
    "message",
    "payload",
    "presence",
    "reply",
]

MESSAGE: Final = f"{{{CLIENT}}}message"
PRESENCE: Final = f"{{{CLIENT}}}presence"
IQ: Final = f"{{{CLIENT}}}iq"

BODY: Final = f"{{{CLIENT}}}body"
SUBJECT: Final = f"{{{CLIENT}}}subject"
THREAD: Final = f"{{{CLIENT}}}thread"
ERROR: Final = f"{{{CLIENT}}}error"

_STANZAS: Final = frozenset({MESSAGE, PRESENCE, IQ})
_LARGEST_ECHO: Final = 1024


def is_stanza(element: Element) -> bool:
    """Whether a first-level element is a stanza (§4.1), not negotiation or something unknown."""
    return element.name in _STANZAS


def ends(stanza: Element) -> tuple[Jid, Jid]:
    """Return who a stanza is from, and for; raises StanzaError (jid-malformed) for no address."""
    return Jid.parse(stanza.get("from", "")), Jid.parse(stanza.get("to", ""))


def message(
    to: str,
    from_: str,
    *,
    id: str = "",  # noqa: A002 - the attribute's name
    type: str | None = None,  # noqa: A002 - the attribute's name
    children: Iterable[Element | str] = (),
) -> Element:
    """A `<message/>`; no `type` means normal (RFC 6121 §5.2.2), an empty `id` leaves it out."""
    return Element(MESSAGE, _common(to, from_, id, type), children)


def presence(
    to: str,
    from_: str,
    *,
    id: str = "",  # noqa: A002 - the attribute's name
    type: str | None = None,  # noqa: A002 - the attribute's name
    children: Iterable[Element | str] = (),
) -> Element:
    """A `<presence/>`; no `type` means available (RFC 6121 §4.7.1)."""
    return Element(PRESENCE, _common(to, from_, id, type), children)


def iq(
    to: str,
    from_: str,
    *,
    id: str,  # noqa: A002 - the attribute's name
    type: str,  # noqa: A002 - the attribute's name
    children: Iterable[Element | str] = (),
) -> Element:
    """An `<iq/>`, whose `id` and `type` the standard demands (§8.2.3)."""
    return Element(IQ, _common(to, from_, id, type), children)


def payload(query: Element) -> Element | None:
    """The child that says what an `<iq/>` is about (§8.2.3): the first that is not an error."""
    for child in query.elements:
        if child.name != ERROR:
            return child
    return None


def reply(query: Element, children: Iterable[Element | str] = ()) -> Element:
    """The result for an `<iq/>` of type get or set: addresses swapped, same id (§8.2.3)."""
    return Element(IQ, _swapped(query, "result"), children)


def error_reply(stanza: Element, error: StanzaError) -> Element | None:
    """The error stanza that answers `stanza` (§8.3.1), None when nothing may.

    Never answered are errors, results of an `<iq/>` and what is no stanza. The offending content is
    included when it prints in at most 1024 characters; the answer can then be matched by eye.
    """
    if not is_stanza(stanza) or stanza.get("type") == "error":
        return None
    if stanza.name == IQ and stanza.get("type") == "result":
        return None
    children = stanza.children if _is_small(stanza) else []
    return Element(stanza.name, _swapped(stanza, "error"), [*children, error.element()])


def _common(to: str, from_: str, id_: str, type_: str | None) -> dict[str, str]:
    attributes = {"from": from_, "to": to}
    if id_:
        attributes["id"] = id_
    if type_:
        attributes["type"] = type_
    return attributes


def _swapped(stanza: Element, type_: str) -> dict[str, str]:
    given = stanza.attributes
    swapped = {"from": given.get("to"), "to": given.get("from"), "id": given.get("id")}
    return {name: value for name, value in swapped.items() if value is not None} | {"type": type_}


def _is_small(stanza: Element) -> bool:
    return len(to_xml(stanza)) <= _LARGEST_ECHO

"""Delivering Conference Information to Jingle Participants (Coin, XEP-0298)."""

from typing import Final

from dragoman.xmpp import stanza
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import flag
from dragoman.xmpp.ext.jingle import JINGLE, Jingle

NS: Final = "urn:xmpp:coin:1"
DOCUMENT_NS: Final = "urn:ietf:params:xml:ns:conference-info"
CONFERENCE_INFO: Final = f"{{{NS}}}conference-info"
DOCUMENT: Final = f"{{{DOCUMENT_NS}}}conference-info"
"""The root of a document of RFC 4575."""


def focus(*, is_focus: bool = True) -> Element:
    """Return what says, in any request of a session, whether its sender mixes (§5)."""
    return Element(CONFERENCE_INFO, {"isfocus": "true" if is_focus else "false"})


def is_focus(jingle: Jingle) -> bool | None:
    """Tell whether the sender of a request mixes a conference; None: it says nothing of it."""
    told = (each for each in (jingle.info, *jingle.others) if each is not None)
    found = next((each for each in told if each.name == CONFERENCE_INFO), None)
    return None if found is None else flag(found, "isfocus")


def carrier(to: str, from_: str, id_: str, document: Element) -> Element:
    """Return the request that carries a document about a conference (§6).

    The document alone: §6 lets a `<jingle/>` tell the session, but a request has one child
    (RFC 6120 §8.2.3), and Prosody refuses one that has two.
    """
    return stanza.iq(to, from_, type="set", id=id_, children=(document,))


def document(iq: Element) -> tuple[str, Element] | None:
    """Return the document that a request carries, and the sid of its session, "" for none told."""
    found = iq.find(DOCUMENT)
    about = iq.find(JINGLE)
    return None if found is None else ("" if about is None else about.get("sid", ""), found)

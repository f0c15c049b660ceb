"""The messages that come before and after a session of Jingle (XEP-0353)."""

from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.hints import STORE
from dragoman.xmpp.ext.jmi import NS, Initiation, Step
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import message

_STEPS: Final = {str(each): each for each in Step}


def spoken(local: Jid, remote: Jid, initiation: Initiation) -> Element:
    """Return the message that says it: of type chat, to be kept (§3).

    Its id tells what came back, should it come back: see `returned`.
    """
    return message(
        str(remote),
        str(local),
        id=f"{initiation.step}-{initiation.id}",
        type="chat",
        children=(initiation.element(), Element(STORE)),
    )


def heard(stanza: Element) -> Initiation | None:
    """Return what a message says of a call, None where it says nothing.

    Raises RemoteError where that cannot be read.
    """
    for child in stanza.elements:
        if child.namespace == NS:
            return Initiation.parse(child)
    return None


def returned(stanza: Element) -> tuple[Step, str] | None:
    """Return which of our messages, and of which call, an undelivered one is; None: it is none."""
    said, dash, sid = stanza.get("id", "").partition("-")
    step = _STEPS.get(said)
    return (step, sid) if step is not None and dash else None


def overrules(ours: tuple[str, Jid], theirs: tuple[str, Jid]) -> bool:
    """Tell whether our call goes before theirs, each given by its sid and who makes it.

    The lower sid does by its octets, or the lower JID (XEP-0166 §7.2.16, XEP-0353 §4.1).
    """
    return _octets(*ours) < _octets(*theirs)


def _octets(sid: str, jid: Jid) -> tuple[bytes, bytes]:
    return sid.encode(errors="replace"), str(jid).encode(errors="replace")

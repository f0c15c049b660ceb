"""Entity Time (XEP-0202): what time it is here."""

from datetime import UTC, datetime
from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.stanza import reply

NS: Final = "urn:xmpp:time"


def answer(iq: Element, utc: float) -> Element:
    """Return the time `utc`, in seconds since 1970; a gateway's zone is UTC (XEP-0202 §2)."""
    moment = datetime.fromtimestamp(utc, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = (("tzo", "+00:00"), ("utc", moment))
    children = [Element(f"{{{NS}}}{tag}", None, (text,)) for tag, text in told]
    return reply(iq, (Element(f"{{{NS}}}time", None, children),))

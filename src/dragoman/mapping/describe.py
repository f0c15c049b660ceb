"""The document of an XMPP user's presence as SIP carries it (RFC 3856 §6.7, RFC 8048 §6.2)."""

from collections.abc import Callable, Sequence

from dragoman.mapping import pidf
from dragoman.mapping.address import jid_to_sip
from dragoman.mapping.presence import Presence, languages, to_document
from dragoman.sip.notifier import Body
from dragoman.sip.uri import Uri
from dragoman.xmpp.jid import Jid


def described(
    user: Jid, presences: Sequence[Presence], address: Callable[[Jid], Uri], now: float
) -> Body:
    """Return all that is known of the user with that bare JID, as a body.

    `address` gives the SIP URI of a JID; `now`, in seconds since 1970, is the time of what tells
    none.
    """

    def contact(resource: str) -> str:
        return str(address(Jid(user.local, user.domain, resource)))

    document = to_document(str(jid_to_sip(user, scheme="pres")), presences, contact, now)
    headers = [("Content-Type", pidf.MEDIA_TYPE)]
    if language := languages(presences):
        headers.append(("Content-Language", language))
    return Body(headers, pidf.write(document))

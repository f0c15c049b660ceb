"""Presence (RFC 8048): whose stanzas and requests go to which of the services.

SIP users who are watched (`presentities.py`) and SIP users who watch (`watchers.py`) know nothing
of each other: to end one direction leaves the other as it was (§5.2.3, §5.3.3).
"""

from collections.abc import Hashable, Iterable, Sequence
from logging import getLogger
from typing import Final

from dragoman.bridge.faults import Timed
from dragoman.bridge.presentities import PROOF_ID, Presentities
from dragoman.bridge.publishing import Publications
from dragoman.bridge.watchers import Watchers
from dragoman.log import about
from dragoman.mapping.failure import Unreached
from dragoman.sip.endpoint import Cause, ServerTransaction
from dragoman.sip.message import Request, Response
from dragoman.sip.publisher import Publishing
from dragoman.sip.subscriber import Subscribing
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.stanza import PRESENCE, ends

log = getLogger(__name__)

METHODS: Final = ("SUBSCRIBE", "NOTIFY")
EVENTS: Final = ("presence",)
ROOM: Final = "http://jabber.org/protocol/muc#user"
WATCHES: Final = frozenset({"subscribe", "unsubscribe", "probe"})
"""What an XMPP user says as one who watches."""
ANSWERS: Final = frozenset({"subscribed", "unsubscribed"})
"""What he says as one who is watched."""
STATES: Final = frozenset({None, "unavailable"})
TOLD: Final = STATES | ANSWERS
"""What he is told as one who watches."""


class Presence:
    """The front of both services."""

    def __init__(
        self, presentities: Presentities, watchers: Watchers, publications: Publications
    ) -> None:
        """Have both directions, and what is published."""
        self.presentities = presentities
        self.watchers = watchers
        self.publications = publications

    @property
    def services(self) -> Sequence[Timed]:
        """Those that have timers."""
        return self.presentities, self.watchers, self.publications

    def start(self, now: float) -> None:
        """Take up what an earlier process left."""
        self.watchers.start()
        self.presentities.start(now)

    def give_up(self, now: float) -> None:
        """Tell SIP users who watch that it is over: the gateway stops."""
        self.watchers.give_up(now)

    def knows(self, request: Request) -> bool:
        """Tell whether a NOTIFY is of a dialog that we began."""
        return self.presentities.knows(request)

    @property
    def quiet(self) -> bool:
        """Whether nobody is still to be told that the gateway stops."""
        return self.watchers.quiet

    def on_stanza(self, stanza: Element, now: float) -> None:
        """Take presence of an XMPP user for a SIP user, or for a domain of ours."""
        user, contact = ends(stanza)
        kind = stanza.get("type")
        if not contact.local and self.publications.takes(user):
            self.publications.on_stanza(stanza, now)
        if not contact.local or (kind == "error" and stanza.get("id", "").startswith(PROOF_ID)):
            self.presentities.on_proof(stanza, user, now)
        elif kind in WATCHES:
            self.presentities.on_stanza(stanza, user, contact, now)
        elif kind in ANSWERS or kind == "error":
            self.watchers.on_presence(stanza, now)
        elif kind in STATES and not _is_of_room(stanza):
            self.presentities.on_stanza(stanza, user, contact, now)
            self.watchers.on_presence(stanza, now)
        else:
            log.debug("presence dropped", extra=about(jid=user, sip=contact))

    def on_request(
        self, request: Request, transaction: ServerTransaction, sender: Uri, now: float
    ) -> None:
        """Take a SUBSCRIBE of a SIP user who is believed, or a NOTIFY."""
        if request.method == "NOTIFY":
            self.presentities.on_notify(request, transaction, now)
        else:
            self.watchers.on_subscribe(request, transaction, sender, now)

    def on_response(self, handle: Hashable, response: Response, now: float) -> None:
        """Take a response to a request of either service."""
        if isinstance(handle, Subscribing):
            self.presentities.on_response(handle, response, now)
        elif isinstance(handle, Publishing):
            self.publications.on_response(handle, response, now)
        else:
            self.watchers.on_response(handle, response, now)

    def on_failure(
        self, handle: Hashable, cause: Cause | Unreached | StanzaError, now: float
    ) -> None:
        """Learn that a request of either service got no response."""
        if isinstance(handle, Subscribing):
            self.presentities.on_failure(handle, cause, now)
        elif isinstance(handle, Publishing):
            self.publications.on_failure(handle, now)
        else:
            self.watchers.on_failure(handle, now)

    def undelivered(self, stanza: Element, error: StanzaError, now: float) -> None:
        """Take back presence of ours that was never handed over."""
        proof = stanza.get("id", "").startswith(PROOF_ID)
        if proof or stanza.get("type") in TOLD:
            self.presentities.undelivered(stanza, now)
        if not proof:
            self.watchers.undelivered(stanza, error, now)

    def lost(self, stanzas: Iterable[Element], now: float) -> None:
        """Learn what was handed over and may not have arrived."""
        for each in stanzas:
            if each.name == PRESENCE and each.get("type") in TOLD:
                self.presentities.undelivered(each, now)

    def describe(self) -> dict[str, dict[str, int]]:
        """Return counts of both."""
        return {
            "presentities": self.presentities.describe(),
            "watchers": self.watchers.describe(),
            "publications": self.publications.describe(),
        }


def _is_of_room(stanza: Element) -> bool:
    """Tell presence of an occupant, which says nothing about the user behind (XEP-0045)."""
    return any(child.namespace == ROOM for child in stanza.elements)

"""Clients that mix a conference: phones in it may subscribe to what they tell (RFC 4575, XEP-0298).

The Contact of such a call is the conference's address, and we stand for its focus there. Whoever
is in the call may subscribe, and is told all that the client has told by then.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from dragoman.bridge.call import Call
from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import SipPort, XmppPort
from dragoman.mapping.conference import (
    LATEST,
    MEDIA_TYPE,
    ConferenceError,
    Document,
    Gap,
    Known,
    in_sip,
    write,
)
from dragoman.mapping.failure import Refused
from dragoman.sip.endpoint import ServerTransaction
from dragoman.sip.header import NameAddress, accepts
from dragoman.sip.message import Request, Response, response_to
from dragoman.sip.notifier import Body, Notifier, Notifying, Terms, Unacceptable
from dragoman.sip.route import RouteSet
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import coin
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import ends, error_reply, reply

TAKES: Final = frozenset({MEDIA_TYPE, "application/*", "*/*"})
MOST_A_CALL: Final = 8
"""Subscriptions of a phone to one conference."""
MOST: Final = 4000

Notify: TypeAlias = Callable[[Request, Notifying, RouteSet], None]


@dataclass(slots=True, eq=False)
class Host:
    """What a client has told of its conference, and who subscribes to that."""

    call: Call
    known: Known = field(default_factory=Known)
    versions: dict[int, int] = field(default_factory=dict)
    """Of the last document of each subscription."""


class Hosting:
    """All conferences that clients mix. `request` sends a NOTIFY."""

    def __init__(
        self,
        sip: SipPort,
        request: Notify,
        xmpp: XmppPort,
        naming: Naming,
        token: Callable[[], str],
    ) -> None:
        """Know of none."""
        self._naming = naming
        self._sip = sip
        self._request = request
        self._xmpp = xmpp
        self._token = token
        self._notifier = Notifier(Terms("conference", most=MOST, share=MOST // 4), self._document)
        self._hosts: dict[str, Host] = {}
        self._by_key: dict[int, Host] = {}

    # -- the call ----------------------------------------------------------------------------

    def begin(self, call: Call) -> None:
        """Learn that the client of a call mixes."""
        if call.id not in self._hosts:
            self._hosts[call.id] = Host(call)

    def over(self, call: Call, now: float) -> None:
        """Learn that the conference is none any more, or not for this phone."""
        host = self._hosts.pop(call.id, None)
        for key in () if host is None else tuple(host.versions):
            del self._by_key[key]
            self._notifier.end(key, "noresource", now)

    # -- the client ----------------------------------------------------------------------------

    def on_document(self, stanza: Element, now: float) -> bool:
        """Take a request that tells of a conference, and answer it; False: it tells of none."""
        found = coin.document(stanza)
        if found is None:
            return False
        sid, root = found
        remote, local = ends(stanza)
        try:
            self._told(self._of_client(remote, local, sid), root, now)
        except StanzaError as error:
            answer = error_reply(stanza, error)
        else:
            answer = reply(stanza)
        if answer is not None:
            self._xmpp.send(answer, local.domain, remote.domain)
        return True

    def _of_client(self, remote: Jid, local: Jid, sid: str) -> Host:
        """Return the conference that a client tells of; raises StanzaError for none."""
        for host in reversed(self._hosts.values()):
            session = host.call.jingle
            if session is None or sid not in {"", session.sid}:
                continue
            if (session.remote, session.local.bare) == (remote, local.bare):
                return host
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="no conference of that session")

    def _told(self, host: Host, root: Element, now: float) -> None:
        """Raises StanzaError."""
        try:
            host.known = host.known.heard(Document.of(root))
        except Gap as error:
            raise StanzaError(Condition.UNEXPECTED_REQUEST, text=error.reason) from error
        except ConferenceError as error:
            much = error.status == 413
            condition = Condition.RESOURCE_CONSTRAINT if much else Condition.BAD_REQUEST
            raise StanzaError(condition, text=error.reason) from error
        for key in host.versions:
            self._notifier.change(key, now)

    # -- the phone -----------------------------------------------------------------------------

    def on_subscribe(
        self,
        request: Request,
        transaction: ServerTransaction,
        user: Jid,
        recipient: Jid,
        now: float,
    ) -> None:
        """Take a SUBSCRIBE of the SIP user `user`; raises Refused and SipError.

        Who is not in the conference hears 404, as where there is none: what is told of one is for
        those who are in it (RFC 4575 §3.5).
        """
        if not accepts(request.get_all("Accept"), TAKES):
            raise Refused("no document that is accepted", 406, ("Accept", MEDIA_TYPE))
        host = self._of_phone(user, recipient)
        if host is None:
            raise Refused("no conference", 481 if request.to.tag else 404)
        if len(host.versions) >= MOST_A_CALL and request.to.tag is None:
            raise Refused("too many subscriptions", 500, ("Retry-After", "60"))
        try:
            contact = "" if host.call.sip is None else host.call.sip.dialog.contact
            granted = self._notifier.subscribe(request, self._token(), contact, now, user.domain)
        except Unacceptable as error:
            raise Refused("not acceptable", error.status, *error.headers) from error
        if granted.first:
            host.versions[granted.key] = 0
            self._by_key[granted.key] = host
        headers = (*granted.headers, ("Allow-Events", "conference"))
        tag = self._notifier.tag(granted.key)
        self._sip.respond(transaction, response_to(request, 200, headers=headers, to_tag=tag))
        self._notifier.activate(granted.key, now)
        if not granted.expires:
            self._leave(granted.key, granted.first, now)

    def _leave(self, key: int, once: bool, now: float) -> None:
        """Answer what is asked once, or end what is not wanted any more."""
        if once:
            self._notifier.ready(key, now)
        else:
            self._notifier.end(key, "timeout", now, body=self._document(key))
            self._gone(key)

    def _gone(self, key: int) -> None:
        host = self._by_key.pop(key, None)
        if host is not None:
            del host.versions[key]

    def _of_phone(self, user: Jid, recipient: Jid) -> Host | None:
        """Return the conference that a SIP user is in with an XMPP user, or a device of his."""
        for host in reversed(self._hosts.values()):
            call = host.call
            if call.peer.bare == user.bare and recipient in {call.user, call.user.bare}:
                return host
        return None

    def _document(self, key: int) -> Body | None:
        """Return what a subscriber is told; None: the client has told nothing yet."""
        host = self._by_key.get(key)
        session = None if host is None else host.call.sip
        if host is None or session is None:
            return None
        version = min(host.versions[key] + 1, LATEST)
        entity = str(NameAddress.parse(session.dialog.contact).uri)
        document = host.known.told(entity, version)
        if document is None:
            return None
        host.versions[key] = version
        return Body(
            [("Content-Type", MEDIA_TYPE)], write(in_sip(document, self._naming.sip_recipient))
        )

    def on_response(self, handle: Notifying, response: Response, now: float) -> None:
        """Take a response to a NOTIFY."""
        self._notifier.on_response(handle, response, now)

    def on_failure(self, handle: Notifying) -> None:
        """Learn that a NOTIFY got no response."""
        self._notifier.on_failure(handle)

    # -- time, and what goes out -----------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        self._notifier.on_timer(now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._notifier.next_timer()

    def settle(self, now: float) -> None:
        """Send what waits."""
        for request, route, handle in self._notifier.to_send(now):
            self._request(request, handle, route)
        for over in self._notifier.events():
            self._gone(over.key)

    def describe(self) -> dict[str, int]:
        """Return how many clients mix, and how many subscriptions there are."""
        return {"hosted": len(self._hosts), "subscribers": len(self._notifier)}

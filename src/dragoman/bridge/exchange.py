"""What all calls share, whoever began them: turns, the plane's word, and how they end.

XEP-0166 §6.7, RFC 3261 §15; docs/design/0013-calls.md.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from logging import getLogger
from typing import Final

from dragoman.bridge import jingled, transcoding
from dragoman.bridge.abilities import Abilities
from dragoman.bridge.call import (
    TROUBLES,
    Call,
    Rules,
    reason_of,
)
from dragoman.bridge.conference import ISFOCUS, Conferences, mixes
from dragoman.bridge.hairpin import Hairpin
from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import XmppPort
from dragoman.bridge.redirect import Redirects
from dragoman.bridge.referral import Referrals
from dragoman.bridge.revisions import Revisions
from dragoman.bridge.sessions import Caller, SessionService
from dragoman.bridge.takeover import Takeovers
from dragoman.bridge.transfer import Transfers
from dragoman.bridge.trickle import PACKAGE, Trickle
from dragoman.bridge.unproposed import Unproposed
from dragoman.log import about
from dragoman.mapping import hangup
from dragoman.mapping.address import Unmappable, without_gr
from dragoman.media.plane import (
    DTLS,
    NEAR,
    PLAIN,
    SDES,
    WEBRTC,
    MediaError,
    Plane,
    Profile,
    Side,
    Trouble,
)
from dragoman.sdp.failure import SdpError
from dragoman.sdp.offer import Negotiation
from dragoman.sdp.session import Origin, SessionDescription
from dragoman.sip import session as sip
from dragoman.sip.header import NameAddress
from dragoman.sip.refer import NOREFERSUB, NOSUB
from dragoman.sip.replaces import OPTION as REPLACES
from dragoman.sip.session import Body
from dragoman.sip.subscriber import Parties
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import Reason, Why
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.sessions import Full as NoRoom
from dragoman.xmpp.sessions import Sessions as JingleSessions

log = getLogger(__name__)

MORE: Final = ("INFO", "REFER", "NOTIFY")
"""The methods that may come in a call, beyond those of every session."""
EXTENSIONS: Final = (PACKAGE, REPLACES, NOREFERSUB, NOSUB)
"""What may be required of us in a call, beyond what may in every session."""
OF_TRANSFER: Final = frozenset({"REFER", "NOTIFY", REPLACES, NOREFERSUB, NOSUB})
"""What of these there is where calls may be transferred."""
KINDS: Final = ("audio", "video", "text")
DEVICE: Final = "phone"
"""The resource of a SIP user whose phone names none."""
FEATURES: Final = ";audio;video"
"""What our Contact says (RFC 3840)."""
NO_DEVICE: Final = frozenset({404, 410, 480, 484, 604})
"""Answers after which the user is called, where a device of his was: it may be but a name."""
MOST_CALLS: Final = 2000
MOST_TAKEN: Final = 4096
"""Users whose way of carrying media is remembered."""


class Exchange(SessionService):
    """The ground of `Calls`, which says what its parts are."""

    jingles: JingleSessions
    rules: Rules
    plane: Plane
    abilities: Abilities
    trickle: Trickle
    revisions: Revisions
    transfers: Transfers
    takeovers: Takeovers
    hairpin: Hairpin
    redirects: Redirects[Call]
    referrals: Referrals
    conferences: Conferences
    unproposed: Unproposed
    _xmpp: XmppPort
    _naming: Naming
    _token: Callable[[], str]
    _clock: Callable[[], float]
    _settle: Callable[[], None]
    _most: int
    _calls: dict[str, Call]
    _taken: dict[str, Profile]
    _caller: Caller | None

    def now(self) -> float:
        """Return the time of what is being done."""
        return self._now

    def send(self, stanza: Element) -> None:
        """Send a stanza of a SIP user's."""
        ours, theirs = (Jid.parse(stanza.get(each, "")) for each in ("from", "to"))
        self._xmpp.send(stanza, ours.domain, theirs.domain)

    def turn(self) -> None:
        """Have what was done outside of an event go out."""
        self._drain()
        self._settle()

    def ask(
        self, call: Call, then: Callable[[SessionDescription], None]
    ) -> Callable[[SessionDescription | MediaError], None]:
        """Return what takes the plane's word: it ends the call, or goes on with `then`."""

        def told(made: SessionDescription | MediaError) -> None:
            if call.over:
                return
            self._now = max(self._now, self._clock())
            if isinstance(made, MediaError):
                self.fail(call, made)
            else:
                then(made)
            self.turn()

        return told

    def offer_phone(
        self,
        call: Call,
        then: Callable[[SessionDescription], None],
        profile: Profile | None = None,
    ) -> None:
        """Have `then` learn how to offer the phone what the client said last, as the call has it.

        `profile`: in that way this time.
        """
        assert call.client is not None  # noqa: S101 - it has said what it wants
        toward = profile or call.profile
        self.plane.offer(call.id, Side.XMPP, call.client, toward, self.ask(call, then))

    # -- who it is between ---------------------------------------------------------------

    def ways(self, call: Call, peer: Jid, secure: bool) -> list[Profile]:
        """Return in which ways to offer a phone media, the one that it took before the first."""
        usual = [SDES, PLAIN, DTLS, WEBRTC] if secure else [PLAIN, DTLS, WEBRTC, SDES]
        known = self._taken.get(str(peer.bare))
        return transcoding.ways(usual, known, call, self.plane)

    def ways_inside(self, call: Call) -> list[Profile]:
        """Return in which ways to offer media to another client, which the plane has as well."""
        return transcoding.ways([NEAR], None, call, self.plane)

    def recipient(self, uri: Uri) -> Jid:
        """Return whom a SIP user calls so. Raises Unmappable."""
        return self._naming.xmpp_recipient(uri)

    def named(self, uri: Uri) -> Jid | None:
        """Return how a SIP user is called on XMPP; None where he has no name there."""
        try:
            return self._naming.xmpp_sender(uri)
        except Unmappable:
            return None

    def called(self, user: Jid) -> Uri:
        """Return how SIP users call somebody, whichever side he is on. Raises Unmappable."""
        return self._naming.sip_recipient(user)

    def caller(self, user: Jid) -> Uri:
        """Return how an XMPP user is called on SIP. Raises Unmappable."""
        return self._naming.sip_sender(user)

    def parties(self, user: Jid, peer: Jid, target: Uri, called: Uri) -> Parties:
        """Return who calls whom in an INVITE of an XMPP user's, to where. Raises Unmappable."""
        source = without_gr(self._naming.sip_sender(user))
        contact = self._naming.contact(user, peer) + FEATURES
        remote = f"<{without_gr(called)}>"
        return Parties(str(target), str(NameAddress("", source)), remote, contact)

    def remember(self, call: Call) -> None:
        """Remember in which way a phone took its media."""
        call.profile = replace(call.profile, more=False)
        if len(self._taken) >= MOST_TAKEN:
            self._taken.pop(next(iter(self._taken)))
        self._taken[str(call.peer.bare)] = call.profile

    def contact(self, call: Call) -> str:
        """Return our Contact in a call as the phone is to hear it. Raises Unmappable."""
        if call.sip is None:
            usual = self._naming.contact(call.user, call.peer) + FEATURES
        else:
            usual = call.sip.dialog.contact.removesuffix(f";{ISFOCUS}")
        return self.conferences.contact(call, usual, self._now)

    def met(self, call: Call) -> None:
        """Learn that both talk, or what the client does with it: the phone hears if it mixes."""
        if call.sip is not None and call.talking and mixes(call) is not call.marked:
            call.sip.stand_at(self.contact(call))
            self.revisions.announce(call)
        self.conferences.joined(call, self._now)

    def _heard(self, call: Call, body: Body | None) -> SessionDescription | None:
        """Return what the phone answers; where that cannot be read the call is over, and None."""
        try:
            call.phone = jingled.read(body)
            call.negotiation = call.negotiation.answered(call.phone)
        except SdpError as error:
            log.warning("call ended", extra=about(sip=call.address, reason=error.reason))
            self.hang_up(call, Reason(Why.INCOMPATIBLE_PARAMETERS, error.reason))
            return None
        return call.phone

    # -- the end -----------------------------------------------------------------------

    def fail(self, call: Call, error: MediaError) -> None:
        """End a call that has no media."""
        log.warning("call without media", extra=about(jid=call.user, reason=error.reason))
        if error.trouble is Trouble.UNACCEPTABLE:
            transcoding.advise(call, self.plane)
        if call.sip is not None and call.sip.stage is sip.Stage.INVITED:
            status = TROUBLES[error.trouble][0]
            headers = [("Retry-After", "60")] if status == 503 else []
            call.sip.refuse(status, self._now, headers)
        self.hang_up(call, reason_of(error))

    def hang_up(self, call: Call, reason: Reason) -> None:
        """End both legs."""
        if call.jingle is not None:
            call.jingle.end(reason, self._now)
        self.end_sip(call, reason)

    def end_jingle(self, call: Call, reason: Reason) -> None:
        """End the client's leg, after the phone's."""
        if call.jingle is not None:
            call.jingle.end(reason, self._now)
        self._forget(call)

    def end_sip(self, call: Call, reason: Reason | None) -> None:
        """End the phone's leg, after the client's."""
        leg = call.sip
        self._forget(call)
        if leg is None:
            return
        if leg.stage is sip.Stage.INVITED:
            leg.refuse(hangup.status(reason), self._now, hangup.refusal(reason))
        elif leg.stage is not sip.Stage.OVER:
            leg.end(self._now, hangup.header(reason))

    def _forget(self, call: Call) -> None:
        call.over = True
        self.transfers.ended(call)
        self.referrals.ended(call)
        call.waiting.clear()
        self.conferences.over(call, self._now)
        self.unproposed.release(call)
        if self._calls.pop(call.id, None) is not None:
            self.plane.counters(call.id, partial(_tell, call))
            self.plane.close(call.id)

    def _begin(self, user: Jid, peer: Jid, address: Uri, caller: Side) -> Call:
        """Raises NoRoom."""
        if len(self._calls) >= self._most:
            raise NoRoom(f"{len(self._calls)} calls")
        number = str(int(self._token()[:15], 16))
        call = Call(self._token(), user, peer, address, caller, Negotiation(Origin("-", number, 1)))
        self._calls[call.id] = call
        log.info("call", extra=about(jid=user, sip=address, status=caller.value))
        return call


def _tell(call: Call, counters: dict[Side, object]) -> None:
    """Log how a call fared."""
    said = "; ".join(f"{side.value}: {each}" for side, each in counters.items())
    log.info("call over", extra=about(jid=call.user, sip=call.address, reason=said))


def device(user: Jid) -> Jid:
    """Return a SIP user as a device: his phone, where he names none."""
    return user if user.resource else Jid.parse(f"{user}/{DEVICE}")

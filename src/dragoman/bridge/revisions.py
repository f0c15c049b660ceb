"""How a call changes: hold, more or fewer media, another way for them (RFC 3264 §8, XEP-0166 §7.2).

The plane stands between, so that most of what one leg changes does not concern the other: a phone's
new address, a client's new candidates. What does is offered to it, one change at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from dragoman.bridge import transcoding
from dragoman.bridge.call import Call, directed, going, widened
from dragoman.bridge.jingled import Said, for_client, read, refusal
from dragoman.bridge.transports import Transports
from dragoman.errors import LocalError
from dragoman.mapping import call as mapping
from dragoman.mapping import transport
from dragoman.mapping.hold import turned
from dragoman.media.plane import MediaError, Side, Transcoding
from dragoman.sdp.failure import SdpError
from dragoman.sdp.session import Direction, SessionDescription
from dragoman.sip.changes import PENDING
from dragoman.sip.session import Body
from dragoman.xmpp import session as jingle
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import Action, Content, Reason, Why

if TYPE_CHECKING:
    from dragoman.bridge.calls import Calls

MOST_WAITING: Final = 8
"""Changes of a client's that wait for their turn."""
_HELD: Final = {
    jingle.Info.HOLD: Direction.SENDONLY,
    jingle.Info.UNHOLD: Direction.SENDRECV,
    jingle.Info.ACTIVE: Direction.SENDRECV,
}


class Revisions:
    """The changes of all calls."""

    def __init__(self, calls: "Calls") -> None:
        """Change what is among `calls`."""
        self._calls = calls
        self._plane = calls.plane
        self._transports = Transports(calls, self)

    # -- the phone's ---------------------------------------------------------------------

    def offered(self, call: Call, body: Body | None) -> None:
        """Take a re-INVITE or UPDATE of the phone's.

        Before the client has said what it takes it is too early: by that we may ask the phone. It
        is too late while another phone is called in place of this one.
        """
        if (not call.joined or call.occupied) and call.sip is not None:
            call.sip.decline(self._calls.now(), PENDING)
            return
        try:
            if body is None:
                self._asked(call)
                return
            new = read(body)
            call.negotiation = call.negotiation.offered(new)
            # a phone that took the call over need not have had as many streams as the client
            new = new if call.client is None else widened(new, call.client)
        except SdpError as error:
            self._decline(call, error.status)
            return
        new = for_client(new, call.client)
        weigh = self._or(call, partial(self._weigh, call, new))
        self._plane.offer(call.id, Side.SIP, new, call.toward_client, weigh)

    def _asked(self, call: Call) -> None:
        """Offer what there is, where the phone wants an offer. Raises SdpError."""
        call.negotiation = call.negotiation.asked()
        if call.client is None:
            raise SdpError("nothing is agreed on yet", 488)
        call.change = partial(self._taken_up, call, call.phone)
        client = directed(call.client, call.held)
        self._plane.offer(
            call.id, Side.XMPP, client, call.profile, self._or(call, partial(self._reoffer, call))
        )

    def _taken_up(
        self, call: Call, before: SessionDescription | None, answer: SessionDescription | None
    ) -> None:
        """Take what a phone answers that asked for an offer: by that it may hold, or resume."""
        if answer is not None:
            self._tell_turn(call, before, answer)
        self._settled(call, answer)

    def _reoffer(self, call: Call, made: SessionDescription) -> None:
        call.negotiation, said = call.negotiation.offer(made)
        if call.sip is not None:
            call.sip.accept(Body(said.encode()), self._calls.now())

    def _weigh(self, call: Call, new: SessionDescription, made: SessionDescription) -> None:
        """Tell the client what concerns it of a phone's offer, and answer that."""
        before, call.phone = call.phone, new
        if call.client is None or call.jingle is None:
            self._decline(call, 488)
            return
        self._tell_turn(call, before, new)
        known = len(call.layout.places)
        live = [n for n, media in enumerate(made.media) if media.port]
        self._wake(call, made, call.idle.intersection(live))
        gone = [n for n in range(known) if n not in live and call.client.media[n].port]
        gone = [n for n in gone if n not in call.idle]
        self._remove(call, gone)
        added = [n for n in live if n >= known or not call.client.media[n].port]
        if added:
            self._add(call, made, added)
        elif call.direct and transport.renews(before, made):
            self._transports.renew_client(call, made, partial(self._answer, call))
        else:
            self._answer(call)

    def _tell_turn(
        self, call: Call, before: SessionDescription | None, new: SessionDescription
    ) -> None:
        """Tell the client that it is on hold, or which streams go another way now."""
        turn = turned(before, new)
        if call.jingle is None:
            return
        if turn.held is not None:
            info = jingle.Info.HOLD if turn.held else jingle.Info.UNHOLD
            call.jingle.info(Element(info.value), self._calls.now())
        contents = tuple(
            Content(place.name, place.creator, mapping.senders(way, call.our_role))
            for n, way in turn.streams
            for place in call.layout.places[n : n + 1]
        )
        if contents:
            call.jingle.modify(contents, self._calls.now())

    def _wake(self, call: Call, made: SessionDescription, streams: frozenset[int]) -> None:
        """Tell the client of streams that the phone takes now, and had refused."""
        call.idle -= streams
        if call.client is not None:
            call.client = going(call.client, streams, Direction.SENDRECV)
        contents = tuple(
            Content(place.name, place.creator, mapping.senders(way, call.our_role))
            for n in sorted(streams)
            for place, way in [(call.layout.places[n], made.direction_of(made.media[n]))]
        )
        if contents and call.jingle is not None:
            call.jingle.modify(contents, self._calls.now())

    def _remove(self, call: Call, gone: Sequence[int]) -> None:
        if not gone or call.client is None or call.jingle is None:
            return
        media = list(call.client.media)
        names = [call.layout.places[n] for n in gone]
        for n in gone:
            media[n] = media[n].refused()
        call.client = replace(call.client, media=tuple(media))
        contents = tuple(Content(each.name, each.creator) for each in names)
        call.jingle.remove(contents, None, self._calls.now())

    def _add(self, call: Call, made: SessionDescription, added: Sequence[int]) -> None:
        """Ask the client for more media; the phone is answered when it has answered."""
        assert call.jingle is not None  # noqa: S101 - `_weigh` has looked
        call.layout = call.layout.with_streams(made, call.our_role)
        contents, groups = mapping.contents(made, call.layout, call.our_role)
        names = {call.layout.places[n].name for n in added}
        new = tuple(each for each in contents if each.name in names)
        call.jingle.add(new, self._calls.now(), groups)

    def _answer(self, call: Call) -> None:
        """Answer the phone by what the client said last."""
        assert call.client is not None  # noqa: S101 - `_weigh` has looked
        client = directed(_padded(call.client, call), call.held)
        self._plane.answer(call.id, Side.XMPP, client, self._or(call, partial(self._accept, call)))

    def _accept(self, call: Call, made: SessionDescription) -> None:
        pending = call.negotiation.pending
        asked = len(made.media) if pending is None else len(pending.media)
        made = replace(made, media=made.media[:asked])
        call.negotiation, said = call.negotiation.answer(made)
        if call.sip is not None:
            call.sip.accept(Body(said.encode()), self._calls.now())
        self.go_on(call)

    def _decline(self, call: Call, status: int) -> None:
        if call.sip is not None:
            call.sip.decline(self._calls.now(), status, refusal(status))
        self._revert(call)
        self.go_on(call)

    def _revert(self, call: Call) -> None:
        self._plane.revert(call.id)
        if call.negotiation.pending is not None:
            call.negotiation = call.negotiation.drop()

    def _or(
        self, call: Call, then: Callable[[SessionDescription], None]
    ) -> Callable[[SessionDescription | MediaError], None]:
        """Return what goes on with `then`, or refuses the change and leaves all as it was."""
        told = self._calls.ask(call, then)

        def decided(made: SessionDescription | MediaError) -> None:
            if isinstance(made, MediaError) and not call.over:
                self._decline(call, 488)
                self._calls.turn()
            else:
                told(made)

        return decided

    # -- ours ----------------------------------------------------------------------------

    def join(self, call: Call, made: SessionDescription) -> None:
        """Answer a client that has just joined by what the phone took; ask it anew where it must.

        That is where what the phone is going to send is no encoding of the client's: it may take
        one of these, unless it was offered all of them before, and took none.
        """
        can = self._plane.transcoding is Transcoding.CAN
        if call.phone is None or mapping.agrees(made, call.phone, first=True):
            self._calls.answer_client(call)
        elif mapping.agrees(made, call.phone) or not can:
            self.join_anew(call, made)
        elif transcoding.impossible(made, call.negotiation.said):
            self._calls.answer_client(call)
        else:
            self._join_wider(call)

    def _join_wider(self, call: Call) -> None:
        """Ask a phone anew that may know a codec of the client's; else what it takes is decoded."""
        wider = replace(call.profile, more=True)
        self._calls.offer_phone(call, partial(self.join_anew, call), wider)

    def join_anew(self, call: Call, made: SessionDescription) -> None:
        """Ask a phone that is talked to anew, and answer the client by what it takes then."""

        def then(answer: SessionDescription | None) -> None:
            if answer is None:
                self._keep(call, made)
            else:
                self._calls.answer_client(call)

        self.reinvite(call, made, then)

    def _keep(self, call: Call, made: SessionDescription) -> None:
        """Go on by what a phone took before it refused what it was asked anew, if that will do.

        It may say more than anybody hears then, or what is to be decoded.
        """
        before = call.phone
        # what a phone said to who was there before is of no use to who is there now
        kept = None if before is None or call.direct else mapping.narrowed(before, made)
        can = self._plane.transcoding is Transcoding.CAN
        if kept is None or call.client is None or not (can or mapping.agrees(made, kept)):
            refusal = Reason(Why.INCOMPATIBLE_PARAMETERS, "the phone takes other media only")
            self._calls.hang_up(call, refusal)
            return
        call.phone = kept
        self._calls.offer_phone(call, lambda _: self._calls.answer_client(call))

    def reinvite(
        self,
        call: Call,
        made: SessionDescription,
        then: Callable[[SessionDescription | None], None],
    ) -> None:
        """Offer the phone something else; `then` learns its answer, None where it refuses."""
        try:
            call.negotiation, said = call.negotiation.offer(made)
            call.change = then
            if call.sip is not None:
                call.sip.offer(Body(said.encode()), self._calls.now())
        except LocalError as error:
            self._calls.hang_up(call, Reason(Why.GENERAL_ERROR, error.reason))

    def announce(self, call: Call) -> None:
        """Have the phone hear our Contact anew: the offer is what it was."""
        self.when_free(call, partial(self._ask_phone, call))

    def changed(self, call: Call, body: Body | None) -> None:
        """Take the phone's answer to an offer of ours."""
        then, call.change = call.change, None
        if then is None:
            return
        try:
            call.phone = read(body)
            call.negotiation = call.negotiation.answered(call.phone)
        except SdpError as error:
            self._calls.hang_up(call, Reason(Why.INCOMPATIBLE_PARAMETERS, error.reason))
            return
        then(call.phone)
        self.go_on(call)

    def unchanged(self, call: Call) -> None:
        """Leave all as it was: the phone refuses our offer."""
        then, call.change, call.renewed = call.change, None, None
        self._revert(call)
        if then is not None:
            then(None)
        self.go_on(call)

    def _settled(self, call: Call, answer: SessionDescription | None) -> None:
        if answer is not None:
            self._plane.answer(call.id, Side.SIP, answer, self._calls.ask(call, lambda _: None))

    def go_on(self, call: Call) -> None:
        """Make the change that waits, if nothing else is under way."""
        if call.waiting and call.change is None and not call.over and not call.occupied:
            call.waiting.pop(0)()

    def succeeded(self, call: Call, before: SessionDescription | None) -> None:
        """Tell the client what concerns it of another phone than the one `before`, and go on."""
        if call.phone is not None and call.client is not None:
            self._tell_turn(call, before, call.phone)
            refused = [n for n, media in enumerate(call.phone.media) if not media.port]
            self._remove(call, [n for n in refused if call.client.media[n].port])
        self.go_on(call)

    # -- the client's --------------------------------------------------------------------

    def on_jingle(self, call: Call, event: jingle.Event) -> None:
        """Take what a client says within a session."""
        match event:
            case jingle.Transported() | jingle.Replaced():
                self._transports.on_jingle(call, event)
            case jingle.Informed(_, info, _) if info in _HELD:
                self.when_free(call, partial(self._hold, call, _HELD[info]))
            case jingle.Informed(_, jingle.Info.DTMF, element):
                digit = (element.get("code") or "")[:1]
                if digit in "0123456789ABCDabcd*#" and digit:
                    self._plane.digits(call.id, Side.SIP, digit.upper(), 160)
            case jingle.Modified(_, contents):
                self.when_free(call, partial(self._modified, call, contents))
            case jingle.Added(session, contents, groups):
                if not self.when_free(call, partial(self._added, call, Said(contents, groups))):
                    session.decline(contents, Reason(Why.BUSY), self._calls.now())
            case jingle.Removed(_, contents):
                self.when_free(call, partial(self._removed, call, contents))
            case jingle.Agreed(_, Action.CONTENT_ADD, contents):
                self._agreed(call, contents)
            case jingle.Declined() | jingle.Failed(_, Action.CONTENT_ADD):
                self._answer(call)
            case _:
                pass  # descriptions and muting do not concern the phone

    def when_free(self, call: Call, change: Callable[[], None]) -> bool:
        """Make a change now, or after the one that is under way; False: too many wait."""
        if self.is_free(call):
            change()
            return True
        if len(call.waiting) >= MOST_WAITING:
            return False
        call.waiting.append(change)
        return True

    def is_free(self, call: Call) -> bool:
        """Tell whether nothing else is under way in a call that both are in."""
        free = call.talking and call.joined and call.change is None and not call.occupied
        return free and call.negotiation.may_offer

    def _hold(self, call: Call, way: Direction) -> None:
        if call.held is not way and call.client is not None:
            call.held = way
            self._ask_phone(call)

    def _modified(self, call: Call, contents: Sequence[Content]) -> None:
        """Take other senders of some contents."""
        if call.client is None:
            return
        media = list(call.client.media)
        for each in contents:
            index = call.layout.index(each.name)
            if index is not None:
                said = mapping.direction(each.senders, call.client_role)
                media[index] = media[index].going(said)
        call.client = replace(call.client, media=tuple(media))
        self._ask_phone(call)

    def _removed(self, call: Call, contents: Sequence[Content]) -> None:
        if call.client is None:
            return
        media = list(call.client.media)
        for each in contents:
            index = call.layout.index(each.name)
            if index is not None:
                media[index] = media[index].refused()
        call.client = replace(call.client, media=tuple(media))
        self._ask_phone(call)

    def _added(self, call: Call, said: Said) -> None:
        """Ask the phone for more media; the client is answered when it has answered."""
        if call.client is None or call.jingle is None:
            return
        call.layout = call.layout.with_contents(said.contents)
        new = said.described(call.layout, call.client_role)
        merged = [
            fresh if fresh.port else old
            for old, fresh in zip(_padded(call.client, call).media, new.media, strict=True)
        ]
        attributes = new.attributes or call.client.attributes
        wanted = replace(call.client, media=tuple(merged), attributes=attributes)
        self._ask_phone(call, wanted, partial(self._add_answered, call, said, wanted))

    def _add_answered(
        self, call: Call, said: Said, wanted: SessionDescription, answer: SessionDescription | None
    ) -> None:
        session = call.jingle
        if session is None:
            return
        if answer is None:
            refusal = Reason(Why.FAILED_APPLICATION, "the phone refuses it")
            session.decline(tuple(said.contents), refusal, self._calls.now())
            return
        call.client = wanted
        names = {each.name for each in said.contents}

        def told(made: SessionDescription) -> None:
            contents, groups = mapping.contents(made, call.layout, call.our_role)
            taken = tuple(each for each in contents if each.name in names)
            if taken:
                session.agree(taken, self._calls.now(), groups)
            left = names - {each.name for each in taken}
            if left:
                refused = tuple(each for each in said.contents if each.name in left)
                session.decline(refused, Reason(Why.FAILED_APPLICATION), self._calls.now())

        self._plane.answer(call.id, Side.SIP, answer, self._calls.ask(call, told))

    def _agreed(self, call: Call, contents: Sequence[Content]) -> None:
        """Take it that the client has more media now, as the phone wanted."""
        if call.client is None:
            return
        new = Said(contents).described(call.layout, call.client_role)
        padded = _padded(call.client, call).media
        merged = [b if b.port else a for a, b in zip(padded, new.media, strict=True)]
        call.client = replace(call.client, media=tuple(merged))
        self._answer(call)

    def _ask_phone(
        self,
        call: Call,
        wanted: SessionDescription | None = None,
        then: Callable[[SessionDescription | None], None] | None = None,
    ) -> None:
        """Offer the phone what the client wants now."""
        client = wanted or call.client
        if client is None:
            return
        after = then or partial(self._settled, call)
        call.change = after

        def told(made: SessionDescription | MediaError) -> None:
            if call.over or not isinstance(made, MediaError):
                asked(made)
            else:
                self.unchanged(call)
                self._calls.turn()

        asked = self._calls.ask(call, lambda made: self.reinvite(call, made, after))
        offer = directed(client, call.held)
        self._plane.offer(call.id, Side.XMPP, offer, call.profile, told)


def _padded(client: SessionDescription, call: Call) -> SessionDescription:
    """Return a client's description with a refused line for each stream that it said nothing of."""
    more = call.layout.places[len(client.media) :]
    empty = Said(()).described(mapping.Layout(more), call.client_role).media
    return replace(client, media=(*client.media, *empty))

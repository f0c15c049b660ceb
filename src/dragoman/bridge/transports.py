"""What a client says of its transports: candidates, ICE anew, another one (XEP-0176, XEP-0166).

Where a plane stands between the phone need not know: what it said last is given again as the answer
to what the client wants. Where none does, it is asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dragoman.bridge.call import Call, directed, reason_of
from dragoman.mapping import transport
from dragoman.mapping.call import bundled
from dragoman.media.plane import MediaError, Side, Trouble
from dragoman.sdp.session import SessionDescription
from dragoman.xmpp import session as jingle
from dragoman.xmpp.ext.jingle import Content, Reason, Why
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.raw_udp import RawUdp
from dragoman.xmpp.jingle import Session as JingleSession

if TYPE_CHECKING:
    from dragoman.bridge.calls import Calls
    from dragoman.bridge.revisions import Revisions


class Transports:
    """The transports of all calls, on the client's leg."""

    def __init__(self, calls: "Calls", revisions: "Revisions") -> None:
        """Change what is among `calls`, one thing at a time as `revisions` has it."""
        self._calls = calls
        self._revisions = revisions
        self._plane = calls.plane

    def on_jingle(self, call: Call, event: jingle.Transported | jingle.Replaced) -> None:
        """Take what a client says."""
        if isinstance(event, jingle.Transported):
            self._transported(call, event.contents)
            return
        change = partial(self._replaced, call, event.session, event.contents)
        if not self._revisions.when_free(call, change):
            event.session.decline(event.contents, Reason(Why.BUSY), self._calls.now())

    def _transported(self, call: Call, contents: Sequence[Content]) -> None:
        """Give candidates to the plane; other credentials are a new beginning of ICE."""
        for each in contents:
            index, ice = call.layout.index(each.name), each.transport
            if index is None or not isinstance(ice, IceUdp):
                continue
            if self._begins_anew(call, index, ice):
                self._restart(call, index, ice)
            elif call.direct or call.trickling.gathering is not None:
                self._calls.trickle.told(call, index, ice)
            elif ice.candidates:
                candidates = list(transport.into_sdp(ice.candidates))
                self._plane.candidates(
                    call.id, Side.XMPP, call.layout.mid(index), ice.ufrag, candidates
                )

    def _begins_anew(self, call: Call, index: int, ice: IceUdp) -> bool:
        """Tell whether these are other credentials than the client has told (RFC 8445 §9)."""
        if call.client is None or not (ice.ufrag and ice.pwd) or index >= len(call.client.media):
            return False
        known = call.client.media[index].value("ice-ufrag")
        return known is not None and known != ice.ufrag

    def _restart(self, call: Call, index: int, ice: IceUdp) -> None:
        """Have ICE begin anew with the client; the phone need not know (XEP-0176 §5.9).

        Where the phone has not answered yet, the client hears of it by our session-accept.
        """
        if call.occupied:
            self._revisions.when_free(call, partial(self._restart, call, index, ice))
            return
        if call.client is None or call.change is not None:
            return
        trickle = self._calls.trickle
        # a fingerprint is left out: DTLS may go on while ICE begins anew
        new = IceUdp(ice.ufrag, ice.pwd, ice.candidates, complete=ice.complete)
        old = call.client.media[index].value("ice-ufrag")
        media = [
            transport.moved(each, new) if each.value("ice-ufrag") == old else each
            for each in call.client.media
        ]
        call.client = replace(call.client, media=tuple(media))
        renewed, call.renewed = call.renewed, None
        if renewed is not None:
            trickle.gather(call, renewed)
            return
        call.layout = call.layout.anew()
        told = self._calls.ask(call, partial(self._tell_restart, call))
        if call.direct:
            trickle.gather(call, partial(self._restarted, call, told))
        else:
            self._renew(call, call.client, told)

    def _restarted(
        self, call: Call, told: Callable[[SessionDescription | MediaError], None]
    ) -> None:
        if call.client is not None:
            self._renew(call, call.client, told)

    def renew_client(self, call: Call, made: SessionDescription, then: Callable[[], None]) -> None:
        """Tell the client that the phone has begun ICE anew; `then`, once it has done so, too.

        That is where no plane stands between. Where nothing comes the phone's offer is declined in
        its time.
        """
        call.layout = call.layout.anew()
        call.renewed = then
        self._tell_restart(call, made)

    def _tell_restart(self, call: Call, made: SessionDescription) -> None:
        contents = [
            Content(place.name, place.creator, transport=_anew(call, made, n))
            for n, place in enumerate(call.layout.places)
            if n < len(made.media) and made.media[n].port
        ]
        if call.jingle is not None and contents:
            call.jingle.transport(tuple(contents), self._calls.now())

    # -- another transport -----------------------------------------------------------------

    def _replaced(self, call: Call, session: JingleSession, contents: Sequence[Content]) -> None:
        """Take a transport-replace where the plane can carry what it wants (XEP-0176 §6)."""
        wanted = _moved(call, contents)
        if wanted is None:
            refusal = Reason(Why.UNSUPPORTED_TRANSPORTS)
            session.decline(tuple(contents), refusal, self._calls.now())
            return

        def told(made: SessionDescription | MediaError) -> None:
            if call.over or call.jingle is not session:
                return
            if isinstance(made, MediaError):
                self._plane.revert(call.id)
                session.decline(tuple(contents), reason_of(made), self._calls.now())
            else:
                call.client, call.layout = wanted, call.layout.anew()
                self._agree(call, session, contents, made)
            self._calls.turn()

        self._renew(call, wanted, told)

    def _agree(
        self,
        call: Call,
        session: JingleSession,
        contents: Sequence[Content],
        made: SessionDescription,
    ) -> None:
        places = [(each, call.layout.index(each.name)) for each in contents]
        generation = call.layout.generation
        ours = [
            replace(each, transport=transport.transport(made, made.media[n], generation))
            for each, n in places
            if n is not None
        ]
        session.agree(tuple(ours), self._calls.now())

    def _renew(
        self,
        call: Call,
        wanted: SessionDescription,
        told: Callable[[SessionDescription | MediaError], None],
    ) -> None:
        """Have the plane carry what the client wants now; `told` learns what to answer it."""

        def offered(made: SessionDescription | MediaError) -> None:
            if isinstance(made, MediaError):
                told(made)
            elif call.direct and call.phone is not None:
                self._revisions.reinvite(call, made, answered)
            elif call.phone is not None:
                self._plane.answer(call.id, Side.SIP, call.phone, told)

        def answered(answer: SessionDescription | None) -> None:
            if answer is None:
                told(MediaError(Trouble.UNACCEPTABLE, "the phone refuses it"))
            else:
                self._plane.answer(call.id, Side.SIP, answer, told)

        client = directed(wanted, call.held)
        self._plane.offer(call.id, Side.XMPP, client, call.profile, offered)


def _anew(call: Call, made: SessionDescription, index: int) -> IceUdp:
    found = transport.ice_udp(made, made.media[index], call.layout.generation)
    return IceUdp(found.ufrag, found.pwd, found.candidates)


def _moved(call: Call, contents: Sequence[Content]) -> SessionDescription | None:
    """Return what the client says with these transports; None where that cannot be carried.

    Streams of a bundle have one transport: it is replaced for all of them, or not at all.
    """
    if call.client is None or call.phone is None:
        return None
    media = list(call.client.media)
    moved = set()
    for each in contents:
        index, new = call.layout.index(each.name), each.transport
        if index is None or not isinstance(new, IceUdp | RawUdp) or not media[index].port:
            return None
        if transport.place(new)[0] == "" and isinstance(new, RawUdp):
            return None  # nobody tries out where that leads to
        media[index] = transport.moved(media[index], new)
        moved.add(index)
    together = bundled(call.client, call.layout)
    if together & moved and not together <= moved:
        return None
    raw = any(isinstance(each.transport, RawUdp) for each in contents)
    attributes = [a for a in call.client.attributes if not (raw and a.name == "group")]
    return replace(call.client, media=tuple(media), attributes=tuple(attributes))

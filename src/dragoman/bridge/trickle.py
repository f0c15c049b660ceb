"""Candidates of calls that no plane carries: waited for, or told as they come (RFC 8840, XEP-0176).

A phone that is not known to take INFO with candidates gets them with the INVITE, or the answer to
its own, which waits for them a little (half trickle, §5.3).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dragoman.bridge.call import Call, Gathering
from dragoman.clock import Alarms
from dragoman.errors import LocalError
from dragoman.mapping import transport
from dragoman.sdp import fragment
from dragoman.sdp.fragment import Fragment, Stream
from dragoman.sdp.ice import Candidate
from dragoman.sip.message import Message
from dragoman.sip.session import Replied, Stage, options_of
from dragoman.xmpp.ext.jingle import Content
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.session import LIVE

if TYPE_CHECKING:
    from dragoman.bridge.calls import Calls

PACKAGE: Final = "trickle-ice"
"""The info package of candidates, and the option tag of who knows it (RFC 8840 §10)."""
QUIET: Final = 1.0
"""Seconds without a new candidate after which no more are waited for."""
LONGEST: Final = 3.0
"""Seconds that candidates are waited for at most."""
MOST_EARLY: Final = 16
"""Times that a client may tell candidates before it says what it takes; the last ones count."""


class Trickle:
    """The candidates of all such calls."""

    def __init__(self, calls: "Calls") -> None:
        """Have none to wait for."""
        self._calls = calls
        self._alarms: Alarms[Call] = Alarms()

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._alarms.next()

    def on_timer(self, now: float) -> None:
        """Wait for candidates no longer."""
        for call in self._alarms.due(now):
            self._finish(call)

    # -- the client's ------------------------------------------------------------------------

    def gather(self, call: Call, then: Callable[[], None], *, wait: bool = True) -> None:
        """Go on with `then` once the client has told its candidates, or time is up."""
        self._recall(call)
        if not wait or call.client is None or transport.complete(call.client):
            then()
            return
        now = self._calls.now()
        call.trickling.gathering = Gathering(now + LONGEST, then)
        self._alarms.set(call, now + QUIET)

    def told(self, call: Call, index: int, ice: IceUdp) -> None:
        """Learn candidates of the client's: they are part of what it says from now on."""
        if call.client is None:
            call.trickling.early = [*call.trickling.early, (index, ice)][-MOST_EARLY:]
            return
        if index >= len(call.client.media):
            return
        media = list(call.client.media)
        media[index] = transport.gathered(media[index], ice)
        call.client, before = replace(call.client, media=tuple(media)), call.client
        if call.trickling.gathering is None:
            call.trickling.untold = call.trickling.untold or call.client != before
            self.flush(call)
        elif transport.complete(call.client):
            self._alarms.cancel(call)
            self._finish(call)
        else:
            self._alarms.set(call, min(self._calls.now() + QUIET, call.trickling.gathering.until))

    def _recall(self, call: Call) -> None:
        """Add those that came before the client said what it takes: they have its name."""
        early, call.trickling.early = call.trickling.early, []
        for index, ice in early:
            said = call.client.media[index : index + 1] if call.client is not None else ()
            if any(each.value("ice-ufrag") == ice.ufrag for each in said):
                self.told(call, index, ice)

    def _finish(self, call: Call) -> None:
        gathering, call.trickling.gathering = call.trickling.gathering, None
        if gathering is not None and not call.over:
            gathering.then()

    def flush(self, call: Call) -> None:
        """Tell the phone what candidates it was not told, if it listens and there is a session."""
        ready = (
            call.trickling.untold
            and call.trickling.able
            and call.trickling.telling is None
            and call.client is not None
        )
        if not ready or call.sip is None or call.sip.stage is not Stage.CONFIRMED:
            return
        body = Fragment(tuple(_streams(call))).encode()
        headers = (
            ("Info-Package", PACKAGE),
            ("Content-Disposition", "Info-Package"),
            ("Content-Type", fragment.TYPE),
        )
        try:
            call.trickling.telling = call.sip.request("INFO", headers, body, self._calls.now())
            call.trickling.untold = False
        except LocalError:
            pass  # too much is under way: the next answer is an occasion

    def replied(self, call: Call, event: Replied) -> None:
        """Learn what came of an INFO; who refuses one gets no other."""
        if event.handle == call.trickling.telling:
            call.trickling.telling = None
            call.trickling.able = event.status < 300

    # -- the phone's ---------------------------------------------------------------------------

    def learnt(self, call: Call, said: Stream, candidates: Sequence[Candidate]) -> None:
        """Tell the client what candidates the phone has, or keep them for what it is told first."""
        index = call.layout.named(said.mid)
        found = transport.into_jingle(candidates, call.layout.generation, len(call.trickling.heard))
        ice = IceUdp(said.ufrag, said.pwd, tuple(found), complete=said.complete)
        if index is not None and call.jingle is not None and call.jingle.stage in LIVE:
            place = call.layout.places[index]
            content = Content(place.name, place.creator, transport=ice)
            call.jingle.transport((content,), self._calls.now())
        elif call.phone is not None:
            media = [
                transport.gathered(each, ice) if each.value("mid") == said.mid else each
                for each in call.phone.media
            ]
            call.phone = replace(call.phone, media=tuple(media))


def trickles(message: Message) -> bool:
    """Tell whether who says this takes candidates by INFO.

    What its description says of ICE is no sign: browsers say it, whatever speaks SIP for them.
    """
    return any(PACKAGE in options_of(message, each) for each in ("Recv-Info", "Supported"))


def _streams(call: Call) -> list[Stream]:
    """Return all that the client has told of its candidates (§4.4)."""
    assert call.client is not None  # noqa: S101 - `flush` has looked
    return [
        Stream(
            call.layout.mid(n),
            media.value("ice-ufrag") or "",
            media.value("ice-pwd") or "",
            transport.candidates(media),
            media.value("end-of-candidates") is not None,
            media.kind,
        )
        for n, media in enumerate(call.client.media)
        if media.port
    ]

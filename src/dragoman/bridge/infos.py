"""What a phone says by INFO in a call: digits, candidates, pictures (RFC 6086, 8840, 5168)."""

from collections.abc import Sequence
from logging import getLogger
from typing import TYPE_CHECKING, Final

from dragoman.bridge import jingled
from dragoman.bridge.call import Call
from dragoman.bridge.trickle import PACKAGE, Trickle
from dragoman.errors import RemoteError
from dragoman.log import about
from dragoman.mapping import media_control
from dragoman.media.plane import Side
from dragoman.sdp import fragment
from dragoman.sdp.failure import SdpError
from dragoman.sdp.fragment import Fragment, Stream
from dragoman.sdp.ice import Candidate
from dragoman.sip.message import Request, SipError
from dragoman.sip.session import InDialog

if TYPE_CHECKING:
    from dragoman.bridge.calls import Calls

log = getLogger(__name__)

BAD_PACKAGE: Final = 469
TAKEN: Final = (*jingled.DTMF, media_control.TYPE)
"""Bodies of INFO without a package."""
MOST_CANDIDATES: Final = 256
"""Of a phone in one call; later ones are passed over."""


class Infos:
    """The INFO requests of all calls."""

    def __init__(self, calls: "Calls", trickle: Trickle) -> None:
        """Give what they say to the plane of `calls`, or have `trickle` tell it."""
        self._plane = calls.plane
        self._trickle = trickle

    def take(self, call: Call, event: InDialog) -> None:
        """Do what a request wants, and answer it."""
        package = (event.request.get("Info-Package") or "").partition(";")[0].strip()
        if package.lower() == PACKAGE:
            self._candidates(call, event)
        elif package:  # RFC 6086 §4.2.2
            self._answer(event, BAD_PACKAGE, (("Recv-Info", PACKAGE),))
        elif _essence(event.request) == media_control.TYPE:
            self._picture(call, event)
        else:
            self._digits(call, event)

    def _picture(self, call: Call, event: InDialog) -> None:
        """Have the client send a whole picture; what else may be asked for is passed over."""
        try:
            wanted = media_control.wants_picture(event.request.body)
        except RemoteError as error:
            self._answer(event, 400)
            log.info("no media_control", extra=about(sip=call.address, reason=error.reason))
            return
        if wanted:
            self._plane.refresh(call.id, Side.XMPP)
        self._answer(event, 200)

    def _digits(self, call: Call, event: InDialog) -> None:
        digits = jingled.digits_of(event.request)
        if digits is None:
            self._answer(event, 415, (("Accept", ", ".join(TAKEN)),))
        else:
            self._plane.digits(call.id, Side.XMPP, *digits)
            self._answer(event, 200)

    def _candidates(self, call: Call, event: InDialog) -> None:
        """Give to the plane what candidates are new: each INFO has the old ones too (§4.4)."""
        if _essence(event.request) != fragment.TYPE:
            self._answer(event, 415, (("Accept", fragment.TYPE),))
            return
        try:
            found = Fragment.parse(event.request.body)
        except SdpError as error:
            self._answer(event, error.status)
            return
        for each in found.streams:
            named = {(each.mid, each.ufrag, str(one)): one for one in each.candidates}
            new = [key for key in named if key not in call.trickling.heard]
            new = new[: MOST_CANDIDATES - len(call.trickling.heard)]
            call.trickling.heard.update(new)
            if new:
                candidates = [named[key] for key in new]
                self._learnt(call, each, candidates)
        self._answer(event, 200)

    def _learnt(self, call: Call, said: Stream, candidates: Sequence[Candidate]) -> None:
        if call.direct:
            self._trickle.learnt(call, said, candidates)
        else:
            self._plane.candidates(call.id, Side.SIP, said.mid, said.ufrag, candidates)

    def _answer(
        self, event: InDialog, status: int, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        event.session.reply(event.transaction, status, headers)


def _essence(request: Request) -> str:
    try:
        media = request.content_type
    except SipError:
        return ""
    return "" if media is None else media.essence

"""A client has the phone call somebody else in its place (XEP-0251, RFC 3515, RFC 5589).

What it wants is a REFER in the phone's dialog. The call ends when the phone tells that it talks to
the other; it goes on where the phone will not, or cannot.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from logging import getLogger
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from dragoman.bridge.call import Call
from dragoman.clock import Alarms
from dragoman.errors import LocalError, RemoteError
from dragoman.log import about
from dragoman.mapping.address import without_gr
from dragoman.sip import refer as refers
from dragoman.sip.event import TERMINATED, Event, SubscriptionState
from dragoman.sip.message import Request, SipError
from dragoman.sip.replaces import Replaces
from dragoman.sip.session import InDialog, SessionHandle, Stage
from dragoman.sip.usage import PATIENCE
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import Reason, Why
from dragoman.xmpp.ext.transfer import TRANSFERRED, Transfer
from dragoman.xmpp.jid import Jid

if TYPE_CHECKING:
    from dragoman.bridge.calls import Calls

log = getLogger(__name__)

LASTS: Final = PATIENCE + 20.0
"""Seconds that a phone may take to call another one."""
BAD_EVENT: Final = 489
NOT_WAITED: Final = 481


@dataclass(slots=True, eq=False)
class Referral:
    """What a phone was asked: the REFER, by its handle, and whether it has taken it."""

    handle: SessionHandle
    taken: bool = False


class Referrals:
    """The phones that were asked to call somebody else."""

    def __init__(self, calls: "Calls") -> None:
        """Ask those of `calls`."""
        self._calls = calls
        self._alarms: Alarms[str] = Alarms()

    def refer(self, call: Call, element: Element, others: Iterable[Call]) -> None:
        """Ask the phone of a call to call whom the client names.

        `others` are calls, among them that which the new one may have to replace.
        """
        leg = call.sip
        if leg is None or leg.stage is not Stage.CONFIRMED or call.referral is not None:
            log.info("no transfer", extra=about(jid=call.user, sip=call.address))
            return
        try:
            wanted = Transfer.parse(element)
            target = self._calls.called(Jid.parse(wanted.to))
            source = without_gr(self._calls.caller(call.user))
        except RemoteError as error:
            log.warning("no transfer", extra=about(jid=call.user, reason=error.reason))
            return
        replaced = _replaced(call, wanted.sid, others)
        headers = f"?Replaces={quote(str(replaced), safe='')}" if replaced is not None else ""
        said = [
            ("Refer-To", f"<{target}{headers}>"),
            ("Referred-By", f"<{source}>"),
            ("Supported", f"{refers.NOREFERSUB}, {refers.NOSUB}"),
        ]
        try:
            call.referral = Referral(leg.request("REFER", said, b"", self._calls.now()))
        except LocalError as error:
            log.warning("no transfer", extra=about(jid=call.user, reason=error.reason))
            return
        log.info("transfer", extra=about(jid=call.user, sip=target))
        self._alarms.set(call.id, self._calls.now() + LASTS)

    # -- what the phone says ----------------------------------------------------------------

    def replied(self, call: Call, handle: Hashable, status: int) -> None:
        """Learn what a request of ours met: the REFER, maybe."""
        referral = call.referral
        if referral is None or referral.handle != handle:
            return
        if status < 300:
            referral.taken = True
        else:
            self._fail(call, status)

    def notified(self, call: Call, event: InDialog) -> None:
        """Take a NOTIFY, and answer it."""
        request, session = event.request, event.session
        try:
            package = Event.parse(request.get("Event") or "").package
            state = SubscriptionState.parse(request.get("Subscription-State") or "").state
            status = _status(request)
        except SipError as error:
            session.reply(event.transaction, error.status)
            return
        if package != refers.PACKAGE:
            session.reply(event.transaction, BAD_EVENT, (("Allow-Events", refers.PACKAGE),))
            return
        session.reply(event.transaction, 200 if call.referral is not None else NOT_WAITED)
        if call.referral is None:
            return
        if 200 <= status < 300:
            self._succeed(call)
        elif status >= 300 or state == TERMINATED:
            self._fail(call, status)

    def _succeed(self, call: Call) -> None:
        self.ended(call)
        log.info("transferred", extra=about(jid=call.user, sip=call.address))
        self._calls.hang_up(call, Reason(Why.SUCCESS, detail=TRANSFERRED))

    def _fail(self, call: Call, status: int) -> None:
        """Have the call go on: XEP-0251 has no word for it."""
        self.ended(call)
        log.info("not transferred", extra=about(jid=call.user, sip=call.address, status=status))

    def parting(self, call: Call, reason: Reason) -> Reason:
        """Return why a call ends whose phone hangs up: it may be that it talks to the other."""
        taken = call.referral is not None and call.referral.taken
        self.ended(call)
        if taken and reason.why is Why.SUCCESS:
            return Reason(Why.SUCCESS, reason.text, detail=TRANSFERRED)
        return reason

    def ended(self, call: Call) -> None:
        """Forget what was asked."""
        call.referral = None
        self._alarms.cancel(call.id)

    # -- time ---------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._alarms.next()

    def on_timer(self, now: float, calls: dict[str, Call]) -> None:
        """Wait no longer for phones that say nothing of it any more."""
        for name in self._alarms.due(now):
            call = calls.get(name)
            if call is not None:
                self._fail(call, 408)


def _status(request: Request) -> int:
    """Return the status that a NOTIFY tells; the last one may tell none (RFC 6665 §4.4.1)."""
    return refers.outcome(request) if request.body else 0


def _replaced(call: Call, sid: str, others: Iterable[Call]) -> Replaces | None:
    """Return the dialog of the session that the client has with whom it names, as he knows it."""
    for each in others if sid else ():
        same = each.jingle is not None and each.jingle.sid == sid
        if same and each is not call and each.user.bare == call.user.bare and each.sip is not None:
            dialog = each.sip.dialog
            if each.sip.stage is Stage.CONFIRMED:
                return Replaces(dialog.call_id, dialog.remote_tag, dialog.local_tag)
    return None

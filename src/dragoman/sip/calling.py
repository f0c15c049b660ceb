"""INVITEs of ours, beyond the transaction: CANCEL, ACK for a 2xx (RFC 3261 §9.1, §13.2.2.4)."""

from collections.abc import Hashable
from typing import Final

from dragoman.errors import LocalError
from dragoman.sip.attempt import ClientTransaction
from dragoman.sip.credentials import ANSWERS
from dragoman.sip.flow import Outgoing
from dragoman.sip.message import Request, Response
from dragoman.sip.outbox import Outbox
from dragoman.sip.transaction import InviteClient

MOST_FORKS: Final = 16
"""Dialogs of one INVITE whose ACKs are kept; the 2xx of any other is told each time it comes."""

_UNANSWERED: Final = frozenset({InviteClient.CALLING, InviteClient.PROCEEDING})
_CREDENTIALS: Final = frozenset(ANSWERS.values())


class Calling:
    """The INVITE transactions of ours, each the latest of its handle."""

    def __init__(self, outbox: Outbox) -> None:
        """Start with none."""
        self._outbox = outbox
        self._current: dict[Hashable, ClientTransaction] = {}

    def __contains__(self, handle: Hashable) -> bool:
        """Tell whether an INVITE was sent under `handle` whose transaction lasts."""
        return handle in self._current

    def begin(self, transaction: ClientTransaction) -> None:
        """Know a transaction by its handle from now on."""
        self._current[transaction.attempt.handle] = transaction

    def end(self, transaction: ClientTransaction) -> None:
        """Forget a transaction that has ended."""
        handle = transaction.attempt.handle
        if self._current.get(handle) is transaction:
            del self._current[handle]

    def cancelled(self, handle: Hashable, reason: str = "") -> ClientTransaction | None:
        """Mark an INVITE as not wanted, that goes nowhere else then; return where its CANCEL goes.

        None: there is nothing to send, or nothing to send yet. `reason` is its Reason header.
        """
        transaction = self._current.get(handle)
        if transaction is None or transaction.state not in _UNANSWERED:
            return None
        attempt = transaction.attempt
        again, attempt.cancelled = attempt.cancelled, True
        attempt.reason = attempt.reason or reason
        attempt.waiting.clear()
        early = transaction.state is InviteClient.CALLING
        return None if again or early else transaction

    def confirming(
        self, handle: Hashable, ack: Request
    ) -> tuple[Request, ClientTransaction | None]:
        """Return the ACK with the credentials of its INVITE, and the transaction of that.

        None where that has ended: 64*T1 after the first 2xx. Raises LocalError for what no ACK
        of a 2xx to this INVITE can be.
        """
        if ack.method != "ACK" or ack.get("Via") is not None:
            raise LocalError("a 2xx is acknowledged with ACK, without Via")
        transaction = self._current.get(handle)
        if transaction is None:
            return ack, None
        invite = transaction.request
        if transaction.state is not InviteClient.ACCEPTED:
            raise LocalError("an INVITE is acknowledged by its user when a 2xx has come")
        if ack.cseq.number != invite.cseq.number:
            raise LocalError("an ACK has the number of its INVITE")
        shown = [each for each in invite.headers if each[0] in _CREDENTIALS]
        kept = [each for each in ack.headers if each[0] not in _CREDENTIALS]
        return Request("ACK", ack.target, [*kept, *shown], ack.body), transaction

    def keep(self, transaction: ClientTransaction, tag: str, ack: Outgoing) -> None:
        """Have `ack` sent whenever the 2xx of that To tag comes again."""
        acks = transaction.acks = transaction.acks or {}
        if tag in acks or len(acks) < MOST_FORKS:
            acks[tag] = ack

    def repeated(self, transaction: ClientTransaction, response: Response) -> bool:
        """Send the ACK for a 2xx that was acknowledged before; False: it was not."""
        ack = transaction.acks.get(response.to.tag or "") if transaction.acks else None
        if ack is None:
            return False
        self._outbox.outgoing.append(ack)
        self._outbox.counts["retransmitted"] += 1
        return True

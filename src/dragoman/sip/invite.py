"""INVITE as its server: accepted, then acknowledged or ended by BYE (RFC 3261 §13.3.1.4, §15)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.errors import LocalError
from dragoman.sip.dialog import Dialog
from dragoman.sip.flow import AckArrived, AckMissing
from dragoman.sip.message import Request, Response
from dragoman.sip.uri import Uri

if TYPE_CHECKING:
    from dragoman.sip.endpoint import Endpoint, ServerTransaction


@dataclass(frozen=True, slots=True)
class Bye:
    """The end of a session: `request` on its route, the `hop` it goes to, the dialog after it."""

    dialog: Dialog
    request: Request
    hop: Uri


def bye(dialog: Dialog) -> Bye:
    """End the session of a dialog (§15.1.1); who was called waits for the ACK before."""
    after, request = dialog.request("BYE")
    return Bye(after, *after.route_set.send(request))


class Acceptances:
    """The INVITEs that we accepted and whose ACK has not come, each with its dialog.

    They are those whose 2xx the endpoint sends again, so never more, where each AckArrived and
    AckMissing is told here.
    """

    def __init__(self, endpoint: "Endpoint") -> None:
        """Start with none; answer through `endpoint`."""
        self._endpoint = endpoint
        self._dialogs: dict[ServerTransaction, Dialog] = {}
        self._ending: set[ServerTransaction] = set()

    def __len__(self) -> int:
        """Return how many wait for their ACK."""
        return len(self._dialogs)

    def accept(
        self,
        transaction: "ServerTransaction",
        response: Response,
        now: float,
        dialog: Dialog | None = None,
    ) -> Dialog:
        """Answer an INVITE with a 2xx that has our Contact; return the dialog that it makes.

        `dialog` is the one that an INVITE came in. Raises SipError(400) where the INVITE has no
        Contact, and LocalError for what is no such response; nothing is answered then.
        """
        request, contact = transaction.request, response.get("Contact")
        if request.method != "INVITE" or response.status // 100 != 2 or contact is None:
            raise LocalError("an INVITE is accepted by a 2xx with a Contact (§12.1.1)")
        if dialog is None:
            tag = response.to.tag or self._endpoint.tag(transaction)
            dialog = Dialog.of_uas(request, tag, contact)
        self._endpoint.respond(transaction, response, now)
        self._dialogs[transaction] = dialog
        return dialog

    def keep(self, transaction: "ServerTransaction", dialog: Dialog) -> None:
        """Know the dialog as it is after a request in it, either way, while the ACK is awaited."""
        if transaction in self._dialogs:
            self._dialogs[transaction] = dialog

    def end(self, transaction: "ServerTransaction") -> None:
        """End the session as soon as we may: when the ACK has come, or will come no more (§15)."""
        if transaction in self._dialogs:
            self._ending.add(transaction)

    def forget(self, transaction: "ServerTransaction") -> None:
        """Take it that the session is over: the peer's BYE came before his ACK."""
        self._dialogs.pop(transaction, None)
        self._ending.discard(transaction)

    def acknowledged(self, event: AckArrived) -> Dialog | Bye | None:
        """Return the dialog whose ACK has come, or the BYE where it is to end; None: no news."""
        if event.transaction is None or event.transaction not in self._dialogs:
            return None
        ending = event.transaction in self._ending
        dialog = self._dialogs[event.transaction]
        self.forget(event.transaction)
        return bye(dialog) if ending else dialog

    def missing(self, event: AckMissing) -> Bye | None:
        """Return the BYE that ends the session of a 2xx without ACK (§13.3.1.4); None: no session.

        The INVITE may have been refused, or the session be over.
        """
        dialog = self._dialogs.get(event.transaction)
        if dialog is None:
            return None
        self.forget(event.transaction)
        return bye(dialog)

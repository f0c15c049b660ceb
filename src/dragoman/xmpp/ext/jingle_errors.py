"""What answers a request of Jingle that cannot be done (XEP-0166 §10)."""

from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError

NS: Final = "urn:xmpp:jingle:errors:1"


def out_of_order() -> StanzaError:
    """Return the answer to a request that cannot come at this point."""
    return _error(Condition.UNEXPECTED_REQUEST, "out-of-order")


def security_required() -> StanzaError:
    """Return the answer to what should have come on the encrypted channel (§9)."""
    return _error(Condition.NOT_ACCEPTABLE, "security-required", ErrorType.CANCEL)


def tie_break() -> StanzaError:
    """Return the answer to a request that one of ours overrules (§7.2.16)."""
    return _error(Condition.CONFLICT, "tie-break")


def unknown_session() -> StanzaError:
    """Return the answer to a request of a session that there is not (§6.7)."""
    return _error(Condition.ITEM_NOT_FOUND, "unknown-session")


def unsupported_info() -> StanzaError:
    """Return the answer to a session-info that nobody here understands (§6.8)."""
    return _error(Condition.FEATURE_NOT_IMPLEMENTED, "unsupported-info", ErrorType.MODIFY)


def says(error: StanzaError | None, detail: str) -> bool:
    """Tell whether an error has a condition of Jingle's own: "tie-break", "unknown-session"."""
    own = None if error is None else error.application
    return own is not None and own.name == f"{{{NS}}}{detail}"


def _error(condition: Condition, detail: str, kind: ErrorType | None = None) -> StanzaError:
    return StanzaError(condition, kind, application=Element(f"{{{NS}}}{detail}"))

"""Who is writing: isComposing documents (RFC 3994) and chat states (XEP-0085), by RFC 7573 §6."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dragoman.errors import RemoteError
from dragoman.mapping import hops
from dragoman.mapping.address import without_gr
from dragoman.mapping.date import parse_stamp, stamp
from dragoman.sip.message import Request, build_request
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.ext import chatstates
from dragoman.xmpp.ext.chatstates import State
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.stanza import THREAD, message

MEDIA_TYPE: Final = "application/im-iscomposing+xml"
NS: Final = "urn:ietf:params:xml:ns:im-iscomposing"

LARGEST: Final = 8192
"""Octets of a document that are read: the standard's own examples have fewer than 400."""
USUAL_REFRESH: Final = 120
"""Seconds after which one who composes and named no refresh is idle (RFC 3994 §3.3)."""
LONGEST_REFRESH: Final = 600
"""Seconds of the longest refresh that is believed, so that nobody composes for ever."""

_LONGEST_TYPE: Final = 255  # RFC 6838 §4.2: 127 characters on either side of the slash
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


class Composer(StrEnum):
    """The two states of RFC 3994 §3.1; there, every other one counts as idle (§3.5)."""

    ACTIVE = "active"
    IDLE = "idle"


CHAT_STATES: Final[Mapping[Composer, State]] = {
    Composer.ACTIVE: State.COMPOSING,
    Composer.IDLE: State.ACTIVE,
}
"""RFC 7573 table 3."""

COMPOSERS: Final[Mapping[State, Composer | None]] = {
    State.ACTIVE: Composer.IDLE,
    State.INACTIVE: Composer.IDLE,
    State.GONE: None,
    State.COMPOSING: Composer.ACTIVE,
    State.PAUSED: Composer.IDLE,
}
"""RFC 7573 table 4; None is said by no status message: it ends a session, if there is one."""


@dataclass(frozen=True, slots=True)
class IsComposing:
    """One status message (RFC 3994 §3.4, §3.5)."""

    state: Composer
    refresh: int | None = None
    """Seconds until the composer says that it still composes; None: it will not say."""
    contenttype: str = ""
    """What is being composed, "text" or "text/plain"; "" where nothing is said of it."""
    lastactive: int | None = None
    """When something was written last, in seconds since 1970."""

    @classmethod
    def parse(cls, data: bytes) -> "IsComposing":
        """Read a document of at most 8192 octets.

        Raises RemoteError (StreamError for broken XML) for what is none. Elements that the schema
        does not have are ignored (§3.5), and so is each optional one whose value is illegible.
        """
        if len(data) > LARGEST:
            raise RemoteError("the isComposing document is too long")
        root = parse_document(data, limit=LARGEST)
        if root.name != _name("isComposing"):
            raise RemoteError(f"no isComposing document, but {root.name[:80]!r}")
        state = _value(root, "state")
        if state is None:
            raise RemoteError("the isComposing document has no state")
        return cls(
            Composer.ACTIVE if state == Composer.ACTIVE else Composer.IDLE,
            _seconds(_value(root, "refresh") or ""),
            _media_type(_value(root, "contenttype") or ""),
            _moment(_value(root, "lastactive") or ""),
        )

    def encode(self) -> bytes:
        """Return the document, its elements in the order of the schema (RFC 3994 §6.1)."""
        told = {
            "state": str(self.state),
            "lastactive": "" if self.lastactive is None else stamp(self.lastactive),
            "contenttype": self.contenttype,
            "refresh": "" if self.refresh is None else str(self.refresh),
        }
        children = [Element(_name(each), None, (text,)) for each, text in told.items() if text]
        return (_DECLARATION + to_xml(Element(_name("isComposing"), None, children))).encode()

    @property
    def lifetime(self) -> int:
        """Seconds after which this is over unless it is said again (RFC 3994 §3.3)."""
        return USUAL_REFRESH if self.refresh is None else self.refresh


def notification(
    state: State, sender: Jid, recipient: Jid, thread: str, identifier: str
) -> Element:
    """Return the standalone notification of a chat state (XEP-0085 §5.4, §5.6).

    It is of type chat, has no body, and is in the thread of what was said before, "" for none.
    """
    children = [Element(THREAD, None, (thread,))] if thread else []
    children.append(chatstates.element(state))
    return message(str(recipient), str(sender), id=identifier, type="chat", children=children)


def status_message(
    document: IsComposing, source: Uri, target: Uri, *, call_id: str, tag: str
) -> Request:
    """Return the MESSAGE that bears a document from `source` to `target` (RFC 3994 §3)."""
    headers = [
        ("Max-Forwards", str(hops.FROM_XMPP)),
        ("To", f"<{without_gr(target)}>"),
        ("From", f"<{source}>;tag={tag}"),
        ("Call-ID", call_id),
        ("CSeq", "1 MESSAGE"),
        ("Content-Type", MEDIA_TYPE),
    ]
    return build_request("MESSAGE", str(target), headers, document.encode())


def _name(local: str) -> str:
    return f"{{{NS}}}{local}"


def _value(root: Element, name: str) -> str | None:
    found = root.find(_name(name))
    return None if found is None else found.text.strip()


def _seconds(text: str) -> int | None:
    """Read an xs:positiveInteger, of which more than the longest refresh is the longest."""
    digits = text.removeprefix("+").lstrip("0")
    if not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits) if len(digits) < 4 and int(digits) < LONGEST_REFRESH else LONGEST_REFRESH


def _media_type(text: str) -> str:
    return text if len(text) <= _LONGEST_TYPE else ""


def _moment(text: str) -> int | None:
    seconds = parse_stamp(text)
    return None if seconds is None else int(seconds)

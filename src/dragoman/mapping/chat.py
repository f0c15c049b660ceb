"""Messages of a session (RFC 7573 §4 to §7): each is the MESSAGE that it could have been.

So what a message says, and how it is said to the other side, is decided in one place for both.
Here is what differs: which types the far end takes (RFC 4975 §8.6), and what needs a wrapper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from dragoman.mapping import composing, hops, imdn
from dragoman.mapping.address import without_gr
from dragoman.mapping.date import parse_sip_date
from dragoman.mapping.envelope import CONTENT_TYPE as CPIM
from dragoman.mapping.envelope import Envelope, opened, wrapped
from dragoman.mapping.excerpt import line
from dragoman.sip.header import MediaType
from dragoman.sip.message import Request, SipError, build_request
from dragoman.sip.uri import Uri
from dragoman.store.interface import NOTHING, Disposition

TEXT: Final = "text/plain"
ACCEPTED: Final = (CPIM, TEXT, "text/html", composing.MEDIA_TYPE)
"""What a message of a session may be; multipart bodies always may (RFC 4975 §7.3.1)."""
WRAPPED: Final = (TEXT, "text/html", imdn.TYPE, composing.MEDIA_TYPE)
"""What may be within a message/cpim object."""
_LONGEST_ID: Final = 64


class Takes(Protocol):
    """What the far end of a session says that it takes."""

    def accepts(self, media: str) -> bool:
        """Tell whether a message may be of this type."""

    def wraps(self, media: str) -> bool:
        """Tell whether a message/cpim object may have this type within."""


@dataclass(frozen=True, slots=True)
class Form:
    """A message as it is sent: its Content-Type and its body."""

    content_type: str
    body: bytes
    wrapped: str | None = None
    """The type of what is within a message/cpim object."""


def form(
    letters: Sequence[Request], takes: Takes, *, message_id: str, displayed: bool, sent: float
) -> Form | None:
    """Return the first of `letters` that the far end takes, as it takes it; None: it takes none.

    The letters are MESSAGEs that say the same, the richest first. It is wrapped where something
    has no other place: a subject, a date, or, under `message_id`, the wish to hear that it was
    `displayed`; and where the far end takes it no other way. `sent` is in seconds since 1970.
    """
    for letter in letters:
        inner = _essence(letter)
        bare, within = takes.accepts(inner), takes.accepts(CPIM) and takes.wraps(inner)
        if bare and not (within and (displayed or _needs_wrapper(letter))):
            return Form(letter.get("Content-Type") or TEXT, letter.body)
        if within:
            return _wrapped(letter, inner, message_id, displayed=displayed, sent=sent)
    return None


def ready(request: Request, takes: Takes, *, sent: float) -> Form | None:
    """Return a MESSAGE that is no text, a notification or status, as the far end takes it.

    None: it takes none such.
    """
    inner = opened(request).essence
    if _essence(request) == CPIM:
        within = takes.accepts(CPIM) and takes.wraps(inner)
        return Form(CPIM, request.body, inner) if within else None
    return form([request], takes, message_id="", displayed=False, sent=sent)


def said(
    content_type: str, body: bytes, *, sender: Uri, target: Uri, call_id: str, left: int | None
) -> Request:
    """Return the MESSAGE that a message of `sender` in the session of `call_id` could have been.

    `left` is the Max-Forwards of the session's INVITE.
    """
    headers = [
        ("From", f"<{sender}>"),
        ("To", f"<{target}>"),
        ("Call-ID", call_id),
        ("CSeq", "1 MESSAGE"),
    ]
    if left is not None:
        headers.append((hops.NAME, str(left)))
    headers.append(("Content-Type", content_type))
    return build_request("MESSAGE", str(without_gr(target)), headers, body)


def identifier(message_id: str) -> str:
    """Return the id of the stanza of a message: its Message-ID, "" where that can be none."""
    fit = 0 < len(message_id) <= _LONGEST_ID and message_id.isascii() and message_id.isprintable()
    return message_id if fit else ""


def _needs_wrapper(letter: Request) -> bool:
    return letter.get("Date") is not None or _subject(letter) != ""


def _subject(letter: Request) -> str:
    """Return what a message has for a subject beside its text."""
    subject = line(letter.get("Subject") or "")
    return "" if subject.encode() == letter.body else subject


def _wrapped(letter: Request, inner: str, message_id: str, *, displayed: bool, sent: float) -> Form:
    date = letter.get("Date")
    moment = parse_sip_date(date) if date is not None else None
    asked = Disposition.DISPLAYED if displayed else NOTHING
    known = message_id if displayed else ""
    envelope = Envelope(known, asked, moment or sent, subject=_subject(letter))
    request = wrapped(letter, envelope, str(letter.from_.uri), str(letter.to.uri))
    return Form(CPIM, request.body, inner)


def _essence(letter: Request) -> str:
    try:
        return MediaType.parse(letter.get("Content-Type") or TEXT).essence
    except SipError:
        return ""

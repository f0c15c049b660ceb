"""What a MESSAGE is wrapped in (RFC 3862, RFC 5438 §7.1.1, §12.1.1): message/cpim, both ways."""

from dataclasses import dataclass
from typing import Final

from dragoman.mapping import imdn
from dragoman.mapping.content import wrapper
from dragoman.mapping.date import stamp
from dragoman.msrp.cpim import Cpim, Header
from dragoman.sip.header import MediaType
from dragoman.sip.message import Request, SipError, build_request
from dragoman.store.interface import Disposition

CONTENT_TYPE: Final = "message/cpim"
LINPHONE: Final = "tag:linphone.org,2020:params:groupchat"
"""The namespace of headers that Linphone has beside those of the standards."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a MESSAGE carries, once what it is wrapped in is taken off.

    `wrapper` is the message/cpim object, None for none; `essence` the type of `body`, "" for one
    that is not said or not understood.
    """

    wrapper: Cpim | None
    essence: str
    body: bytes


def opened(request: Request) -> Opened:
    """Return what a MESSAGE carries; raises Refused (400, 415) for a bad message/cpim object."""
    media = request.content_type
    if media is None or media.essence != CONTENT_TYPE:
        return Opened(None, "" if media is None else media.essence, request.body)
    found = wrapper(request)
    assert found is not None  # noqa: S101 - its type is message/cpim
    try:
        essence = MediaType.parse(found.content_header("content-type") or "text/plain").essence
    except SipError:
        essence = ""
    return Opened(found, essence, found.content)


def answered(wrapper: Cpim | None) -> str:
    """Return the Message-ID that a message answers, "" for none, as Linphone says it."""
    found = None if wrapper is None else wrapper.get("Replying-To-Message-ID", LINPHONE)
    return (found or "").strip()


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the headers around a message say beside whom it is from and for."""

    message_id: str
    """At least 32 random bits, a token (RFC 5438 §6.3); "" where nobody will speak of it."""
    asked: Disposition
    sent: float
    """Seconds since 1970."""
    route: tuple[str, ...] = ()
    """URIs that a notification goes back through, topmost first (§6.6)."""
    disposition: str = ""
    """The Content-Disposition of what is wrapped, "" for none."""
    subject: str = ""
    """What a MESSAGE says in its own header, and a message of a session here (RFC 3862 §4.5)."""


def wrapped(request: Request, envelope: Envelope, user: str, peer: str) -> Request:
    """Return a MESSAGE with its body wrapped: from the URI `user`, to the URI `peer`."""
    media, content = request.get("Content-Type") or "text/plain", request.body
    if media.startswith("text/"):
        # In a MIME entity every line of text ends so (RFC 2046 §4.1.1).
        content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    content_headers = [("content-type", media)]
    if (language := request.get("Content-Language")) is not None:
        content_headers.append(("content-language", language))
    if envelope.disposition:
        content_headers.append(("content-disposition", envelope.disposition))
    content_headers.append(("content-length", str(len(content))))
    found = Cpim(_headers(envelope, user, peer), tuple(content_headers), content)
    kept = [header for header in request.headers if header[0] != "Content-Type"]
    kept.append(("Content-Type", CONTENT_TYPE))
    return build_request(request.method, request.target, kept, found.encode())


def _headers(envelope: Envelope, user: str, peer: str) -> tuple[Header, ...]:
    headers = [
        Header("From", f"<{user}>"),
        Header("To", f"<{peer}>"),
        Header("DateTime", stamp(envelope.sent)),
    ]
    if envelope.subject:
        headers.append(Header("Subject", envelope.subject))
    if envelope.message_id:
        headers.append(Header("NS", f"imdn <{imdn.NS}>"))
        headers.append(_of_imdn("Message-ID", envelope.message_id))
    if envelope.asked:
        headers.append(_of_imdn("Disposition-Notification", imdn.words(envelope.asked)))
    headers += [_of_imdn("IMDN-Route", f"<{uri}>") for uri in envelope.route]
    return tuple(headers)


def _of_imdn(name: str, value: str) -> Header:
    return Header(name, value, imdn.NS, prefix="imdn")

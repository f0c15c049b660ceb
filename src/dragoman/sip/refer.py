"""REFER: whom to call instead of the one who asks for it (RFC 3515, RFC 3892, RFC 4488, RFC 7614).

What became of it is told by NOTIFYs whose body is the status line of the response (RFC 3420).
"""

from dataclasses import dataclass, replace
from typing import Final, final
from urllib.parse import unquote

from dragoman.sip.event import ACTIVE, TERMINATED, Event, SubscriptionState
from dragoman.sip.failure import PHRASES, SipError
from dragoman.sip.header import NameAddress
from dragoman.sip.message import Header, Message, Request
from dragoman.sip.replaces import OPTION, Replaces
from dragoman.sip.session import options_of
from dragoman.sip.uri import Uri

PACKAGE: Final = "refer"
NOREFERSUB: Final = "norefersub"
NOSUB: Final = "nosub"
SIPFRAG: Final = "message/sipfrag"
NORESOURCE: Final = "noresource"
"""Why a subscription ends by itself: all has been told (RFC 3515 §2.4.7)."""


@final
@dataclass(frozen=True, slots=True)
class Refer:
    """What a REFER asks for."""

    target: Uri
    """Whom to call, without the headers that the URI had."""
    replaces: Replaces | None = None
    """Whose call that is to take over there."""
    required: bool = False
    """Whether it is to fail where they cannot do that."""
    referrer: str = ""
    """The value of Referred-By: who asks for it."""
    silent: bool = False
    """Whether nothing is to be told of what becomes of it."""
    number: int | None = None
    """The CSeq number that its notifications name, which the first of a dialog need not."""

    @classmethod
    def of(cls, request: Request, *, first: bool = True) -> "Refer":
        """Read a REFER, the `first` or another one of its dialog.

        SipError: 400 where it names nobody or several (RFC 3515 §2.4.2), 416 where that is no SIP
        address, 603 for any other method than INVITE.
        """
        named = request.get_all("Refer-To")
        if len(named) != 1:
            raise SipError(f"{len(named)} addresses in Refer-To where there is to be one")
        target = _scheme(named[0])
        if (target.param("method") or "INVITE").upper() != "INVITE":
            raise SipError("nothing but calls is made for others", 603)
        asked = _headers(target.headers)
        found = asked.get("replaces")
        required = OPTION in {each.strip() for each in asked.get("require", "").split(",")}
        bare = tuple(each for each in target.params if each[0] != "method")
        return cls(
            replace(target, headers="", params=bare),
            None if found is None else Replaces.parse(found),
            required,
            _referrer(request),
            _silent(request),
            None if first else request.cseq.number,
        )

    @property
    def event(self) -> Event:
        """What its notifications are of (RFC 3515 §2.4.6)."""
        return Event(PACKAGE, None if self.number is None else str(self.number))

    @property
    def headers(self) -> tuple[Header, ...]:
        """What the INVITE has for it."""
        found = [("Referred-By", self.referrer)] if self.referrer else []
        if self.replaces is not None:
            found.append(("Replaces", str(self.replaces)))
            if self.required:
                found.append(("Require", OPTION))
        return tuple(found)

    @property
    def answered(self) -> tuple[Header, ...]:
        """What our 2xx says of it (RFC 4488 §4, RFC 7614 §5)."""
        return (("Refer-Sub", "false"),) if self.silent else ()


def _scheme(text: str) -> Uri:
    """Read the address to call. Raises SipError."""
    bare = text.partition("<")[2] or text
    scheme = bare.strip().partition(":")[0].lower()
    if scheme.isalpha() and scheme not in {"sip", "sips"}:
        raise SipError(f"nobody is called by {scheme[:20]}", 416)
    found = NameAddress.parse(text)
    if not found.uri.user:
        raise SipError("a Refer-To without a user")
    return found.uri


def _headers(text: str) -> dict[str, str]:
    """Return the headers that a URI wants in the request, which are not to be trusted (§19.1.5)."""
    pairs = [each.partition("=") for each in text.split("&")[:16]]
    return {unquote(name).lower(): unquote(value) for name, _, value in pairs}


def _referrer(request: Request) -> str:
    """Return Referred-By without the token that only its body would prove (RFC 3892 §2.1)."""
    found = request.get("Referred-By") or ""
    if not found:
        return ""
    address = NameAddress.parse(found)
    return str(NameAddress(address.display, replace(address.uri, headers="")))


def _silent(request: Request) -> bool:
    wanted = (request.get("Refer-Sub") or "").partition(";")[0].strip().lower()
    asked = options_of(request, "Require")
    unwanted = wanted == "false" and NOREFERSUB in options_of(request, "Supported") | asked
    return unwanted or NOSUB in asked


def told(event: Event, seconds: int = 0) -> tuple[Header, ...]:
    """Return the headers of a NOTIFY of how it goes; of the last one where no `seconds` follow."""
    last = SubscriptionState(TERMINATED, reason=NORESOURCE)
    state = SubscriptionState(ACTIVE, seconds) if seconds else last
    return (
        ("Event", str(event)),
        ("Subscription-State", str(state)),
        ("Content-Type", f"{SIPFRAG};version=2.0"),
    )


def fragment(status: int, phrase: str = "") -> bytes:
    """Return the body of that NOTIFY: a status line (RFC 3420)."""
    said = "".join(each for each in phrase if each.isprintable())[:80]
    return f"SIP/2.0 {status} {said or PHRASES.get(status, 'Unknown')}\r\n".encode()


def outcome(message: Message) -> int:
    """Return the status that a NOTIFY tells; raises SipError(400) where it tells none."""
    line = message.body.split(b"\r\n", 1)[0].split(b"\n", 1)[0]
    version, _, rest = line.partition(b" ")
    status = rest.strip()[:3]
    if version.upper() != b"SIP/2.0" or len(status) != 3 or not status.isdigit():
        raise SipError("a NOTIFY of a REFER without a status line")
    return int(status)

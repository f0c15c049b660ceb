"""Who a MESSAGE is from, and for whom (RFC 7572 §5, RFC 3325 §9, RFC 3862 §4)."""

from typing import Final

from dragoman.mapping.address import Unmappable, without_gr
from dragoman.mapping.content import wrapper
from dragoman.mapping.failure import Refused, sips_refused
from dragoman.msrp.cpim import CpimError, address
from dragoman.sip.header import NameAddress
from dragoman.sip.message import Request, SipError, build_request
from dragoman.sip.uri import Uri

_NOBODY: Final = "anonymous.invalid"


def sender_of(request: Request, *, trusted: bool = False) -> Uri:
    """Return who sends a MESSAGE, with `gr` where the device is known (RFC 7572 §5 note 1).

    That is From; of a `trusted` peer, the From of a message/cpim body, else P-Asserted-Identity
    unless its user asked for privacy (RFC 3325 §9.3). A `gr` outside the brackets counts too.
    Raises Refused.
    """
    try:
        if trusted:
            found = _enclosed(request, "From") or _asserted(request)
            if found is not None and not _same_user(found, request.from_.uri):
                return found
        return _with_gr(request.from_)
    except SipError as error:
        raise Refused(error.reason, error.status) from error


def asserted(request: Request) -> list[Uri]:
    """Return who P-Asserted-Identity says the sender is, in its order (RFC 3325 §9.1).

    Nobody, where the sender asked that XMPP, which is outside of the trust domain, not learn it
    (Privacy: id, §9.3). Raises SipError.
    """
    lines = request.get_all("P-Asserted-Identity")
    if not lines:
        return []
    wishes = ";".join(request.get_all("Privacy")).lower().split(";")
    if "id" in map(str.strip, wishes):
        return []
    return [one.uri for line in lines for one in NameAddress.parse_list(line)]


def recipient_of(request: Request, *, host: str, trusted: bool = False) -> Uri:
    """Return whom a MESSAGE is for: its Request-URI, where that names no user To.

    Of a `trusted` peer, the To of a message/cpim body comes first. A sips address is refused (480
    with a Warning from `host`, our own name). Raises Refused.
    """
    try:
        target, to = request.uri, request.to
        if target.scheme == "sips" or to.uri.scheme == "sips":
            raise sips_refused(host)
        enclosed = _enclosed(request, "To") if trusted else None
        if enclosed is not None and enclosed.scheme == "sips":
            raise sips_refused(host)
        return enclosed or (target if target.user is not None else _with_gr(to))
    except SipError as error:
        raise Refused(error.reason, error.status) from error


def refusal(error: Unmappable, *, sender: bool = False) -> Refused:
    """Return how to refuse a request for an address that is not mappable: 400 for its sender's."""
    return Refused(error.reason, 400 if sender else error.status)


def _enclosed(request: Request, name: str) -> Uri | None:
    """Return the address in a header of a message/cpim body; None for nobody in particular."""
    found = wrapper(request)
    value = None if found is None else found.get(name)
    if value is None:
        return None
    try:
        uri = Uri.parse(address(value)[1])
    except (CpimError, SipError):
        return None
    return None if uri.host == _NOBODY else uri


def _asserted(request: Request) -> Uri | None:
    found = asserted(request)
    return next((uri for uri in found if uri.scheme != "tel"), found[0] if found else None)


def _same_user(one: Uri, other: Uri) -> bool:
    return one.user == other.user and one.host == other.host


def _with_gr(address_: NameAddress) -> Uri:
    """Return the URI with a `gr` that stands beside its brackets put inside (RFC 5627 §7)."""
    uri, gr = address_.uri, address_.param("gr")
    if not gr or uri.param("gr") is not None:
        return uri
    return Uri(uri.scheme, uri.user, uri.host, uri.port, params=(*uri.params, ("gr", gr)))


def to_any_device(request: Request) -> Request:
    """Return a request for one device as one for any of its user's (RFC 5627 §6.4)."""
    target = str(without_gr(request.uri))
    return build_request(request.method, target, request.headers, request.body)

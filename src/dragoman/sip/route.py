"""Routes: the hops between two ends (RFC 3261 §8.1.2, §12.1, §12.2.1.1, §16.4)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, final

from dragoman.sip.header import NameAddress, split_list
from dragoman.sip.message import Message, Request, Response, SipError
from dragoman.sip.uri import Uri

MAX_HOPS: Final = 32
"""How many hops a route may have; one with more is refused."""

Ours: TypeAlias = Callable[[Uri], bool]


@final
@dataclass(frozen=True, slots=True)
class RouteSet:
    """The hops that every request takes, the nearest first."""

    hops: tuple[NameAddress, ...] = ()

    @classmethod
    def outbound(cls, proxy: str) -> "RouteSet":
        """Return the route of requests that all go to one proxy (§8.1.2).

        `proxy` is a SIP URI, or "host[:port]" for a loose router, or "" for none. Raises SipError.
        """
        if not proxy:
            return cls()
        named = proxy[:5].lower().startswith(("sip:", "sips:"))
        uri = Uri.parse(proxy if named else f"sip:{proxy};lr")
        if uri.headers or not (named or uri.user is None):
            raise SipError(f"not a proxy: {proxy[:40]!r}")
        return cls((NameAddress("", uri),))

    @classmethod
    def from_request(cls, request: Request) -> "RouteSet":
        """Return the route of the dialog that a request begins with us (§12.1.1)."""
        return cls(_addresses(request, "Record-Route"))

    @classmethod
    def from_response(cls, response: Response) -> "RouteSet":
        """Return the route of the dialog that our request began: the same, reversed (§12.1.2)."""
        return cls(_addresses(response, "Record-Route")[::-1])

    def send(self, request: Request) -> tuple[Request, Uri]:
        """Return `request`, whose Request-URI is the far end, on this route, and its next hop.

        A first hop without `lr` is a strict router: it is the Request-URI itself, and the far end
        becomes the last hop (§12.2.1.1). The way to a sips URI is looked for as if the hop were
        one (RFC 3263 §4.1). Raises SipError where the Request-URI cannot be read.
        """
        if not self.hops:
            return request, request.uri
        first, target = self.hops[0].uri, request.target
        route = [str(each) for each in self.hops]
        if first.param("lr") is None:
            route = [*route[1:], f"<{target}>"]
            target = str(_as_target(first))
        headers = [each for each in request.headers if each[0] != "Route"]
        headers += [("Route", each) for each in route]
        hop = replace(first, scheme="sips") if request.uri.scheme == "sips" else first
        return Request(request.method, target, headers, request.body), hop


def arrived(request: Request, ours: Ours) -> Request:
    """Return a request as its far end has to see it, `ours` telling which URIs name us (§16.4).

    A Request-URI that is ours and names no user was put there by a strict router: the last Route
    is the one meant. The topmost Route is taken away when it is ours. Routes that are left name
    hops beyond us: we are the far end and no proxy, and pay them no heed (§8.2). Raises SipError
    for a Route that cannot be read.
    """
    if request.get("Route") is None:
        return request
    target, route = request.target, list(_addresses(request, "Route"))
    uri = request.uri
    if uri.user is None and route and ours(uri):
        target = str(route.pop().uri)
    if route and ours(route[0].uri):
        del route[0]
    headers = [each for each in request.headers if each[0] != "Route"]
    headers += [("Route", str(each)) for each in route]
    return Request(request.method, target, headers, request.body)


def _addresses(message: Message, name: str) -> tuple[NameAddress, ...]:
    lines: Iterable[str] = message.get_all(name)
    items = [item for line in lines for item in split_list(line)]
    if len(items) > MAX_HOPS:
        raise SipError(f"{name} with {len(items)} hops")
    return tuple(NameAddress.parse(item) for item in items)


def _as_target(uri: Uri) -> Uri:
    """Return a hop without what a Request-URI may not have: headers and method (§19.1.1)."""
    params = tuple(each for each in uri.params if each[0] != "method")
    return replace(uri, params=params, headers="")

"""Dialogs: what two ends remember of each other between requests (RFC 3261 §12)."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, final

from dragoman.errors import LocalError
from dragoman.sip.grammar import print_params, quote
from dragoman.sip.header import NameAddress
from dragoman.sip.message import Header, Message, Request, Response, SipError, build_request
from dragoman.sip.route import RouteSet
from dragoman.sip.uri import Uri

HOPS: Final = 70
"""Max-Forwards of a request that nothing else decides (§8.1.1.6)."""
LARGEST: Final = 8192
"""Octets of a peer's words that a dialog keeps: tag, target and route set, name and Call-ID."""
TOO_LARGE: Final = 513
OLD: Final = 500
"""The status of a request whose CSeq is lower than one that came before (§12.2.2)."""


@final
@dataclass(frozen=True, slots=True)
class Dialog:
    """One end's view of a dialog; each request, either way, makes it another value.

    `local` and `remote` are From and To of our requests, without tags; "" is the tag of a peer
    of RFC 2543. `target` is the Request-URI of our requests, `contact` our own Contact.
    """

    call_id: str
    local: str
    local_tag: str
    remote: str
    remote_tag: str
    target: str
    contact: str
    route_set: RouteSet = field(default_factory=RouteSet)
    local_cseq: int = 0
    remote_cseq: int = -1

    @classmethod
    def of_uas(cls, request: Request, tag: str, contact: str) -> "Dialog":
        """Return the dialog that a request with a Contact begins with us, whose tag is `tag`.

        Raises SipError(400) where the Contact is missing or is not one address (§12.1.1), 513
        where all of it is too large.
        """
        dialog = cls(
            request.call_id,
            _untagged(request.to),
            tag,
            _untagged(request.from_),
            request.from_.tag or "",
            _target(request),
            contact,
            RouteSet.from_request(request),
            remote_cseq=request.cseq.number,
        )
        return _bounded(dialog, dialog.call_id, dialog.remote)

    @classmethod
    def of_uac(cls, request: Request, response: Response, contact: str) -> "Dialog":
        """Return the dialog that the response to a request of ours makes (§12.1.2).

        Raises SipError(400) where the response has no Contact, 513 where it is too large.
        """
        return _bounded(
            cls(
                request.call_id,
                _untagged(request.from_),
                request.from_.tag or "",
                _untagged(request.to),
                response.to.tag or "",
                _target(response),
                contact,
                RouteSet.from_response(response),
                local_cseq=max(request.cseq.number, response.cseq.number),
            )
        )

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells dialogs apart: Call-ID, local tag, remote tag."""
        return self.call_id, self.local_tag, self.remote_tag

    def request(
        self, method: str, headers: Iterable[Header] = (), body: bytes = b""
    ) -> "tuple[Dialog, Request]":
        """Return a request within the dialog, without Via and Route, and the dialog after it.

        ACK and CANCEL have the number of their INVITE and are not made here (§12.2.1.1). A
        Max-Forwards among `headers` is instead of the usual one.
        """
        if method in {"ACK", "CANCEL"}:
            raise LocalError(f"{method} takes its CSeq from an INVITE")
        number = self.local_cseq + 1
        headers = tuple(headers)
        named = self._named(method, number)
        if any(name == "Max-Forwards" for name, _ in headers):
            named = tuple(each for each in named if each[0] != "Max-Forwards")
        after = replace(self, local_cseq=number)
        return after, build_request(method, self.target, (*named, *headers), body)

    def acknowledge(self, number: int) -> Request:
        """Return the ACK for a 2xx to the INVITE of that CSeq number (§13.2.2.4)."""
        return build_request("ACK", self.target, self._named("ACK", number))

    def _named(self, method: str, number: int) -> tuple[Header, ...]:
        remote_tag = f";tag={self.remote_tag}" if self.remote_tag else ""
        return (
            ("From", f"{self.local};tag={self.local_tag}"),
            ("To", f"{self.remote}{remote_tag}"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
            ("Max-Forwards", str(HOPS)),
            ("Contact", self.contact),
        )

    def received(self, request: Request, *, refresh: bool = False) -> "Dialog":
        """Return the dialog after a request of the peer's; `refresh` where it may move him.

        The methods that move a peer, whose Contact is then the new target, are INVITE, UPDATE,
        SUBSCRIBE and NOTIFY (§12.2.2, RFC 6665 §4.4.1). Raises SipError(500) for one that is
        older than what came before, and SipError(400) where he cannot be moved to its Contact, 513
        where that is too large.
        """
        number = request.cseq.number
        if number < self.remote_cseq:
            raise SipError(f"CSeq {number} after {self.remote_cseq}", OLD)
        target = _target(request) if refresh and request.get("Contact") else self.target
        return _bounded(replace(self, remote_cseq=number, target=target))

    def answered(self, response: Response) -> "Dialog":
        """Return the dialog after a response to a request of ours, which may move the peer.

        The request may have been sent again with a higher CSeq to answer a challenge. A Contact
        that is no target moves nobody: there is no way to answer a response.
        """
        target = self.target
        if 200 <= response.status < 300 and response.get("Contact"):
            with suppress(SipError):
                target = _bounded(replace(self, target=_target(response))).target
        return replace(self, target=target, local_cseq=max(self.local_cseq, response.cseq.number))

    def met(self, request: Request, *, direct: bool = False) -> "Dialog":
        """Return the dialog that the peer's first request makes of one with only our half.

        That is how a SUBSCRIBE's begins: by its NOTIFY (RFC 6665 §4.4.1). Where we asked the peer
        himself (`direct`), he may leave his Contact out, and stays where he is. Raises
        SipError(400), and 513 for one that is too large.
        """
        stays = direct and request.get("Contact") is None
        return _bounded(
            replace(
                self,
                remote_tag=request.from_.tag or "",
                target=self.target if stays else _target(request),
                route_set=RouteSet.from_request(request),
                remote_cseq=request.cseq.number,
            )
        )

    def met_at(self, host: str, port: int | None) -> "Dialog":
        """Return the dialog with a target that leads to its peer, who was seen at `host`, publicly.

        A Contact with an address of his own network leads elsewhere from here, or to somebody of
        ours (RFC 3581 §1). It stays where there is a route, whose first hop knows the way, and
        where he was seen in such a network himself.
        """
        uri = Uri.parse(self.target)
        if self.route_set.hops or not _is_inner(uri.host) or not _is_outer(host):
            return self
        host = f"[{host.strip('[]')}]" if ":" in host else host
        return replace(self, target=str(replace(uri, host=host, port=port or uri.port)))

    def kept_outside(self, before: "Dialog") -> "Dialog":
        """Return the dialog with the target it had `before`, where that alone leads to its peer."""
        inner = _is_inner(Uri.parse(self.target).host)
        if self.route_set.hops or not inner or _is_inner(Uri.parse(before.target).host):
            return self
        return replace(self, target=before.target)

    def skipping(self, requests: int) -> "Dialog":
        """Return the dialog after as many requests of ours of which nothing is known."""
        return replace(self, local_cseq=self.local_cseq + requests)

    def to_text(self) -> str:
        """Return the dialog as text, for `from_text`: it can be spoken in after a restart."""
        hops = [str(each) for each in self.route_set.hops]
        ends = [self.local, self.local_tag, self.remote, self.remote_tag]
        numbers = [self.local_cseq, self.remote_cseq]
        return json.dumps([self.call_id, *ends, self.target, self.contact, hops, *numbers])

    @classmethod
    def from_text(cls, text: str) -> "Dialog":
        """Read what `to_text` wrote; raises SipError for anything else."""
        try:
            *names, hops, local_cseq, remote_cseq = json.loads(text)
            call_id, local, local_tag, remote, remote_tag, target, contact = map(str, names)
            route_set = RouteSet(tuple(NameAddress.parse(each) for each in hops))
            numbers = int(local_cseq), int(remote_cseq)
        except (ValueError, TypeError) as error:
            raise SipError(f"no dialog: {text[:40]!r}") from error
        ends = local, local_tag, remote, remote_tag
        return cls(call_id, *ends, target, contact, route_set, *numbers)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_inner(host: str) -> bool:
    """Tell an address that means nothing, or something else, outside of a network."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else not address.is_global


def _is_outer(host: str) -> bool:
    """Tell an address that means the same everywhere."""
    address = _address(host)
    return address is not None and address.is_global


def ends_of(text: str) -> tuple[str, str]:
    """Return Call-ID and local tag of what `to_text` wrote; nothing of both for anything else."""
    try:
        call_id, _, local_tag, *_ = json.loads(text)
    except (ValueError, TypeError):
        return "", ""
    return str(call_id), str(local_tag)


def _bounded(dialog: Dialog, *others: str) -> Dialog:
    """Return a dialog whose peer has said no more than may be kept, `others` too; or raise 513."""
    hops = (str(each) for each in dialog.route_set.hops)
    if sum(map(len, (dialog.remote_tag, dialog.target, *hops, *others))) > LARGEST:
        raise SipError("a dialog with too long a Contact, tag or Record-Route", TOO_LARGE)
    return dialog


def _untagged(address: NameAddress) -> str:
    """Return an address as From or To has it, its tag left out."""
    params = tuple(each for each in address.params if each[0] != "tag")
    display = f"{quote(address.display)} " if address.display else ""
    return f"{display}<{address.uri}>{print_params(params)}"


def _target(message: Message) -> str:
    contacts = message.contacts
    if len(contacts) != 1:
        raise SipError(f"{len(contacts)} Contacts where a dialog needs one")
    uri = contacts[0].uri
    if uri.scheme not in {"sip", "sips"}:
        raise SipError(f"a Contact that is no SIP address: {str(uri)[:40]!r}")
    return str(replace(uri, headers="")) if uri.headers else str(uri)

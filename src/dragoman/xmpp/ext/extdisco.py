"""External Service Discovery (XEP-0215): which STUN and TURN servers a server offers."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import flag, host, line, number, token
from dragoman.xmpp.failure import StanzaError

NS: Final = "urn:xmpp:extdisco:2"
SERVICES: Final = f"{{{NS}}}services"
CREDENTIALS: Final = f"{{{NS}}}credentials"
MOST: Final = 64
"""Services of an answer that are looked at."""
_SERVICE: Final = f"{{{NS}}}service"


@dataclass(frozen=True, slots=True)
class Service:
    """One service (§2); `port` 0 is that of its type, `expires` as in XEP-0082, "" for never.

    `restricted` says that there are credentials to be asked for, where none are here.
    """

    type: str
    host: str
    port: int = 0
    transport: str = ""
    username: str = ""
    password: str = ""
    expires: str = ""
    restricted: bool = False
    name: str = ""

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<service/>`. Raises StanzaError."""
        return cls(
            token(element, "type"),
            host(element, "host"),
            number(element, "port", 0, most=65_535),
            token(element, "transport", "").lower(),
            line(element, "username", ""),
            line(element, "password", ""),
            line(element, "expires", ""),
            flag(element, "restricted"),
            line(element, "name", ""),
        )

    def element(self) -> Element:
        """Return the `<service/>`."""
        told = {
            "type": self.type,
            "host": self.host,
            "port": str(self.port) if self.port else "",
            "transport": self.transport,
            "username": self.username,
            "password": self.password,
            "expires": self.expires,
            "restricted": "1" if self.restricted else "",
            "name": self.name,
        }
        return Element(_SERVICE, {name: value for name, value in told.items() if value})


def query(type_: str = "") -> Element:
    """Return what asks for all services, or for those of a type (§3.1, §3.2)."""
    return Element(SERVICES, {"type": type_} if type_ else None)


def credentials(service: Service) -> Element:
    """Return what asks for the credentials of a service (§3.3)."""
    known = Service(service.type, service.host, service.port)
    return Element(CREDENTIALS, None, [known.element()])


def answer(services: Iterable[Service], type_: str = "") -> Element:
    """Return what answers a `query`."""
    return Element(
        SERVICES, {"type": type_} if type_ else None, [each.element() for each in services]
    )


def services(iq: Element) -> tuple[Service, ...]:
    """Return what an answer to either question offers; a service that cannot be read is none."""
    found = [each for name in (SERVICES, CREDENTIALS) for each in iq.find_all(name)]
    each = (_service(one) for part in found for one in part.find_all(_SERVICE))
    return tuple(service for service in islice(each, MOST) if service is not None)


def _service(element: Element) -> Service | None:
    if element.get("action") == "delete":
        return None
    try:
        return Service.parse(element)
    except StanzaError:
        return None

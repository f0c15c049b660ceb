"""A whole gateway on loopback sockets between a scripted phone and a scripted XMPP domain."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dragoman.app.config import (
    Configuration,
    Dns,
    Http,
    Log,
    Message,
    Msrp,
    Serve,
    Sip,
    SipAccount,
    Tls,
    Xmpp,
)
from dragoman.app.demo import CAROL, XMPP_DOMAIN, zone
from dragoman.app.services import Gateway
from dragoman.net.dns import MemoryResolver, Resolver
from dragoman.testing.domain import Domain
from dragoman.testing.phone import Phone
from dragoman.testing.stream import body_of, condition_of
from dragoman.trace import Seen, Tap

ALICE = f"alice@{XMPP_DOMAIN}/balcony"


@dataclass
class House:
    """A gateway, and one far end on each side."""

    gateway: Gateway
    phone: Phone
    domain: Domain
    resolver: MemoryResolver
    seen: list[Seen]

    async def says(self, to: str, text: str, *, transport: str = "UDP") -> int | None:
        """Have carol's phone send; return the final status."""
        sent = await self.phone.send(f"sip:{CAROL}", f"sip:{to}", text, transport=transport)
        return sent.status

    async def condition(self, to: str, text: str, within: float = 10) -> str | None:
        """Have alice write; return the condition of the error that she gets."""
        name = self.domain.message(ALICE, to, text)
        async with asyncio.timeout(within):
            while True:
                stanza = await self.domain.next_stanza(within)
                if stanza.get("id") == name:
                    return condition_of(stanza)

    def stanzas(self) -> list[str | None]:
        """Return the bodies of the messages that reached alice's domain."""
        bodies = [body_of(each) for each in self.domain.received if each.get("type") != "error"]
        return [each for each in bodies if each is not None]


def configuration(
    folder: Path,
    *,
    trusted: Sequence[str] = (),
    require_certificate: bool = False,
    proxy: str = "",
    accounts: Sequence[SipAccount] = (),
    http: str = "",
    sessions: Literal["auto", "never", "first"] = "never",
) -> Configuration:
    return Configuration(
        sip=Sip(
            listen=["udp:127.0.0.1:0", "tcp:127.0.0.1:0"],
            trusted=list(trusted),
            outbound_proxy=proxy,
            account=list(accounts),
        ),
        xmpp=Xmpp(listen=["starttls:127.0.0.1:0"], require_certificate=require_certificate),
        msrp=Msrp(listen=["tcp:127.0.0.1:0", "tls:127.0.0.1:0"]),
        serve=Serve(),
        dns=Dns(),
        tls=Tls(certificates=folder / "certs"),
        http=Http(listen=http),
        message=Message(sessions=sessions),
        log=Log(),
        state=folder,
    )


async def build(
    folder: Path,
    *,
    trusted: Sequence[str] = (),
    require_certificate: bool = False,
    proxy: str = "",
    accounts: Sequence[SipAccount] = (),
    settings: Configuration | None = None,
    http: str = "",
    names: Resolver | None = None,
    domain: Domain | None = None,
) -> House:
    """Put a house together; `names` answers instead of the table of records."""
    seen: list[Seen] = []
    tap = Tap(lambda: 0.0)
    tap.readers.append(seen.append)
    resolver = MemoryResolver()
    settings = settings or configuration(
        folder,
        trusted=trusted,
        require_certificate=require_certificate,
        proxy=proxy,
        accounts=accounts,
        http=http,
    )
    gateway = Gateway(settings, names or resolver, tap)
    await gateway.start()
    phone = await Phone.start(gateway=gateway.sip_address)
    domain = domain or await Domain.start(XMPP_DOMAIN)
    domain.gateway = gateway.xmpp_address
    resolver.records.update(zone(gateway, phone, domain))
    return House(gateway, phone, domain, resolver, seen)


async def tear_down(house: House) -> None:
    await house.gateway.stop(1.0)
    await house.phone.aclose()
    await house.domain.aclose()

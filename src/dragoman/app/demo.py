"""The demonstration: a gateway, a scripted XMPP domain and a scripted SIP phone, in one process.

Everything passes over real loopback sockets; only the DNS is held in memory.  What the tap saw
is then drawn as a ladder.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from dragoman.app import logs
from dragoman.app.config import Configuration, Dns, Http, Log, Message, Msrp, Serve, Sip, Tls, Xmpp
from dragoman.app.ladder import Ladder
from dragoman.app.services import Gateway, run_loop
from dragoman.net.dns import MemoryResolver
from dragoman.records import Answer, Kind, Naptr, Question, Srv
from dragoman.testing.domain import Domain
from dragoman.testing.phone import Phone
from dragoman.trace import Tap

XMPP_DOMAIN, SIP_DOMAIN = "xmpp.test", "sip.test"
ALICE: Final = f"alice@{XMPP_DOMAIN}/balcony"
WIDTH: Final = 150
"""Columns where the output is no terminal, whose own width would count."""
CAROL: Final = f"carol@{SIP_DOMAIN}"
TALK: Final = (
    (ALICE, CAROL, "Good morrow, cousin."),
    (CAROL, ALICE, "Is the day so young?"),
    (ALICE, CAROL, "But new struck nine."),
    (CAROL, f"nobody@{XMPP_DOMAIN}", "Are you there?"),
    (ALICE, f"nobody@{SIP_DOMAIN}", "Is anybody?"),
)
"""Who says what to whom; the last two fail, and their senders are told."""


def show() -> int:
    """Hold the conversation and draw it; return the exit code of the process."""
    logs.start("error", "text")
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    ladder = Ladder()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dragoman-demo-") as folder:
        run_loop(_converse(Path(folder), ladder))
    console.print(
        f"[bold]{ALICE}[/] (XMPP) and [bold]{CAROL}[/] (SIP) write to each other through a"
        " gateway.\nIts only configuration is where it listens; the DNS says the rest.\n"
    )
    ladder.draw(console)
    console.print(f"\n{len(ladder.seen)} messages in {time.monotonic() - start:.1f} seconds.")
    return 0


async def _converse(folder: Path, ladder: Ladder) -> int:
    """Start everything, let the talk take its course, stop everything."""
    tap = Tap(time.time)
    tap.readers.append(ladder)
    resolver = MemoryResolver()
    gateway = Gateway(_configuration(folder), resolver, tap)
    await gateway.start()
    phone = await Phone.start(gateway=gateway.sip_address)
    domain = await Domain.start(XMPP_DOMAIN, gateway=gateway.xmpp_address)
    resolver.records.update(zone(gateway, phone, domain))
    try:
        for sender, to, text in TALK:
            await _say(sender, to, text, phone, domain)
    finally:
        await gateway.stop(2.0)
        await phone.aclose()
        await domain.aclose()
    return 0


async def _say(sender: str, to: str, text: str, phone: Phone, domain: Domain) -> None:
    """Send one message, and wait for what the other side, or the sender, gets of it."""
    if sender == CAROL:
        await phone.send(f"sip:{sender}", f"sip:{to.partition('/')[0]}", text)
        return
    domain.message(sender, to, text)
    if to == CAROL:
        await phone.next_request()
    else:
        error = await domain.next_stanza()
        while error.get("type") != "error":
            error = await domain.next_stanza()


def _configuration(folder: Path) -> Configuration:
    return Configuration(
        sip=Sip(listen=["udp:127.0.0.1:0"]),
        xmpp=Xmpp(listen=["starttls:127.0.0.1:0"]),
        msrp=Msrp(listen=[]),
        serve=Serve(),
        dns=Dns(),
        tls=Tls(certificates=folder / "certs"),
        http=Http(listen=""),
        message=Message(),
        log=Log(),
        state=folder,
    )


def zone(gateway: Gateway, phone: Phone, domain: Domain) -> dict[Question, Answer]:
    """Return the DNS of the two domains: each one's other protocol leads to the gateway."""
    records: dict[Question, Answer] = {}
    for name, service, (address, port) in (
        (XMPP_DOMAIN, "_xmpp-server._tcp", domain.address),
        (XMPP_DOMAIN, "_sip._udp", gateway.sip_address),
        (SIP_DOMAIN, "_xmpp-server._tcp", gateway.xmpp_address),
        (SIP_DOMAIN, "_sip._udp", phone.address),
    ):
        host = f"{address}.host.test"
        records[Question(Kind.SRV, f"{service}.{name}")] = (Srv(0, 0, port, host),)
        records[Question(Kind.ADDRESS, host)] = (address,)
    for name in (XMPP_DOMAIN, SIP_DOMAIN):
        naptr = Naptr(10, 0, "s", "SIP+D2U", f"_sip._udp.{name}")
        records[Question(Kind.NAPTR, name)] = (naptr,)
    return records

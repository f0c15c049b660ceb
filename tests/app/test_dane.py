"""A whole gateway that asks a name server of its own which certificates a far server has."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from dragoman.app.config import Configuration, Dns, Xmpp
from dragoman.app.demo import XMPP_DOMAIN
from dragoman.app.services import resolver_for
from dragoman.records import Answer, Naptr, Question, Srv
from dragoman.testing.credentials import self_signed
from dragoman.testing.domain import Domain
from dragoman.testing.nameserver import Nameserver
from dragoman.testing.stream import body_of
from tests.house import House, build, configuration, tear_down

SHOWN = self_signed("hosting.test")
DIGEST = x509.load_pem_x509_certificate(SHOWN.certificate).fingerprint(SHA256()).hex()
SIGNED = (XMPP_DOMAIN, "host.test")


def lines(table: Mapping[Question, Answer]) -> dict[str, list[str]]:
    """Return records held in memory as a zone file has them."""
    found: dict[str, list[str]] = {}
    for question, answer in table.items():
        for each in answer:
            match each:
                case Srv(priority, weight, port, target):
                    text = f"SRV {priority} {weight} {port} {target}."
                case Naptr(order, preference, flags, service, replacement):
                    text = f'NAPTR {order} {preference} "{flags}" "{service}" "" {replacement}.'
                case _:
                    text = f"A {each}"
            found.setdefault(question.name, []).append(text)
    return found


def settings(folder: Path, server: tuple[str, int], *, dane: bool) -> Configuration:
    xmpp = Xmpp(
        listen=["starttls:127.0.0.1:0"],
        dane=dane,
        require_certificate=[XMPP_DOMAIN],
    )
    dns = Dns(servers=["{}:{}".format(*server)])
    return configuration(folder).model_copy(update={"xmpp": xmpp, "dns": dns})


@asynccontextmanager
async def house(
    folder: Path, record: str, *, signed: tuple[str, ...] = SIGNED, dane: bool = True
) -> AsyncIterator[House]:
    """Build a house whose far server shows a certificate for another name; `record` lists one."""
    server = await Nameserver.start({}, signed=signed)
    domain = await Domain.start(XMPP_DOMAIN, credentials=SHOWN, verify=False)
    wanted = settings(folder, server.address, dane=dane)
    built = await build(folder, settings=wanted, names=resolver_for(wanted), domain=domain)
    records = lines(built.resolver.records)  # type: ignore[arg-type] # none of them is a failure
    host, port = domain.address
    records[f"_{port}._tcp.{host}.host.test"] = [f"TLSA {record}"]
    server.records = records
    try:
        yield built
    finally:
        await tear_down(built)
        server.close()


@pytest.mark.spec("NET-40")
async def test_a_certificate_that_a_signed_record_is_of_is_good_whatever_its_name(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, f"3 0 1 {DIGEST}") as built:
        saying = asyncio.create_task(built.says(f"alice@{XMPP_DOMAIN}", "wherefore"))
        # the far server's own streams are not judged by DANE, so that no answer comes back
        assert body_of(await built.domain.next_stanza()) == "wherefore"
        saying.cancel()


@pytest.mark.spec("NET-40")
@pytest.mark.parametrize(
    ("record", "signed", "dane"),
    [
        (f"3 0 1 {'ab' * 32}", SIGNED, True),
        (f"1 0 1 {DIGEST}", SIGNED, True),
        (f"3 0 1 {DIGEST}", ("host.test",), True),
        (f"3 0 1 {DIGEST}", (XMPP_DOMAIN,), True),
        (f"3 0 1 {DIGEST}", SIGNED, False),
    ],
    ids=["of another", "wants an authority", "SRV unsigned", "TLSA unsigned", "turned off"],
)
async def test_else_it_is_not_and_nothing_is_sent(
    tmp_path: Path, record: str, signed: tuple[str, ...], dane: bool
) -> None:
    async with house(tmp_path, record, signed=signed, dane=dane) as built:
        assert await built.says(f"alice@{XMPP_DOMAIN}", "wherefore") == 504
        assert built.stanzas() == []
        assert "not-authorized" in built.domain.ended

"""What the doctor says: of a domain's records, of certificates, and as a process."""

import errno
import os
import socket
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from dragoman.app import check
from dragoman.app.check import (
    Level,
    Standing,
    certificates,
    databases,
    domain_of,
    judge_shown,
    judge_standing,
    look,
    of_domain,
    ports,
    state,
    taken,
)
from dragoman.app.config import Serve, Tls
from dragoman.app.holder import Holder
from dragoman.errors import LocalError
from dragoman.net.certificates import CertificateStore
from dragoman.net.dns import MemoryResolver
from dragoman.net.listen import Place
from dragoman.net.trust import Verdict
from dragoman.records import DnsFailure, Kind, Question, Srv
from dragoman.store.consent import Consent
from dragoman.store.sqlite import Sqlite
from dragoman.store.subscriptions import Watched, Watching
from tests.app.test_run import ended
from tests.house import configuration
from tests.net.authority import NOW, issue
from tests.store.kept import PLAIN, wall

SOURCES = str(Path(__file__).parents[2] / "src")
HERE = Standing(True, (("192.0.2.1", 5269),))
AWAY = Standing(False, (("192.0.2.9", 5060),))


@pytest.mark.parametrize(
    ("xmpp", "sip", "worst", "words"),
    [
        (HERE, AWAY, Level.OK, "the gateway stands for it"),
        (HERE, HERE, Level.ERROR, "both its XMPP and its SIP records lead here"),
        (AWAY, AWAY, Level.WARNING, "none of its records lead here"),
        (HERE, Standing(), Level.WARNING, "SIP: its records lead nowhere"),
        (HERE, Standing(failure="SERVFAIL"), Level.ERROR, "no answer: SERVFAIL"),
    ],
)
def test_where_records_lead(xmpp: Standing, sip: Standing, worst: Level, words: str) -> None:
    found = list(judge_standing(xmpp, sip, "a.example"))
    assert max((each.level for each in found), key=list(Level).index) is worst
    assert any(words in each.text for each in found)


@pytest.mark.parametrize(
    "word", ["a.example", "bob@a.example", "sip:bob@a.example;transport=tcp", "xmpp:b@A.example/r"]
)
def test_the_domain_of_a_word(word: str) -> None:
    assert domain_of(word) == "a.example"


@pytest.mark.parametrize("word", ["", "@", "a..example", "a b", "a_b/"])
def test_what_is_no_domain(word: str) -> None:
    with pytest.raises(LocalError, match="no address and no domain"):
        domain_of(word)


async def test_records_are_followed_to_our_ports_only(tmp_path: Path) -> None:
    resolver = MemoryResolver(
        {
            Question(Kind.SRV, "_xmpp-server._tcp.a.example"): (Srv(0, 0, 5269, "gw.example"),),
            Question(Kind.ADDRESS, "gw.example"): ("192.0.2.1",),
            Question(Kind.SRV, "_sip._udp.a.example"): DnsFailure("SERVFAIL"),
        }
    )
    settings = configuration(tmp_path)
    for port, here in ((5269, True), (5299, False)):
        listen = [f"starttls:127.0.0.1:{port}"]
        changed = settings.model_copy(
            update={"xmpp": settings.xmpp.model_copy(update={"listen": listen})}
        )
        xmpp, sip = await look(changed, "a.example", resolver, lambda each: each == "192.0.2.1")
        assert (xmpp.here, xmpp.places) == (here, (("192.0.2.1", 5269),))
        assert xmpp.records == ("SRV _xmpp-server._tcp.a.example",)
        assert sip.failure == "SERVFAIL"


async def test_what_was_looked_for_in_vain_is_named(tmp_path: Path) -> None:
    there = (Srv(0, 0, 5269, "."),)
    resolver = MemoryResolver({Question(Kind.SRV, "_xmpp-server._tcp.a.example"): there})
    found = await look(configuration(tmp_path), "a.example", resolver, lambda _: True)
    xmpp, sip, _ = [each.text for each in judge_standing(*found, "a.example")]
    assert xmpp == (
        "XMPP: its records lead nowhere (looked for: SRV _xmpp-server._tcp.a.example, "
        "SRV _xmpps-server._tcp.a.example); there is SRV _xmpp-server._tcp.a.example"
    )
    names = [f"SRV {each}.a.example" for each in ("_sip._udp", "_sip._tcp", "_sips._tcp")]
    for each in ("NAPTR a.example", *names, "A and AAAA a.example"):
        assert each in sip


def test_certificates(tmp_path: Path) -> None:
    root = issue("CA", ca=True)
    (tmp_path / "ca.pem").write_bytes(root.pem())
    certs = tmp_path / "certs"
    certs.mkdir()
    for stem, issuer, days in (("a", root, 60), ("b", None, 60), ("c", root, 2)):
        made = issue(stem, issuer, names=[f"{stem}.example"], ends=NOW + timedelta(days=days))
        made.save(certs, stem)
        (certs / f"{stem}.key").chmod(0o600)
    (certs / "a.key").chmod(0o644)
    settings = configuration(tmp_path).model_copy(
        update={"tls": Tls(certificates=certs, trust=str(tmp_path / "ca.pem"))}
    )
    store = CertificateStore(certs, tmp_path, wall=lambda: NOW)
    found = [
        (each.level, each.subject[-1], each.text) for each in certificates(settings, store, NOW)
    ]
    assert [each[:2] for each in found] == [
        (Level.OK, "a"),
        (Level.ERROR, "a"),
        (Level.OK, "b"),
        (Level.WARNING, "b"),
        (Level.ERROR, "c"),
    ]
    assert "everybody may read its key" in found[1][2]
    assert "self-signed" in found[3][2]


def test_every_name_of_a_certificate_is_judged(tmp_path: Path) -> None:
    root = issue("CA", ca=True)
    (tmp_path / "ca.pem").write_bytes(root.pem())
    certs = tmp_path / "certs"
    certs.mkdir()
    issue("a", None, names=["a.example", "b.example"]).save(certs, "a")
    settings = configuration(tmp_path).model_copy(
        update={"tls": Tls(certificates=certs, trust=str(tmp_path / "ca.pem"))}
    )
    store = CertificateStore(certs, tmp_path, wall=lambda: NOW)
    texts = [each.text for each in certificates(settings, store, NOW)]
    assert any(each.startswith("a.example, b.example: ") for each in texts)


@pytest.mark.parametrize(
    ("by", "level", "words"),
    [
        (None, Level.WARNING, "in use (a gateway that runs already"),
        (Holder(7, "dragoman", ours=True), Level.OK, "a gateway listens there (process 7)"),
        (Holder(8, "nginx", ours=False), Level.ERROR, "nginx listens there (process 8): stop it"),
    ],
)
def test_a_port_that_is_taken(by: Holder | None, level: Level, words: str) -> None:
    found = taken(Place("tcp", "*", 5060), by, "in use")
    assert (found.level, found.subject) == (level, "tcp:*:5060")
    assert words in found.text


@pytest.mark.parametrize(
    ("code", "level", "words"),
    [
        (errno.EADDRINUSE, Level.WARNING, "(a gateway that runs already is such a program)"),
        (errno.EADDRNOTAVAIL, Level.ERROR, "it is not an address of this host"),
        (errno.EACCES, Level.ERROR, "CAP_NET_BIND_SERVICE)"),
    ],
)
def test_only_a_port_that_is_taken_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, level: Level, words: str
) -> None:
    def refuse(sock: socket.socket, place: tuple[str, int]) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(socket.socket, "bind", refuse)
    monkeypatch.setattr(check, "holder", lambda _: None)
    for found in ports(configuration(tmp_path)):
        assert found.level is level
        assert found.text.endswith(words)


def test_every_place_that_is_listened_at_is_tried(tmp_path: Path) -> None:
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        kept.listen()
        port = kept.getsockname()[1]
        found = list(ports(configuration(tmp_path, http=f"127.0.0.1:{port}")))
    assert [each.level for each in found[:-1]] == [Level.OK] * 5
    assert found[-1].subject == f"http:127.0.0.1:{port}"
    assert f"(process {os.getpid()})" in found[-1].text


def test_state_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert state(tmp_path / "new").level is Level.OK
    found = state(tmp_path / "file" / "new")
    assert (found.level, found.subject) == (Level.ERROR, "state")
    assert "let the gateway's user write there" in found.text


def test_what_is_shown_for_a_domain(tmp_path: Path) -> None:
    shown = CertificateStore(tmp_path / "certs", tmp_path, wall=lambda: NOW).pick("a.example")
    good = judge_shown(shown, Verdict(good=True, reason=""), "a.example")
    assert (good.level, "good for strict peers" in good.text) == (Level.OK, True)
    bad = judge_shown(shown, Verdict(good=False, reason="it expired"), "a.example")
    assert (bad.level, "refuse it: it expired" in bad.text) == (Level.WARNING, True)


@pytest.mark.parametrize("covered", [True, False])
async def test_of_a_domain_whose_records_lead_here(tmp_path: Path, covered: bool) -> None:
    certs = tmp_path / "certs"
    certs.mkdir()
    if covered:
        issue("a", None, names=["a.example"]).save(certs, "a")
    settings = configuration(tmp_path).model_copy(
        update={"serve": Serve(xmpp=["a.example"]), "tls": Tls(certificates=certs)}
    )
    resolver = MemoryResolver(
        {
            Question(Kind.SRV, "_xmpp-server._tcp.a.example"): (Srv(0, 0, 5269, "gw.example"),),
            Question(Kind.ADDRESS, "gw.example"): ("192.0.2.1",),
        }
    )
    store = CertificateStore(certs, tmp_path, wall=lambda: NOW)
    found = await of_domain(settings, "a.example", resolver, store, NOW)
    texts = [each.text for each in found]
    stands = "the gateway stands for it (by SRV _xmpp-server._tcp.a.example)"
    assert any(stands in each for each in texts)
    words = "certificate a is shown, and strict peers refuse it" if covered else "no certificate is"
    assert any(words in each for each in texts)


def test_the_databases(tmp_path: Path) -> None:
    assert [each.level for each in databases(tmp_path)] == [Level.OK, Level.OK]
    assert not list(tmp_path.iterdir())
    store, consent = Sqlite(tmp_path / "dragoman.db", wall), Consent(tmp_path / "presence.db")
    store.open()
    consent.open()
    store.add(PLAIN)
    store.flush()
    consent.keep(Watching("a@b.example", "c@d.example"))
    consent.keep(Watched("a@b.example", "c@d.example"))
    while_it_runs = databases(tmp_path)
    store.close()
    consent.close()
    for found in (while_it_runs, databases(tmp_path)):
        assert [(each.level, each.text[-2:]) for each in found] == [
            (Level.OK, " 1"),
            (Level.OK, " 2"),
        ]
    for each in ("dragoman.db", "presence.db"):
        (tmp_path / each).write_bytes(b"a letter, by mistake " * 100)
    found = databases(tmp_path)
    assert [each.level for each in found] == [Level.ERROR, Level.ERROR]
    assert "move the file away" in found[0].text
    assert "put a copy of it back" in found[1].text


def failing(server: socket.socket) -> None:
    """Answer every question with SERVFAIL, until an empty one comes."""
    while True:
        query, source = server.recvfrom(4096)
        if not query:
            return
        server.sendto(query[:2] + b"\x81\x82" + query[4:], source)


def test_as_a_process(tmp_path: Path) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    answering = Thread(target=failing, args=(server,))
    answering.start()
    try:
        more = {
            "PYTHONPATH": SOURCES,
            "DRAGOMAN_DNS__SERVERS": f'["127.0.0.1:{server.getsockname()[1]}"]',
        }
        done = ended(tmp_path, "doctor", **more)
        domain = ended(tmp_path, "doctor", "alice@a.example", **more)
    finally:
        server.sendto(b"", server.getsockname())
        answering.join(5)
        server.close()
    assert (done.returncode, done.stderr) == (1, "")
    assert "error   dns: it does not answer" in done.stdout
    assert "warning certificates: none of use" in done.stdout
    assert (
        f"ok      database: {tmp_path}/state/dragoman.db is made at the first start" in done.stdout
    )
    assert (domain.returncode, domain.stderr) == (1, "")
    assert "a.example: SIP: the DNS gave no answer" in domain.stdout
    assert ended(tmp_path, "doctor", "a..b", PYTHONPATH=SOURCES).returncode == 2
    assert list(tmp_path.iterdir()) == []

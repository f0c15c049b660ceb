"""Federation in every security mode of the servers and the gateway: what crosses, and by what.

Each row says beforehand what is right; what happened is read from the servers' own logs, and is
the table in docs/federation.md.  `make federation-table` writes that table; any other run
compares.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.peers.conftest import Start
from tests.peers.evidence import crossing, end_of
from tests.peers.hosts import Gateway, Program, forget_state, wait_until

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "federation.md"
BEGIN: Final = "<!-- from here: written by `make federation-table` -->\n"
END: Final = "<!-- to here -->\n"
PATIENCE: Final = 45
"""Seconds until a message has crossed or its sender has heard why not."""

USERS: Final = {
    "Prosody": "alice@xmpp.example",
    "ejabberd": "bob@jabber.example",
    "self-signed Prosody": "sam@selfsigned.example",
}
EXT: Final = "EXTERNAL, STARTTLS"
EXT_DIRECT: Final = "EXTERNAL, direct TLS"
KEY: Final = "dialback, STARTTLS"
KEY_DIRECT: Final = "dialback, direct TLS"
CLEAR: Final = "dialback, no TLS"
UNCONFIRMED: Final = f"{EXT}; unconfirmed"
FAILED: Final = "refused: 504"
RETURNED: Final = "refused: remote-server-timeout"
SHUT: Final = (FAILED, RETURNED)
UNCERTAIN: Final = {408, 504}
"""What the sender of a message hears that may have arrived: Kamailio's word, or the gateway's."""

CERTIFIED = {"DRAGOMAN_XMPP__REQUIRE_CERTIFICATE": "true"}
LAX = {"DRAGOMAN_XMPP__REQUIRE_ENCRYPTION": "false"}


def shows(flaw: str) -> dict[str, str]:
    """Have the gateway show a certificate with that flaw (tests/lab/lab.py has them)."""
    return {"DRAGOMAN_TLS__CERTIFICATES": f"/run/lab/gw/{flaw}"}


@dataclass(frozen=True, slots=True)
class Mode:
    """One row: how the servers are (tests/lab/mode), how the gateway is, and what is right.

    `outcomes` has, for each of `USERS`, from SIP and to SIP.
    """

    says: str
    servers: str
    gateway: dict[str, str] = field(hash=False)
    outcomes: tuple[str, ...]
    why: str = ""


DEPLOYED: Final = (EXT, EXT_DIRECT, EXT, EXT, EXT, KEY_DIRECT)
"""Prosody prefers direct TLS, ejabberd and the gateway do not; nobody signed the third's own."""
FALLBACK: Final = (EXT, KEY_DIRECT, EXT, KEY, EXT, KEY_DIRECT)
"""The servers believe the gateway's certificate, and it does not believe theirs."""

MODES: Final = (
    Mode("as set up", "normal", {}, DEPLOYED),
    Mode(
        "the servers know EXTERNAL only",
        "external-only",
        {},
        (EXT, EXT_DIRECT, EXT, EXT, UNCONFIRMED, RETURNED),
        "a server without a certificate that anybody signed cannot answer, not even that it took"
        " a message",
    ),
    Mode(
        "the gateway requires certificates",
        "normal",
        CERTIFIED,
        (EXT, EXT_DIRECT, EXT, EXT, *SHUT),
        "nobody signed the certificate",
    ),
    Mode(
        "dialback only: nobody knows the other's authority",
        "dialback-only",
        {},
        (KEY, KEY_DIRECT, KEY, KEY, KEY, KEY_DIRECT),
    ),
    Mode(
        "the same, and the gateway requires certificates",
        "dialback-only",
        CERTIFIED,
        SHUT * 3,
        "nobody signed the certificates",
    ),
    Mode(
        "direct TLS only, in the DNS too",
        "direct-tls-only",
        {},
        (EXT_DIRECT, EXT_DIRECT, EXT_DIRECT, EXT_DIRECT, EXT_DIRECT, KEY_DIRECT),
    ),
    Mode("the servers have no TLS", "no-tls", {}, SHUT * 3, "the gateway requires encryption"),
    Mode("the same, and the gateway does not require encryption", "no-tls", LAX, (CLEAR,) * 6),
    Mode("the servers require encryption, the gateway does not", "normal", LAX, DEPLOYED),
    Mode("the servers' certificates have expired", "expired", {}, FALLBACK),
    Mode(
        "the same, and the gateway requires certificates",
        "expired",
        CERTIFIED,
        SHUT * 3,
        "the certificates have expired",
    ),
    Mode("the servers' certificates are for another name", "wrong-name", {}, FALLBACK),
    Mode(
        "the same, and the gateway requires certificates",
        "wrong-name",
        CERTIFIED,
        SHUT * 3,
        "the certificates do not name the domains",
    ),
    Mode("the servers' certificates are for servers only", "server-only", {}, DEPLOYED),
    Mode(
        "the same, and the gateway requires certificates",
        "server-only",
        CERTIFIED,
        (EXT, EXT_DIRECT, EXT, EXT, *SHUT),
        "nobody signed the certificate",
    ),
    Mode(
        "the gateway's certificate has expired",
        "normal",
        shows("expired"),
        (*SHUT, KEY, EXT, KEY, KEY_DIRECT),
        "this Prosody requires certificates",
    ),
    Mode(
        "the gateway's certificate is for another name",
        "normal",
        shows("wrong-name"),
        (*SHUT, KEY, EXT, KEY, KEY_DIRECT),
        "this Prosody requires certificates",
    ),
    Mode(
        "the gateway's certificate is for servers only",
        "normal",
        shows("server-only"),
        (EXT, EXT_DIRECT, KEY, EXT, EXT, KEY_DIRECT),
    ),
)
Outcomes = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def phone(lab: None) -> Iterator[Program]:
    with Program("carol", "sip_user", "carol", "900") as registered:
        registered.says("registered successfully")
        yield registered
        registered.leave()


@pytest.fixture(scope="module")
def measured() -> dict[Mode, Outcomes]:
    return {}


@pytest.mark.spec("NET-04")
@pytest.mark.spec("NET-05")
@pytest.mark.spec("NET-06")
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: f"{MODES.index(mode)}: {mode.says}")
def test_mode(
    mode: Mode,
    servers: Callable[[str], None],
    phone: Program,
    start: Start,
    measured: dict[Mode, Outcomes],
) -> None:
    servers(mode.servers)
    forget_state()
    with Gateway(environment=mode.gateway) as gateway:
        begun = {server: end_of(server) for server in USERS}
        chats = {server: online(start, jid) for server, jid in USERS.items()}
        text = f"mode {MODES.index(mode)}"
        to_sip = {server: tell(chat, f"{text} of {server}") for server, chat in chats.items()}
        from_sip = {
            server: start("carol", "sip_message", "carol", f"sip:{jid}", f"{text} to {server}")
            for server, jid in USERS.items()
        }
        measured[mode] = {
            server: (
                from_sip_outcome(server, from_sip[server], chats[server], text, begun[server]),
                to_sip_outcome(server, to_sip[server], chats[server], phone, text, begun[server]),
            )
            for server in USERS
        }
        said = gateway.said()
        gateway.stop()
    assert flat(measured[mode]) == mode.outcomes, said[-3000:]


def flat(outcomes: Outcomes) -> tuple[str, ...]:
    return tuple(outcome for pair in outcomes.values() for outcome in pair)


def online(start: Start, jid: str) -> Program:
    """Bring a user online, whatever certificate its server shows to clients."""
    user = jid.partition("@")[0]
    host = user if user in {"alice", "bob"} else "alice"
    command = ("xmpp_user", f"{jid}/lab", "talk", "--for", "120", "--insecure")
    chat = start(host, *command)
    chat.hears(event="online")
    return chat


def tell(chat: Program, text: str) -> str:
    """Send a message to the phone and return its id."""
    chat.tell(f"carol@sip.example {text}")
    return str(chat.hears(event="sent", to="carol@sip.example")["id"])


def domain(server: str) -> str:
    return USERS[server].partition("@")[2]


def from_sip_outcome(server: str, sender: Program, chat: Program, text: str, since: int) -> str:
    answer = sender.hears(PATIENCE)
    body = f"{text} to {server}"
    if answer["status"] < 300:
        chat.hears(event="message", body=body)
        return evidence(server, "sip.example", domain(server), since)
    if body in chat.said() and answer["status"] in UNCERTAIN:
        return f"{evidence(server, 'sip.example', domain(server), since)}; unconfirmed"
    assert body not in chat.said(), answer
    return f"refused: {answer['status']}"


def to_sip_outcome(
    server: str, identifier: str, chat: Program, phone: Program, text: str, since: int
) -> str:
    def ended() -> str | None:
        if f'"{text} of {server}"' in phone.said():
            return "crossed"
        for event in chat.events():
            if event.get("type") == "error" and event.get("id") == identifier:
                return f"refused: {event['error']}"
        return None

    outcome = wait_until(ended, PATIENCE, chat.said)
    if outcome != "crossed":
        return outcome
    return evidence(server, domain(server), "sip.example", since)


def evidence(server: str, sender: str, receiver: str, since: int) -> str:
    """Return how a stream came about once the server has written that to its log."""
    return str(
        wait_until(
            lambda: crossing(server, sender, receiver, since),
            10,
            lambda: f"the log of {server} has no stream from {sender} to {receiver}",
        )
    )


def table(measured: dict[Mode, Outcomes]) -> str:
    """Return the rows as Markdown."""
    heads = [f"{server}, {way}" for server in USERS for way in ("from SIP", "to SIP")]
    lines = [f"| mode | {' | '.join(heads)} | why |", "|---" * (len(heads) + 2) + "|"]
    for mode, outcomes in measured.items():
        lines.append(f"| {mode.says} | {' | '.join(flat(outcomes))} | {mode.why} |")
    return "".join(f"{line}\n" for line in lines)


def test_the_table_in_the_docs_is_what_was_measured(measured: dict[Mode, Outcomes]) -> None:
    right = [mode for mode, outcomes in measured.items() if flat(outcomes) == mode.outcomes]
    if len(right) < len(MODES):
        pytest.fail("the table needs every mode to be as it ought: run the whole file")
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    documented, _, after = rest.partition(END)
    if os.environ.get("WRITE_TABLE"):
        DOCUMENT.write_text(f"{before}{BEGIN}{table(measured)}{END}{after}", encoding="utf-8")
    else:
        assert documented == table(measured), "`make federation-table` writes it anew"

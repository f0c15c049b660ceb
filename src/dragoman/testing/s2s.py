"""The two ends of a server-to-server stream, scripted (RFC 6120, XEP-0220, XEP-0178).

Bytes in, bytes and events out; the driver does the TLS. Both ends insist on it: what a peer says
before TLS, other than asking for it, ends the stream.
"""

import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, TypeAlias
from xml.etree.ElementTree import Element

from dragoman.errors import RemoteError
from dragoman.testing.stream import (
    DIALBACK,
    SASL,
    SERVER,
    STREAMS,
    TLS,
    End,
    Header,
    Reader,
    header,
    stream_error,
)

STARTTLS: Final = f"<starttls xmlns='{TLS}'><required/></starttls>"
DIALBACK_OFFER: Final = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
EXTERNAL: Final = f"<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"


def token() -> str:
    """Return a fresh name that nobody can guess."""
    return secrets.token_hex(12)


@dataclass(slots=True)
class Keys:
    """The dialback keys that one domain has made: it vouches for these and no others."""

    _made: dict[tuple[str, str], str] = field(default_factory=dict)

    def make(self, receiving: str, stream_id: str) -> str:
        """Return a new key for the stream `stream_id` to the domain `receiving`."""
        return self._made.setdefault((receiving, stream_id), secrets.token_hex(32))

    def vouch(self, receiving: str, stream_id: str, key: str) -> bool:
        """Tell whether `key` was made here, for that domain and stream."""
        return self._made.get((receiving, stream_id)) == key


@dataclass(frozen=True, slots=True)
class Query:
    """A key to be verified: `domain` showed it to us on the stream `stream_id`."""

    domain: str
    stream_id: str
    key: str


@dataclass(frozen=True, slots=True)
class StartTls:
    """The driver is to start TLS now, and to call `secured` after the handshake."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Stanzas may flow between us and `remote` on this stream."""

    remote: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A stanza came, from an address that its sender's domain proved to be its own."""

    stanza: Element


@dataclass(frozen=True, slots=True)
class VerifyWanted:
    """Ask the domain itself, on a stream to it, whether it made this key."""

    query: Query


@dataclass(frozen=True, slots=True)
class Verified:
    """What the domain said about a key that it was asked about."""

    query: Query
    valid: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream is over; `reason` is an error condition, or "" for an orderly end."""

    reason: str


Event: TypeAlias = StartTls | Ready | Arrived | VerifyWanted | Verified | Ended


class Step(Enum):
    """How far a stream has come."""

    PLAIN = auto()
    SECURED = auto()
    OVER = auto()


class Stream:
    """What both ends share: reading, writing, and the way a stream ends."""

    def __init__(self, name: str, keys: Keys) -> None:
        """Be one end of a stream of the domain `name`, which makes its keys with `keys`."""
        self.name = name
        self.keys = keys
        self.step = Step.PLAIN
        self.stream_id = ""
        self.headers: list[Header] = []
        self._reader = Reader()
        self._out: list[str] = []
        self._events: list[Event] = []

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer, deciphered where TLS is up."""
        if self.step is Step.OVER:
            return
        try:
            for item in self._reader.feed(data):
                self._item(item)
        except RemoteError as error:
            self.fail("not-well-formed", error.reason)

    def to_send(self) -> bytes:
        """Return what is to be sent since the last call."""
        found, self._out = "".join(self._out), []
        return found.encode()

    def events(self) -> list[Event]:
        """Return what happened since the last call."""
        found, self._events = self._events, []
        return found

    def closed(self) -> None:
        """Learn that the connection is gone."""
        self._over("connection closed")

    def fail(self, condition: str, detail: str = "") -> None:
        """End the stream with an error of ours."""
        if self.step is not Step.OVER:
            self.write(stream_error(condition))
            self._over(f"{condition} (ours) {detail}".rstrip())

    def finish(self) -> None:
        """Close the stream in good order."""
        if self.step is not Step.OVER:
            self.write("</stream:stream>")
            self._over("")

    def write(self, xml: str) -> None:
        """Send XML as it is; the default namespace is jabber:server."""
        self._out.append(xml)

    def _over(self, reason: str) -> None:
        if self.step is not Step.OVER:
            self.step = Step.OVER
            self._events.append(Ended(reason))

    def _item(self, item: Header | Element | End) -> None:
        if self.step is Step.OVER:
            return
        if isinstance(item, Header):
            self.headers.append(item)
            self._header(item)
        elif isinstance(item, End):
            self.finish()
        elif item.tag == f"{{{STREAMS}}}error":
            self._over(item[0].tag.rpartition("}")[2] if len(item) else "undefined-condition")
        else:
            self._element(item)

    def _header(self, item: Header) -> None:
        raise NotImplementedError

    def _element(self, item: Element) -> None:
        raise NotImplementedError

    def _dialback(self, kind: str, remote: str, stream_id: str, rest: str) -> None:
        identity = f" id='{stream_id}'" if stream_id else ""
        self.write(f"<db:{kind} from='{self.name}' to='{remote}'{identity}{rest}")


class Incoming(Stream):
    """The end that was connected to: offers TLS, EXTERNAL and dialback, takes stanzas."""

    def __init__(self, name: str, keys: Keys, *, verify: bool = False) -> None:
        """Take streams for the domain `name`; with `verify`, believe no key unasked."""
        super().__init__(name, keys)
        self.verify = verify
        self.proved: set[str] = set()
        self._names: frozenset[str] = frozenset()
        self._peer = ""

    def secured(self, names: frozenset[str]) -> None:
        """Learn that TLS is up, and the names in the peer's certificate if that is trusted."""
        self.step = Step.SECURED
        self._names = names
        self._reader = Reader()

    def verified(self, query: Query, valid: bool) -> None:
        """Answer a key, now that its domain was asked about it."""
        self._judge(query.domain, valid)

    def _header(self, item: Header) -> None:
        self._peer = item.attributes.get("from", "")
        self.stream_id = token()
        to = {"to": self._peer} if self._peer else {}
        self.write(header(SERVER, from_=self.name, id=self.stream_id, version="1.0", **to))
        if item.attributes.get("to") != self.name:
            self.fail("host-unknown")
        elif item.attributes.get("version") != "1.0":
            self.fail("unsupported-version")
        else:
            self.write(f"<stream:features>{self._features()}</stream:features>")

    def _features(self) -> str:
        if self.step is Step.PLAIN:
            return STARTTLS
        offered = EXTERNAL if self._peer in self._names - self.proved else ""
        return offered + DIALBACK_OFFER

    def _element(self, item: Element) -> None:
        if item.tag == f"{{{TLS}}}starttls" and self.step is Step.PLAIN:
            self.write(f"<proceed xmlns='{TLS}'/>")
            self._events.append(StartTls())
        elif self.step is Step.PLAIN:
            self.fail("policy-violation", "TLS is required")
        elif item.tag == f"{{{SASL}}}auth":
            self._auth(item)
        elif item.tag.startswith(f"{{{DIALBACK}}}"):
            self._on_dialback(item)
        else:
            self._stanza(item)

    def _auth(self, item: Element) -> None:
        if item.get("mechanism") == "EXTERNAL" and self._peer in self._names:
            self.write(f"<success xmlns='{SASL}'/>")
            self.proved.add(self._peer)
            self._events.append(Ready(self._peer))
            self._reader = Reader()
        else:
            self.write(f"<failure xmlns='{SASL}'><not-authorized/></failure>")

    def _on_dialback(self, item: Element) -> None:
        remote, key = item.get("from", ""), (item.text or "").strip()
        if item.get("to") != self.name:
            self.fail("host-unknown")
        elif item.tag.endswith("}verify"):
            stream_id = item.get("id", "")
            verdict = "valid" if self.keys.vouch(remote, stream_id, key) else "invalid"
            self._dialback("verify", remote, stream_id, f" type='{verdict}'/>")
        elif self.verify:
            self._events.append(VerifyWanted(Query(remote, self.stream_id, key)))
        else:
            self._judge(remote, valid=bool(key))

    def _judge(self, remote: str, valid: bool) -> None:
        self._dialback("result", remote, "", f" type='{'valid' if valid else 'invalid'}'/>")
        if valid:
            self.proved.add(remote)
            self._events.append(Ready(remote))
        else:
            self.fail("not-authorized", f"{remote} has no valid key")

    def _stanza(self, item: Element) -> None:
        sender = domain_of(item.get("from", ""))
        if item.tag not in {f"{{{SERVER}}}{kind}" for kind in ("message", "presence", "iq")}:
            self.fail("unsupported-stanza-type", item.tag)
        elif not self.proved:
            self.fail("not-authorized")
        elif sender not in self.proved:
            self.fail("invalid-from", sender)
        elif domain_of(item.get("to", "")) != self.name:
            self.fail("improper-addressing")
        else:
            self._events.append(Arrived(item))


class Outgoing(Stream):
    """The end that connects: to send stanzas, or only to ask about a key."""

    def __init__(
        self,
        name: str,
        remote: str,
        keys: Keys,
        *,
        external: bool = False,
        query: Query | None = None,
        made_key: Callable[[str], str] = str,
    ) -> None:
        """Open a stream from `name` to `remote`.

        `external`: we hold a certificate that the peer may believe. `query`: ask this and send no
        stanza. `made_key` may spoil our key before it is sent.
        """
        super().__init__(name, keys)
        self.remote = remote
        self.external = external
        self.query = query
        self._made_key = made_key
        self._proved = False
        self._open()

    def secured(self, _: frozenset[str]) -> None:
        """Learn that TLS is up; the stream starts anew."""
        self.step = Step.SECURED
        self._open()

    def _open(self) -> None:
        self._reader = Reader()
        self.write(header(SERVER, from_=self.name, to=self.remote, version="1.0"))

    def _header(self, item: Header) -> None:
        self.stream_id = item.attributes.get("id", "")
        if not self.stream_id or item.attributes.get("version") != "1.0":
            self.fail("invalid-xml", "a stream header without id or version")

    def _element(self, item: Element) -> None:
        namespace, _, name = item.tag[1:].rpartition("}")
        if (namespace, name) == (STREAMS, "features"):
            self._features(item)
        elif (namespace, name) == (TLS, "proceed") and self.step is Step.PLAIN:
            self._events.append(StartTls())
        elif (namespace, name) == (SASL, "success"):
            self._proved = True
            self._open()
        elif (namespace, name) == (SASL, "failure"):
            self._send_key()
        elif namespace == DIALBACK:
            self._answer(name, item)
        else:
            self.fail("unsupported-stanza-type", item.tag)

    def _features(self, item: Element) -> None:
        mechanisms = [element.text for element in item.iter(f"{{{SASL}}}mechanism")]
        if self.step is Step.PLAIN:
            if item.find(f"{{{TLS}}}starttls") is None:
                self.fail("policy-violation", "no TLS was offered")
            else:
                self.write(f"<starttls xmlns='{TLS}'/>")
        elif self._proved:
            self._events.append(Ready(self.remote))
        elif self.query is not None:
            rest = f">{self.query.key}</db:verify>"
            self._dialback("verify", self.remote, self.query.stream_id, rest)
        elif self.external and "EXTERNAL" in mechanisms:
            identity = b64encode(self.name.encode()).decode()
            self.write(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{identity}</auth>")
        else:
            self._send_key()

    def _send_key(self) -> None:
        key = self._made_key(self.keys.make(self.remote, self.stream_id))
        self._dialback("result", self.remote, "", f">{key}</db:result>")

    def _answer(self, name: str, item: Element) -> None:
        valid = item.get("type") == "valid"
        if name == "verify" and self.query is not None:
            if item.get("id") == self.query.stream_id:
                self._events.append(Verified(self.query, valid))
                self.finish()
        elif name == "result" and valid:
            self._proved = True
            self._events.append(Ready(self.remote))
        elif name == "result":
            self._over(f"dialback {item.get('type')}")


def domain_of(address: str) -> str:
    """Return the domain of an XMPP address, in lower case."""
    return address.partition("/")[0].rpartition("@")[2].lower()

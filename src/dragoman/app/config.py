"""The configuration: TOML, every key optional, every key also an environment variable.

`sip.listen` in the file is `DRAGOMAN_SIP__LISTEN` in the environment, which wins.  A key that
does not exist is an error.  The descriptions here are what `dragoman config` prints.
"""

import os
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dragoman.app.values import (
    Bundle,
    Domain,
    Host,
    MaybeDomain,
    MsrpListener,
    NameServer,
    Network,
    Origin,
    Proxy,
    Server,
    SipListener,
    StunUri,
    TurnUri,
    WebListener,
    XmppListener,
)

PREFIX: Final = "DRAGOMAN_"


class Section(BaseModel):
    """A table of the file; it knows every key that it may have."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SipAccount(Section):
    """An account at a SIP trunk or proxy that challenges (RFC 3261 §22)."""

    realm: str = Field(min_length=1, description="The realm of the challenge, to the letter.")
    user: str = Field(min_length=1, description="The user name.")
    password: str = Field(description="The password.", repr=False)
    domain: MaybeDomain = Field(
        default="",
        description="The host whose servers may ask: that of the address, or of the outbound"
        " proxy; empty: the realm.",
    )


class Sip(Section):
    """SIP: where it is listened for, and who is believed."""

    listen: list[SipListener] = Field(
        default=["udp:*:5060", "tcp:*:5060", "tls:*:5061"],
        description="Where SIP arrives (udp, tcp, tls; ws and wss for SIP over WebSocket);"
        ' "*" is every IPv4 and IPv6 address.',
    )
    origins: list[Origin] = Field(
        default=[],
        description='Web pages whose browsers may open a WebSocket, "https://phone.example";'
        ' "*": any.',
    )
    trusted: list[Network] = Field(
        default=[],
        description="Addresses and networks whose From and P-Asserted-Identity are believed.",
    )
    advertise: Host = Field(
        default="", description="The host to name in Via; empty: the address used toward the peer."
    )
    max_message: int = Field(
        default=1300,
        ge=200,
        le=65535,
        description="Bytes of the largest MESSAGE sent (RFC 3428 §8).",
    )
    unbelieved: Literal["refuse", "silence"] = Field(
        default="refuse", description="What those hear who are not believed: 403, or nothing."
    )
    scanners: Literal["refuse", "silence"] = Field(
        default="silence",
        description="What scanners hear after their first few requests: 403, or nothing.",
    )
    rate: int = Field(
        default=20,
        ge=0,
        le=1_000_000,
        description="Requests a second of one address that was not let in lately; 0: no limit.",
    )
    tel_domain: MaybeDomain = Field(
        default="", description="The domain of telephone numbers (tel: URIs) in XMPP addresses."
    )
    outbound_proxy: Proxy = Field(
        default="",
        description="Where all requests go, a SIP URI or HOST[:PORT]; empty: where the DNS says.",
    )
    account: list[SipAccount] = Field(
        default=[], description="Accounts at trunks and proxies that challenge."
    )


class Component(Section):
    """A name that the gateway has at an XMPP server (XEP-0114)."""

    domain: Domain = Field(description="The component's domain.")
    secret: str = Field(description="What the server was told too.", repr=False)
    server: Server = Field(description='The server, "HOST:PORT".')
    sip_domain: MaybeDomain = Field(
        default="", description="The SIP domain of its users; empty: any, escaped in the localpart."
    )
    services: MaybeDomain = Field(
        default="",
        description="The domain of the server that is asked for servers of STUN and TURN (XEP-0215)"
        "; empty: none is.",
    )


class Xmpp(Section):
    """XMPP: where it is listened for, and what is asked of other servers."""

    listen: list[XmppListener] = Field(
        default=["starttls:*:5269", "tls:*:5270"],
        description='Where servers connect; "*" is every IPv4 and IPv6 address.',
    )
    require_encryption: bool = Field(
        default=True, description="Whether streams without TLS are refused."
    )
    require_certificate: bool | list[Domain] = Field(
        default=False,
        description="Whether a valid certificate is asked of all servers (true), of none"
        " (false: dialback over TLS does), or of a list of domains.",
    )
    max_stanza: int = Field(
        default=262144, ge=10000, le=10485760, description="Bytes of the largest stanza taken."
    )
    dane: bool = Field(
        default=False,
        description="Whether signed TLSA records say which certificates servers have (DANE); the"
        " name servers, and the way to them, are then trusted to have looked at the signatures.",
    )
    posh: bool = Field(
        default=False,
        description="Whether a certificate may be vouched for by the domain's web server (POSH).",
    )
    posh_networks: list[Network] = Field(
        default=[],
        description="Networks that are asked for POSH documents though they are not public.",
    )
    rate: int = Field(
        default=2000,
        ge=0,
        le=1_000_000,
        description="Stanzas a second of one domain, beyond which it is read more slowly;"
        " 0: no limit.",
    )
    byte_rate: int = Field(
        default=8_388_608, ge=0, le=2**40, description="The same in bytes; 0: no limit."
    )
    component: list[Component] = Field(default=[], description="Names at XMPP servers (XEP-0114).")


class Msrp(Section):
    """MSRP: where the messages of sessions arrive (RFC 4975)."""

    listen: list[MsrpListener] = Field(
        default=["tcp:*:2855", "tls:*:2856"],
        description="Where peers connect (tcp, tls; wss for MSRP over WebSocket); none: sessions"
        " are refused.",
    )
    origins: list[Origin] = Field(
        default=[],
        description='Web pages whose browsers may open a WebSocket, "https://phone.example";'
        ' "*": any.',
    )
    advertise: Host = Field(
        default="",
        description="The host to name in paths; empty: that of SIP, or else the address used"
        " toward the outside.",
    )
    max_size: int = Field(
        default=9000,
        ge=1000,
        le=1_000_000,
        description="Bytes of the longest message of a session that is taken: what fits a stanza"
        " at any XMPP server (10,000 bytes, RFC 6120 §13.12) with room to spare.",
    )
    cema: bool = Field(
        default=False,
        description="Whether middleboxes may stand between us and our peers, which connect them"
        " without a look into paths (RFC 6714).",
    )
    sessmatch: bool = Field(
        default=False,
        description="Whether a path is compared by its session-id alone, for middleboxes that"
        " rewrite the rest.",
    )


class Turn(Section):
    """A server that relays media (RFC 8656)."""

    uri: TurnUri = Field(
        description='The server, "turn:HOST[:PORT][?transport=udp|tcp]", or "turns:..." for TLS.'
    )
    user: str = Field(default="", description="The user name.")
    password: str = Field(default="", description="The password.", repr=False)


class Media(Section):
    """What carries the audio and video of calls."""

    plane: Literal["embedded", "rtpengine", "none"] = Field(
        default="embedded",
        description="embedded: this process; rtpengine: those named below; none: there are no"
        " calls.",
    )
    rtpengine: list[Server] = Field(
        default=[], description='Engines, by the "HOST:PORT" of their NG protocol (UDP).'
    )
    bind: Host = Field(
        default="",
        description="The address that media come in at; empty: the one used toward the outside.",
    )
    advertise: Host = Field(
        default="", description="The address that peers are told, where a NAT maps it to that one."
    )
    stun: list[StunUri] = Field(
        default=[],
        description='Servers of STUN, "stun:HOST[:PORT]": the first that answers says what our'
        " address is outside a NAT. None is asked where the address is a public one.",
    )
    turn: list[Turn] = Field(
        default=[],
        description="Servers of TURN: the first that answers relays media where nothing else gets"
        " through. None is asked where the address is a public one.",
    )
    first_port: int = Field(default=30000, ge=1024, le=65534, description="The first port.")
    last_port: int = Field(default=39999, ge=1025, le=65535, description="The last port.")
    calls: int = Field(
        default=500, ge=1, le=10_000, description="Calls that there may be at a time."
    )
    silence: int = Field(
        default=60,
        ge=0,
        le=86_400,
        description="Seconds without a packet after which a call is over; 0: it never is.",
    )
    transfer: Literal["on", "off"] = Field(
        default="on",
        description="Whether a phone may transfer its call (REFER) to whom the XMPP user could"
        " call; off: it is declined with 603.",
    )
    transcode: bool = Field(
        default=True,
        description="Whether sound is decoded where the two ends of a call have no codec in common:"
        " Opus, G.722, G.711; by this process where dragoman[transcode] is installed, or by"
        " rtpengine.",
    )

    jmi: Literal["invite-first", "early-proceed"] = Field(
        default="invite-first",
        description="What becomes of a call that a client proposes (XEP-0353): the phone rings, and"
        " the client hears when it does and when it is answered; or the client is told to proceed"
        " at once, and the phone rings with what the client really offers.",
    )

    bypass: bool = Field(
        default=False,
        description="Whether calls are not carried whose ends both have ICE and the same way to"
        " agree on keys: they then send to each other by themselves.",
    )

    @model_validator(mode="after")
    def _engines(self) -> Self:
        if self.plane == "rtpengine" and not self.rtpengine:
            raise ValueError('with plane = "rtpengine", at least one of media.rtpengine')
        return self


class Serve(Section):
    """The domains to stand for, instead of what the DNS says."""

    xmpp: list[Domain] = Field(default=[], description="SIP domains that are answered for on XMPP.")
    sip: list[Domain] = Field(default=[], description="XMPP domains that are answered for on SIP.")


class Dns(Section):
    """The domain name system."""

    servers: list[NameServer] = Field(
        default=[], description='Name servers, "ADDRESS" or "ADDRESS:PORT"; empty: the system\'s.'
    )


class Tls(Section):
    """Certificates."""

    certificates: Path = Field(
        default=Path("/etc/dragoman/certs"),
        description="Where NAME.crt and NAME.key lie; the names inside them count.",
    )
    trust: Bundle = Field(default="", description="A file of CA certificates; empty: the system's.")


class Http(Section):
    """Pages for the operator: /metrics and /healthz."""

    listen: WebListener = Field(
        default="127.0.0.1:8855",
        description='Where they are served, "ADDRESS:PORT"; empty: nowhere.',
    )


class Log(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="From which level on; message bodies appear at debug only."
    )
    format: Literal["auto", "text", "json"] = Field(
        default="auto", description="auto: text on a terminal, JSON otherwise."
    )


class Message(Section):
    """Instant messages."""

    type: Literal["chat", "normal"] = Field(
        default="chat", description="The type of stanzas made from MESSAGE; RFC 7572 has normal."
    )
    long: Literal["split", "refuse"] = Field(
        default="split",
        description="What becomes of a text that is too long for one MESSAGE: several, or an"
        " error (RFC 7572 §6).",
    )
    sessions: Literal["auto", "never", "first"] = Field(
        default="auto",
        description="When a session (MSRP) is begun for messages to a SIP user: where the phone is"
        " known to take it or a MESSAGE does not do, never, or before any MESSAGE (RFC 7573).",
    )
    session_idle: int = Field(
        default=600,
        ge=30,
        le=86_400,
        description="Seconds without a message after which a session is ended.",
    )
    receipt_on_200: bool = Field(
        default=False,
        description="Whether the 200 of a phone that knows no notifications is a receipt.",
    )
    idle_as: Literal["active", "paused"] = Field(
        default="active",
        description="The chat state for a SIP user who no longer writes; RFC 7573 has active.",
    )


class PresenceServer(Section):
    """A SIP presence server for the users of an XMPP domain (RFC 3903)."""

    domain: Domain = Field(description="The XMPP domain.")
    server: Proxy = Field(description='The server: "HOST[:PORT]", or a SIP URI.')


class Presence(Section):
    """Presence, and what goes with it."""

    watchers: list[Domain] = Field(
        default=[],
        description="XMPP domains whose users may watch SIP users; empty: all that may write.",
    )
    publish: list[PresenceServer] = Field(
        default=[],
        description="Where the presence is published of XMPP users who tell it to the gateway.",
    )
    icons: Literal["never", "domain", "https", "http"] = Field(
        default="domain",
        description="From where pictures that SIP users name are fetched: never; by https from"
        " web servers of the user's own domain; by https, or also by http, from any.",
    )
    icon_networks: list[Network] = Field(
        default=[],
        description="Networks that are asked for such pictures though they are not public.",
    )


def _state() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/dragoman")
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "dragoman"


class Configuration(BaseSettings):
    """All of it; `reading.load` makes one."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__"
    )

    sip: Sip = Field(default_factory=lambda: Sip(), description="SIP.")
    xmpp: Xmpp = Field(default_factory=lambda: Xmpp(), description="XMPP.")
    msrp: Msrp = Field(default_factory=lambda: Msrp(), description="MSRP.")
    media: Media = Field(default_factory=lambda: Media(), description="Media of calls.")
    serve: Serve = Field(default_factory=lambda: Serve(), description="Domains, despite DNS.")
    dns: Dns = Field(default_factory=lambda: Dns(), description="DNS.")
    tls: Tls = Field(default_factory=lambda: Tls(), description="Certificates.")
    http: Http = Field(default_factory=lambda: Http(), description="Pages for the operator.")
    message: Message = Field(default_factory=lambda: Message(), description="Messages.")
    presence: Presence = Field(default_factory=lambda: Presence(), description="Presence.")
    log: Log = Field(default_factory=lambda: Log(), description="Logs.")
    state: Path = Field(default_factory=_state, description="Where state is kept.")
    strict_7247: bool = Field(
        default=False, description="Errors by the letter of RFC 7247 (codes 401, 407, 6xx)."
    )
    strict_7573: bool = Field(
        default=False,
        description="Messages of sessions by the letter of RFC 7573 (Failure-Report: no), so that"
        " nobody hears of those that do not arrive.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, and leave out every other source."""
        return env_settings, init_settings

"""The configuration: TOML, every key optional, every key also an environment variable.

`sip.listen` in the file is `DRAGOMAN_SIP__LISTEN` in the environment, which wins.  A key that
does not exist is an error.  The descriptions here are what `dragoman config` prints.
"""

import json
import os
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from dragoman.errors import LocalError
from dragoman.net.dns import parse_server
from dragoman.net.listen import Place
from dragoman.net.msrp import SCHEMES as MSRP_SCHEMES
from dragoman.net.servers import Server as MediaServer
from dragoman.net.sip import SCHEMES as SIP_SCHEMES
from dragoman.sip.failure import SipError
from dragoman.sip.route import RouteSet

DEFAULT_FILE: Final = Path("/etc/dragoman/dragoman.toml")
PREFIX: Final = "DRAGOMAN_"
HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+")
ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]+")


class BadConfiguration(Exception):
    """It cannot be used; the text names file, key, what was found and what is allowed."""


def _listener(*schemes: str) -> Any:
    def check(text: str) -> str:
        try:
            Place.parse(text, schemes)
        except LocalError:
            allowed = " or ".join(f'"{each}:ADDRESS:PORT"' for each in schemes)
            hint = '"*" for every address, [] around IPv6, a port from 0 to 65535'
            raise ValueError(f"{allowed}; {hint}") from None
        return text

    return AfterValidator(check)


def _web_listener(text: str) -> str:
    if text:
        try:
            Place.parse(f"http:{text}", ("http",))
        except LocalError:
            raise ValueError('"ADDRESS:PORT", such as "127.0.0.1:8855"; "" for none') from None
    return text


def _name_server(text: str) -> str:
    try:
        parse_server(text)
    except LocalError:
        raise ValueError('an IP address, "192.0.2.1:53" or "[2001:db8::1]:53"') from None
    return text


def _server(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError('"HOST:PORT", such as "localhost:5347"')
    return text


def _host(text: str) -> str:
    if text and not HOST.fullmatch(text):
        raise ValueError("a host name or an IP address, without a port")
    return text


def _bundle(text: str) -> str:
    if text and not Path(text).is_file():
        raise ValueError("a PEM file of certificates that is there")
    return text


def _network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError("an IP address, or a network such as 192.0.2.0/24") from None
    return text


def _origin(text: str) -> str:
    text = text.lower()
    if text != "*" and not ORIGIN.fullmatch(text):
        raise ValueError('"SCHEME://HOST" or "SCHEME://HOST:PORT", such as "https://phone.example"')
    return text


def _domain(text: str) -> str:
    if not text or " " in text or "@" in text or "/" in text:
        raise ValueError("a domain name such as sip.example") from None
    return text.lower().rstrip(".")


def _proxy(text: str) -> str:
    try:
        RouteSet.outbound(text)
    except SipError:
        hint = '"HOST[:PORT]", or a SIP URI such as "sip:proxy.example;transport=tls;lr"'
        raise ValueError(hint) from None
    return text


def _uri(*schemes: str) -> Any:
    def check(text: str) -> str:
        try:
            if text.partition(":")[0].lower() in schemes and MediaServer.parse(text):
                return text
        except LocalError:
            pass
        allowed = " or ".join(f'"{each}:HOST[:PORT]"' for each in schemes)
        raise ValueError(f"{allowed}; TURN may have ?transport=udp, or tcp, and TLS has tcp alone")

    return AfterValidator(check)


SipListener = Annotated[str, _listener(*SIP_SCHEMES)]
WebListener = Annotated[str, AfterValidator(_web_listener)]
MsrpListener = Annotated[str, _listener(*MSRP_SCHEMES)]
XmppListener = Annotated[str, _listener("starttls", "tls")]
Network = Annotated[str, AfterValidator(_network)]
Origin = Annotated[str, AfterValidator(_origin)]
Domain = Annotated[str, AfterValidator(_domain)]
MaybeDomain = Annotated[str, AfterValidator(lambda text: _domain(text) if text else "")]
NameServer = Annotated[str, AfterValidator(_name_server)]
Server = Annotated[str, AfterValidator(_server)]
Host = Annotated[str, AfterValidator(_host)]
Proxy = Annotated[str, AfterValidator(_proxy)]
StunUri = Annotated[str, _uri("stun")]
TurnUri = Annotated[str, _uri("turn", "turns")]
Bundle = Annotated[str, AfterValidator(_bundle)]


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
        " Opus, G.722, G.711; by this process, where dragoman[transcode] is installed.",
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
    """All of it; `load` makes one."""

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


def load(file: Path | None = None) -> Configuration:
    """Return the configuration of `file` and the environment.

    Without `file`, the default one is read if it is there.  Raises BadConfiguration.
    """
    path = file or DEFAULT_FILE
    values = _read(path, wanted=file is not None)
    try:
        _refuse_unknown_variables()
        return Configuration(**values)
    except ValidationError as error:
        raise BadConfiguration("\n".join(_complaints(error, path))) from None
    except SettingsError as error:
        raise BadConfiguration(_not_json(error)) from None


def _read(path: Path, *, wanted: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if wanted:
            raise BadConfiguration(f"{path}: there is no such file") from None
        return {}
    except OSError as error:
        raise BadConfiguration(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{path}: not TOML: {error}") from None


def _complaints(error: ValidationError, path: Path) -> list[str]:
    found: dict[str, str] = {}
    for each in error.errors():
        key = _key(each["loc"])
        found.setdefault(key, _complaint(each["loc"], each, path))
    return list(found.values())


def _key(where: tuple[int | str, ...]) -> str:
    """Return the key as the file has it: a union's branches are not part of it."""
    branches = ("list[", "function", "bool")
    return ".".join(str(part) for part in where if not str(part).startswith(branches))


def _complaint(where: tuple[int | str, ...], error: Any, path: Path) -> str:
    key = _key(where)
    variable = PREFIX + "__".join(str(part) for part in where[:2]).upper()
    source = f"environment {variable}" if variable in os.environ else str(path)
    if error["type"] == "extra_forbidden":
        return f"{source}: {key}: no such key; allowed here: {', '.join(_siblings(where))}"
    if error["type"] == "missing":
        return f"{source}: {key}: is missing"
    allowed = error["msg"].removeprefix("Value error, ")
    return f"{source}: {key}: found {error['input']!r}, allowed: {allowed}"


def _siblings(where: tuple[int | str, ...]) -> list[str]:
    """Return the keys that exist beside the one at `where`."""
    fields = Configuration.model_fields
    for part in where[:-1]:
        if isinstance(part, str) and part in fields:
            kind: Any = fields[part].annotation
            inner = getattr(kind, "__args__", (kind,))[0]
            fields = getattr(inner, "model_fields", fields)
    return sorted(fields)


def _refuse_unknown_variables() -> None:
    """Find misspelt variables, which the settings library would pass over."""
    for name in os.environ:
        if not name.startswith(PREFIX):
            continue
        first, _, second = name.removeprefix(PREFIX).lower().partition("__")
        field = Configuration.model_fields.get(first)
        inner = getattr(field.annotation, "model_fields", {}) if field else {}
        if field is None or (second and second.partition("__")[0] not in inner):
            allowed = ", ".join(sorted(inner if field else Configuration.model_fields))
            raise BadConfiguration(f"environment {name}: no such key; allowed here: {allowed}")


def _not_json(error: SettingsError) -> str:
    """Say which variable is not the JSON that its key needs."""
    for name, value in os.environ.items():
        path = name.removeprefix(PREFIX).lower().split("__")
        if not name.startswith(PREFIX) or not _holds_json(path):
            continue
        try:
            json.loads(value)
        except ValueError:
            return f'environment {name}: found {value!r}, allowed: JSON, such as ["a", "b"]'
    return f"environment: {error}"


def _holds_json(path: list[str]) -> bool:
    field = Configuration.model_fields.get(path[0])
    if len(path) == 1 or field is None:
        return field is not None and isinstance(field.annotation, type(Section))
    inner = getattr(field.annotation, "model_fields", {}).get(path[1])
    return inner is not None and "list" in str(inner.annotation)


def describe(configuration: Configuration) -> str:
    """Return the configuration as TOML, each key below its description; secrets are masked."""
    plain, tables = [], []
    for name, field in Configuration.model_fields.items():
        value = getattr(configuration, name)
        if isinstance(value, Section):
            tables.append(f"[{name}]\n" + "\n".join(_keys(value, name)))
        else:
            plain.append(f"# {field.description}\n{name} = {_toml(value)}")
    return "\n".join(plain) + "\n\n" + "\n\n".join(tables) + "\n"


def _keys(section: Section, path: str) -> list[str]:
    lines, last = [], []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, list) and value and isinstance(value[0], Section):
            last += [f"\n[[{path}.{name}]]\n" + "\n".join(_keys(each, path)) for each in value]
            continue
        shown = "***" if field.repr is False else value
        lines.append(f"# {field.description}\n{name} = {_toml(shown)}")
    return lines + last


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list():
            return "[" + ", ".join(_toml(each) for each in value) + "]"
        case _:
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return f'"{text}"'

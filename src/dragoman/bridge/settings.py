"""What the hub is told once and for all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dragoman.bridge.call import Rules as CallRules
from dragoman.bridge.chat import Rules as ChatRules
from dragoman.bridge.directory import Override, Place, Side
from dragoman.bridge.external import Offered
from dragoman.bridge.link import Link, OurStream
from dragoman.bridge.message import Rules
from dragoman.bridge.naming import Attachment
from dragoman.bridge.ports import Icons, Proofs
from dragoman.bridge.rate import Allowance
from dragoman.bridge.ways import Policy
from dragoman.media.plane import MediaEvent, Plane
from dragoman.msrp import Endpoint
from dragoman.msrp.offer import Stance
from dragoman.sip.locate import DIALLED, Transport
from dragoman.sip.route import RouteSet
from dragoman.store.interface import Identifiers
from dragoman.store.memory import Memory
from dragoman.store.subscriptions import Memory as Consent
from dragoman.store.subscriptions import Subscriptions


@dataclass(frozen=True, slots=True)
class Attached:
    """A component: its domain, whose users it has, and where its server is."""

    name: Attachment
    host: str
    port: int
    services: str = ""
    """The domain that is asked there for servers of STUN and TURN; "": none is."""


@dataclass(frozen=True, slots=True)
class Msrp:
    """Sessions of messages: what they are in, what SDP says of us, and when one is begun."""

    endpoint: Endpoint
    stance: Callable[[], Stance]
    policy: Policy = Policy.AUTO
    rules: ChatRules = field(default_factory=ChatRules)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the hub is told once and for all."""

    rules: Rules
    ours: Callable[[Side, Place], bool]
    """Whether the gateway listens there for that protocol."""
    trusted: Callable[[str], bool]
    """Whether an address may speak for any SIP domain."""
    outgoing: Callable[[Link, bool], OurStream]
    """Makes the core of a stream that is opened; the flag is for TLS first of all."""
    token: Callable[[], str]
    wall: Callable[[], float]
    """Seconds since 1970."""
    version: str = ""
    override: Override | None = None
    components: Sequence[Attached] = ()
    tel_domain: str = ""
    transports: tuple[Transport, ...] = DIALLED
    proofs: Proofs | None = None
    """Where to look for what certificates do not prove by themselves; None: nowhere."""
    dane: bool = False
    """Whether the DNS may say by which certificates an XMPP server is known (RFC 7673)."""
    needs_certificate: Callable[[str], bool] = lambda _: False
    """Whether the certificate of an XMPP domain has to be good for it."""
    store: Identifiers = field(default_factory=Memory)
    """What is kept of messages that crossed."""
    subscriptions: Subscriptions = field(default_factory=Consent)
    """Who may see whose presence."""
    watchable: Callable[[str], bool] = lambda _: True
    """Whether users of an XMPP domain may watch SIP users (RFC 8048 §8.1)."""
    presence_servers: Mapping[str, RouteSet] = field(default_factory=dict)
    """Where presence of XMPP users is published, by their domains (RFC 3903)."""
    allowance: Allowance = field(default_factory=Allowance)
    """What one XMPP domain may send."""
    proxy: RouteSet = field(default_factory=RouteSet)
    """The hops that every SIP request takes first."""
    icons: Icons | None = None
    """What fetches the pictures of SIP users; None: nothing does."""
    msrp: Msrp | None = None
    """Sessions of messages; None: there are none."""
    media: Callable[[Callable[[MediaEvent], None]], Plane] | None = None
    """Makes what carries the media of calls and tells of them; None: there are no calls."""
    calls: CallRules = field(default_factory=CallRules)
    services: Callable[[Offered], None] = lambda _: None
    """Learns of servers of STUN and TURN (XEP-0215)."""

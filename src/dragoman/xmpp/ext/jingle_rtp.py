"""Jingle RTP Sessions (XEP-0167): what audio and video of a call are encoded in."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.errors import RemoteError
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.rtcp_fb import Feedback
from dragoman.xmpp.ext.rtp_hdrext import HeaderExtension
from dragoman.xmpp.ext.ssma import Source, SourceGroup

NS: Final = "urn:xmpp:jingle:apps:rtp:1"
INFO: Final = "urn:xmpp:jingle:apps:rtp:info:1"
ERRORS: Final = "urn:xmpp:jingle:apps:rtp:errors:1"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A name and its value; either may be ""."""

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class PayloadType:
    """An encoding (§6); `clockrate` None where it is not said, times in milliseconds."""

    id: int
    name: str = ""
    clockrate: int | None = None
    channels: int = 1
    ptime: int | None = None
    maxptime: int | None = None
    parameters: tuple[Parameter, ...] = ()
    feedback: tuple[Feedback, ...] = ()


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """How much may be used: the value of the SDP line b=TYPE (§6)."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Crypto:
    """A key for SRTP, as SDP has it (§7.1, RFC 4568)."""

    tag: str
    suite: str
    key_params: str
    session_params: str = ""


@dataclass(frozen=True, slots=True)
class Encryption:
    """Keys to choose from; `required` says that there is no medium without (§7)."""

    cryptos: tuple[Crypto, ...]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Rtp:
    """What a content is about (§6)."""

    media: str
    payload_types: tuple[PayloadType, ...] = ()
    mux: bool = False
    bandwidths: tuple[Bandwidth, ...] = ()
    encryption: Encryption | None = None
    feedback: tuple[Feedback, ...] = ()
    header_extensions: tuple[HeaderExtension, ...] = ()
    allow_mixed: bool = False
    sources: tuple[Source, ...] = ()
    source_groups: tuple[SourceGroup, ...] = ()
    ssrc: str = ""

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<description/>`. Raises RemoteError."""
        try:
            types = [
                PayloadType(int(each.attributes["id"]), each.get("name", ""))
                for each in element.find_all(f"{{{NS}}}payload-type")
            ]
        except (KeyError, ValueError) as error:
            raise RemoteError("a payload type without number") from error
        return cls(element.get("media", ""), tuple(types))

    def element(self) -> Element:
        """Return the `<description/>`."""
        types = [
            Element(f"{{{NS}}}payload-type", {"id": str(each.id), "name": each.name})
            for each in self.payload_types
        ]
        return Element(f"{{{NS}}}description", {"media": self.media}, types)

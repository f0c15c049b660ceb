"""Jingle RTP Sessions (XEP-0167): what audio and video of a call are encoded in.

What is read can be written into SDP as it is: see `attributes`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import rtp_hdrext, ssma, zrtp
from dragoman.xmpp.ext.attributes import few, flag, line, number, printed, refuse, token, word
from dragoman.xmpp.ext.jingle_errors import unsupported_info
from dragoman.xmpp.ext.rtcp_fb import Feedback, feedback
from dragoman.xmpp.ext.rtp_hdrext import HeaderExtension
from dragoman.xmpp.ext.senders import Creator
from dragoman.xmpp.ext.ssma import Source, SourceGroup
from dragoman.xmpp.ext.zrtp import ZrtpHash

NS: Final = "urn:xmpp:jingle:apps:rtp:1"
INFO: Final = "urn:xmpp:jingle:apps:rtp:info:1"
ERRORS: Final = "urn:xmpp:jingle:apps:rtp:errors:1"
AUDIO: Final = "urn:xmpp:jingle:apps:rtp:audio"
VIDEO: Final = "urn:xmpp:jingle:apps:rtp:video"
"""Features (§10)."""
DESCRIPTION: Final = f"{{{NS}}}description"
CRYPTO_REQUIRED: Final = f"{{{ERRORS}}}crypto-required"
INVALID_CRYPTO: Final = f"{{{ERRORS}}}invalid-crypto"
"""Details of a security-error (§7)."""

MOST_PAYLOAD_TYPES: Final = 128
"""As many as there are numbers (RFC 3550 §5.1)."""
MOST_PARAMETERS: Final = 64
MOST_BANDWIDTHS: Final = 8
MOST_CRYPTOS: Final = 32
LONGEST_PARAMETER: Final = 16_384
"""Of a value: the configuration of an encoding may be in it whole (RFC 5215 §7)."""

_PAYLOAD_TYPE: Final = f"{{{NS}}}payload-type"
_PARAMETER: Final = f"{{{NS}}}parameter"
_BANDWIDTH: Final = f"{{{NS}}}bandwidth"
_ENCRYPTION: Final = f"{{{NS}}}encryption"
_CRYPTO: Final = f"{{{NS}}}crypto"
_MUX: Final = f"{{{NS}}}rtcp-mux"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A name and its value; either may be ""."""

    name: str
    value: str = ""

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<parameter/>`; blanks around a name or value do not count. Raises StanzaError."""
        bare = {name: value.strip(" ") for name, value in element.attributes.items()}
        told = Element(element.name, bare)
        return cls(word(told, "name", ""), word(told, "value", "", LONGEST_PARAMETER))

    def element(self) -> Element:
        """Return the `<parameter/>`."""
        return Element(_PARAMETER, {"name": self.name, "value": self.value})


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

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<payload-type/>`; 0 where there can be none is as good as nothing.

        Raises StanzaError.
        """
        return cls(
            number(element, "id", most=127),
            token(element, "name", ""),
            number(element, "clockrate", 0) or None,
            number(element, "channels", 1, most=255) or 1,
            number(element, "ptime", 0) or None,
            number(element, "maxptime", 0) or None,
            tuple(map(Parameter.parse, few(element, _PARAMETER, MOST_PARAMETERS))),
            feedback(element),
        )

    def element(self) -> Element:
        """Return the `<payload-type/>`."""
        told = {
            "id": self.id,
            "name": self.name or None,
            "clockrate": self.clockrate,
            "channels": self.channels if self.channels != 1 else None,
            "ptime": self.ptime,
            "maxptime": self.maxptime,
        }
        attributes = {name: str(value) for name, value in told.items() if value is not None}
        return Element(_PAYLOAD_TYPE, attributes, printed(*self.parameters, *self.feedback))


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """How much may be used: the value of the SDP line b=TYPE (§6)."""

    type: str
    value: str

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<bandwidth/>`; Movim has its value in an attribute. Raises StanzaError."""
        value = element.text.strip() or element.get("value", "").strip()
        if not (value.isascii() and value.isdigit() and len(value) <= 20):
            refuse(element, "not a number")
        return cls(token(element, "type"), value)

    def element(self) -> Element:
        """Return the `<bandwidth/>`."""
        return Element(_BANDWIDTH, {"type": self.type}, [self.value])


@dataclass(frozen=True, slots=True)
class Crypto:
    """A key for SRTP, as SDP has it (§7.1, RFC 4568)."""

    tag: str
    suite: str
    key_params: str
    session_params: str = ""

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<crypto/>`. Raises StanzaError."""
        return cls(
            str(number(element, "tag", most=999_999_999)),
            token(element, "crypto-suite"),
            word(element, "key-params"),
            line(element, "session-params", ""),
        )

    def element(self) -> Element:
        """Return the `<crypto/>`."""
        attributes = {"tag": self.tag, "crypto-suite": self.suite, "key-params": self.key_params}
        more = {"session-params": self.session_params} if self.session_params else {}
        return Element(_CRYPTO, attributes | more)


@dataclass(frozen=True, slots=True)
class Encryption:
    """Keys to choose from; `required` says that there is no medium without (§7)."""

    cryptos: tuple[Crypto, ...]
    required: bool = False
    zrtp: tuple[ZrtpHash, ...] = ()

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read an `<encryption/>`. Raises StanzaError."""
        return cls(
            tuple(map(Crypto.parse, few(element, _CRYPTO, MOST_CRYPTOS))),
            flag(element, "required"),
            tuple(map(ZrtpHash.parse, few(element, zrtp.ZRTP_HASH, zrtp.MOST))),
        )

    def element(self) -> Element:
        """Return the `<encryption/>`."""
        required = {"required": "1"} if self.required else {}
        return Element(_ENCRYPTION, required, printed(*self.cryptos, *self.zrtp))


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
        """Read a `<description/>`. Raises StanzaError."""
        encryption = element.find(_ENCRYPTION)
        return cls(
            token(element, "media"),
            tuple(map(PayloadType.parse, few(element, _PAYLOAD_TYPE, MOST_PAYLOAD_TYPES))),
            element.find(_MUX) is not None,
            tuple(map(Bandwidth.parse, few(element, _BANDWIDTH, MOST_BANDWIDTHS))),
            None if encryption is None else Encryption.parse(encryption),
            feedback(element),
            tuple(map(HeaderExtension.parse, few(element, rtp_hdrext.RTP_HDREXT, rtp_hdrext.MOST))),
            element.find(rtp_hdrext.ALLOW_MIXED) is not None,
            tuple(map(Source.parse, few(element, ssma.SOURCE, ssma.MOST))),
            tuple(map(SourceGroup.parse, few(element, ssma.SSRC_GROUP, ssma.MOST))),
            str(number(element, "ssrc")) if element.get("ssrc") else "",
        )

    def element(self) -> Element:
        """Return the `<description/>`, its children as the examples of each extension have them."""
        attributes = {"media": self.media} | ({"ssrc": self.ssrc} if self.ssrc else {})
        children = printed(*self.feedback, *self.header_extensions, *self.payload_types)
        if self.mux:
            children.append(Element(_MUX))
        if self.encryption is not None:
            children.append(self.encryption.element())
        children += printed(*self.bandwidths)
        if self.allow_mixed:
            children.append(Element(rtp_hdrext.ALLOW_MIXED))
        children += printed(*self.source_groups, *self.sources)
        return Element(DESCRIPTION, attributes, children)


class Info(StrEnum):
    """What a session-info says of media (§8)."""

    ACTIVE = "active"
    HOLD = "hold"
    MUTE = "mute"
    RINGING = "ringing"
    UNHOLD = "unhold"
    UNMUTE = "unmute"


_INFOS: Final = {f"{{{INFO}}}{each}": each for each in Info}


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What a session-info says, of one content by name and creator; of all where none is named."""

    info: Info
    name: str = ""
    creator: Creator | None = None

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read the payload of a session-info.

        Raises StanzaError: unsupported-info for one of something else (XEP-0166 §6.8).
        """
        if (info := _INFOS.get(element.name)) is None:
            raise unsupported_info()
        creator = Creator.of(element) if element.get("creator") else None
        return cls(info, line(element, "name", ""), creator)

    def element(self) -> Element:
        """Return the payload."""
        creator = {} if self.creator is None else {"creator": self.creator.value}
        name = {"name": self.name} if self.name else {}
        return Element(f"{{{INFO}}}{self.info}", creator | name)

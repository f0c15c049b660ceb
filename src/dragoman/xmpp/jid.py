"""XMPP addresses (RFC 7622; RFC 8264 and 8265 for their parts, IDNA2008 for domains)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NoReturn

import idna
from precis_i18n import get_profile
from precis_i18n.profile import Profile
from precis_i18n.unicode import UnicodeData

from dragoman.xmpp.failure import Condition, StanzaError

LONGEST_PART: Final = 1023
"""Octets in a localpart, domainpart or resourcepart after preparation (§3.1)."""

_CACHED: Final = 8192
_LONGEST_CACHED: Final = 256
# Composition shrinks text, but never below two octets for three characters: a part longer than
# this cannot fit once it is prepared, and is not worth preparing.
_LONGEST_INPUT: Final = 2 * LONGEST_PART
_LONGEST_DOMAIN: Final = 253
_LONGEST_LABEL: Final = 63

_USERNAME: Final = get_profile("UsernameCaseMapped")
_OPAQUE: Final = get_profile("OpaqueString")
_UNICODE: Final = UnicodeData()

# The one script that folds to its capitals: those are the letters of labels (RFC 5892 §2.2).
_CHEROKEE: Final = {ord(letter.lower()): letter for letter in map(chr, range(0x13A0, 0x13F6))}

_EXCLUDED: Final = re.compile("[\"&'/:<>@]")
_PLAIN_LOCAL: Final = re.compile("[!#-%(-.0-9;=?A-~]+")
_PLAIN_LABEL: Final = re.compile("(?!..--)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Jid:
    """An address, prepared: two of them are equal exactly when they name the same entity (§3).

    `local`, `domain` and `resource` are "" when absent. XEP-0106 escapes stay as they are. Build
    one with `parse` or `of`: the constructor itself checks nothing.
    """

    local: str
    domain: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> "Jid":
        """Read `local@domain/resource` and prepare each part (§3.1 to §3.4).

        The first "/" starts the resource, then the first "@" ends the localpart (§3.2). Raises
        StanzaError (jid-malformed, modify) for whatever is no address.
        """
        return _remembered(text) if len(text) <= _LONGEST_CACHED else _parsed(text)

    @classmethod
    def of(cls, local: str, domain: str, resource: str = "") -> "Jid":
        """Prepare and join the parts; "" leaves out the localpart or the resource.

        Raises StanzaError (jid-malformed, modify) when a part breaks its rules (§3.2 to §3.4).
        """
        return cls(
            _localpart(local) if local else "",
            _domainpart(domain),
            _resourcepart(resource) if resource else "",
        )

    @property
    def bare(self) -> "Jid":
        """The address without its resource."""
        return Jid(self.local, self.domain, "") if self.resource else self

    def __str__(self) -> str:
        """The address as it is written on a stream."""
        text = f"{self.local}@{self.domain}" if self.local else self.domain
        return f"{text}/{self.resource}" if self.resource else text


def _parsed(text: str) -> Jid:
    bare, slash, resource = text.partition("/")
    local, at, domain = bare.partition("@")
    if not at:
        local, domain = "", bare
    if (at and not local) or (slash and not resource):
        _malformed("a part of the address is empty")
    return Jid.of(local, domain, resource)


_remembered: Final = lru_cache(maxsize=_CACHED)(_parsed)


def _malformed(reason: str) -> NoReturn:
    raise StanzaError(Condition.JID_MALFORMED, text=reason)


def _localpart(text: str) -> str:
    if _PLAIN_LOCAL.fullmatch(text):
        prepared = text.lower()
    else:
        prepared = _enforced(_USERNAME, text)
        if _EXCLUDED.search(prepared):
            _malformed("a character that no localpart may hold")
    return _fitting(prepared)


def _resourcepart(text: str) -> str:
    plain = text.isascii() and text.isprintable()
    return _fitting(text if plain else _enforced(_OPAQUE, text))


def _enforced(profile: Profile, text: str) -> str:
    if len(text) > _LONGEST_INPUT:
        _malformed("a part of the address is too long")
    try:
        return profile.enforce(text)
    except ValueError as error:
        raise StanzaError(
            Condition.JID_MALFORMED, text="a character that this part of an address may not hold"
        ) from error


def _fitting(part: str) -> str:
    if len(part) > LONGEST_PART // 4 and len(part.encode()) > LONGEST_PART:
        _malformed("a part of the address is too long")
    return part


def _domainpart(text: str) -> str:
    text = text.removesuffix(".")
    if not text or len(text) > _LONGEST_INPUT:
        _malformed("the domain is empty or too long")
    if text[0] == "[":
        return _ip_literal(text)
    labels = (text.lower() if text.isascii() else _mapped(text)).split(".")
    if all(map(_PLAIN_LABEL.fullmatch, labels)):
        return _within(".".join(labels), 0)
    prepared = [_label(label) for label in labels]
    extra = sum(len(ascii_form) - len(label) for label, ascii_form in prepared)
    return _within(".".join([label for label, _ in prepared]), extra)


def _mapped(text: str) -> str:
    """Case, width, normalization and dots, in the order of RFC 5895 §2."""
    lower = text.lower().translate(_CHEROKEE)
    mapped = _UNICODE.normalize("NFC", _UNICODE.width_map(lower))
    return mapped.replace("\u3002", ".").removesuffix(".")


def _label(text: str) -> tuple[str, bytes]:
    """The U-label (or LDH label) for `text`, and its form in DNS."""
    if len(text) > _LONGEST_LABEL:
        _malformed("a label of the domain is too long")
    try:
        label = idna.ulabel(text) if text.startswith("xn--") else text
        ascii_form = idna.alabel(label)
    except ValueError as error:
        raise StanzaError(Condition.JID_MALFORMED, text="not a domain name") from error
    # Not every idna that we accept refuses a second spelling of a label (RFC 5891 §5.3).
    if label is not text and ascii_form != text.encode():
        _malformed("an A-label that stands for no U-label")
    return label, ascii_form


def _within(domain: str, extra: int) -> str:
    """`domain`, unless what DNS is asked for, `extra` octets longer, passes the limit of DNS."""
    if len(domain) + extra > _LONGEST_DOMAIN:
        _malformed("the domain is too long")
    return _fitting(domain)


def _ip_literal(text: str) -> str:
    try:
        if text[-1] != "]" or "%" in text:
            _malformed("not an IPv6 address in brackets")
        return f"[{IPv6Address(text[1:-1])}]"
    except AddressValueError as error:
        raise StanzaError(Condition.JID_MALFORMED, text="not an IPv6 address") from error

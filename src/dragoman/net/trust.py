"""Whether a certificate speaks for a domain (RFC 5280; names: RFC 9525, 6120 §13.7.1, 5922 §7).

What the DNS says of it, signed (DANE: RFC 6698, RFC 7673), goes before what authorities say.
"""

import re
import ssl
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import idna
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from dragoman.errors import LocalError
from dragoman.xmpp.dane import Associations, Usage

BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
REMEMBERED: Final = timedelta(hours=1)
DEEPEST: Final = 8
END: Final = b"-----END CERTIFICATE-----"
SRV_NAME: Final = ObjectIdentifier("1.3.6.1.5.5.7.8.7")
XMPP_ADDRESS: Final = ObjectIdentifier("1.3.6.1.5.5.7.8.5")
SIP_HOST: Final = re.compile("sip:([^:;?/]+)", re.IGNORECASE)
PURPOSES: Final = {
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
UNREADABLE: Final = (
    *(ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension),
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises for a certificate, or a field of it, that does not parse.

TypeError is for a name whose type it does not take.
"""


class Use(StrEnum):
    """Whose rules say which names of a certificate count."""

    XMPP = "xmpp"
    SIP = "sip"
    MSRP = "msrp"
    """The host of a URI, a name or an address (RFC 4975 §5.4)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a certificate is good for a domain; `reason` is empty when it is."""

    good: bool
    reason: str = ""


GOOD: Final = Verdict(good=True)


class Trust:
    """Judges peers' certificates by a bundle of authorities, the system's unless one is given."""

    def __init__(
        self,
        bundle: str | Path = "",
        *,
        remembered: int = 4096,
        published: Callable[[str, x509.Certificate], bool] | None = None,
    ) -> None:
        """Trust the authorities in the PEM file `bundle`; it is read at the first question.

        At most `remembered` verdicts are kept, each for an hour at most.  `published(domain,
        certificate)` tells whether an XMPP domain says by other means that a certificate is its
        own (POSH, RFC 7711); it is asked about those that authorities do not vouch for.
        """
        self._published = published
        self._bundle = str(bundle)
        self._remembered = remembered
        self._store: Store | None = None
        self._authorities = 0
        self._verdicts: OrderedDict[tuple[bytes, str, Use], tuple[datetime, Verdict]]
        self._verdicts = OrderedDict()

    def load(self) -> int:
        """Read the bundle if it has not been read; return how many authorities it holds.

        Raises LocalError when a bundle was named and cannot be read or holds no certificate.
        """
        if self._store is None:
            found = list(_authorities(self._bundle))
            self._store = Store(found) if found else None
            self._authorities = len(found)
        return self._authorities

    def vouches(
        self, chain: Sequence[x509.Certificate], domain: str, now: datetime, use: Use = Use.XMPP
    ) -> bool:
        """Tell whether `chain` (the peer's own first) is good for `domain` at `now` (aware)."""
        return self.judge(chain, domain, now, use).good

    def judge(
        self, chain: Sequence[x509.Certificate], domain: str, now: datetime, use: Use = Use.XMPP
    ) -> Verdict:
        """Return whether `chain` is good for `domain` (A-labels or U-labels), and why not."""
        if not chain:
            return Verdict(good=False, reason="no certificate was shown")
        verdict = self._by_authorities(chain, domain, now, use)
        if verdict.good or self._published is None or use is not Use.XMPP:
            return verdict
        return GOOD if _in_time(chain[0], now) and self._published(domain, chain[0]) else verdict

    def judge_by_dns(
        self, chain: Sequence[x509.Certificate], associations: Associations, now: datetime
    ) -> Verdict:
        """Return whether `chain` is good for a domain whose signed records lead to this server.

        Where those name certificates, they decide, and what authorities or web servers say is not
        enough (RFC 7673 §4.2); where they do not, the certificate may bear the server's own name
        instead of the domain's (§4.1).
        """
        if not chain:
            return Verdict(good=False, reason="no certificate was shown")
        if associations.records:
            try:
                good = self._is_listed(chain, associations, now)
            except UNREADABLE as error:
                return Verdict(good=False, reason=f"it does not parse: {error}")
            reason = f"no TLSA record of {associations.host} is of it"
            return GOOD if good else Verdict(good=False, reason=reason)
        verdict = self.judge(chain, associations.domain, now)
        host = self._by_authorities(chain, associations.host, now, Use.XMPP)
        return host if host.good else verdict

    def describe(self) -> dict[str, str | int]:
        """Return the bundle's path and the numbers of authorities and of verdicts kept."""
        return {
            "bundle": self._bundle or "system",
            "authorities": self._authorities,
            "verdicts": len(self._verdicts),
        }

    def _by_authorities(
        self, chain: Sequence[x509.Certificate], domain: str, now: datetime, use: Use
    ) -> Verdict:
        marks = b"".join(each.fingerprint(SHA256()) for each in chain[: DEEPEST + 1])
        key = (marks, domain, use)
        known = self._verdicts.get(key)
        if known is not None and now < known[0]:
            return known[1]
        verdict, until = self._judge(chain, domain, now, use)
        self._verdicts[key] = (until, verdict)
        self._verdicts.move_to_end(key)
        while len(self._verdicts) > self._remembered:
            self._verdicts.popitem(last=False)
        return verdict

    def _judge(
        self, chain: Sequence[x509.Certificate], domain: str, now: datetime, use: Use
    ) -> tuple[Verdict, datetime]:
        until = now + REMEMBERED
        try:
            path = self._path(chain, now)
            reason = "" if _names(path, a_label(domain), use) else f"it is not for {domain}"
            until = min(until, *(each.not_valid_after_utc for each in path))
        except _RefusedError as refused:
            reason = str(refused)
            if (begins := chain[0].not_valid_before_utc) > now:
                until = min(until, begins)
        except UNREADABLE as error:
            reason = f"it does not parse: {error}"
        return Verdict(good=not reason, reason=reason), until

    def _is_listed(
        self, chain: Sequence[x509.Certificate], found: Associations, now: datetime
    ) -> bool:
        """Tell whether a TLSA record is of this chain, by what its usage asks for."""
        own = _der(chain[0])
        if found.lists(Usage.DANE_EE, own):
            return True  # RFC 7671 §5.1: nothing else of the certificate is looked at
        anchors = [each for each in chain[1:DEEPEST] if found.lists(Usage.DANE_TA, _der(each))]
        if anchors and self._leads(chain, found, now, Store(anchors)):
            return True
        path = self._leads(chain, found, now)
        return bool(path) and (
            found.lists(Usage.PKIX_EE, own)
            or any(found.lists(Usage.PKIX_TA, _der(each)) for each in path[1:])
        )

    def _leads(
        self,
        chain: Sequence[x509.Certificate],
        found: Associations,
        now: datetime,
        store: Store | None = None,
    ) -> Sequence[x509.Certificate]:
        """Return the path to an authority of `store`, or of ours; empty where there is none.

        There is none either where the certificate bears neither name of the server.
        """
        try:
            path = self._path(chain, now, store)
        except _RefusedError:
            return ()
        return path if any(_names(path, name, Use.XMPP) for name in found.names) else ()

    def _path(
        self, chain: Sequence[x509.Certificate], now: datetime, anchors: Store | None = None
    ) -> list[x509.Certificate]:
        """Return the path to one of `anchors`, or of the bundle's authorities."""
        leaf = chain[0]
        if now > leaf.not_valid_after_utc:
            raise _RefusedError(f"it expired on {leaf.not_valid_after_utc:%Y-%m-%d}")
        if now < leaf.not_valid_before_utc:
            raise _RefusedError(f"it is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}")
        if anchors is None:
            self.load()
            anchors = self._store
        if anchors is None:
            raise _RefusedError("no authority is trusted here")
        builder = PolicyBuilder().store(anchors).time(now.astimezone(UTC).replace(tzinfo=None))
        builder = builder.max_chain_depth(DEEPEST)
        builder = builder.extension_policies(ca_policy=_ISSUER, ee_policy=_LEAF)
        try:
            # the verifier for clients checks no names: ours do, by the rules of each protocol
            return builder.build_client_verifier().verify(leaf, list(chain[1:DEEPEST])).chain
        except VerificationError as error:
            if leaf.issuer == leaf.subject:
                raise _RefusedError("it is self-signed") from error
            raise _RefusedError(f"no path to a trusted authority: {error}") from error


class _RefusedError(Exception):
    """The certificate is not good: the text says why."""


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _in_time(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def a_label(domain: str) -> str:
    """Return `domain` in lower-case A-labels; what IDNA refuses is returned in lower case."""
    domain = domain.lower().rstrip(".")
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain).decode("ascii")
    except idna.IDNAError:
        return domain


def matches(pattern: str, domain: str) -> bool:
    """Tell whether a dNSName is `domain`; "*" stands for the whole left-most label (RFC 9525)."""
    pattern = pattern.lower().rstrip(".")
    if pattern.startswith("*."):
        return domain.partition(".")[2] == pattern[2:] and "." in pattern[2:]
    return pattern == domain


def dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the dNSNames of a certificate, in lower case; its CN does not count (RFC 9525)."""
    names = _alternatives(certificate)
    return tuple(name.lower() for name in names.get_values_for_type(x509.DNSName)) if names else ()


def sip_names(certificate: x509.Certificate) -> frozenset[str]:
    """Return the domains that a certificate is for in SIP, in lower case (RFC 5922 §7.1).

    Those of its SIP URIs without a user, and where there is none its dNSNames; a wildcard among
    them stands for itself alone (§7.2). Raises ValueError for names that do not parse.
    """
    names = _alternatives(certificate)
    if names is None:
        return frozenset()
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    sip = [SIP_HOST.match(uri) for uri in uris if "@" not in uri]
    found = frozenset(each[1].lower().rstrip(".") for each in sip if each)
    return found or frozenset(
        name.lower().rstrip(".") for name in names.get_values_for_type(x509.DNSName)
    )


def subject(certificate: x509.Certificate) -> str:
    """Return whom a certificate says that it is of, for people; "" when it cannot be read."""
    try:
        return certificate.subject.rfc4514_string()
    except UNREADABLE:
        return ""


def _alternatives(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _names(path: Sequence[x509.Certificate], domain: str, use: Use) -> bool:
    names = _alternatives(path[0])
    if names is None:
        return False
    # an authority's name constraints reach dNSNames, but not names of the other kinds
    free = not any(_constrained(each) for each in path[1:])
    if use is Use.SIP:
        return domain in sip_names(path[0]) and (free or domain in dns_names(path[0]))
    if any(matches(name, domain) for name in names.get_values_for_type(x509.DNSName)):
        return True
    if use is Use.MSRP:
        return free and domain in map(str, names.get_values_for_type(x509.IPAddress))
    return free and domain in _xmpp_names(names)


def _xmpp_names(names: x509.SubjectAlternativeName) -> Iterator[str]:
    for other in names.get_values_for_type(x509.OtherName):
        text = _string(other.value)
        if other.type_id == XMPP_ADDRESS:
            yield a_label(text)
        elif other.type_id == SRV_NAME and text.lower().startswith("_xmpp-server."):
            yield text.lower().partition(".")[2]


def _string(der: bytes) -> str:
    """Return the UTF8String or IA5String in `der`, empty unless it is one of under 128 bytes."""
    if len(der) < 2 or der[0] not in (0x0C, 0x16) or der[1] != len(der) - 2 or der[1] > 127:
        return ""
    return der[2:].decode("utf-8", "replace")


def _constrained(certificate: x509.Certificate) -> bool:
    return any(isinstance(each.value, x509.NameConstraints) for each in certificate.extensions)


def _check_constraints(
    _policy: Policy, _certificate: x509.Certificate, found: x509.BasicConstraints
) -> None:
    if not found.ca:
        raise ValueError("an issuer is not an authority")


def _check_usage(
    _policy: Policy, _certificate: x509.Certificate, found: x509.KeyUsage | None
) -> None:
    if found is not None and not found.key_cert_sign:
        raise ValueError("an issuer may not sign certificates")


def _check_purpose(
    _policy: Policy, _certificate: x509.Certificate, found: x509.ExtendedKeyUsage | None
) -> None:
    # either purpose in either direction: public authorities issue for servers only
    if found is not None and PURPOSES.isdisjoint(found):
        raise ValueError("it is for neither servers nor clients")


_ISSUER: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _check_constraints)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _check_usage)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _check_purpose)
)
_LEAF: Final = ExtensionPolicy.permit_all().may_be_present(
    x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _check_purpose
)


def _authorities(bundle: str) -> Iterator[x509.Certificate]:
    """Yield the certificates of a PEM file, without those that do not parse."""
    if bundle:
        path = Path(bundle)
    else:
        default = ssl.get_default_verify_paths().cafile
        candidates = [Path(each) for each in (*BUNDLES, default) if each]
        found = next((each for each in candidates if each.is_file()), None)
        if found is None:
            return
        path = found
    count = 0
    try:
        blocks = path.read_bytes().split(END)[:-1]
    except OSError as error:
        raise LocalError(f"tls.trust {path}: {error.strerror}") from error
    for block in blocks:
        certificate = _parsed(block + END)
        if certificate is not None:
            count += 1
            yield certificate
    if bundle and not count:
        raise LocalError(f"tls.trust {path}: it holds no certificate")


def _parsed(block: bytes) -> x509.Certificate | None:
    """Parse one PEM block; some authorities are older than the rules and are left out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return x509.load_pem_x509_certificate(block[block.find(b"-----BEGIN") :])
    except UNREADABLE:
        return None

r"""Addresses (RFC 7247 §6, XEP-0106, RFC 5627): SIP URIs into JIDs and back.

A JID's localpart carries what SIP allows and XMPP forbids as `\hh` (XEP-0106), a SIP user part
carries the rest as `%HH`; a resource is the `gr` parameter of a GRUU. Everything here is cached
by the parts that matter, because PRECIS costs a hundred times what the rest does.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

import idna

from dragoman.errors import RemoteError
from dragoman.sip.uri import Uri
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid

MAX_PART: Final = 1023
_CACHED: Final = 16384
_CACHED_LENGTH: Final = 256

# XEP-0106 §3; the backslash itself is escaped only before one of these codes (§4).
_ESCAPES: Final = str.maketrans({char: f"\\{ord(char):02x}" for char in " \"&'/:<>@"})
_CODE: Final = r"\\(20|22|26|27|2f|3a|3c|3e|40|5c)"
_ESCAPED: Final = re.compile(_CODE)
_BACKSLASH: Final = re.compile(rf"\\(?={_CODE[2:]})")

_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER_SAFE: Final = "-_.!~*'()&=+$,;?/"
_PARAM_SAFE: Final = "-_.!~*'()[]/:&+$"
# A dot-atom (RFC 7247 §6.2) less what RFC 3986 reserves for the rest of the URI.
_IM_SAFE: Final = "-_.!~*'&=+$/"
_BREAKING_DOT: Final = re.compile(r"^\.|\.$|(?<=\.)\.")
_HOST: Final = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")

_VISUAL: Final = str.maketrans("", "", "-.()")
_GLOBAL: Final = re.compile(r"\+[0-9]+")
_LOCAL: Final = re.compile(r"[0-9a-fA-F*#]+")
_NUMBER_JID: Final = re.compile(r"\+[0-9]{1,15}|[0-9a-f*#]+;phone-context=.+")


class Unmappable(RemoteError):
    """An address that has no counterpart on the other side.

    `status` is the answer to a request whose Request-URI or To it is (in From: 400 always), and
    `condition` the stanza error for a stanza addressed to or from it.
    """

    def __init__(
        self, reason: str, status: int = 404, condition: Condition = Condition.JID_MALFORMED
    ) -> None:
        """Keep what to say (`reason`) and what to answer."""
        super().__init__(reason)
        self.status = status
        self.condition = condition


def sip_to_jid(uri: Uri, *, tel_domain: str = "") -> Jid:
    """Return the JID of a sip, sips, im, pres or tel address (RFC 7247 §6.4).

    A `gr` with a value becomes the resource; a telephone number becomes a user of `tel_domain`.
    Whether `sips` may cross at all is for the caller. Raises Unmappable.
    """
    if uri.scheme == "tel":
        if not tel_domain:
            raise Unmappable(f"no domain stands for telephone numbers: {uri.user}")
        return _jid(_telephone(uri), tel_domain, "")
    user, params = uri.user, uri.params
    if not params:
        return _jid(user, uri.host, "")
    if user and uri.param("user") == "phone" and _GLOBAL.fullmatch(user.translate(_VISUAL)):
        user = user.translate(_VISUAL)
    return _jid(user, uri.host, uri.param("gr") or "")


def jid_to_sip(jid: Jid, *, scheme: str = "sip", tel_domain: str = "", sip_domain: str = "") -> Uri:
    """Return the address of a JID (RFC 7247 §6.5) as a `scheme` URI: sip, sips, im or pres.

    A resource becomes the `gr` parameter, which im and pres have not. A telephone number at
    `tel_domain` becomes a user of `sip_domain` (without one: of the same domain) with
    `user=phone`. Raises Unmappable.
    """
    if tel_domain and jid.domain == tel_domain and _NUMBER_JID.fullmatch(jid.local):
        host = _host(sip_domain or tel_domain)
        return Uri(scheme, _user(jid.local, scheme), host, params=(("user", "phone"),))
    return _uri(jid, scheme)


def into_component(uri: Uri, component: str, *, sip_domain: str = "") -> Jid:
    r"""Return how a SIP user is called at the XMPP domain `component` (XEP-0114).

    With a `sip_domain` (prepared as in a JID), its users keep their names and others are
    Unmappable; without,
    the whole address is escaped: `romeo\40example.net@component` (XEP-0106 §4).
    """
    if uri.scheme == "tel":
        return sip_to_jid(uri, tel_domain=component)
    found = sip_to_jid(uri)
    if not found.local:
        raise Unmappable(f"no user in {uri.host!r}")
    if not sip_domain:
        # The user is prepared and escaped already; a second escaping of it would not undo.
        whole = f"{_unescaped(found.local)}@{found.domain}"
        return _jid(quote(whole), component, uri.param("gr") or "")
    if found.domain != sip_domain:
        raise Unmappable(f"{found.domain!r} is not the domain of {component!r}")
    return _jid(uri.user, component, uri.param("gr") or "")


def out_of_component(jid: Jid, *, sip_domain: str = "") -> Uri:
    """Return the SIP user whom a JID at a component stands for; undoes `into_component`.

    Without a `sip_domain` the localpart is unescaped and split at its last "@". Raises Unmappable.
    """
    if sip_domain:
        return jid_to_sip(Jid(jid.local, sip_domain, jid.resource), tel_domain=sip_domain)
    return _uri(_split(jid.local, jid.resource), "sip")


def into_sip_domain(jid: Jid, host: str) -> Uri:
    """Return how an XMPP user is called at the SIP domain `host`: `juliet%40example.com@host`."""
    if not jid.local:
        raise Unmappable(f"no user in {jid.domain!r}", 404, Condition.ITEM_NOT_FOUND)
    whole = f"{_unescaped(jid.local)}@{jid.domain}"
    params = (("gr", quote(jid.resource, safe=_PARAM_SAFE)),) if jid.resource else ()
    return Uri("sip", quote(whole, safe=_USER_SAFE), _host(host), params=params)


def out_of_sip_domain(uri: Uri) -> Jid:
    """Return the XMPP user whom a user of our SIP domain stands for; undoes `into_sip_domain`."""
    found = sip_to_jid(uri)
    return _split(found.local, found.resource)


def xmpp_uri(jid: Jid) -> str:
    """Return the `xmpp:` URI of a JID (RFC 5122 §2.7): every part percent-encoded UTF-8."""
    local = quote(jid.local, safe="!$()*+,;=") + "@" if jid.local else ""
    resource = "/" + quote(jid.resource, safe="!$&'()*+,:;=") if jid.resource else ""
    domain = quote(jid.domain, safe="!$&'()*+,:;=[]")
    return f"xmpp:{local}{domain}{resource}"


def parse_xmpp_uri(text: str) -> Jid:
    """Return the JID that an `xmpp:` URI names (RFC 5122 §2.2), its query and fragment dropped.

    An authority component (`xmpp://account/...`) says from which account to act and is no part
    of the address. Raises Unmappable.
    """
    scheme, colon, rest = text.partition(":")
    if not colon or scheme.lower() != "xmpp":
        raise Unmappable(f"no xmpp: URI: {text[:80]!r}", 416)
    if rest.startswith("//"):
        rest = rest[2:].partition("/")[2]
    path = rest.partition("#")[0].partition("?")[0]
    try:
        return Jid.parse(_percent_decoded(path))
    except StanzaError as error:
        raise Unmappable(error.reason) from error


def without_gr(uri: Uri) -> Uri:
    """Return the address of record of a device (RFC 5627 §3.2)."""
    if not uri.params:
        return uri
    kept = tuple(param for param in uri.params if param[0] != "gr")
    return Uri(uri.scheme, uri.user, uri.host, uri.port, params=kept)


def _jid(user: str | None, host: str, gr: str) -> Jid:
    if len(user or "") + len(host) + len(gr) > _CACHED_LENGTH:
        return _jid_anew(user, host, gr)
    return _jid_cached(user, host, gr)


def _jid_anew(user: str | None, host: str, gr: str) -> Jid:
    local = "" if user is None else _escaped(_prepared(_percent_decoded(user)))
    resource = _percent_decoded(gr)
    if user is not None and not local:
        raise Unmappable("a user part that is empty")
    if any(len(part.encode()) > MAX_PART for part in (local, resource)):
        raise Unmappable("a part of more than 1023 octets", 414)
    try:
        return Jid.of(local, host.removesuffix("."), resource)
    except StanzaError as error:
        raise Unmappable(error.reason) from error


_jid_cached = lru_cache(_CACHED)(_jid_anew)


def _uri(jid: Jid, scheme: str) -> Uri:
    if len(jid.local) + len(jid.resource) > _CACHED_LENGTH:
        return _uri_anew(jid, scheme)
    return _uri_cached(jid, scheme)


def _uri_anew(jid: Jid, scheme: str) -> Uri:
    params: tuple[tuple[str, str | None], ...] = ()
    if jid.resource and scheme in ("sip", "sips"):
        params = (("gr", quote(jid.resource, safe=_PARAM_SAFE)),)
    return Uri(scheme, _user(jid.local, scheme), _host(jid.domain), params=params)


_uri_cached = lru_cache(_CACHED)(_uri_anew)


def _user(local: str, scheme: str) -> str | None:
    if not local:
        return None
    user = _unescaped(local)
    if scheme in ("sip", "sips"):
        return quote(user, safe=_USER_SAFE)
    return _BREAKING_DOT.sub("%2E", quote(user, safe=_IM_SAFE))


@lru_cache(4096)
def _host(domain: str) -> str:
    host = domain
    if not domain.isascii():
        try:
            host = idna.encode(domain).decode()
        except UnicodeError as error:
            reason = f"no host name: {domain!r}"
            raise Unmappable(reason, 404, Condition.ITEM_NOT_FOUND) from error
    if not _HOST.fullmatch(host):
        raise Unmappable(f"no host name: {domain!r}", 404, Condition.ITEM_NOT_FOUND)
    return host


def _split(local: str, resource: str) -> Jid:
    """Take the address out of a localpart that holds a whole one, at its last "@"."""
    user, at, domain = _unescaped(local).rpartition("@")
    if not at or not user:
        raise Unmappable(f"no address within {local!r}", 404, Condition.ITEM_NOT_FOUND)
    try:
        return Jid.of(_escaped(user), domain, resource)
    except StanzaError as error:
        raise Unmappable(error.reason) from error


def _percent_decoded(text: str) -> str:
    if "%" not in text:
        return text
    if _BAD_PERCENT.search(text):
        raise Unmappable(f"a percent sign without two digits: {text[:80]!r}")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise Unmappable(f"not UTF-8: {text[:80]!r}") from error


def _prepared(user: str) -> str:
    """Map width, case and composition (RFC 8265 §3.3).

    This comes before escaping: a full-width at sign must not turn into a live one afterwards.
    """
    if user.isascii():
        return user.lower()
    narrow = "".join(map(_width_mapped, user))
    return unicodedata.normalize("NFC", narrow.lower())


def _width_mapped(char: str) -> str:
    kind, _, code = unicodedata.decomposition(char).partition(" ")
    return chr(int(code, 16)) if kind in ("<wide>", "<narrow>") else char


def _escaped(user: str) -> str:
    local = _BACKSLASH.sub(r"\\5c", user).translate(_ESCAPES)
    _refuse_edge_space(local)
    return local


def _unescaped(local: str) -> str:
    if "\\" not in local:
        return local
    _refuse_edge_space(local)
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), local)


def _refuse_edge_space(local: str) -> None:
    if local.startswith("\\20") or local.endswith("\\20"):
        raise Unmappable("a space at an end of the localpart (XEP-0106 §4)")


def _telephone(uri: Uri) -> str:
    """Return the number of a tel URI with the parameters that belong to it (RFC 3966 §3)."""
    number = (uri.user or "").translate(_VISUAL)
    kept = [f";{name}={uri.param(name)}" for name in ("ext", "isub") if uri.param(name)]
    if _GLOBAL.fullmatch(number):
        return number + "".join(kept)
    context = uri.param("phone-context")
    if not context or not _LOCAL.fullmatch(number):
        raise Unmappable(f"not a whole telephone number: {uri.user}", 484)
    if context.startswith("+"):
        context = context.translate(_VISUAL)
    return f"{number}{''.join(kept)};phone-context={context}"

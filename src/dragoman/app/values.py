"""What the values of the configuration may be, beyond their types; each says what is allowed."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator

from dragoman.errors import LocalError
from dragoman.net.dns import parse_server
from dragoman.net.listen import Place
from dragoman.net.msrp import SCHEMES as MSRP_SCHEMES
from dragoman.net.servers import Server as MediaServer
from dragoman.net.sip import SCHEMES as SIP_SCHEMES
from dragoman.sip.failure import SipError
from dragoman.sip.route import RouteSet

HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+")
ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]+")


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

"""Fetching the pictures that SIP users name in Call-Info (RFC 3261 §20.9), which pose a risk.

A SIP user may name any URL.  Hence, beside what `net/fetch.py` does: https only, unless the
configuration allows more, and only from web servers of the user's own domain, so that nobody can
have us ask somebody else's.
"""

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from dragoman.errors import RemoteError
from dragoman.net.dns import Resolver
from dragoman.net.trust import a_label
from dragoman.xmpp.posh import is_host

if TYPE_CHECKING:
    from dragoman.net.fetch import Web

LARGEST: Final = 65536
LONGEST: Final = 2048
PORTS: Final = {"https": 443, "http": 80}
UNPRIVILEGED: Final = 1024
"""Other ports than those of the scheme lie from here on, where no mail or shell is served."""


class Icons:
    """What fetches pictures.

    `anywhere` lets them lie at other domains than their user's, and `plain` come by http; the
    rest is as for `net.fetch.Web`.  Each takes `timeout` seconds at most.
    """

    def __init__(
        self,
        resolver: Resolver,
        bundle: str = "",
        *,
        allowed: Sequence[str] = (),
        anywhere: bool = False,
        plain: bool = False,
        timeout: float = 10.0,
    ) -> None:
        """Fetch by these rules."""
        self._resolver = resolver
        self._bundle = bundle
        self._allowed = allowed
        self._anywhere = anywhere
        self._schemes = ("https", "http") if plain else ("https",)
        self._timeout = timeout
        self._web: Web | None = None

    async def fetch(self, url: str, domain: str) -> bytes:
        """Return what lies at a URL that a user of the SIP domain `domain` named.

        Raises RemoteError, whatever it is that fails.
        """
        within = "" if self._anywhere else a_label(domain)
        self._check(url, within)
        web = await self._client()
        try:
            async with asyncio.timeout(self._timeout):
                return await web.get(url, lambda next_: self._check(next_, within))
        except TimeoutError as error:
            raise RemoteError(f"no answer in {self._timeout:.0f} seconds") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._web is not None:
            await self._web.close()

    def _check(self, url: str, within: str) -> str:
        """Return a URL that may be asked; `within` is the domain to which it has to belong."""
        try:
            parts = urlsplit(url)
            port = PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
        except ValueError as error:
            raise RemoteError(f"not a URL: {error}") from error
        host = parts.hostname or ""
        fine = url.isascii() and url.isprintable() and " " not in url and len(url) <= LONGEST
        if not fine or parts.scheme not in self._schemes or not is_host(host):
            raise RemoteError(f"a picture is not fetched from {url[:64]!r}")
        if parts.username is not None or parts.password is not None:
            raise RemoteError("a picture is fetched in nobody's name")
        if port < UNPRIVILEGED and port != PORTS[parts.scheme]:
            raise RemoteError(f"no picture is served at port {port}")
        if within and host != within and not host.endswith(f".{within}"):
            raise RemoteError(f"{host} is not of {within}")
        return url

    async def _client(self) -> "Web":
        if self._web is None:
            # Loaded where it is used only, and beside the loop: it takes a while.
            fetch = await asyncio.to_thread(import_module, "dragoman.net.fetch")
            self._web = self._web or fetch.Web(
                self._resolver, self._bundle, self._allowed, largest=LARGEST, accept="image/*"
            )
        return self._web

"""A relay that acts for us (RFC 4976 §5.1): AUTH, Digest, Use-Path, and the lease renewed."""

from typing import Protocol

from dragoman.msrp.uri import MsrpUri, Path


class Authorize(Protocol):
    """Who computes Digest responses: MSRP itself knows no passwords."""

    def __call__(self, challenges: list[str], method: str, uri: str) -> str | None:
        """Return the Authorization value for these WWW-Authenticate values; None: we cannot."""


class Relay:
    """One lease of one relay: a path through it, for one session only."""

    uri: MsrpUri
    use_path: Path | None
    """The way out through the relay, once it is ready."""
    expires_at: float | None

    def close(self, now: float) -> None:
        """Renew the lease no more."""
        raise NotImplementedError

"""The media of calls, as the configuration has them (RFC 3550)."""

from collections.abc import Callable
from typing import Final

from dragoman.app.config import Configuration
from dragoman.media.plane import MediaEvent
from dragoman.net.media import Embedded, Settings

OUTSIDE: Final = "192.0.2.1"
"""An address that is nowhere, toward which packets go as they do toward the internet."""


def embedded(
    configuration: Configuration,
    local_toward: Callable[[str], str],
    heard: Callable[[MediaEvent], None],
) -> Embedded:
    """Return what carries media in this process."""
    media = configuration.media
    settings = Settings(
        bind=media.bind or local_toward(OUTSIDE),
        advertised=media.advertise,
        first=media.first_port,
        last=media.last_port,
        calls=media.calls,
        silence=float(media.silence) or None,
    )
    return Embedded(settings, heard)

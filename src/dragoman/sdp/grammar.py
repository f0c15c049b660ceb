"""Words of session descriptions (RFC 8866 §9), for whoever writes into one what others said.

Where the grammar allows any octet but a line break, this allows no control character, and no
other character that some program takes for a blank or a line break.
"""

import re
from typing import Final

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]+")
_WORD: Final = re.compile(r"[^\s\x00-\x20\x7f-\xa0]+")
_LINE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_HOST: Final = re.compile(r"[0-9A-Za-z.:%_-]{1,255}")


def is_token(text: str) -> bool:
    """Tell whether a text is a `token`, as names are."""
    return _TOKEN.fullmatch(text) is not None


def is_word(text: str) -> bool:
    """Tell whether a text is a `non-ws-string`: something, without blanks."""
    return _WORD.fullmatch(text) is not None


def is_line(text: str) -> bool:
    """Tell whether a text is a `byte-string`: something that fits on a line."""
    return _LINE.fullmatch(text) is not None


def is_host(text: str) -> bool:
    """Tell whether a text may be a `connection-address` of one host: a literal, or a name."""
    return _HOST.fullmatch(text) is not None

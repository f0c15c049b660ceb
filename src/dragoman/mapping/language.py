"""Language tags (RFC 5646 §2.1), as xml:lang and Content-Language have them."""

import re
from typing import Final

_LANGUAGE: Final = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,8}")


def language_tag(text: str | None) -> str:
    """Return the first language tag in `text`, "" for none that is one."""
    if not text:
        return ""
    tag = text.partition(",")[0].strip()
    return tag if _LANGUAGE.fullmatch(tag) else ""


def only_language(text: str | None) -> str:
    """Return the language of all of a body: "" where Content-Language names none, or several."""
    return "" if text is None or "," in text else language_tag(text)

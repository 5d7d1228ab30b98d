"""The fence: how words of somebody else stand in a prompt, so that none of them can leave their place.

Under reinforcement learning a doctor's words try to talk the judge round. They can pretend that the conversation is
over, that another message begins, that the judge has spoken already, or hide text that no reader sees. So whatever was
said stands between two marks that carry a code made from all that stands between them, each line behind a bar, and
without the characters that marks, headings and the borders of chat messages are made of.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from medenv.agents.backends.prompts import unforged
from medenv.consultation.views import Message

__all__ = ["BAR", "Fenced", "fenced", "harmless", "one_line"]

BAR = "| "
"""Before each line that somebody said or wrote."""

_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn")
_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Letters and symbols that show nothing."""
_ALIKE = {
    "<": "\u02c2\u1438\u226e\u2329\u276c\u276e\u2770\u27e8\u27ea\u29fc\u3008\u300a\ufe3d\ufe3f\ufe64\uff1c",
    ">": "\u02c3\u1433\u226f\u232a\u276d\u276f\u2771\u27e9\u27eb\u29fd\u3009\u300b\ufe3e\ufe40\ufe65\uff1e",
    "[": "\u2045\u27e6\u298b\u298d\u298f\u3010\u3014\u3016\u3018\u301a\ufe39\ufe3b\ufe47\uff3b",
    "]": "\u2046\u27e7\u298c\u298e\u2990\u3011\u3015\u3017\u3019\u301b\ufe3a\ufe3c\ufe48\uff3d",
    "|": "\u01c0\u2223\u2758\ufe31\uff5c\uffe8",
}
"""Characters that a reader, or a tokenizer that normalises, may take for those that borders are made of."""
_PLAIN = str.maketrans({alike: plain for plain, several in _ALIKE.items() for alike in several})
_BREAKS = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")


def harmless(text: str) -> str:
    """A text of somebody else's, with nothing in it that cannot be seen or that borders are made of.

    Lines end with a line feed and in no other way, and of several blank lines in a row one is left.
    """
    text = _BREAKS.sub("\n", text)
    if not (text.isascii() and text.replace("\n", "").isprintable()):
        text = "".join(_seen(character) for character in text).translate(_PLAIN)
    return _BLANK_LINES.sub("\n\n", unforged(text)).strip()


def one_line(text: str) -> str:
    """A text of somebody else's that has to stay in its line."""
    return " ".join(harmless(text).split())


def _seen(character: str) -> str:
    if character == "\n":
        return character
    if character == "\t":
        return " "
    selects = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    if selects or character in _UNSEEN or unicodedata.category(character) in _INVISIBLE:
        return ""
    return " " if character.isspace() else character


@dataclass(frozen=True, slots=True)
class Fenced:
    """A conversation as it stands in a prompt."""

    text: str
    code: str
    """What both marks carry: a digest of all that stands between them."""
    last: int
    """The number of the doctor's last message; 0 where there is none."""


def fenced(messages: Sequence[Message], speakers: Mapping[str, str]) -> Fenced:
    """A conversation between its marks: each message under a heading with its number, each line behind a bar.

    Args:
        messages: The doctor's words are `assistant`, the patient's `user`, test results `tool`, notes `system`.
        speakers: What each role is called in the headings.
    """
    lines, last = [], 0
    for number, message in enumerate(messages, start=1):
        lines.append(f"[{number}. {speakers[message.role]}]")
        lines += [BAR + line for line in harmless(message.content).split("\n")]
        if message.role == "assistant":
            last = number
    inside = "\n".join(lines)
    code = blake2b(inside.encode(), digest_size=8).hexdigest()
    return Fenced(f"<conversation {code}>\n{inside}\n</conversation {code}>", code, last)

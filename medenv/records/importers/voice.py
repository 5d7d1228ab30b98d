"""From the third person of a clinical text to the words of whoever speaks: the patient, or a caregiver."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Voice", "base_form", "sentence"]

_IRREGULAR = {"has": "have", "is": "am", "does": "do", "goes": "go", "was": "was", "says": "say"}
_NOT_VERBS = frozenset("always sometimes perhaps this his its yes less unless besides as us was afterwards".split())
_ADVERBS = (
    r"(?:also|now|never|still|often|recently|currently|previously|occasionally|sometimes|usually|then|first|only)"
)
_RELATIVES = "husband|wife|mother|father|brother|sister|daughter|son|boyfriend|girlfriend|family|parents"
_CONTRACTIONS = (
    (
        r"\bI have (?=(?:\w+ly |also |never |not |had |been |always )*(?:\w+ed|had|been|become|lost|felt|taken|noticed)\b)",
        "I've ",
    ),
    (r"\bI am\b", "I'm"),
    (
        r"\b(he|she) has (?=(?:\w+ly |also |never |always )*(?:had|been|become|lost|felt|taken|noticed|developed)\b)",
        r"\1's ",
    ),
    (r"\b(he|she) is (?=\w+ing\b|not\b|a\b|an\b)", r"\1's "),
    (r"\bthey have (?=(?:had|been)\b)", "they've "),
    (r"\bthey are\b", "they're"),
    (r"\b([Dd]o|[Dd]oes|[Dd]id|[Hh]as|[Hh]ave|[Hh]ad|[Ii]s|[Aa]re|[Ww]as|[Ww]ere|[Cc]ould) not\b", r"\1n't"),
)


_OWN_BODY = re.compile(
    r"\b(in|on|of|over|at|around|through) (?:the (?=\w+ )|both |the )?((?:right |left |lower |upper )*"
    r"(?:arms and legs|hands and feet|neck and arms|arms?|legs?|hands?|feet|foot|knees?|eyes?|ears?|wrists?|ankle|hips?|"
    r"shoulder|chest|neck|thigh|scalp|forehead|face|groin|cheek|side|tummy|forearm|thumb|belly)\b)(?!['\u2019]s)"
)


def base_form(verb: str) -> str:
    """The form of a verb that goes with "I": "has" to "have", "notes" to "note"; other words come back unchanged."""
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if not verb.endswith("s") or verb.endswith(("ss", "us")) or verb in _NOT_VERBS or len(verb) < 4:
        return verb
    if verb.endswith("ies"):
        return verb[:-3] + "y"
    return verb[:-2] if verb.endswith(("sses", "shes", "ches", "xes")) else verb[:-1]


def sentence(text: str) -> str:
    """The text with a capital at its start and a full stop at its end."""
    text = re.sub(r"\b([Aa])n? (\w{1,4})", _article, re.sub(r"\s+", " ", text).strip(" ,;:"))
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks, and about whom."""

    speaker: Literal["self", "caregiver"]
    sex: Literal["female", "male", "other", "unknown"]
    noun: str = "my child"
    """What a caregiver calls the patient."""
    parent: bool = True
    """Whether a caregiver is the patient's mother or father."""
    words: Sequence[tuple[re.Pattern[str], str]] = ()
    """Clinical words and what a lay person says instead, applied in order."""

    @property
    def forms(self) -> Mapping[str, str]:
        """What the placeholders of templates stand for: {I}, {me}, {my}, {have}, {am}, {do}, {was}, {Ive}, {Im}."""
        if self.speaker == "self":
            return {
                "I": "I", "me": "me", "my": "my", "myself": "myself", "have": "have", "am": "am", "do": "do",
                "was": "was", "Ive": "I've", "Im": "I'm", "s": "", "es": "", "ve": "'ve", "dont": "don't", "havent": "haven't",
            }  # fmt: skip
        if self.sex in ("female", "male"):
            i, me, my, self_ = {
                "female": ("she", "her", "her", "herself"),
                "male": ("he", "him", "his", "himself"),
            }[self.sex]
            return {
                "I": i, "me": me, "my": my, "myself": self_, "have": "has", "am": "is", "do": "does", "was": "was",
                "Ive": f"{i}'s", "Im": f"{i}'s", "s": "s", "es": "es", "ve": "'s", "dont": "doesn't", "havent": "hasn't",
            }  # fmt: skip
        return {
            "I": "they", "me": "them", "my": "their", "myself": "themselves", "have": "have", "am": "are", "do": "do",
            "was": "were", "Ive": "they've", "Im": "they're", "s": "", "es": "", "ve": "'ve", "dont": "don't", "havent": "haven't",
        }  # fmt: skip

    def fill(self, template: str) -> str:
        """A template with its placeholders filled; verbs may be written `take{s}`."""
        return sentence(template.format_map(self.forms))

    def say(self, text: str) -> str:
        """A clinical clause or phrase as the speaker would put it."""
        text = self._pronouns(text)
        if self.speaker == "caregiver" and self.parent:
            text = _parent_speaks(text)
        text = _OWN_BODY.sub(lambda m: f"{m[1]} {self.forms['my']} {m[2]}", self.lay(text))
        for pattern, replacement in _CONTRACTIONS:
            text = re.sub(pattern, replacement, text)
        return re.sub(r"\s+", " ", text).strip()

    def lay(self, text: str) -> str:
        """The text with clinical words replaced by lay ones."""
        for pattern, replacement in self.words:
            text = pattern.sub(replacement, text)
        return text

    def _pronouns(self, text: str) -> str:
        i, me, my, myself = (self.forms[key] for key in ("I", "me", "my", "myself"))
        if self.speaker == "self":
            text = re.sub(rf"\b[Tt]he ({_RELATIVES})\b", r"my \1", text)
            text = re.sub(r"\bwith (parents|wife|husband)\b", r"with my \1", text)
        else:
            text = re.sub(r"\b(?:[Hh]er|[Hh]is|[Tt]heir) (?:child|son|daughter|baby)\b", "the patient", text)
            text = re.sub(r"\b[Tt]he (father|brother|sister|uncle|wife|husband)\b", rf"{my} \1", text)
        young = self.speaker == "caregiver" and self.parent
        patient = "(?:patient|infant|newborn|neonate|baby|child|toddler|boy|girl)" if young else "patient"
        text = re.sub(rf"\b[Tt]he {patient}['\u2019]s\b|(?<!\w)[Pp]atient['\u2019]s\b", my, text)
        text = re.sub(rf"(?i)\b(?:of|to|for|at|with|by|from|causing|making|awaken|awakens|found|brought|perceives|considers) (?:the )?{patient}\b",
                      lambda m: m.group().split()[0] + " " + me, text)  # fmt: skip
        text = re.sub(rf"\b[Tt]he {patient}\b|(?<![-\w])[Pp]atient\b(?! (?:with|is a))", i, text)
        own = {"female": ("she", "her", "herself"), "male": ("he", "him", "himself")}.get(self.sex)
        if own is not None:
            he, _, himself = own
            text = re.sub(rf"\b{himself}\b", myself, text, flags=re.I)
            text = re.sub(rf"\b{he}\b", i, text, flags=re.I)
            if self.sex == "female":
                text = re.sub(
                    r"\b[Hh]er\b(?= (?:to|of|and|at|from|in|on|that|was|is|with|by|for|when|after|as|up|she|I)\b|[.,;]|$)",
                    me, text,
                )  # fmt: skip
                text = re.sub(r"\b[Hh]er\b", my, text)
            else:
                text = re.sub(r"\bhim\b", me, text, flags=re.I)
                text = re.sub(r"\bhis\b", my, text, flags=re.I)
        if self.speaker == "caregiver" and self.parent and self.sex == "male":
            text = re.sub(r"\b[Ss]he ([a-z]+)\b", lambda m: f"I {base_form(m[1])}", text)  # his mother, who speaks
        if i in ("I", "they"):
            text = re.sub(
                rf"\b{i} ((?:{_ADVERBS} |\w+ly )*)([a-z]+)\b",
                lambda m: f"{i} {m.group(1)}{self._agree(m.group(2))}",
                text,
            )
            if text.startswith(f"{i} "):
                text = re.sub(
                    rf"(?<!which)(?<!that)(,? (?:and|but|or) (?:{_ADVERBS} |\w+ly )*)"
                    r"(has|is|does|takes|reports|notes|denies|drinks|smokes|works|uses|lives|feels|wakes|enjoys|plays|recalls|believes|"
                    r"describes|mentions|states|goes|wants|cries|yells|seems|shows|attempts)\b",
                    lambda m: m.group(1) + self._agree(m.group(2)),
                    text,
                )
        return text

    def _agree(self, verb: str) -> str:
        if self.forms["I"] == "they" and verb in ("is", "was"):
            return {"is": "are", "was": "were"}[verb]
        return base_form(verb)


def _article(match: re.Match[str]) -> str:
    article, word = match.groups()
    vowel = re.match(r"(?!one|eu)[aeio]|u[nlpm](?!i)|unin|unim|8|11|18", word, re.I)
    return f"{article}n {word}" if vowel else f"{article} {word}"


def _parent_speaks(text: str) -> str:
    text = re.sub(r"\b(?:his|her) side of the family\b", "my side of the family", text)
    text = re.sub(r"\btowards (?:(?:his|her|their|the) )?mother\b", "towards me", text)
    text = re.sub(r"\b(?:[Hh]is|[Hh]er|[Tt]heir|[Tt]he) mother['\u2019]s\b", "my", text)
    text = re.sub(r"\b(?:[Hh]is|[Hh]er|[Tt]heir|[Tt]he) parents['\u2019]", "our", text)
    text = re.sub(r"\bwith (?:(?:his|her|their|the) )?mother,? (?:and )?(?:\w+ )?father\b", "with us", text)
    text = re.sub(r"\b(with|by) (?:(?:his|her|their|the|both) )?(?:mother|parents)\b", r"\1 us", text)
    text = re.sub(r"\b(?:[Hh]is|[Hh]er|[Tt]heir|[Tt]he) mother (\w+)", lambda m: f"I {base_form(m.group(1))}", text)
    if text.startswith("I "):
        text = re.sub(
            r" and (perceives|believes|notes|thinks|wants|feels)\b", lambda m: f" and {base_form(m[1])}", text
        )
    text = re.sub(r"\b(?:[Hh]is|[Hh]er|[Tt]heir|[Tt]he) parents\b", "we", text)
    text = re.sub(r"\b[Tt]he (father|brother|sister|uncle|family)\b", r"the \1", text)
    return text

"""From the third person of a clinical text to the words of whoever speaks: the patient, or a caregiver."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from medenv.records.importers.verbs import ADVERBS, base_of, finite, is_noun_too

__all__ = ["Voice", "base_form", "sentence"]

_IRREGULAR = {
    "has": "have",
    "is": "am",
    "does": "do",
    "goes": "go",
    "was": "was",
    "says": "say",
    "lies": "lie",
    "dies": "die",
    "ties": "tie",
}
_NOT_VERBS = frozenset(
    (
        "always",
        "sometimes",
        "perhaps",
        "this",
        "his",
        "its",
        "yes",
        "less",
        "unless",
        "besides",
        "as",
        "us",
        "afterwards",
    )
)
_ADVERBS = (
    r"(?:also|now|never|still|often|recently|currently|previously|occasionally|sometimes|usually|then|first|only)"
)
_RELATIVES = "husband|wife|mother|father|brother|sister|daughter|son|boyfriend|girlfriend|family|parents"
_BEFORE_OBJECT = "of|to|for|at|with|by|from|causing|making|awaken|awakens|found|brought|perceives|considers"
_BEFORE_NO_NOUN = r"(?= (?:to|of|and|at|from|in|on|that|was|is|with|by|for|when|after|as|up|she|I)\b|[.,;]|$)"
"""What stands after "her" where it is "me" and not "my"."""
_JOINED_VERBS = (
    "has|is|does|takes|reports|notes|denies|drinks|smokes|works|uses|lives|feels|wakes|enjoys|plays|recalls|believes|"
    "describes|mentions|states|goes|wants|cries|yells|seems|shows|attempts|perceives|thinks"
)
_OFTEN_DONE = "hurt|had|been|become|lost|felt|taken|noticed"
_CONTRACTIONS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (rf"\bI have (?=(?:\w+ly |also |never |not |always )*(?:\w+ed|{_OFTEN_DONE})\b)", "I've "),
        (r"\bI am\b", "I'm"),
        (rf"\b(he|she) has (?=(?:\w+ly |also |never |always )*(?:developed|{_OFTEN_DONE})\b)", r"\1's "),
        (r"\b(he|she) is (?=\w+ing\b|not\b|a\b|an\b)", r"\1's "),
        (r"\bthey have (?=(?:had|been)\b)", "they've "),
        (r"\bthey are\b", "they're"),
        (r"\b((?i:do|does|did|has|have|had|is|are|was|were|could)) not\b", r"\1n't"),
    )
)
_OWN_BODY = re.compile(
    r"\b(in|on|of|over|at|around|through) (?:the (?=\w+ )|the )?((?:right |left |lower |upper )*(?:arms and legs|"
    r"hands and feet|neck and arms|arms?|legs?|hands?|feet|foot|knees?|eyes?|ears?|wrists?|ankle|hips?|shoulder|chest|"
    r"neck|thigh|scalp|forehead|face|groin|cheek|side|tummy|forearm|thumb|belly)\b)(?!['\u2019]s| of\b| "
    r"(?:pain|ache|swelling|"
    r"surgery|injury|discomfort|wall|joint|brace|sprain|infection|problems?|symptoms?|tenderness|weakness|"
    r"numbness|replacement|index)\b)"
)
_FORMS: Mapping[str, Mapping[str, str]] = {
    key: dict(
        zip(("I", "me", "my", "myself", "have", "am", "do", "was", "Ive", "Im", "ve", "havent"), words, strict=True)
    )
    for key, words in {
        "self": ("I", "me", "my", "myself", "have", "am", "do", "was", "I've", "I'm", "'ve", "haven't"),
        "female": ("she", "her", "her", "herself", "has", "is", "does", "was", "she's", "she's", "'s", "hasn't"),
        "male": ("he", "him", "his", "himself", "has", "is", "does", "was", "he's", "he's", "'s", "hasn't"),
        "other": (
            *(
                "they",
                "them",
                "their",
                "themselves",
                "have",
                "are",
                "do",
                "were",
                "they've",
                "they're",
                "'ve",
                "haven't",
            ),
        ),
    }.items()
}


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
        """What the placeholders of templates stand for.

        {I}, {me}, {my}, {myself}, {have}, {am}, {do}, {was}, {Ive}, {Im}, {dont} and {havent} are words; {s}, {es} and
        {ve} are endings, as in `take{s}`.
        """
        key = "self" if self.speaker == "self" else self.sex if self.sex in ("female", "male") else "other"
        third = key in ("female", "male")
        return {
            **_FORMS[key],
            "s": "s" if third else "",
            "es": "es" if third else "",
            "dont": f"{_FORMS[key]['do']}n't",
        }

    def fill(self, template: str) -> str:
        """A template with its placeholders filled; verbs may be written `take{s}`."""
        return sentence(template.format_map(self.forms))

    @property
    def about_a_child(self) -> bool:
        """Whether a parent speaks."""
        return self.speaker == "caregiver" and self.parent

    def sentence(self, template: str, rest: str) -> str:
        """A sentence of a template and of words that are the speaker's already."""
        return sentence(f"{template.format_map(self.forms)} {rest}")

    def say(self, text: str) -> str:
        """A clinical clause or phrase as the speaker would put it."""
        text = self._patient(self._relatives(text))
        text = self._agreeing(self._pronouns(text))
        if self.about_a_child:
            text = _parent_speaks(text)
        for pattern, replacement in self.words:
            text = pattern.sub(replacement, text)
        text = _OWN_BODY.sub(lambda m: f"{m[1]} {self.forms['my']} {m[2]}", text)
        for pattern, replacement in _CONTRACTIONS:
            text = pattern.sub(replacement, text)
        return re.sub(r"\s+", " ", text).strip()

    def _relatives(self, text: str) -> str:
        my = self.forms["my"]
        if self.speaker == "self":
            text = re.sub(rf"\b[Tt]he ({_RELATIVES})\b", r"my \1", text)
            return re.sub(r"\bwith (parents|wife|husband)\b", r"with my \1", text)
        text = re.sub(r"\b(?:[Hh]er|[Hh]is|[Tt]heir) (?:child|son|daughter|baby)\b", "the patient", text)
        return re.sub(r"\b[Tt]he (father|brother|sister|uncle|wife|husband)\b", rf"{my} \1", text)

    def _patient(self, text: str) -> str:
        """Whom the text calls the patient; the words for children are the patient's only where a parent speaks."""
        forms = self.forms
        young = "|infant|newborn|neonate|baby|child|toddler|boy|girl" if self.about_a_child else ""
        patient = f"(?:patient{young})"
        text = re.sub(rf"\b[Tt]he {patient}['\u2019]s\b|(?<!\w)[Pp]atient['\u2019]s\b", forms["my"], text)
        text = re.sub(rf"\b((?i:{_BEFORE_OBJECT})) (?:the )?{patient}\b", rf"\1 {forms['me']}", text)

        def case(match: re.Match[str]) -> str:
            """The object where a verb stands before it and none after: "my wife took me to hospital"."""
            before = re.search(r"([A-Za-z]+) $", text[: match.start()])
            after = re.match(rf" (?:{ADVERBS} )*([A-Za-z']+)(?: ([A-Za-z]+))?", text[match.end() :])
            object_of = before is not None and base_of(before[1]) is not None and not is_noun_too(before[1])
            subject_of = after is not None and finite(after[1], after[2] or "", of_pronoun=True)
            return forms["me"] if object_of and not subject_of else forms["I"]

        return re.sub(rf"\b[Tt]he {patient}\b|(?<![-\w])[Pp]atient\b(?! (?:with|is a))", case, text)

    def _pronouns(self, text: str) -> str:
        """The pronouns of the patient's sex; those of the other are somebody else's, in a boy's case his mother's."""
        forms = self.forms
        if self.sex == "female":
            pairs = (
                (r"\bherself\b", "myself"), (r"\bshe\b", "I"), (rf"\bher\b{_BEFORE_NO_NOUN}", "me"), (r"\bher\b", "my"),
            )  # fmt: skip
        elif self.sex == "male":
            pairs = ((r"\bhimself\b", "myself"), (r"\bhe\b", "I"), (r"\bhim\b", "me"), (r"\bhis\b", "my"))
        else:
            return text
        for pattern, form in pairs:
            text = re.sub(pattern, forms[form], text, flags=re.I)
        if self.about_a_child and self.sex == "male":
            text = re.sub(r"\b[Ss]he ([a-z]+)\b", lambda m: f"I {base_form(m[1])}", text)
        return text

    def _agreeing(self, text: str) -> str:
        """The verbs made to agree with the speaker's "I", or with "they"."""
        i = self.forms["I"]
        if i not in ("I", "they"):
            return text
        text = re.sub(rf"\b{i} ((?:{_ADVERBS} |\w+ly )*)([a-z]+)\b", lambda m: f"{i} {m[1]}{self._agree(m[2])}", text)
        if verbs := _THEN_VERB.search(text):
            owner = re.search(
                rf"\b{i} (?!.*\b(?:it|this|that|which|who|he|she|they|the pain)\b)", text[: verbs.start()]
            )
            if owner and owner.start() and finite(verbs["verb"], "the") and base_of(verbs["verb"]):
                text = _THEN_VERB.sub(
                    lambda m: m["and"] + (self._agree(m["verb"]) if m["verb"].endswith("s") else m["verb"]), text
                )
        if text.startswith(f"{i} "):
            joined = rf"(,? (?:and|but|or) (?:{_ADVERBS} |\w+ly )*)({_JOINED_VERBS})\b"
            text = re.sub(joined, lambda m: m[1] + self._agree(m[2]), text)
        return text

    def _agree(self, verb: str) -> str:
        if self.forms["I"] == "they" and verb in ("is", "was"):
            return {"is": "are", "was": "were"}[verb]
        return base_form(verb)


_THEN_VERB = re.compile(
    r"(?P<and>,? (?:and|or|but|then) )(?P<verb>[a-z]+s)\b(?= (?:the|a|an|to|up|down|out|in|on|at|my|me|it|"
    r"them|out|after|when)\b|[.,;]|$)"
)


def _article(match: re.Match[str]) -> str:
    article, word = match.groups()
    vowel = re.match(r"(?!one|eu)[aeio]|hour|honest|u[nlpm](?!i)|unin|unim|8|11|18|x-", word, re.I) or _LETTERS.match(
        word
    )
    return f"{article}n {word}" if vowel else f"{article} {word}"


_LETTERS = re.compile(r"(?:MR|RN\b|EK|EC|EE|EM|X\b|NS|LP|HI|SS)")
"""Abbreviations whose first letter is spoken with a vowel."""
_OF_CHILD = "(?:[Hh]is|[Hh]er|[Tt]heir|[Tt]he)"
_PARENT_SPEAKS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b(?:his|her) side of the family\b", "my side of the family"),
        (rf"\btowards (?:{_OF_CHILD} )?mother\b", "towards me"),
        (rf"\b{_OF_CHILD} mother['\u2019]s\b", "my"),
        (rf"\b{_OF_CHILD} parents['\u2019]", "our"),
        (rf"\bwith (?:{_OF_CHILD} )?mother,? (?:and )?(?:\w+ )?father\b", "with us"),
        (rf"\b(with|by) (?:(?:{_OF_CHILD}|both) )?(?:mother|parents)\b", r"\1 us"),
        (rf"\b{_OF_CHILD} mother (\w+)", lambda m: f"I {base_form(m[1])}"),
        (rf"(?<=^I )(.*) and ({_JOINED_VERBS})\b", lambda m: f"{m[1]} and {base_form(m[2])}"),
        (rf"\b{_OF_CHILD} parents\b", "we"),
    )
)


def _parent_speaks(text: str) -> str:
    for pattern, replacement in _PARENT_SPEAKS:
        text = pattern.sub(replacement, text)
    return text

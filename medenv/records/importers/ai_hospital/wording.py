"""Chinese case histories as facts: one statement each, with its topic and the speaker's own words for it.

The rules are data, in `ai_hospital.json`: what denies, what lists, what only the hospital would say, findings with what
people say for them, and words of the clinic with those of every day.
"""

# ruff: noqa: RUF001 (Chinese punctuation is meant)

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

from medenv.records.importers.ai_hospital.firewall import RULES, ChineseFirewall, without_identifiers
from medenv.records.importers.report import Tally
from medenv.records.importers.rules import Json
from medenv.records.record import Polarity

__all__ = ["Narrator", "Section", "complaint_words", "facts_from", "narrator_for"]

Section: TypeAlias = Literal["complaint", "story", "past", "personal", "marriage", "periods", "family", "allergies"]
MOST_FACTS = 200
MOST_MUST_ASK, FEWEST_MUST_ASK = 9, 5
CHILD_BELOW_YEARS = 12
LONGEST_CLAUSE = 200
LONGEST_COMPLAINT = 200


@dataclass(frozen=True, slots=True)
class Narrator:
    """Who speaks to the doctor."""

    speaker: Literal["self", "caregiver"]
    i: str
    my: str
    greeting: str

    def fill(self, text: str) -> str:
        """A text with the words for the patient in place."""
        return text.replace("{I}", self.i).replace("{My}", self.my)


def narrator_for(demographics: Json, years: float, complaint: str) -> Narrator:
    """A caregiver for a child under 12 and for a patient who cannot speak, else the patient."""
    rules, sex = RULES.data, demographics["sex"]
    child = years < CHILD_BELOW_YEARS
    if not child and not RULES.pattern("caregiver", "adult").search(complaint):
        i, my = rules["persons"]["self"]
        return Narrator("self", i, my, rules["greeting"]["self"])
    who = {("female", True): "girl", ("male", True): "boy", ("female", False): "woman", ("male", False): "man"}
    i, my = rules["persons"][who.get((sex, child), "child")]
    return Narrator("caregiver", i, my, rules["greeting"]["child" if child else "adult"])


@dataclass(frozen=True, slots=True)
class _Atom:
    """One statement of a history."""

    text: str
    polarity: Polarity
    section: Section
    listed: bool
    """Whether it is a bare item of a list, rather than a clause."""


@dataclass(frozen=True, slots=True, eq=False)
class _Draft:
    """A fact being made."""

    atom: _Atom
    topic: str
    statement: str
    lay: str
    finding: Json | None


def facts_from(
    sections: Iterable[tuple[Section, str]], basis: str, narrator: Narrator, firewall: ChineseFirewall, tally: Tally
) -> list[dict[str, Any]]:
    """The facts that the sections tell, as `record.schema.json` wants them; what is none is counted as dropped.

    What the complaint says is volunteered. What the diagnosis was based on is marked as must-ask.
    """
    drafts: dict[tuple[str, str], _Draft] = {}
    for section, text in sections:
        for atom in _atoms(section, without_identifiers(text, tally), tally):
            draft = _draft(atom, narrator)
            key = (draft.lay, draft.atom.polarity)
            if firewall.names(draft.statement) or firewall.names(draft.lay):
                tally.facts_dropped["names the diagnosis"] += 1
                tally.leaks["fact: dropped"] += 1
            elif key in drafts:
                tally.counts["facts_merged"] += 1
            elif len(drafts) == MOST_FACTS:
                tally.facts_dropped[f"beyond the first {MOST_FACTS}"] += 1
            else:
                drafts[key] = draft
    return _finished(list(drafts.values()), basis, firewall)


def complaint_words(told: str, facts: Sequence[Json], narrator: Narrator, firewall: ChineseFirewall) -> str:
    """The opening words of the speaker.

    Args:
        told: The patient's account in the second person, as the source gives it for a patient to play; may be empty.
        facts: The facts of the record.
        narrator: Who speaks.
        firewall: Keeps the diagnosis out.
    """
    said = ""
    if told and narrator.speaker == "self":
        first = re.split(r"(?<=[。！？])", told.strip())[0]
        clauses = [c for c in re.split(r"(?<=[，。；])", first) if c.strip() and not firewall.names(c)]
        said = re.sub("[你您]", narrator.i, "".join(clauses)).strip("，；。 ")
    if not 4 <= len(said) <= LONGEST_COMPLAINT or firewall.names(said):
        said = "".join(str(fact["lay"]) for fact in facts if fact["disclosure"] == "volunteered")[:LONGEST_COMPLAINT]
    return narrator.greeting + said.rstrip("。") + "。"


# From text to atoms


def _atoms(section: Section, text: str, tally: Tally) -> Iterator[_Atom]:
    for line in re.split(r"[。；;！!\n]", _tidy(text)):
        denied = tested = False
        for clause in re.split(r"，|,(?!\d)", re.sub(r"^\s*(?:\d{1,2}[.、)）](?!\d)|[-•·*]|（\d+）)\s*", "", line)):
            clause = re.sub(RULES.data["subject"], "", clause.strip(" \t：:.、"))
            if not clause:
                continue
            if len(clause) > LONGEST_CLAUSE:
                tally.facts_dropped[f"a clause of more than {LONGEST_CLAUSE} characters"] += 1
                continue
            tested = _is_sign(clause) or (tested and _goes_on(clause))
            if tested:
                tally.facts_dropped["an examination finding, not something to tell"] += 1
                continue
            found = list(_read(clause, section, denied, tally))
            denied = any(atom.polarity == "absent" and atom.listed for atom in found)
            yield from found


def _tidy(text: str) -> str:
    """The text without quotation marks, with Chinese commas between Chinese words and without remarks in brackets."""
    text = re.sub(r"[“\"‘「][^”\"’」\n。]{1,40}[”\"’」]", lambda m: re.sub("[，,]", "、", m.group()), text)
    text = re.sub(r"[“”\"‘’《》「」]", "", text)
    text = re.sub(r"(?<=[\u4e00-\u9fff）])[,](?=\s*[\u4e00-\u9fff])", "，", text)
    return re.sub(r"[（(][^（）()]{0,60}[)）]", "", text)


def _is_sign(clause: str) -> bool:
    """Whether a clause is what an examination or a test gave."""
    return bool(RULES.pattern("signs").search(clause)) and not RULES.pattern("tell_despite").search(clause)


def _goes_on(clause: str) -> bool:
    """Whether a clause after the result of a test is more of it."""
    return _finding_in(clause) is None and not any(p.search(clause) for p, _ in _topics("told"))


def _read(clause: str, section: Section, denied_before: bool, tally: Tally) -> Iterator[_Atom]:
    """The atoms of one clause; what is nothing to tell is counted."""
    if section == "complaint":
        clause = re.sub(RULES.data["complaint_edges"], "", clause).strip()
    reason = _untold(clause)
    if reason:
        tally.facts_dropped[reason] += 1
        return
    idiom = RULES.pattern("idioms").match(clause)
    if not idiom and (m := RULES.pattern("negation").fullmatch(clause)):
        for item in _items(m["items"]):
            yield _Atom(item, "absent", section, listed=True)
    elif denied_before and (m := RULES.pattern("still_denied").match(clause)):
        for item in _items(clause[m.end() :]):
            yield _Atom(item, "absent", section, listed=True)
    elif denied_before and _finding(clause) is not None and len(clause) <= 6:
        yield _Atom(clause, "absent", section, listed=True)
    elif RULES.pattern("unknown").search(clause):
        yield _Atom(clause, "unknown", section, listed=False)
    elif not idiom and (m := RULES.pattern("presence").fullmatch(clause)) and _is_list(m["items"]):
        for item in _items(m["items"]):
            yield _Atom(item, "present", section, listed=True)
    elif section != "complaint" and "、" in clause and _is_list(clause) and _mostly_findings(clause):
        for item in _items(clause):
            yield _Atom(item, "present", section, listed=True)
    else:
        yield _Atom(clause, "present", section, listed=_finding(clause) is not None)


def _untold(clause: str) -> str:
    """Why a clause is nothing that a patient would tell, if it is not."""
    if len(clause) < 2 or RULES.pattern("nothing").match(clause):
        return "says nothing"
    if "**" in clause:
        return "a word of it is masked"
    return "what the hospital did, not something to tell" if RULES.pattern("admin").search(clause) else ""


_AND = re.compile(
    r"、|(?<=[\u4e00-\u9fff]{2})(?:以及|或者|(?<![波累触未涉缓参饱平温])(?:和|及|与|或))(?=[\u4e00-\u9fff]{2})"
)


def _items(text: str) -> list[str]:
    """The items of a list; what the last one shares with those before it is given to each."""
    text = re.sub(RULES.data["list_end"], "", text).strip()
    whole = _bare(text)
    parts = [_bare(part.strip()) for part in _AND.split(whole) if part and part.strip()]
    parts = [piece for part in parts for piece in _run_together(part)]
    if re.fullmatch(r"烟酒.{0,8}", whole):
        parts = ["吸烟", "饮酒"]
    if len(parts) < 2 or re.match(r"减退|降低|升高|加重|减轻|增多|减少|后", parts[-1]):
        return [whole] if whole else []
    last = parts[-1]
    if (shared := next((s for s in RULES.data["suffixes"] if last.endswith(s) and len(last) > len(s)), "")) and (
        _finding(last) is None or shared in ("过敏", "困难")
    ):
        parts = [p if p.endswith(shared) or _finding(p) or len(p) > 4 else p + shared for p in parts[:-1]] + [last]
    return parts


def _bare(text: str) -> str:
    """The name of what was: "hypertension" of "a history of hypertensive disease"."""
    bare = re.sub(RULES.data["item_end"], "", text) or text
    return re.sub(RULES.data["illness_end"], "", bare) if bare != text else bare


def _run_together(text: str) -> list[str]:
    """The findings and diseases of which a text is made, where nothing stands between them."""
    pieces = _named_things().findall(text)
    together = "".join(pieces) == text and len(pieces) > 1 and _finding(text) is None
    return pieces if together else [text]


def _mostly_findings(text: str) -> bool:
    items = _items(text)
    return 2 * sum(_finding(item) is not None for item in items) >= len(items)


def _is_list(text: str) -> bool:
    items = _items(text)
    if not items or any(len(item) > 8 for item in items):
        return False
    return len(items) > 1 or _finding(items[0]) is not None


# From atoms to facts


def _draft(atom: _Atom, narrator: Narrator) -> _Draft:
    finding = _finding(atom.text) if atom.listed else None
    denied = atom.polarity == "absent"
    if finding is not None:
        lay = narrator.fill(finding["no" if denied else "yes"])
        if atom.section == "family" and finding["topic"] != "family":
            lay = _family(atom)
    elif denied:
        m = re.fullmatch(r"(?P<when>.{1,6}时)有?(?P<what>.+)", atom.text)
        when, what = (m["when"], m["what"]) if m else ("", atom.text)
        lay = f"{_spoken(when, narrator)}没有{_spoken(what, narrator)}。"
    else:
        lay = _clause_spoken(atom, narrator)
    topic = "family" if atom.section == "family" else _topic(atom, finding)
    statement = f"{'无' if denied else ''}{atom.text}。"
    return _Draft(atom, topic, statement, re.sub(r"。+$", "。", lay), finding)


def _family(atom: _Atom) -> str:
    return f"家里没有人有{atom.text}。" if atom.polarity == "absent" else f"家里有人有{atom.text}。"


def _clause_spoken(atom: _Atom, narrator: Narrator) -> str:
    text = atom.text
    if m := RULES.pattern("complaint_time").fullmatch(text):
        time = _spoken(m["time"], narrator)
        what = m["what"]
        if worse := re.fullmatch(r"(?:再次|又|再发)?加重(?:伴有?(?P<also>.+))?", what):
            also = f"，还有{_spoken(worse['also'], narrator)}" if worse["also"] else ""
            return f"这{time}更厉害了{also}。"
        if atom.section == "complaint":
            said = _as_said(re.sub(r"伴有?", "、", what), narrator)
            return f"{said}，有{time}了。"
    if atom.section in ("past", "story", "personal") and (lay := _history_spoken(text, narrator)):
        return lay
    said = _spoken(text, narrator)
    if atom.listed or (atom.section == "complaint" and len(said) < 8):
        said = _as_said(text, narrator)
    elif not said.startswith(narrator.i) and RULES.pattern("starts_with_act").match(said):
        said = f"{narrator.i}{said}"
    return f"{said}。"


def _history_spoken(text: str, narrator: Narrator) -> str:
    """What was, or is, besides the complaint: "I have it, for ten years now"."""
    m = RULES.pattern("history_of").fullmatch(text)
    time = f"，{_spoken(m['time'], narrator)}了" if m and re.search("病|史|有|患", text) else ""
    what = m["what"] if time and m else ""
    if not what:
        if not (found := RULES.pattern("has_history").fullmatch(text)) or not re.search("史$|病$|^患|^有.{2,}", text):
            return ""
        what = found["what"] or found["bare"]
    what = re.sub(r"^(?:患者|患儿|有|患有?|多次|多年)+", "", _bare(what + "史"))
    if not what or re.search("[出现后前时]$|治疗|服用|口服", what):
        return ""
    if ago := re.fullmatch(r"(?P<when>(?:约|近)?[\d一二两三四五六七八九十几数多]+\S{0,4}前)有?过?(?P<rest>.+)", what):
        when, what = _spoken(ago["when"], narrator), ago["rest"]
        return f"{when}{narrator.i}{'做' if re.search('术$', what) else '有'}过{_spoken(what, narrator)}。"
    if re.search("手术|切除|术$", what):
        return f"{narrator.i}做过{what}{time}。"
    if what in ("吸烟", "抽烟", "饮酒", "喝酒"):
        return f"{narrator.i}{_spoken(what, narrator)}{time}。"
    what = what.removesuffix("发作") or what
    many = "多次犯过" if "多次" in text else "有"
    return f"{narrator.i}{many}{_spoken(what, narrator)}{time or ('，好多年了' if '多年' in text else '')}。"


def _as_said(text: str, narrator: Narrator) -> str:
    """A list of complaints as one says it: each finding in its own words where there are some."""
    parts = []
    for item in re.split(r"[、]", text):
        finding = _finding(item)
        parts.append(narrator.fill(finding["yes"]).rstrip("。") if finding else _spoken(item, narrator))
    said = "，".join([parts[0], *(re.sub(f"^{narrator.i}的?", "还", part) for part in parts[1:])])
    return said if said.startswith(narrator.i) else f"{narrator.i}{said}"


def _spoken(text: str, narrator: Narrator) -> str:
    for pattern, words in _lay():
        text = pattern.sub(words, text)
    return re.sub(r"\s+", "", narrator.fill(text))


def _topic(atom: _Atom, finding: Json | None) -> str:
    if finding is not None:
        return str(finding["topic"])
    told = atom.section in ("complaint", "story")
    for pattern, topic in _topics("told") if told else ():
        if pattern.search(atom.text):
            return topic
    named = _finding_in(atom.text)
    if named is not None and (told or not named["topic"].startswith(("ros.", "hpi."))):
        return str(named["topic"])
    for pattern, topic in (*_topics("any"), *(_topics("told_last") if told else ())):
        if pattern.search(atom.text):
            return topic
    return str(RULES.data["topics_of_sections"][atom.section])


def _finished(drafts: list[_Draft], basis: str, firewall: ChineseFirewall) -> list[dict[str, Any]]:
    opening = [d for d in drafts if d.atom.section == "complaint" and d.atom.polarity == "present"][:2]
    opening = opening or [d for d in drafts if d.atom.polarity == "present"][:1]
    asked = _must_ask(drafts, opening, basis)
    numbers: dict[str, int] = {}
    facts = []
    for draft in drafts:
        topic, atom = draft.topic, draft.atom
        numbers[topic] = numbers.get(topic, 0) + 1
        there = atom.polarity == "present"
        flags = draft.finding["flags"] if draft.finding else ""
        grave = there and topic.startswith(("hpi.", "ros."))
        private = "p" in flags or (there and RULES.pattern("private").search(atom.text) is not None)
        facts.append(
            {
                "id": f"{topic}-{numbers[topic]}",
                "topic": topic,
                "statement": draft.statement[:1000],
                "lay": draft.lay[:1000],
                "synonyms": _synonyms(draft, firewall),
                "polarity": atom.polarity,
                "sensitivity": "private" if private else "ordinary",
                "disclosure": "volunteered" if draft in opening else "trusted" if private and there else "asked",
                "must_ask": draft in asked,
                "red_flag": grave and ("r" in flags or RULES.pattern("red_flags").search(atom.text) is not None),
            }
        )
    return facts


def _must_ask(drafts: Sequence[_Draft], opening: Sequence[_Draft], basis: str) -> list[_Draft]:
    """What opened the case and what the diagnosis was based on, then the story, until there are enough."""
    present = [d for d in drafts if d.atom.polarity == "present"]
    cited = [d for d in present if len(d.atom.text) > 1 and d.atom.text in basis]
    chosen = list(dict.fromkeys([*opening, *cited]))[:MOST_MUST_ASK]
    story = [d for d in present if d.atom.section == "story"]
    rest = [d for d in drafts if d.topic in ("history.medical", "medications", "allergies")]
    for draft in (*story, *rest, *drafts):
        if len(chosen) < FEWEST_MUST_ASK and draft not in chosen:
            chosen.append(draft)
    return chosen


def _synonyms(draft: _Draft, firewall: ChineseFirewall) -> list[str]:
    """Other names for what a fact is about, Chinese and English, so that a doctor may ask in either."""
    findings = [draft.finding] if draft.finding else _findings_in(draft.atom.text)
    found = [name for key in ("names", "english") for finding in findings for name in finding[key]]
    return [name for name in dict.fromkeys(found) if name != draft.atom.text and not firewall.names(name)][:20]


def _finding(text: str) -> Json | None:
    """The finding that a text names and no more."""
    known = _findings()
    return known.get(text) or known.get(re.sub(RULES.data["modifiers"], "", text))


def _finding_in(text: str) -> Json | None:
    """The longest finding whose name stands in a text."""
    m = max(_named_findings().finditer(text), key=lambda m: m.end() - m.start(), default=None)
    return _findings()[m.group()] if m and len(m.group()) > 1 else None


def _findings_in(text: str) -> list[Json]:
    """The findings whose names stand in a text."""
    return [_findings()[name] for name in dict.fromkeys(_named_findings().findall(text)) if len(name) > 1]


@cache
def _findings() -> Mapping[str, Json]:
    return {name: finding for finding in RULES.data["findings"] for name in finding["names"]}


@cache
def _named_findings() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(_findings(), key=len, reverse=True))))


@cache
def _named_things() -> re.Pattern[str]:
    diseases = (name for group in RULES.data["diagnoses"] for name in group if not name.isascii())
    return re.compile("|".join(map(re.escape, sorted({*_findings(), *diseases}, key=len, reverse=True))))


@cache
def _lay() -> Sequence[tuple[re.Pattern[str], str]]:
    return tuple((re.compile(pattern), words) for pattern, words in RULES.data["lay"])


@cache
def _topics(part: str) -> Sequence[tuple[re.Pattern[str], str]]:
    return tuple((re.compile(pattern), topic) for pattern, topic in RULES.data["topics"][part])

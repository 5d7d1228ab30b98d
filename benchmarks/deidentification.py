"""How much of what identifies a person the gate finds, what it takes for that by mistake, and what it costs.

    pip install faker
    python benchmarks/deidentification.py --out benchmarks/results/deidentification.json

The texts and what is planted in them: `benchmarks/deidentification/README.md`. An identifier is `found` when any of it
is; the record is then refused. It is `removed` when every letter and digit of it is found; redaction then leaves
nothing of it. A false alarm is a clean text with a finding. The texts of the bundled library and of 300 synthetic
records count as clean too, and the time is taken on them, each once, with no cache.

With Faker the development texts are measured again with names, towns, numbers and dates that it draws for 17 countries
in the place of the planted ones: what the lists of the gate do not know, and nobody chose. Where MEDENV_AGENTCLINIC
holds the path of the AgentClinic cases, findings in their texts are counted.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import random
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from medenv.records import deidentify, identifiers, load_records
from medenv.records.deidentify import Identifier, find_identifiers, redact_identifiers

HERE = Path(__file__).parent / "deidentification"
PARTS = ("development", "held_out")
WITHOUT_A_CUE = ("bare name", "month alone")
"""What no pattern tells from a word, or the gate lets stand; counted, but apart from the total."""
ENGLISH = ("en_GB", "en_US", "en_IN", "en_AU", "en_CA", "en_IE", "en_NZ")
LOCALES = (*ENGLISH, "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL", "nl_NL", "pt_BR", "sv_SE", "tr_TR", "cs_CZ")


@dataclass(frozen=True)
class Planted:
    """An identifier that stands in a text on purpose."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class Text:
    """A text of the corpus with everything in it that identifies a person."""

    style: str
    text: str
    planted: tuple[Planted, ...]


def lines(part: str) -> list[dict[str, str]]:
    """The texts of one part with their marks."""
    return [json.loads(line) for line in (HERE / f"{part}.jsonl").read_text("utf-8").splitlines()]


def corpus(part: str) -> list[Text]:
    """The texts of one part."""
    return [unmarked(**line) for line in lines(part)]


MARK = re.compile(r"\u27e6([^|\u27e7]+)\|([^\u27e7]+)\u27e7")


def unmarked(style: str, text: str) -> Text:
    """A marked text without its marks, and where they stood."""
    plain, end, planted = "", 0, []
    for match in MARK.finditer(text):
        plain += text[end : match.start()]
        planted.append(Planted(match[1], len(plain), len(plain) + len(match[2])))
        plain, end = plain + match[2], match.end()
    return Text(style, plain + text[end:], tuple(planted))


def with_other_values(times: int = 4, seed: int = 5) -> list[Text]:
    """The development texts, several times, with values drawn by Faker where it has the like."""
    from faker import Faker

    rng = random.Random(seed)
    Faker.seed(seed)
    fakers = {locale: Faker(locale) for locale in LOCALES}

    def value(match: re.Match[str]) -> str:
        drawn = drawn_value(match[1], match[2], fakers[rng.choice(LOCALES)], fakers[rng.choice(ENGLISH)], rng)
        return f"\u27e6{match[1]}|{drawn or match[2]}\u27e7"

    texts = []
    for line in lines("development"):
        for _ in range(times):
            if (marked := MARK.sub(value, line["text"])) != line["text"]:
                texts.append(unmarked(line["style"], marked))
    return texts


def drawn_value(kind: str, old: str, faker: Any, english: Any, rng: random.Random) -> str | None:
    """Something of a kind in the form of the old one; none where Faker has nothing like it."""
    plain = old[0].isupper() and not old.isupper() and not re.search(r"[\^,.]", old)
    if kind in ("name", "bare name") and plain:
        one = faker.first_name() if kind == "bare name" or rng.random() < 0.5 else faker.last_name()
        return one if " " not in old else f"{faker.first_name()} {faker.last_name()}"
    if kind == "place smaller than a state" and plain and " " not in old:
        return (english if rng.random() < 0.6 else faker).city()
    if kind == "street address" and old[0].isdigit():
        return english.street_address().replace("\n", ", ")
    if kind == "fax number" or (kind == "telephone number" and len(old) > 7):
        return english.phone_number()
    if kind == "e-mail address" and "@" in old:
        return faker.ascii_email()
    if kind == "vehicle number":
        return english.license_plate() if hasattr(english, "license_plate") else None
    if kind == "web address" and old.startswith("http"):
        return f"{faker.url()}{faker.uri_path()}"
    if kind == "IP address":
        return rng.choice((faker.ipv4, faker.ipv6))()
    return drawn_date(old, faker.date_object(), rng) if kind == "date" else None


def drawn_date(old: str, date: Any, rng: random.Random) -> str | None:
    """Another date in the form of an old one."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", old):
        return date.isoformat()
    if re.fullmatch(r"\d{1,2}[/.]\d{1,2}[/.]\d{4}", old):
        return date.strftime(rng.choice(("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y")))
    if re.fullmatch(r"\d{1,2} [A-Z]\w+", old):
        return date.strftime(rng.choice(("%-d %B", "%B %-d", "%-d %b", "%b %-d, %Y", "%-d %B %Y", "%d-%b-%Y")))
    return None


def clean_texts() -> list[str]:
    """Every text of the library and of 300 synthetic records, once."""
    records = (record for source in ("library", "synthetic:300") for record in load_records(source))
    return sorted({text for record in records for _, text in deidentify.texts_in_record(record)})


def strings(value: Any) -> Iterator[str]:
    """Every text in a tree of objects and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def found(planted: Planted, identifiers: Iterable[Identifier]) -> bool:
    """Whether any of it is found."""
    return any(i.start < planted.end and planted.start < i.end for i in identifiers)


def removed(text: Text, planted: Planted, identifiers: Sequence[Identifier]) -> bool:
    """Whether every letter and digit of it is found."""
    places = (place for place in range(planted.start, planted.end) if text.text[place].isalnum())
    return all(any(i.start <= place < i.end for i in identifiers) for place in places)


def measure(texts: Sequence[Text], errors: bool = False) -> dict[str, Any]:
    """Recall by kind and in total, and false alarms."""
    marks: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    alarms = clean = stray = 0
    for text in texts:
        identifiers = find_identifiers(text.text)
        for planted in text.planted:
            mark = found(planted, identifiers), removed(text, planted, identifiers)
            marks[planted.kind].append(mark)
            if errors and not all(mark):
                words = text.text[planted.start : planted.end]
                print(f"{'part' if mark[0] else 'MISS'} {planted.kind}: {words!r} in {text.text!r}")
        wrong = [i for i in identifiers if not any(p.start < i.end and i.start < p.end for p in text.planted)]
        if not text.planted:
            clean, alarms = clean + 1, alarms + bool(wrong)
        stray += len(wrong) if text.planted else 0
        if errors and wrong:
            print(f"{'STRAY' if text.planted else 'ALARM'} {wrong} in {text.text!r}")
    counted = [mark for kind, values in marks.items() if kind not in WITHOUT_A_CUE for mark in values]
    return {
        "texts_with_identifiers": len(texts) - clean,
        "clean_texts": clean,
        "all_kinds_with_a_cue": recall(counted),
        "by_kind": {kind: recall(marks[kind]) for kind in sorted(marks)},
        "false_alarms": share(alarms, clean),
        "stray_findings_beside_identifiers": stray,
    }


def recall(marks: Sequence[tuple[bool, bool]]) -> dict[str, Any]:
    """How many there are, and the shares found and removed."""
    shares = {
        name: round(sum(mark[n] for mark in marks) / len(marks), 4) for n, name in enumerate(("found", "removed"))
    }
    return {"planted": len(marks), **shares}


def share(part: int, whole: int) -> list[float]:
    """Two counts and their ratio."""
    return [part, whole, round(part / max(whole, 1), 4)]


def microseconds(find: Callable[[str], object], texts: Sequence[str]) -> float:
    """Processor time a text."""
    start = time.process_time()
    for text in texts:
        find(text)
    return (time.process_time() - start) / len(texts) * 1e6


def module_at(path: Path) -> ModuleType:
    """An earlier `deidentify.py`, to compare with."""
    spec = importlib.util.spec_from_file_location("deidentify_before", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def outside_measures() -> dict[str, Any]:
    """What can be measured with what others made, where it is at hand."""
    result: dict[str, Any] = {}
    if importlib.util.find_spec("faker"):
        result["development_with_values_of_faker"] = measured = measure(with_other_values())
        for name in ("clean_texts", "false_alarms"):
            del measured[name]
    if (path := Path(os.environ.get("MEDENV_AGENTCLINIC", ""))).is_file():
        texts = {text for line in path.read_text("utf-8").splitlines() for text in strings(json.loads(line))}
        kinds = Counter(i.kind for text in texts for i in find_identifiers(text))
        result["agentclinic"] = {"texts": len(texts), "findings": dict(kinds)}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    parser.add_argument("--errors", action="store_true", help="print what is missed or mistaken in development texts")
    parser.add_argument("--before", type=Path, help="an earlier deidentify.py, timed in alternation")
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    parts = {part: measure(corpus(part), options.errors and part == "development") for part in PARTS}
    clean = clean_texts()
    gates: dict[str, Callable[[str], object]] = {"medenv": identifiers._identifiers.__wrapped__}
    if options.before:
        gates["before"] = module_at(options.before)._identifiers.__wrapped__
    times: dict[str, list[float]] = {name: [] for name in gates}
    find_identifiers("a text that has the rules made")
    for _ in range(options.repetitions):
        for name, find in gates.items():
            times[name].append(microseconds(find, clean))
    medians = {name: statistics.median(values) for name, values in times.items()}
    left = {part: sum(bool(find_identifiers(redact_identifiers(t.text))) for t in corpus(part)) for part in PARTS}
    tools = ("medenv-rl", *(("faker",) if importlib.util.find_spec("faker") else ()))
    result = {
        "command": "python benchmarks/deidentification.py",
        **parts,
        **outside_measures(),
        "project_texts": {
            "texts": len(clean),
            "mean_characters": round(statistics.mean(map(len, clean)), 1),
            "false_alarms": share(sum(bool(find_identifiers(text)) for text in clean), len(clean)),
        },
        "texts_with_identifiers_after_redaction": left,
        "microseconds_per_text": {name: round(value, 1) for name, value in medians.items()},
        "spread": {name: [round(min(values), 1), round(max(values), 1)] for name, values in times.items()},
        **({"time_over_before": round(medians["medenv"] / medians["before"], 2)} if options.before else {}),
        "repetitions": options.repetitions,
        "versions": {name: version(name) for name in tools},
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

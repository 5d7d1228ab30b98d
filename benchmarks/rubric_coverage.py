"""How far generated rubrics say what rubrics written by hand say, on records of the library.

    python benchmarks/rubric_coverage.py --out benchmarks/results/rubric_coverage.json
    python benchmarks/rubric_coverage.py --server http://127.0.0.1:8000 --model NAME

An expert criterion is covered "in dimension and intent" by a generated one of the same axis and the same sign that
speaks of the same thing: of one of the facts, exams, plan items, harms or the diagnosis that the expert names, or,
where none of these is named, of the same general behaviour. What a generated criterion speaks of is read off its
machine check, so one without a check speaks of nothing. Two stricter numbers ask for no axis: whether everything of the
case that is named is spoken of somewhere in the generated rubric, and whether everything is, behaviour included.

The rules write themes, criteria about a few things of the case together, since people do. The more a criterion names
and the more dimensions a thing is named in, the more easily it matches. Two numbers show how much of the coverage is
owed to that: the coverage by narrow criteria alone, which speak of at most four things of the case, and how often an
expert criterion would be covered had it stood in another dimension, as the mean over the others. The nearer the last
comes to the coverage, the less the dimension says. That two criteria speak of the same thing does not show that they
ask the same of it: a criterion about a delayed test and one about a test left out match by the test.

Baichuan-M2 (arXiv 2509.02208) reports that 92.7 % of generated rubrics matched an expert's in dimension and intent, on
100 cases, judged by people. Whether its "rubric" is one criterion or all of a case it does not say; both are printed.
The rules were changed with all opened sets in view, so what they cover of these is what they were fitted to.
"held_out" has second rubrics, by other authors, for the cases of the last opened set: it was measured after the last
change of the rules, and its criteria are never shown. "between_authors" compares the two rubrics of a case with each
other in the same way: how much of either the other covers. "expert_criteria_beyond_the_record" counts criteria that
ask for nothing the record holds, which no rule can cover.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medenv.consultation.seats import settle
from medenv.errors import BackendError
from medenv.records import Record, load_records
from medenv.rewards import AXES, Check, Criterion
from medenv.rewards.generation import RecordRubrics, RubricGenerator

HERE = Path(__file__).parent / "expert_rubrics"
OPENED = ("development", "second_author", "opened_first", "opened_last")
HELD_OUT = "held_out"
PUBLISHED = 0.927
SIGNS = {"empathy": "empathy", "explanation": "explanation", "safety_net": "safety-net", "greeting": "greeting"}
BEHAVIOUR = {
    "opened": ("open-question",),
    "unheard": ("overload",),
    "repeated": ("repetition",),
    "orders": ("shotgun-tests",),
    "cited": ("reasoning",),
    "closed": ("closing",),
    "checked_back": ("closing",),
    "probabilities": ("uncertainty",),
}
FACTS = {
    "disclosed": (),
    "known": (),
    "unknown": (),
    "heard": ("empathy",),
    "dismissed": ("empathy",),
    "taken_over": (),
}
"""Checks that name facts, each with the behaviour that it asks for besides."""
EXAMS = ("ordered", "tested_first", "untested")
"""Checks that name exams."""
ACTIONS: Mapping[str, tuple[str, ...]] = {"planned_items": (), "explained": ("explanation",)}
"""Checks that name plan items by their actions, likewise."""
PERSPECTIVE = frozenset(("ideas", "concerns", "expectations"))
BACKGROUND = frozenset(("history.medical", "medications", "family", "social.smoking", "social.alcohol"))
NARROW = 4
"""At most so many things of a case make a criterion narrow."""
CASE = ("fact:", "exam:", "plan:", "contraindicated:", "diagnosis", "differential")


def about(check: Check | None, record: Record) -> frozenset[str]:
    """What a generated criterion speaks of, in the words of the expert files, read off its check alone."""
    return frozenset(_about(check, record)) if check is not None else frozenset()


def _about(check: Check, record: Record) -> Iterator[str]:
    truth, of = record.truth, set(check.of)
    if check.kind in EXAMS:
        yield from (f"exam:{id}" for id in check.of)
    elif check.kind in FACTS:
        yield from (f"fact:{id}" for id in check.of)
        yield from (f"general:{behaviour}" for behaviour in FACTS[check.kind])
    elif check.kind in ACTIONS:
        yield from (f"plan:{index}" for index, item in enumerate(truth.plan) if item.action in of)
        yield from (f"general:{behaviour}" for behaviour in ACTIONS[check.kind])
    elif check.kind == "planned":
        yield from (f"plan:{index}" for index, item in enumerate(truth.plan) if of & set(item.names))
    elif check.kind == "harmed":
        yield from (f"contraindicated:{i}" for i, harm in enumerate(truth.contraindicated) if of & set(harm.names))
    elif check.kind in ("leading_diagnosis", "in_differential", "told_diagnosis", "told_kindly"):
        yield "diagnosis" if of & set(truth.diagnosis.names) else "differential"
    elif check.kind == "asked_topic":
        if of & PERSPECTIVE:
            yield "general:ideas-concerns-expectations"
        if of & BACKGROUND:
            yield "general:background-history"
    elif check.kind == "sign":
        yield from (f"general:{SIGNS[sign]}" for sign in check.of if sign in SIGNS)
    elif check.kind == "cited" and of:
        yield "general:reasoning"
        yield from (f"fact:{fact.id}" for fact in record.facts if fact.id in of)
        yield from (f"exam:{exam.id}" for exam in record.exams if exam.id in of)
    else:
        yield from (f"general:{behaviour}" for behaviour in BEHAVIOUR.get(check.kind, ()))


def intent(expert: Mapping[str, Any]) -> frozenset[str]:
    """What an expert criterion is about: the case where it names anything of it, else behaviour."""
    said = frozenset(id.replace("general:no-", "general:") for id in expert["about"])
    return frozenset(id for id in said if id.startswith(CASE)) or said


def same_intent(expert: Mapping[str, Any], generated: Criterion, record: Record) -> bool:
    """Whether a generated criterion praises or blames, as an expert's does, something that the expert's is about."""
    same_sign = (expert["points"] > 0) == (generated.points > 0)
    return same_sign and not intent(expert).isdisjoint(about(generated.check, record))


def narrow(generated: Criterion, record: Record) -> bool:
    """Whether a generated criterion speaks of few things of the case."""
    return sum(id.startswith(CASE) for id in about(generated.check, record)) <= NARROW


async def counted(generator: RubricGenerator, rows: Sequence[Mapping[str, Any]], misses: list[str]) -> dict[str, Any]:
    """The numbers of one set; `misses` takes a line for each expert criterion that is not covered."""
    records = {record.id: record for record in load_records("library")}
    totals: Counter[str] = Counter()
    by_axis: dict[str, Counter[str]] = {}
    elsewhere = 0.0
    generated = await asyncio.gather(
        *(settle(generator.rubric(records[row["record"]])) for row in rows), return_exceptions=True
    )
    for row, rubric in zip(rows, generated, strict=True):
        record = records[row["record"]]
        if isinstance(rubric, BackendError):
            totals["failed"] += 1
            misses.append(f"{record.id}: {rubric}")
            criteria: tuple[Criterion, ...] = ()
        elif isinstance(rubric, BaseException):
            raise rubric
        else:
            criteria = rubric.criteria
        said = {
            sign: {id for c in criteria if (c.points > 0) == sign for id in about(c.check, record)}
            for sign in (True, False)
        }
        covered = 0
        for expert in row["criteria"]:
            alike = [criterion for criterion in criteria if same_intent(expert, criterion, record)]
            both = any(criterion.axis == expert["axis"] for criterion in alike)
            few = [criterion for criterion in alike if narrow(criterion, record)]
            elsewhere += len({criterion.axis for criterion in alike} - {expert["axis"]}) / (len(AXES) - 1)
            axis = by_axis.setdefault(expert["axis"], Counter())
            positive = expert["points"] > 0
            everything = said[positive] if positive else said[True] | said[False]
            for name, holds in (
                ("expert", True),
                ("covered", both),
                ("narrow", any(criterion.axis == expert["axis"] for criterion in few)),
                ("narrow_intent", bool(few)),
                ("intent", bool(alike)),
                ("full", set(expert["about"]) <= everything),
                ("case", set(intent(expert)) <= everything),
                ("beyond", all(id.startswith("other:") for id in expert["about"])),
            ):
                totals[name] += holds
                axis[name] += holds
            covered += both
            if not both:
                why = "axis" if alike else "intent"
                misses.append(
                    f"{why} {row['record']} {expert['points']:+} {expert['axis']} {expert['about']} {expert['text']}"
                )
        matches = [
            any(same_intent(expert, c, record) and c.axis == expert["axis"] for expert in row["criteria"])
            for c in criteria
        ]
        totals["generated"] += len(matches)
        totals["matching"] += sum(matches)
        totals["rubrics"] += 1
        totals["rubrics_whole"] += covered == len(row["criteria"])
        totals["rubrics_95"] += covered >= 0.95 * len(row["criteria"])
        totals["unchecked"] += sum(criterion.check is None for criterion in criteria)
    return {
        "rubrics": totals["rubrics"],
        "rubrics_failed": totals["failed"],
        "expert_criteria": totals["expert"],
        "expert_criteria_beyond_the_record": totals["beyond"],
        "generated_criteria": totals["generated"],
        "generated_without_check": totals["unchecked"],
        "covered_in_dimension_and_intent": _share(totals["covered"], totals["expert"]),
        "covered_in_intent": _share(totals["intent"], totals["expert"]),
        "narrow_covered_in_dimension_and_intent": _share(totals["narrow"], totals["expert"]),
        "narrow_covered_in_intent": _share(totals["narrow_intent"], totals["expert"]),
        "covered_had_the_dimension_been_another": round(elsewhere / totals["expert"], 4),
        "dimension_agrees_where_intent_does": _share(totals["covered"], totals["intent"]),
        "all_of_the_case_spoken_of": _share(totals["case"], totals["expert"]),
        "all_spoken_of": _share(totals["full"], totals["expert"]),
        "generated_matching_an_expert_criterion": _share(totals["matching"], totals["generated"]),
        "rubrics_wholly_covered": _share(totals["rubrics_whole"], totals["rubrics"]),
        "rubrics_covered_to_95_percent": _share(totals["rubrics_95"], totals["rubrics"]),
        "by_axis": {
            axis: {"expert": found["expert"], "covered": _share(found["covered"], found["expert"])}
            for axis, found in sorted(by_axis.items())
        },
    }


def between(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How much of the rubric of either author that of the other covers, over the cases that both wrote about."""
    theirs = {row["record"]: row["criteria"] for row in other}
    pairs = [(row["criteria"], theirs[row["record"]]) for row in one if row["record"] in theirs]
    totals: Counter[str] = Counter()
    for several, reference in [*pairs, *((second, first) for first, second in pairs)]:
        for criterion in several:
            alike = [
                each
                for each in reference
                if (each["points"] > 0) == (criterion["points"] > 0) and not intent(each).isdisjoint(intent(criterion))
            ]
            totals["criteria"] += 1
            totals["intent"] += bool(alike)
            totals["both"] += any(each["axis"] == criterion["axis"] for each in alike)
    return {
        "records": len(pairs),
        "criteria": totals["criteria"],
        "covered_in_dimension_and_intent": _share(totals["both"], totals["criteria"]),
        "covered_in_intent": _share(totals["intent"], totals["criteria"]),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def rubrics(name: str) -> Sequence[Mapping[str, Any]]:
    """The expert rubrics of a set."""
    rows: Sequence[Mapping[str, Any]] = json.loads((HERE / f"{name}.json").read_text("utf-8"))["rubrics"]
    return rows


async def measured(generator: RubricGenerator, misses: Mapping[str, list[str]]) -> dict[str, Any]:
    """The numbers of each set, and of all together."""
    found = {name: await counted(generator, rubrics(name), misses[name]) for name in (*OPENED, HELD_OUT)}
    everything = [row for name in (*OPENED, HELD_OUT) for row in rubrics(name)]
    return {**found, "all": await counted(generator, everything, [])}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--server", help="URL of a server whose model writes rubrics as well")
    parser.add_argument("--model", help="the name of that model")
    parser.add_argument("--cache", type=Path, help="a folder that keeps the rubrics of the model")
    parser.add_argument("--misses", action="store_true", help="show what is not covered of the opened sets")
    given = parser.parse_args()
    generators: dict[str, RubricGenerator] = {"rules": RecordRubrics()}
    if given.server:
        from medenv.agents.backends.vllm_server import VllmServer
        from medenv.rewards.generation.cache import RubricCache
        from medenv.rewards.generation.model import ModelRubrics

        generators["model"] = ModelRubrics(VllmServer(given.server, given.model), cache=RubricCache(given.cache))
    result: dict[str, Any] = {
        "published": PUBLISHED,
        "between_authors": between(rubrics("opened_last"), rubrics(HELD_OUT)),
    }
    for name, generator in generators.items():
        misses: dict[str, list[str]] = {part: [] for part in (*OPENED, HELD_OUT)}
        result[name] = {"id": getattr(generator, "id", name), **asyncio.run(measured(generator, misses))}
        if given.misses:
            print("\n".join(line for part in OPENED for line in misses[part]))
    print(json.dumps(result, indent=1))
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

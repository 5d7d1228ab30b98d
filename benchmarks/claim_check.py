"""How well the claim check tells faithful claims of a patient's reply from unfaithful ones, on labelled replies.

    python benchmarks/claim_check.py --out benchmarks/results/claim_check.json

The word lists were tuned on the development set; the held-out set was only ever counted. A claim found in a reply
belongs to the labelled claim whose text it overlaps most. "Let through" is the share of unfaithful claims of which
every part passed; "refused" the share of faithful ones of which any part did not.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from medenv.consultation.grounding import Claim, claims_in
from medenv.consultation.understanding import reader
from medenv.records import Record, load_records

HERE = Path(__file__).parent / "claim_check"
SETS = ("development", "held_out")
STANDINGS = ("supported", "chatter", "unsupported", "contradicting", "undisclosed", "identity")
FAITHFUL = frozenset(("supported", "chatter"))


@cache
def records() -> dict[str, Record]:
    """The records that the sets are about, by id."""
    return {record.id: record for name in ("library", "synthetic") for record in load_records(name)}


def judged(row: Mapping[str, Any]) -> tuple[Claim, ...]:
    """The claims found in one labelled reply; what was asked is read off the doctor's words."""
    facts = records()[row["record"]].facts
    asked = [id for question in reader(facts).read(row["doctor"]).questions for id in question.facts]
    return claims_in(row["reply"], facts, row["allowed"], asked=asked, doctor=row["doctor"])


def matched(row: Mapping[str, Any], found: Sequence[Claim]) -> Iterator[tuple[Mapping[str, Any], list[Claim]]]:
    """Each labelled claim with the claims found that overlap it most."""
    reply, at = row["reply"], 0
    spans = []
    for claim in found:
        start = reply.index(claim.text, at)
        at = start + len(claim.text)
        spans.append((start, at, claim))
    at, labelled = 0, []
    for label in row["claims"]:
        start = reply.index(label["text"], at)
        at = start + len(label["text"])
        labelled.append((start, at, label))
    parts: dict[int, list[Claim]] = defaultdict(list)
    for start, stop, claim in spans:
        overlaps = [(min(stop, end) - max(start, begin), -i) for i, (begin, end, _) in enumerate(labelled)]
        shared, i = max(overlaps, default=(0, 0))
        for j, (begin, end, _) in enumerate(labelled):
            if (-i == j and shared > 0) or min(stop, end) - max(start, begin) > 0.6 * (end - begin):
                parts[j].append(claim)
    for i, (_, _, label) in enumerate(labelled):
        yield label, parts[i]


def worst(claims: Sequence[Claim]) -> str:
    """How a labelled claim stands of which these are the parts; what no part covers claims nothing."""
    standings = {claim.standing for claim in claims}
    for standing in ("identity", "undisclosed", "contradicting", "unsupported", "supported"):
        if standing in standings:
            return standing
    return "chatter"


def counted(rows: Sequence[Mapping[str, Any]], errors: list[str]) -> dict[str, Any]:
    """The numbers of one set; `errors` takes a line for each claim that is judged wrongly."""
    confusion: dict[str, Counter[str]] = defaultdict(Counter)
    replies: Counter[str] = Counter()
    named = right = 0
    spent = 0.0
    for row in rows:
        begun = time.perf_counter()
        found = judged(row)
        spent += time.perf_counter() - begun
        for label, claims in matched(row, found):
            verdict = worst(claims)
            confusion[label["verdict"]][verdict] += 1
            if label["verdict"] == verdict == "supported":
                named += 1
                right += set(label["facts"]) <= {id for claim in claims for id in claim.facts}
            if (label["verdict"] in FAITHFUL) != (verdict in FAITHFUL):
                told = [(claim.text, claim.standing, claim.facts) for claim in claims]
                kind = "LET THROUGH" if verdict in FAITHFUL else "refused"
                errors.append(
                    f"{kind} {label['verdict']} {label['facts']} {row['record']}"
                    f" D: {row['doctor']} | {label['text']} | {told}"
                )
        faithful = all(label["verdict"] in FAITHFUL for label in row["claims"])
        passed = all(claim.standing in FAITHFUL for claim in found)
        replies[f"{'faithful' if faithful else 'unfaithful'} {'passed' if passed else 'refused'}"] += 1
    unfaithful = [
        (verdict, n) for label in STANDINGS if label not in FAITHFUL for verdict, n in confusion[label].items()
    ]
    faithful_ = [(verdict, n) for label in FAITHFUL for verdict, n in confusion[label].items()]
    let = sum(n for verdict, n in unfaithful if verdict in FAITHFUL)
    refused = sum(n for verdict, n in faithful_ if verdict not in FAITHFUL)
    return {
        "replies": len(rows),
        "claims": sum(sum(row.values()) for row in confusion.values()),
        "confusion": {label: {verdict: confusion[label][verdict] for verdict in STANDINGS} for label in STANDINGS},
        "let_through": _share(let, sum(n for _, n in unfaithful)),
        "refused": _share(refused, sum(n for _, n in faithful_)),
        "unfaithful_replies_passed": _share(
            replies["unfaithful passed"], replies["unfaithful passed"] + replies["unfaithful refused"]
        ),
        "faithful_replies_refused": _share(
            replies["faithful refused"], replies["faithful refused"] + replies["faithful passed"]
        ),
        "right_facts_named": _share(right, named),
        "milliseconds_a_reply": round(1000 * spent / max(1, len(rows)), 2),
    }


def _share(part: int, whole: int) -> dict[str, float]:
    return {"n": part, "of": whole, "percent": round(100 * part / whole, 1) if whole else 0.0}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write the numbers as JSON")
    parser.add_argument(
        "--errors", action="store_true", help="print what is judged wrongly, of the development set only"
    )
    arguments = parser.parse_args(argv)
    results = {}
    for name in SETS:
        path = HERE / f"{name}.jsonl"
        if not path.exists():
            print(f"{name}: no {path.name}")
            continue
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for row in rows:  # reading a record for the first time takes longer
            judged(row)
        errors: list[str] = []
        results[name] = counted(rows, errors)
        if arguments.errors and name == "development":
            print("\n".join(sorted(errors)))
        _show(name, results[name])
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")


def _show(name: str, result: Mapping[str, Any]) -> None:
    print(f"\n{name}: {result['claims']} claims in {result['replies']} replies")
    print(f"{'labelled':>14} |" + "".join(f"{standing[:11]:>12}" for standing in STANDINGS))
    for label, row in result["confusion"].items():
        print(f"{label:>14} |" + "".join(f"{row[standing]:>12}" for standing in STANDINGS))
    for key in ("let_through", "refused", "unfaithful_replies_passed", "faithful_replies_refused", "right_facts_named"):
        share = result[key]
        print(f"{key.replace('_', ' '):>28}: {share['percent']:5.1f} % ({share['n']} of {share['of']})")
    print(f"{'milliseconds a reply':>28}: {result['milliseconds_a_reply']}")


if __name__ == "__main__":
    main()

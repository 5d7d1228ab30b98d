from __future__ import annotations

import gc
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.cli import main
from medenv.errors import UnknownIdError
from medenv.records import Record, RecordSet, load_records, record_from_dict, record_to_dict
from medenv.records.checking import Checked, check_records, check_source
from medenv.records.importers import Importer, importers, register
from medenv.records.provenance import conditions


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def kinds(problems, *fields):
    return [tuple(getattr(problem, field) for field in ("record", "kind", *fields)) for problem in problems]


def test_checking_lists_every_problem_of_a_file(tmp_path, plain_record):
    facts = plain_record()["facts"]
    path = write(
        tmp_path / "rows.jsonl",
        [
            plain_record(id="good"),
            plain_record(id="twin"),
            plain_record(id="leaky", chief_complaint="Gout again. Ring 555-123-4567."),
            plain_record(id="schema", speaker="nobody", chief_complaint=""),
            plain_record(id="twice", facts=[facts[0], facts[0]]),
            plain_record(id="phone", chief_complaint="Ring 555-123-4567 or write to a@b.org."),
            plain_record(id="good", chief_complaint="Something else."),
            plain_record(id="free", provenance={"source": "x", "licence": "unknown", "synthetic": True}),
        ],
    )
    found = kinds(check_records(path))
    assert ("leaky", "leak") in found
    assert ("leaky", "identifier") in found
    assert found.count(("schema", "schema")) == 2
    assert ("twice", "schema") in found
    assert found.count(("phone", "identifier")) == 2
    assert ("good", "duplicate") in found
    assert ("twin", "duplicate") in found
    assert ("free", "licence") in found
    fatal = {p.kind: p.fatal for p in check_records(path) if p.record in ("leaky", "free", "twin")}
    assert fatal == {"leak": True, "identifier": True, "licence": False, "duplicate": False}


BAD_FILES = {
    "missing.json": None,
    "empty.json": b"",
    "empty.jsonl": b"\n\n",
    "list.json": b"[]",
    "latin.json": '{"id": "caf\u00e9"}'.encode("latin-1"),
    "truncated.json": b'{"id": "x", "facts": [',
    "number.json": b"12",
    "null.jsonl": b"null\n",
    "other.json": b'{"resourceType": "Nothing"}',
    "nan.json": b'{"schema": "medenv.record/1", "age": NaN}',
    "surrogate.json": b'{"schema": "medenv.record/1", "id": "\\ud800"}',
    "deep.json": b"[" * 200_000,
    "version.json": b'{"schema": "medenv.record/9"}',
    "ids.json": b'{"schema": "medenv.record/1", "id": 7, "facts": [1, {}], "exams": null, "truth": []}',
    "other.csv": b"id,age\nx,3\n",
    "empty.txt": b"  \n",
    "records.xml": b"<record/>",
    "no.sqlite": b"SQLite format 3\0 not really",
    "none.db": None,
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_checking_never_raises_for_a_bad_source(tmp_path, name, plain_record):
    path = tmp_path / name
    if (content := BAD_FILES[name]) is not None:
        path.write_bytes(content)
    for problems in (check_records(path), check_records([record_from_dict(plain_record())], against=path)):
        assert problems
        assert all(p.fatal and "\n" not in p.message for p in problems)


@pytest.mark.parametrize("source", [3, None, {"id": "x"}, b"library", [1], "no such thing", "\0", "synthetic:0"])
def test_checking_never_raises_for_what_is_no_source(source):
    problems = check_records(source)
    assert [problem.kind for problem in problems] == ["unreadable"]
    assert problems[0].fatal


def test_an_unknown_format_is_the_callers_mistake(tmp_path, plain_record):
    with pytest.raises(UnknownIdError):
        check_records(write(tmp_path / "rows.jsonl", [plain_record()]), format="agentclinik")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_it_finds_an_error_just_where_loading_raises(tmp_path_factory, plain_record, data):
    rows = [plain_record(id="a"), plain_record(id="b")]
    for row in rows:
        part = data.draw(st.sampled_from([row, row["facts"][0], row["exams"][0], row["truth"], row["provenance"]]))
        texts = st.sampled_from(["Gout?", "gouty", "a", "555-123-4567", "M10.9"])
        part[data.draw(st.sampled_from(sorted(part)))] = data.draw(texts | json_values)
    path = write(tmp_path_factory.mktemp("rows") / "rows.jsonl", rows)
    checked = check_source(path)
    try:
        loaded = load_records(path)
    except ValueError:
        assert not checked.usable
        return
    assert checked.usable
    assert checked.records == len(loaded)


def test_what_breaks_off_in_the_middle_hides_nothing_before_it(tmp_path, plain_record):
    path = write(tmp_path / "rows.jsonl", [plain_record(id="leaky", chief_complaint="Gout.")])
    path.write_text(path.read_text("utf-8") + "{\n", "utf-8")
    assert [problem.kind for problem in check_records(path)] == ["leak", "unreadable"]


def test_the_library_has_no_problems():
    assert check_records() == []
    assert check_source() == Checked((), len(load_records()), None)


def test_probable_leaks_are_warnings(plain_record):
    data = plain_record(chief_complaint="DVT, the doctor said.")
    data["truth"]["diagnosis"] = {"name": "deep vein thrombosis"}
    data["truth"]["differential"] = [{"name": "Behcet disease", "probability": 0.8}]
    data["exams"][0]["result"] = "Looks like Beh\u00e7et's disease"
    problems = check_records([record_from_dict(data)])
    assert kinds(problems, "field", "fatal") == [
        ("test-knee", "leak", "chief_complaint", False),
        ("test-knee", "leak", "exams[vitals]", False),
    ]
    data["language"] = "de"
    assert check_records([record_from_dict(data)]) == []


def test_a_record_with_a_leak_is_looked_at_whole(tmp_path, plain_record):
    twin = plain_record(id="twin")
    leaky = plain_record(id="leaky", provenance={"source": "x", "licence": "?", "synthetic": True})
    leaky["facts"][0]["lay"] = "Gout, gouty and podagra."
    leaky["tags"] = ["M10.9"]
    problems = check_records(write(tmp_path / "rows.jsonl", [twin, leaky]))
    assert kinds(problems, "field") == [
        ("leaky", "leak", "tags"),
        ("leaky", "leak", "facts[onset]"),
        ("leaky", "leak", "facts[onset]"),
        ("leaky", "leak", "facts[onset]"),
        ("leaky", "licence", "provenance.licence"),
        ("leaky", "duplicate", ""),
    ]
    assert check_source(tmp_path / "rows.jsonl").records == 1


def test_facts_that_come_twice_are_a_warning(plain_record):
    data = plain_record()
    data["facts"].append({**data["facts"][0], "id": "again", "statement": "PAIN began suddenly last night."})
    data["facts"].append({**data["facts"][2], "id": "beer", "statement": "Drinks 6 beers a day"})
    data["facts"].append({**data["facts"][2], "id": "beers", "statement": "Drinks 4 beers a day"})
    problems = check_records([record_from_dict(data)])
    assert [(p.field, p.message, p.fatal) for p in problems] == [
        ("facts[again]", "states what 'onset' states", False),
        ("facts[beers]", "states what 'beer' states, with other numbers", False),
    ]


def provenances(plain_record, *given):
    return [
        record_from_dict(
            plain_record(
                id=f"r{n}",
                chief_complaint=f"Case {'abcdefgh'[n] * 3}.",
                facts=[{**plain_record()["facts"][0], "statement": "abcdefgh"[n] * 5}],
                provenance={"source": source, "licence": licence, "synthetic": synthetic},
            )
        )
        for n, (licence, source, synthetic) in enumerate(given)
    ]


def test_licences_and_sources_that_say_nothing_are_told_once_each(plain_record):
    records = provenances(
        plain_record,
        ("MIT", "x", True),
        ("n/a", "x", True),
        ("n/a", "Unknown", True),
        ("My Licence", "x", False),
        ("LicenseRef-mine", "?", False),
    )
    problems = check_records(records)
    assert kinds(problems, "field") == [
        ("r1", "licence", "provenance.licence"),
        ("r3", "licence", "provenance.licence"),
        ("r2", "provenance", "provenance.source"),
        ("r4", "provenance", "provenance.source"),
    ]
    assert not any(problem.fatal for problem in problems)
    assert "(2 records)" in problems[0].message
    assert "SPDX" in problems[1].message
    assert "not to be synthetic" in problems[3].message


def test_conditions_that_do_not_go_together_are_told(plain_record):
    mixed = [("CC-BY-NC-4.0", "x", True), ("MIT", "x", True), ("CC-BY-SA-4.0", "x", True)]
    messages = [problem.message for problem in check_records(provenances(plain_record, *mixed))]
    assert len(messages) == 2
    assert "(non-commercial) beside 'MIT', 'CC-BY-SA-4.0'" in messages[0]
    assert "(share-alike)" in messages[1]
    for alike in ([mixed[0]] * 3, [("MIT", "x", True), ("Apache-2.0", "x", True)]):
        assert check_records(provenances(plain_record, *alike)) == []


@pytest.mark.parametrize(
    ("licence", "asked"),
    [
        ("mit", set()),
        ("CC-BY-NC-SA-4.0", {"non-commercial", "share-alike"}),
        ("MIT OR GPL-3.0-only", set()),
        ("MIT AND GPL-3.0-only", {"share-alike"}),
        ("(MIT AND CC-BY-NC-4.0) OR GPL-2.0-only WITH Classpath-exception-2.0", {"non-commercial"}),
        ("LicenseRef-hospital", set()),
        ("Attribution 4.0", None),
        ("MIT OR", None),
        ("", None),
    ],
)
def test_the_conditions_of_a_licence(licence, asked):
    found = conditions(licence)
    assert found == asked or (found is not None and len(found) == len(asked) == 1)


@given(st.text(max_size=30) | st.lists(st.sampled_from(["MIT", " OR ", " AND ", "(", ")", " WITH ", "x"])).map("".join))
def test_no_licence_makes_it_raise(licence):
    conditions(licence)


def test_overlap_with_another_source_is_told(tmp_path, plain_record):
    other = write(tmp_path / "other.jsonl", [plain_record(id="a"), plain_record(id="b", chief_complaint="Else.")])
    problems = check_records([record_from_dict(plain_record(id="c"))], against=other)
    assert kinds(problems, "fatal") == [("c", "overlap", False)]
    assert str(other) in problems[0].message
    assert "'a'" in problems[0].message
    assert check_records("library", against="synthetic:20") == []


def test_a_format_whose_rows_are_all_dropped_is_told(tmp_path, record):
    register("dropping", Importer(lambda data: "nothing at all" in data, lambda row, tally: tally.drop_row("empty")))
    try:
        path = write(tmp_path / "n.jsonl", [{"nothing at all": "x"}])
        (problem,) = check_records(path)
        assert problem.fatal
        assert problem.message.endswith("dropped: empty (1)")
        assert check_source(path).report.rows_dropped == {"empty": 1}
    finally:
        importers._entries.pop("dropping")


def test_no_record_is_kept_in_memory(tmp_path, plain_record):
    path = write(tmp_path / "rows.jsonl", [plain_record(id=f"r{n}", chief_complaint=f"Case {n}.") for n in range(20)])
    alive = []

    def watched(rows):
        for row in rows:
            yield row
            alive.append(sum(type(thing) is Record for thing in gc.get_objects()))

    assert check_source(path, track=watched).records == 20
    assert max(alive) - min(alive) <= 1


# The command


def run(capsys, *arguments):
    status = main(["records", "check", *map(str, arguments)])
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.fixture
def leaky(tmp_path, plain_record):
    rows = [plain_record(id="clean"), plain_record(id="leaky", chief_complaint="My knee is sore, like gout.")]
    rows[1]["facts"][1] |= {"statement": "Has gout", "lay": "I've got gout."}
    rows[1]["facts"][2] |= {"statement": "Drinks much", "lay": "I drink a lot."}
    rows[1]["exams"] = []
    return write(tmp_path / "leaky.jsonl", rows)


def test_the_command_tells_what_machines_want(capsys, leaky):
    status, out, err = run(capsys, leaky, "--json")
    told = json.loads(out)
    assert (status, err) == (1, "")
    assert (told["records"], told["errors"], told["warnings"], told["withheld"]) == (None, 2, 0, None)
    assert told["kinds"] == {"leak": 2}
    assert {problem["field"] for problem in told["problems"]} == {"chief_complaint", "facts[fever]"}


def test_the_command_tells_what_people_want(capsys, leaky):
    status, out, _ = run(capsys, leaky)
    assert status == 1
    assert "facts[fever]" in out
    assert "the source cannot be used; 2 errors, 0 warnings" in out


def test_a_long_list_is_cut_for_people_only(capsys, tmp_path, plain_record):
    path = write(tmp_path / "rows.jsonl", [plain_record(id=f"r{n}") for n in range(301)])
    status, out, _ = run(capsys, path)
    assert status == 0
    assert "100 problems more (--json tells all)" in out
    assert "301 records can be used; 0 errors, 300 warnings" in out
    assert len(json.loads(run(capsys, path, "--json")[1])["problems"]) == 300


def test_redact_writes_a_copy_that_passes(capsys, leaky, tmp_path):
    out_path = tmp_path / "out" / "clean.jsonl"
    status, out, err = run(capsys, leaky, "--redact", out_path)
    assert (status, err) == (0, "")
    assert "My knee is sore, like [withheld]." in out
    assert "withheld in 2 places of 1 records; 1 facts dropped" in out
    assert "2 records in" in out
    assert [problem for problem in check_records(out_path) if problem.fatal] == []
    records = load_records(out_path)
    assert records.ids == ("clean", "leaky")
    assert "fever" not in [fact.id for fact in records["leaky"].facts]
    before = out_path.read_bytes()
    status, out, err = run(capsys, leaky, "--redact", out_path)
    assert (status, out) == (2, "")
    assert "exists" in err
    assert out_path.read_bytes() == before
    status, out, _ = run(capsys, leaky, "--redact", out_path, "--force", "--json")
    assert status == 0
    assert [c["after"] for c in json.loads(out)["withheld"]] == ["", "My knee is sore, like [withheld]."]
    assert out_path.read_bytes() == before
    assert os.listdir(out_path.parent) == ["clean.jsonl"]


def test_redact_into_the_file_itself_or_a_store(capsys, leaky, tmp_path):
    assert run(capsys, leaky, "--redact", leaky, "--force")[0] == 0
    assert load_records(leaky).ids == ("clean", "leaky")
    assert run(capsys, leaky, "--redact", tmp_path / "clean.sqlite")[0] == 0
    assert load_records(tmp_path / "clean.sqlite") == load_records(leaky)


def test_redact_writes_nothing_where_more_is_wrong(capsys, leaky, tmp_path, plain_record):
    rows = [json.loads(line) for line in leaky.read_text("utf-8").splitlines()]
    path = write(tmp_path / "worse.jsonl", [*rows, plain_record(id="x", chief_complaint="Ring 555-123-4567.")])
    status, out, _ = run(capsys, path, "--redact", tmp_path / "clean.jsonl")
    assert status == 1
    assert "was not written" in out.replace("\n", "")
    rows[1]["facts"] = rows[1]["facts"][1:2]
    path = write(tmp_path / "nothing.jsonl", rows)
    status, out, err = run(capsys, path, "--redact", tmp_path / "clean.jsonl")
    assert (status, out) == (2, "")
    assert "expected facts that say more than the diagnosis" in err
    assert not (tmp_path / "clean.jsonl").exists()


def test_overlap_gives_status_one(capsys, tmp_path, plain_record):
    one, other = (write(tmp_path / f"{id}.jsonl", [plain_record(id=id)]) for id in ("one", "other"))
    status, out, _ = run(capsys, one, "--against", other, "--json")
    assert status == 1
    assert json.loads(out)["kinds"] == {"overlap": 1}
    assert (json.loads(out)["errors"], json.loads(out)["records"]) == (0, 1)
    assert main(["records", "convert", str(other), "-o", str(tmp_path / "other.sqlite"), "--quiet"]) == 0
    assert run(capsys, one, "--against", tmp_path / "other.sqlite")[0] == 1
    assert run(capsys, one, "--against", "library")[0] == 0
    assert run(capsys, one, "--against", tmp_path / "missing.jsonl")[0] == 1


def test_what_was_checked_in_memory_is_what_a_file_gives(tmp_path):
    records = RecordSet(list(load_records())[:5])
    path = write(tmp_path / "rows.jsonl", map(record_to_dict, records))
    assert check_source(path) == check_source(records) == Checked((), 5, None)

"""The record store: the face of a set in memory, and a file that is whole or is refused."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import operator
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import repeat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import medenv
from medenv.cli import main
from medenv.errors import DeidentificationError, LeakError, RecordError, RunError, UnknownIdError
from medenv.records import RecordSet, load_records, record_store, record_to_dict, split_of
from medenv.records.bulk import synthesise_entries
from medenv.records.checking import check_records
from medenv.records.content import content_of, digest_of
from medenv.records.importers import Importer, importers, register
from medenv.records.loading import Import
from medenv.records.record_store import Entry, entry_of, write_store
from medenv.records.synthesis import synthesise
from medenv.records.writing import write_records

COUNT = 60


@pytest.fixture(scope="module")
def memory():
    return RecordSet(synthesise(COUNT, seed=3))


@pytest.fixture(scope="module")
def path(memory, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "cases.sqlite"
    assert write_records(path, map(entry_of, memory)) == COUNT
    return path


@pytest.fixture
def stored(path):
    return load_records(path)


@pytest.fixture
def copy(path, tmp_path):
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(path.read_bytes())
    return copy


def alter(path, *statements):
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(*([statement] if isinstance(statement, str) else statement))
    connection.close()


def refused(path, match="expected"):
    """Opens a store and reads all of it."""
    with pytest.raises(RecordError, match=match) as caught:
        list(load_records(path))
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


# The face of a set


def test_it_looks_like_the_set_in_memory(stored, memory):
    assert isinstance(stored, RecordSet)
    assert len(stored) == COUNT
    assert stored == memory
    assert memory == stored
    assert hash(stored) == hash(memory)
    assert repr(stored) == repr(memory)
    assert list(stored) == list(memory)
    assert stored.ids == memory.ids
    assert stored.report is None
    assert stored.fingerprint == memory.fingerprint
    assert stored[7] == memory[7] == stored[memory[7].id] == stored[7 - COUNT]
    assert memory[7].id in stored
    assert memory[7] in stored
    assert stored[np.int64(7)] == memory[7]
    assert dataclasses.replace(memory[7], chief_complaint="Another.") not in stored
    assert dataclasses.replace(memory[7], id="another") not in stored
    assert None not in stored
    assert "\ud800" not in stored
    assert load_records(stored) is stored
    with pytest.raises(IndexError):
        stored[COUNT]


def test_an_unknown_id_names_the_nearest_of_this_set(stored, memory):
    with pytest.raises(UnknownIdError, match="did you mean 'syn-3-0000"):
        stored["syn-3-00001x"]
    part = stored[20:30]
    with pytest.raises(UnknownIdError) as caught:
        part[memory[3].id]
    assert memory[3].id in str(caught.value)
    assert all(id in part.ids for id in str(caught.value).split("did you mean")[1].split("'")[1::2])
    with pytest.raises(UnknownIdError):
        stored["\ud800"]


def test_splits_are_those_of_the_set_in_memory(stored, memory):
    for name in ("train", "validation", "test"):
        part = stored.split(name)
        assert part == memory.split(name)
        assert part.ids == memory.split(name).ids
        assert part.fingerprint == memory.split(name).fingerprint
        assert {split_of(record) for record in part} <= {name}
        assert len(part.split(name)) == len(part)
    test, train = stored.split("test"), stored.split("train")
    assert train[0].id in train
    assert train[0].id not in test
    with pytest.raises(UnknownIdError):
        test[train[0].id]
    assert len(train.split("test")) == 0
    with pytest.raises(UnknownIdError, match="train"):
        stored.split("training")


def test_a_split_that_the_source_fixed_is_kept(memory, tmp_path):
    fixed = [
        dataclasses.replace(record, provenance=dataclasses.replace(record.provenance, split=split))
        for record, split in zip(memory, ("test", "validation", "train"), strict=False)
    ]
    write_records(tmp_path / "fixed.db", map(entry_of, fixed))
    stored = load_records(tmp_path / "fixed.db")
    assert [split.ids for split in map(stored.split, ("test", "validation", "train"))] == [(r.id,) for r in fixed]
    assert stored == RecordSet(fixed)


def test_the_same_seed_draws_the_same_records(stored, memory):
    for ours, theirs in ((stored, memory), (stored.split("train"), memory.split("train")), (stored[5:], memory[5:])):
        drawn = [[s.sample(rng) for _ in range(40)] for s, rng in ((ours, rng_of(7)), (theirs, rng_of(7)))]
        assert drawn[0] == drawn[1]
    with pytest.raises(RecordError, match="empty"):
        stored[:0].sample(rng_of(0))


def rng_of(seed):
    return np.random.default_rng(seed)


bounds = st.none() | st.integers(-COUNT - 3, COUNT + 3)
slices = st.builds(slice, bounds, bounds, st.none() | st.integers(-4, 4).filter(bool))


@given(st.lists(slices | st.sampled_from(["train", "validation", "test"]), max_size=4))
def test_any_part_of_a_part_holds_what_it_would_in_memory(memory, path, steps):
    stored, held, model = load_records(path), memory, list(memory.ids)
    for step in steps:
        if isinstance(step, str):
            stored, held = stored.split(step), held.split(step)
            model = [id for id in model if split_of(memory[id]) == step]
        else:
            stored, held, model = stored[step], held[step], model[step]
    assert list(stored.ids) == list(held.ids) == model
    assert len(stored) == len(model)
    assert stored.fingerprint == held.fingerprint
    assert hash(stored) == hash(held)
    assert {id for id in memory.ids if id in stored} == set(model)
    assert [record.id for record in stored] == model


def test_any_source_is_told_from_another_by_its_fingerprint(stored, memory):
    changed = [*memory[:-1], dataclasses.replace(memory[-1], language="fr")]
    sets = [stored, stored[::-1], stored[1:], stored.split("train"), RecordSet(changed)]
    assert len({s.fingerprint for s in sets}) == len(sets)
    assert stored != stored[::-1]
    assert stored != RecordSet(changed)


def many(count):
    """Entries of many ids, which cost nothing to make: what is in them is of no interest."""
    return (Entry(f"case-{n}", "train" if n % 5 else "test", b"{}") for n in range(count))


def test_a_large_store_is_opened_at_once_and_held_nowhere(tmp_path, monkeypatch):
    count = 50_000
    monkeypatch.setattr(record_store, "DICTIONARY", 1)
    write_store(tmp_path / "many.sqlite", many(count), lambda: None)
    tracemalloc.start()
    try:
        started = time.process_time()
        stored = load_records(tmp_path / "many.sqlite")
        assert len(stored) == count
        assert "case-49999" in stored
        assert repr(stored[::-1]).startswith("<RecordSet of 50000: case-49999, case-49998,")
        hash(stored)
        assert time.process_time() - started < 0.1
        part = stored.split("train")
        assert len(part) == 40_000
        assert part[1:3].ids == ("case-2", "case-3")
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


# Writing


def test_the_same_records_give_the_same_bytes(path, memory, tmp_path):
    write_records(tmp_path / "again.sqlite", map(entry_of, memory))
    assert (tmp_path / "again.sqlite").read_bytes() == path.read_bytes()


def test_every_record_goes_through_the_gates_when_it_is_written(record, tmp_path):
    phone = dataclasses.replace(record, chief_complaint="Call me on 555-123-4567.")
    with pytest.raises(DeidentificationError, match="chief_complaint"):
        write_records(tmp_path / "phone.sqlite", map(entry_of, [record, phone]))
    with pytest.raises(RecordError, match="chief_complaint"):
        entry_of(dataclasses.replace(record, chief_complaint=""))
    with pytest.raises(RecordError, match="ids must be unique"):
        entry_of(dataclasses.replace(record, facts=record.facts[:1] * 2))
    assert os.listdir(tmp_path) == []


def test_a_failure_on_the_way_leaves_no_file_and_the_old_one(path, memory, tmp_path):
    out = tmp_path / "cases.sqlite"

    def broken():
        yield from map(entry_of, memory[:5])
        raise RecordError("row 6")

    for _ in range(2):
        with pytest.raises(RecordError, match="row 6"):
            write_records(out, broken())
        assert os.listdir(tmp_path) == []
    out.write_bytes(path.read_bytes())
    with pytest.raises(RecordError, match="row 6"):
        write_records(out, broken(), replace=True)
    assert load_records(out) == memory


def test_repeated_ids_and_nothing_are_refused(record, tmp_path):
    with pytest.raises(RecordError, match=r"'test-knee' twice"):
        write_records(tmp_path / "twice.sqlite", repeat(entry_of(record), 2))
    with pytest.raises(RecordError, match="at least one"):
        write_records(tmp_path / "none.sqlite", [])
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_is_a_run_error(record, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.sqlite.part").mkdir()
    for out in (tmp_path / "file" / "cases.sqlite", tmp_path / "cases.json", tmp_path / "folder.sqlite", tmp_path):
        with pytest.raises(RunError, match="expected a file that"):
            write_records(out, [entry_of(record)])


KILLED = """
import itertools, sys
from pathlib import Path
from medenv.records import record_store
from medenv.records.record_store import Entry
from medenv.records.writing import write_records
record_store.DICTIONARY = 1
def entries():
    for n in itertools.count():
        if n == 60_000:
            print("going", flush=True)
        yield Entry(f"case-{n}", "train", b"{}")
write_records(Path(sys.argv[1]), entries())
"""


def test_a_killed_run_leaves_nothing_that_can_be_taken_for_a_store(record, tmp_path):
    out, part = tmp_path / "cases.sqlite", tmp_path / "cases.sqlite.part"
    with subprocess.Popen([sys.executable, "-c", KILLED, out], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"going\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    assert part.stat().st_size
    renamed = tmp_path / "renamed.sqlite"
    renamed.write_bytes(part.read_bytes())
    refused(renamed)
    write_records(out, [entry_of(record)])
    assert load_records(out).ids == (record.id,)
    assert not part.exists()


# Reading


def test_a_folder_that_cannot_be_written_to_is_no_harm(copy):
    copy.chmod(0o444)
    copy.parent.chmod(0o555)
    try:
        assert len(list(load_records(copy))) == COUNT
        assert os.listdir(copy.parent) == [copy.name]
    finally:
        copy.parent.chmod(0o755)


def test_a_path_may_hold_anything(path, tmp_path, monkeypatch):
    odd = tmp_path / "100% of? the #1 caf\u00e9 & cases.SQLite"
    odd.write_bytes(path.read_bytes())
    assert len(load_records(odd)) == COUNT
    monkeypatch.chdir(tmp_path)
    stored = load_records(odd.name)
    monkeypatch.chdir("/")
    assert threaded(lambda: stored[3].id)() == stored[3].id


def threaded(work):
    def run():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(work).result()

    return run


def test_many_threads_read_one_set(stored, memory):
    def draw(seed):
        rng = rng_of(seed)
        return [stored.sample(rng).id for _ in range(30)]

    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(draw, range(24)))
    assert drawn == [[memory.sample(rng).id for _ in range(30)] for rng in map(rng_of, range(24))]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_many_processes_read_one_set(stored, memory, method):
    if method not in multiprocessing.get_all_start_methods() or (method == "fork" and threading.active_count() > 1):
        pytest.skip(f"no safe {method} here")
    train, held = stored.split("train"), memory.split("train")
    train.sample(rng_of(0))
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = [pool.apply_async(operator.getitem, (train, place)) for place in range(8)]
        assert [result.get(60) for result in found] == list(held[:8])
    assert train.sample(rng_of(0)) == held.sample(rng_of(0))


def test_a_fork_reads_by_a_connection_of_its_own(stored, memory):
    """In the child of a fork the set is used as it stands, not pickled."""
    stored.sample(rng_of(0))
    if not hasattr(os, "fork") or threading.active_count() > 1:
        pytest.skip("no safe fork here")
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        status = 1
        try:
            os.write(write, stored[11].id.encode())
            status = 0
        finally:
            os._exit(status)
    assert stored[12] == memory[12]
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 100).decode() == memory[11].id
    os.close(read), os.close(write)


def test_a_set_is_pickled_as_its_path(stored):
    train = stored.split("train")
    content = pickle.dumps(train)
    assert len(content) < 5000
    assert pickle.loads(content) == train


def test_another_store_in_its_place_is_noticed(copy, memory):
    stored = load_records(copy)
    content = pickle.dumps(stored)
    other = copy.with_name("other.sqlite")
    write_records(other, map(entry_of, memory[:-1]))
    os.replace(other, copy)
    assert stored[0] == memory[0], "this thread has the old file open"
    for work in (threaded(lambda: stored[0]), lambda: pickle.loads(content)):
        with pytest.raises(RecordError, match="another in its place"):
            work()
    copy.unlink()
    with pytest.raises(RecordError, match="no file"):
        threaded(lambda: stored[0])()


# Files that are none, or were altered


def test_what_is_no_store_is_refused(tmp_path, copy):
    refused(tmp_path / "missing.sqlite", "no file")
    for name, content in (
        ("empty.db", b""),
        ("text.sqlite", b"id,age\n" * 500),
        ("short.sqlite", b"SQLite format 3\0"),
    ):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name)
    other = tmp_path / "other.sqlite"
    alter(other, "CREATE TABLE records (id)")
    refused(other, "another kind")
    alter(copy, "PRAGMA user_version = 2")
    refused(copy, "version 1, got version 2")
    with pytest.raises(RecordError):
        load_records(tmp_path / "\0.sqlite")


@pytest.mark.parametrize("share", [0.0001, 0.3, 0.9, 0.9999])
def test_a_file_cut_short_is_refused_when_it_is_opened(copy, share):
    content = copy.read_bytes()
    copy.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RecordError):
        load_records(copy)


@pytest.mark.parametrize(
    "statements",
    [
        ["DELETE FROM about"],
        ["INSERT INTO about SELECT * FROM about"],
        ["UPDATE about SET records = 'many'"],
        ["UPDATE about SET records = 7"],
        ["UPDATE about SET dictionary = 7"],
        ["UPDATE about SET schema = 'medenv.record/9'"],
        ["UPDATE about SET report = '[1]'"],
        ["UPDATE about SET report = '{\"colour\": 1}'"],
        ["DROP TABLE about"],
        ["DROP TABLE records"],
        ["DELETE FROM records"],
        ["DELETE FROM records WHERE place = 59"],
        ["DELETE FROM contents WHERE place = 30"],
        ["UPDATE contents SET content = x'00' WHERE place = 30"],
        ["UPDATE contents SET content = 'text' WHERE place = 30"],
        ["UPDATE contents SET crc = 'text' WHERE place = 30"],
        ["UPDATE contents SET content = (SELECT content FROM contents WHERE place = 31) WHERE place = 30"],
        ["UPDATE contents SET content = substr(content, 1, 400) WHERE place = 30"],
    ],
)
def test_what_was_altered_is_noticed_when_it_is_read(copy, statements):
    alter(copy, *statements)
    refused(copy)
    assert any(problem.fatal for problem in check_records(copy))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM records WHERE place = 30",
        "UPDATE records SET id = 'lib-01' WHERE place = 30",
        "UPDATE records SET id = x'00' WHERE place = 30",
        "UPDATE records SET split = CASE split WHEN 'test' THEN 'train' ELSE 'test' END WHERE place = 30",
        "UPDATE records SET digest = x'00' WHERE place = 30",
    ],
)
def test_what_was_altered_with_care_is_noticed_by_the_check(copy, statement):
    alter(copy, statement)
    assert any(problem.fatal for problem in check_records(copy))
    with pytest.raises(RecordError, match=copy.name):
        list(Import(copy))


def test_a_record_that_is_gone_does_not_move_the_others(copy):
    alter(copy, "DELETE FROM records WHERE place = 30")
    stored = load_records(copy)
    for ask in (lambda: stored.ids, lambda: stored.fingerprint, lambda: stored.split("train")):
        with pytest.raises(RecordError, match="expected"):
            ask()
    assert stored[:30].ids[-1] == stored[29].id


def forge(path, place, content):
    """Puts a content in the place of another as someone would who knows how a store is made."""
    with closing(sqlite3.connect(path)) as connection:
        ((dictionary,),) = connection.execute("SELECT dictionary FROM about")
    packing = zlib.compressobj(zdict=dictionary)
    packed = packing.compress(content) + packing.flush()
    alter(
        path,
        ("UPDATE contents SET content = ?, crc = ? WHERE place = ?", (packed, zlib.crc32(packed, place), place)),
        ("UPDATE records SET digest = ? WHERE place = ?", (digest_of(content), place)),
    )


def test_forged_records_meet_the_firewall_and_the_check(copy, memory):
    data = record_to_dict(memory[4])
    forge(copy, 4, content_of({**data, "chief_complaint": f"It is {memory[4].truth.diagnosis.name}."}))
    with pytest.raises(LeakError, match=copy.name):
        load_records(copy)[4]
    forge(copy, 4, content_of({**data, "chief_complaint": "Ring me on 555-123-4567."}))
    assert load_records(copy)[4], "the gates were passed when the store was written, and are not passed again"
    assert any(problem.fatal for problem in check_records(copy))
    with pytest.raises(DeidentificationError):
        list(Import(copy))
    for content in (b"{}", b"[]", b"null", b"\xff", b"{" * 100_000, content_of({**data, "facts": 3})):
        forge(copy, 4, content)
        refused(copy)
        assert any(problem.fatal for problem in check_records(copy))


def test_the_check_finds_records_in_another_order(copy, memory):
    """Moved by someone who knows how a store is made: each is whole, and stands where it says."""
    for place, record in ((2, memory[3]), (3, memory[2])):
        forge(copy, place, content_of(record_to_dict(record)))
    alter(copy, "UPDATE records SET id = 'moved' WHERE place = 2")
    for place, record in ((3, memory[2]), (2, memory[3])):
        alter(copy, ("UPDATE records SET id = ?, split = ? WHERE place = ?", (record.id, split_of(record), place)))
    stored = load_records(copy)
    assert stored[2] == stored[memory[3].id] == memory[3]
    assert stored.fingerprint != memory.fingerprint
    assert any("order" in problem.message for problem in check_records(copy))


def test_what_unpacks_without_end_is_refused(copy, monkeypatch):
    monkeypatch.setattr(record_store, "LARGEST", 1000)
    refused(copy)


@settings(max_examples=50)
@given(st.data())
def test_no_damage_gives_anything_but_the_records_or_a_record_error(path, memory, tmp_path_factory, data):
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = tmp_path_factory.mktemp("damaged") / "cases.sqlite"
    damaged.write_bytes(content)
    problems = []

    def ask(question):
        try:
            return question()
        except (RecordError, UnknownIdError) as error:
            problems.append(str(error))

    if (stored := ask(lambda: load_records(damaged))) is not None:
        for place in range(len(memory)):
            assert ask(lambda place=place: stored[place]) in (None, memory[place])
        for question in (lambda: stored.ids, lambda: stored.split("test").ids, lambda: stored["syn-3-0000001"]):
            ask(question)
    assert not any("\n" in problem for problem in problems)


# Commands and faces


def told(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_convert_writes_stores_and_reads_them(capsys, tmp_path, memory):
    lines, store, same, again = (tmp_path / name for name in ("a.jsonl", "a.sqlite", "b.jsonl", "b.db"))
    write_records(lines, map(entry_of, memory[:9]))
    assert json.loads(told(capsys, "records", "convert", lines, "-o", store, "--json"))["records"] == 9
    assert load_records(store) == load_records(lines) == memory[:9]
    told(capsys, "records", "convert", store, "-o", same)
    told(capsys, "records", "convert", same, "-o", again)
    assert same.read_bytes() == lines.read_bytes()
    assert again.read_bytes() == store.read_bytes()
    assert main(["records", "convert", str(lines), "-o", str(store)]) == 2
    told(capsys, "records", "convert", store, "-o", store, "--force")
    assert again.read_bytes() == store.read_bytes()
    assert main(["records", "convert", str(lines), "-o", str(tmp_path / "cases.xml")]) == 2


def test_convert_reads_a_row_at_a_time(capsys, tmp_path, plain_record, monkeypatch):
    """No more than one record is on its way at any time."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(plain_record(id=f"a-{n}")) + "\n" for n in range(5)), "utf-8")
    log: list[str] = []
    read = Import.read

    def seen(self, row, importer):
        for record in read(self, row, importer):
            log.append(f"read {record.id}")
            yield record

    monkeypatch.setattr(Import, "read", seen)
    monkeypatch.setattr(record_store, "digest_of", lambda content: log.append("written") or digest_of(content))
    monkeypatch.setattr(record_store, "DICTIONARY", 1)
    told(capsys, "records", "convert", path, "-o", tmp_path / "out.sqlite")
    assert log == [line for n in range(5) for line in (f"read a-{n}", "written")]


def test_the_report_of_the_import_is_kept(capsys, record, tmp_path):
    def read(row, tally):
        if not row.data["scribble"]:
            return tally.drop_row("empty")
        return [dataclasses.replace(record, id=row.data["scribble"])]

    register("scribbles", Importer(lambda data: "scribble" in data, read, notes=("made up",)))
    try:
        source, out = tmp_path / "n.jsonl", tmp_path / "n.sqlite"
        source.write_text("".join(json.dumps({"scribble": note}) + "\n" for note in ("n-1", "", "n-2")))
        printed = json.loads(told(capsys, "records", "convert", source, "-o", out, "--json"))
        stored = load_records(out)
        assert stored.report == load_records(source).report
        assert stored.split("train").report == stored[:1].report == stored.report
        assert printed["report"] == stored.report.as_dict()
        assert stored.report.rows_dropped == {"empty": 1}
        with pytest.raises(RecordError, match="got 'scribbles'"):
            load_records(out, format="scribbles")
        assert load_records(out, format="medenv.record/1") == stored
    finally:
        importers._entries.pop("scribbles")


@pytest.mark.slow
def test_synthesise_writes_the_same_bytes_however_many_processes(capsys, tmp_path):
    def write(name, jobs):
        told(capsys, "records", "synthesise", 130, "-o", tmp_path / name, "--seed", 5, "--jobs", jobs, "--quiet")
        return (tmp_path / name).read_bytes()

    assert write("1.sqlite", 1) == write("2.sqlite", 2)
    write("1.jsonl", 1)
    assert load_records(tmp_path / "1.sqlite") == load_records(tmp_path / "1.jsonl") == load_records("synthetic:130:5")


def test_synthesise_takes_conditions_and_refuses_nonsense(capsys, tmp_path):
    out = tmp_path / "gout.jsonl"
    condition = next(iter(medenv.records.knowledge_base.load_knowledge().conditions))
    told(capsys, "records", "synthesise", 3, "-o", out, "--condition", condition, "--json")
    name = medenv.records.knowledge_base.load_knowledge().conditions[condition].diagnosis.name
    assert {record.truth.diagnosis.name for record in load_records(out)} == {name}
    assert "3 records" in told(capsys, "records", "synthesise", 3, "-o", out, "--force")
    for arguments in (
        ["0", "-o", "x.jsonl"],
        ["3", "-o", "x.jsonl", "--jobs", "0"],
        ["3", "-o", "x.jsonl", "--condition", "nothing"],
        ["3", "-o", "x.txt"],
        ["3", "-o", str(out)],
        ["3"],
    ):
        assert main(["records", "synthesise", *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert os.listdir(tmp_path) == ["gout.jsonl"]


@pytest.mark.slow
def test_a_process_that_dies_is_one_line():
    entries = synthesise_entries(5000, 0, jobs=2)
    assert next(entries) == next(synthesise_entries(1, 0))
    for child in multiprocessing.active_children():
        child.kill()
    with pytest.raises(RunError, match="died"):
        list(entries)


@pytest.mark.slow
@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_the_command(tmp_path, signal_):
    command = [sys.executable, "-m", "medenv.cli", "records", "synthesise", "100000", "-j", "2", "-q"]
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a job in the background is born ignoring it
    command += ["-o", tmp_path / "x.sqlite"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=heeding) as process:
        workers = children(process.pid, 2)
        if not workers:
            process.kill()
            pytest.skip("no /proc here")
        process.send_signal(signal_)
        error = process.stderr.read()
    assert process.returncode == (130 if signal_ == signal.SIGINT else -signal_)
    assert b"Traceback" not in error
    deadline = time.monotonic() + 60
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    assert not (tmp_path / "x.sqlite").exists()


def children(parent, count):
    """The worker processes of a parent that have begun to work."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and os.path.exists("/proc/self/task"):
        with open(f"/proc/{parent}/task/{parent}/children") as file:
            found = [int(pid) for pid in file.read().split()]
        workers = [pid for pid in found if b"spawn_main" in command_of(pid)]
        if len(workers) >= count:
            time.sleep(1)
            return workers
        time.sleep(0.05)
    return []


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def alive(pid):
    return b"spawn_main" in command_of(pid)


def test_every_face_takes_a_store(capsys, path, memory, tmp_path):
    env = medenv.make("Consultation-v0", seat="doctor_0", records=str(path))
    held = medenv.make("Consultation-v0", seat="doctor_0", records=memory)
    for seed in range(5):
        assert env.reset(seed=seed) == held.reset(seed=seed)
    env.reset(seed=0, options={"record": memory[9].id})
    result = medenv.evaluate("checklist", records=path, episodes=12, split="train")
    assert result == medenv.evaluate("checklist", records=memory, episodes=12, split="train")
    out = tmp_path / "run.jsonl"
    medenv.rollout("random", records=path, episodes=6, out=out)
    content = out.read_bytes()
    medenv.rollout("random", records=path, episodes=6, out=out)
    assert out.read_bytes() == content
    with pytest.raises(RunError, match="content"):
        medenv.rollout("random", records=memory[::-1], episodes=6, out=out)
    records = ("--records", path)
    assert json.loads(told(capsys, "records", "show", memory[2].id, *records, "--json"))["id"] == memory[2].id
    listed = json.loads(told(capsys, "records", "list", *records, "--split", "test", "--json"))
    assert [row["id"] for row in listed] == list(memory.split("test").ids)
    assert json.loads(told(capsys, "records", "check", path, "--json"))["records"] == COUNT
    evaluated = told(capsys, "evaluate", "--doctor", "random", *records, "--episodes", "4", "--quiet", "--json")
    assert json.loads(evaluated)["episodes"] == 4

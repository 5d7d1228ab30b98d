from __future__ import annotations

import dataclasses

from medenv.records import load_records, record_from_dict
from medenv.records.overlap import Others

STORY = (
    "Last Friday evening I was walking down the stairs with a basket of washing when my foot slipped on the third step "
    "and I went down on my side, and since then I cannot put any weight on the leg without a sharp pain in the groin."
)


def shared(others, record):
    return list(Others(others).shared_with(record))


def test_ids_and_contents_are_compared(record):
    other = dataclasses.replace(record, id="other", provenance=dataclasses.replace(record.provenance, source="x"))
    assert shared([record], record) == ["its id is taken there", "its content is that of 'test-knee' there"]
    assert shared([record], other) == ["its content is that of 'test-knee' there"]
    assert shared([], record) == []


def test_nearly_all_statements_are_an_overlap(record):
    exams = tuple(dataclasses.replace(record.exams[0], id=f"e{n}", name=f"Test {n}") for n in range(20))
    record = dataclasses.replace(record, exams=exams)
    near = dataclasses.replace(record, id="near", chief_complaint="It hurts.")
    assert shared([record], near) == ["93% of its statements are those of 'test-knee' there"]


def test_copied_text_is_an_overlap_however_it_is_cut_up(plain_record):
    told = plain_record(id="told", chief_complaint=STORY)
    words = STORY.split()
    other = plain_record(id="other", chief_complaint=" ".join(words[:20]), exams=[])
    other["facts"] = [{**other["facts"][0], "statement": "A fall", "lay": " ".join(words[20:])}]
    (message,) = shared([record_from_dict(told)], record_from_dict(other))
    assert message == "100% of its runs of 13 words stand in 'told' there"


def test_the_same_diagnosis_and_complaint_are_none(plain_record, record):
    data = plain_record(id="another", exams=[])
    data["facts"] = [{**data["facts"][0], "statement": "Crept up over weeks", "lay": "It crept up on me."}]
    assert shared([record], record_from_dict(data)) == []


def test_bundled_and_synthesised_cases_are_apart():
    others = Others(load_records("synthetic:150:1"))
    for record in [*load_records(), *load_records("synthetic:150:2")]:
        assert [what for what in others.shared_with(record) if "id" not in what] == []

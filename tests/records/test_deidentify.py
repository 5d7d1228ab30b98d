from __future__ import annotations

import dataclasses
import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.errors import DeidentificationError
from medenv.records import Age, load_records
from medenv.records.deidentify import check_record, find_identifiers, identifiers_in_record, texts_in_record

IDENTIFIERS = {
    "name": [
        "Mr Smith", "seen by Dr. O'Brien", "Mrs. Garc\u00eda-Lopez", "Mr. J. R. Smith", "I asked Priya", "Kevin says so", "Helena Novak came", "my name is Jane Doe", "name: Jos\u00e9",
        "her husband John came", "her son, Tom", "Jane Roe, MD", "Patient: John Smith", "signed by: Ann Lee",
    ],
    "date": [
        "Seen on 12/31/2024", "DOB: 4 March 1960", "2024-01-31", "31.12.2024", "5th of March", "March 2020", "Jan 5",
        "in 03/2021", "15 january", "born June 3rd 2021", "3/14/21", "date of birth: 1961",
    ],
    "age over 89": ["a 92-year-old", "age 95", "aged ninety-two", "died at 94", "97 y/o", "one-hundred-year-old", "105 years old"],
    "telephone number": [
        "tel 020 7946 0958", "call +44 20 7946 0958", "(555) 123-4567", "555-123-4567", "555.123.4567",
        "mobile: 07700900123", "1-555-123-4567",
    ],
    "fax number": ["fax: 555 1234567", "Fax no. (020) 7946 0958"],
    "e-mail address": ["write to a.b+c@example.org", "x@y.co.uk"],
    "social security number": ["078-05-1120", "SSN 078051120"],
    "medical record number": ["MRN: 00123456", "MRN A12345", "NHS number 485 777 3456", "medical record number is 123546", "hospital number 12345"],
    "health plan number": ["policy number XQ-12345", "Medicare ID 1EG4-TE5", "member 123456789", '"memberId": "ABC-1234"'],
    "account number": ["account no. 12345", "card 4242 4242 4242 4242", "IBAN GB33BUKB20201555555555"],
    "licence or certificate number": ["licence number D1234567", "passport no 533380006", "DEA #AB1234563"],
    "vehicle number": ["VIN 1HGCM82633A004352", "license plate: 7ABC123"],
    "device number": ["serial number SN12345", "device id 00-445-12"],
    "web address": ["https://example.org/a", "see www.example.com", "example.com/me"],
    "IP address": ["from 192.168.0.1", "fe80::1:2"],
    "street address": ["14 High Street", "lives at 221B Baker Street", "P.O. Box 12"],
    "place smaller than a state": [
        "Boston, Massachusetts", "Orange County", "I live in Leeds", "moved here from Tramore", "at Cedar Ridge Hospital",
        "City: Kilkenny", "Thornfield Academy", "born in North Wexcombe",
    ],
    "postal code": ["MA 02115", "ZIP 02115", "SW1A 1AA", "postcode: EH1 2NG"],
    "image": ["photo face.jpg", "data:image/png;base64,AAAA", "IMG_0042.HEIC"],
    "biometric identifier": ["fingerprint ID FP-88231", "voiceprint VP7710-22", "iris code A8F3C9D2E1"],
    "identifying number": ["study ID HRT-0093", "prisoner number A4471CK", "our ref: JM/ks/771820", "employee no. 55102"],
}  # fmt: skip

CLEAN = """BP 120/80|scale 3/10|1-2 weeks|titre 1:160|Hb 13.8 g/dL|may 5 times a day|strength 5/5|reflexes 2+|the Doctor|
the doctor said|Dr on call|It hurts, Doctor. Forty years now|MR angiography|free T4 3|C5-C6|WBC 12,000/mm3|12.5 x 10^9/L|
pH 7.35|99% on room air|90 mg|aged 89|89-year-old|90 or older|aged 90 or over|40-year history|95 beats/min|36.5 C|1/1280|
ratio 2.5:1|10-12 days|hospital 10-12 days ago|called NHS 111|L4-L5-S1|grade 3/6|Chest, PA view|22 x 14 mm|5/12/6|1.2.3|
150-200-300|march 5 minutes|post 12 weeks|B12 500|HbA1c 7.2 %|at 00:30|HLA-B27|9.5/10/9|from Wisconsin|died at 50|
Apgar 8, 9, 9|CD4 200|CA-125 120|24-hour urine|GCS 15/15|smoked until 2012|in 2019|90th percentile|112/70/64|95 kg|
FEV1 90 %|her mother Alzheimer's disease|the father: Hypertension|0.9% 1000 mL|100 years|Mg 0.8|Nurse Practitioner|O2 2 L|
5 mg 10 20 30|vehicle at 60 mph|account of 3|group A 12345|1234 g at birth|140 mmol/L (135-145)|the device|BMI 31.2|
2020/40|20-30-40|3-4-5 days|1-0-1|Sat 98|vision 6/60|Crohn's disease|S1 S2 normal|factor VIII 1 %|Rh D|
lived to 80|policy of 3 visits|99mTc|1:40 dilution|(3-5) cm|T2-weighted|13,400/mm3|2-7 drinks|95/65 mm Hg|q6h|1.5-2.0""".replace(
    "\n", ""
).split("|")


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in IDENTIFIERS.items() for text in texts])
def test_each_of_the_identifiers_is_found(kind, text):
    assert kind in [found.kind for found in find_identifiers(text)]


@pytest.mark.parametrize("text", CLEAN)
def test_clinical_text_is_left_alone(text):
    assert find_identifiers(text) == []


@given(st.text(max_size=80), st.sampled_from([t for texts in IDENTIFIERS.values() for t in texts]))
def test_the_place_of_an_identifier_is_right(before, identifier):
    text = f"{before}. {identifier}"
    for found in find_identifiers(text):
        assert text[found.start : found.end] == found.text


@given(st.text(alphabet="0123456789-/.: ()+abAB@", max_size=300))
def test_hostile_text_is_searched_in_no_time(text):
    find_identifiers(text * 5)


@given(st.text(), st.text())
def test_what_is_found_is_in_order_and_apart(first, second):
    found = find_identifiers(f"{first} Dr Smith, 3 May 2020 {second}")
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))


PIECES = ["a", "A", "1", "Aa", "Aa-", "Aa_", "A.", "1-", "a.", "a@a.", "::", "no", "'", ".", "[", "(1", "+1", "00_", "/", "value:", "number_", "May_", "1_May_", "1st_", "the_first_", "St_", "Road_", "of_", "Aa,_", "Aa'A", "Mr_", "Dr_A_", "my_son_", "my_son_Aa_", "live_in_", "live_in_Aa_", "MRN:_no_", "id_", "phone_", "12/", "1_Aa_", "the_surgery_in_Aa_", "A^", "|A^B", "address_", "Address:_A", "zip_", "Aa_and_", "de_la_", "twins_Aa,_", "fingerprint_", "urn:oid:1.", "a_dot_", "Aa_Hospital_", "ninety_", "I'm_Aa_", "Aa-on-", "é", "Éa"]  # fmt: skip
CUES = (
    "Dr my son name MRN phone fax live in May zip address hospital surgery st street patient seen by id dot aged ninety "
    "123456789012345678 Leeds Anna Smith born car fingerprint urn user data www com . @ + : ^^ twins roads"
)
"""Words that call for nearly every rule."""


@pytest.mark.parametrize("piece", PIECES)
def test_time_grows_with_the_length_of_a_text_and_no_faster(piece):
    piece = piece.replace("_", " ")

    def seconds(length):
        start = time.process_time()
        find_identifiers((CUES + " " + piece * (length // len(piece) + 1))[:length])
        return time.process_time() - start

    seconds(1000)
    short, long = seconds(2000), seconds(16000)
    assert long < max(24 * short, 1)


def test_a_megabyte_is_searched_in_seconds(record):
    texts = [text for _, text in texts_in_record(record)]
    text = " ".join(itertools.islice(itertools.cycle(texts), 10**6 // 20))[: 10**6]
    start = time.process_time()
    find_identifiers(text)
    assert time.process_time() - start < 30


def test_a_long_text_is_searched_like_a_short_one():
    clean = "The pain began yesterday and went away again after breakfast. " * 20
    found = find_identifiers(f"{clean}I saw Dr. Okafor on 3 May. {clean}My son Tom came too. {clean}")
    assert [identifier.text for identifier in found] == ["Okafor", "3 May", "Tom"]


@pytest.mark.parametrize(
    "change",
    [
        lambda r: {"chief_complaint": "Ring me on 555-123-4567."},
        lambda r: {"tags": ("a@b.org",)},
        lambda r: {"facts": (dataclasses.replace(r.facts[0], lay="Dr Smith sent me."), *r.facts[1:])},
        lambda r: {"facts": (dataclasses.replace(r.facts[0], synonyms=("SW1A 1AA",)), *r.facts[1:])},
        lambda r: {"exams": (dataclasses.replace(r.exams[0], result="Reported on 2024-01-31"), *r.exams[1:])},
        lambda r: {"demographics": dataclasses.replace(r.demographics, background="from Orange County")},
        lambda r: {"demographics": dataclasses.replace(r.demographics, age=Age(91))},
        lambda r: {"demographics": dataclasses.replace(r.demographics, age=Age(1100, "months"))},
        lambda r: {"rubric": ({"criterion": "Asks Mr Smith about pain", "points": 3},)},
        lambda r: {"truth": dataclasses.replace(r.truth, department="14 High Street")},
    ],
)
def test_no_field_is_overlooked(record, change):
    bad = dataclasses.replace(record, **change(record))
    with pytest.raises(DeidentificationError, match="field ") as caught:
        check_record(bad)
    assert "\n" not in str(caught.value)
    with pytest.raises(DeidentificationError):
        load_records([bad])


def test_a_message_does_not_repeat_an_id_that_identifies(record):
    with pytest.raises(DeidentificationError) as caught:
        check_record(dataclasses.replace(record, id="visit-mrn-00123456"))
    assert "123456" not in str(caught.value)


def test_the_source_may_be_a_web_address(record):
    check_record(
        dataclasses.replace(record, provenance=dataclasses.replace(record.provenance, source="https://example.org"))
    )


def test_the_library_and_the_synthetic_records_are_clean():
    for name in ("library", "synthetic:300"):
        for record in load_records(name):
            assert identifiers_in_record(record) == []

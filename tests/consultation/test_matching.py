import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.consultation.matching import mentions, same_name


@pytest.mark.parametrize(
    ("guess", "name"),
    [
        ("Acute myocardial infarction", "myocardial infarction"),
        ("myocardial infarction, acute", "acute myocardial infarction"),
        ("iron deficiency anemia", "iron-deficiency anaemia"),
        ("oesophagitis", "Esophagitis"),
        ("Graves' disease", "Graves disease"),
        ("gastroesophageal reflux", "gastro-oesophageal reflux disease"),
        ("left pneumothorax", "pneumothorax"),
        ("migrane headache", "migraine headache"),
        ("MI", "MI"),
        ("kidney stones", "kidney stone"),
        ("Ménière's disease", "meniere disease"),
    ],
)
def test_the_same_disease(guess, name):
    assert same_name(guess, (name,))


@pytest.mark.parametrize(
    ("guess", "name"),
    [
        ("hypothyroidism", "hyperthyroidism"),
        ("hyponatraemia", "hypernatraemia"),
        ("type 1 diabetes", "type 2 diabetes"),
        ("not myocardial infarction", "myocardial infarction"),
        ("myocardial infarction or pulmonary embolism", "myocardial infarction"),
        ("asthma copd pneumonia gout", "gout"),
        ("disease", "Graves disease"),
        ("acute", "acute appendicitis"),
        ("", "gout"),
        ("hepatitis a", "hepatitis b"),
        ("pseudogout", "gout"),
        ("viral meningitis", "bacterial meningitis"),
        ("hip fracture", "rib fracture"),
    ],
)
def test_another_disease(guess, name):
    assert not same_name(guess, (name,))


@pytest.mark.parametrize("action", ["aspirin 300 mg orally", "Give Aspirin now", "start aspirin, daily"])
def test_an_action_is_mentioned(action):
    assert mentions(action, ("aspirin",))


@pytest.mark.parametrize("action", ["avoid aspirin", "no aspirin", "paracetamol", "aspirin is contraindicated", ""])
def test_an_action_is_not_mentioned(action):
    assert not mentions(action, ("aspirin",))


def test_a_negated_name_is_matched_by_its_own_words():
    assert mentions("stop metformin", ("stop metformin",))
    assert not mentions("start metformin", ("stop metformin",))


@given(st.text(max_size=200))
def test_a_name_is_the_same_as_itself_or_has_no_words(name):
    assert (
        same_name(name, (name,)) == same_name(name.upper(), (name,))
        or "ß" in name
        or name.upper().lower() != name.lower()
    )

"""Records that many tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from medenv.records import Record, RecordSet, load_records
from medenv.records.record import record_from_dict

settings.register_profile(
    "medenv", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("medenv")


def plain_record(**changes: object) -> dict[str, object]:
    """A small valid record as plain data: a sore knee whose cause is nowhere named."""
    data: dict[str, object] = {
        "id": "test-knee",
        "schema": "medenv.record/1",
        "language": "en",
        "speaker": "self",
        "provenance": {"source": "test", "licence": "Apache-2.0", "synthetic": True},
        "demographics": {"age": {"value": 54, "unit": "years"}, "sex": "male"},
        "chief_complaint": "My right knee is very sore.",
        "facts": [
            {
                "id": "onset",
                "topic": "hpi.onset",
                "statement": "Pain began suddenly last night",
                "lay": "It came on suddenly last night.",
                "synonyms": ["onset", "start"],
                "must_ask": True,
                "disclosure": "volunteered",
            },
            {
                "id": "fever",
                "topic": "ros.constitutional",
                "statement": "No fever",
                "lay": "No, I haven't had a fever.",
                "synonyms": ["fever", "temperature"],
                "polarity": "absent",
                "must_ask": True,
                "red_flag": True,
            },
            {
                "id": "alcohol",
                "topic": "social.alcohol",
                "statement": "Drinks six beers a day",
                "lay": "I have about six beers a day.",
                "synonyms": ["alcohol", "drinking", "beer"],
                "sensitivity": "private",
                "disclosure": "trusted",
            },
            {
                "id": "allergy",
                "topic": "allergies",
                "statement": "Rash with naproxen",
                "lay": "Naproxen gave me a rash once.",
                "synonyms": ["allergy", "allergic"],
            },
        ],
        "exams": [
            {
                "id": "vitals",
                "name": "Vital signs",
                "kind": "bedside",
                "status": "recorded",
                "cost": 0,
                "minutes": 5,
                "result": "Temperature 37.1 C, heart rate 84, blood pressure 138/84",
                "synonyms": ["observations"],
            },
            {
                "id": "aspirate",
                "name": "Joint aspiration",
                "kind": "procedure",
                "status": "recorded",
                "key": True,
                "result": "Needle-shaped, negatively birefringent crystals; no organisms",
                "cost": 5,
                "minutes": 30,
                "invasive": True,
                "synonyms": ["arthrocentesis", "synovial fluid analysis"],
            },
            {"id": "urate", "name": "Serum urate", "kind": "lab", "status": "pending", "cost": 1, "minutes": 60},
            {"id": "mri", "name": "MRI knee", "kind": "imaging", "status": "unavailable", "cost": 20, "minutes": 60},
            {
                "id": "biopsy",
                "name": "Synovial biopsy",
                "kind": "procedure",
                "status": "normal",
                "invasive": True,
                "result": "Normal synovium",
                "cost": 30,
                "minutes": 90,
            },
        ],
        "truth": {
            "diagnosis": {"name": "gouty arthritis", "synonyms": ["gout", "acute gout", "podagra"], "icd10": "M10.9"},
            "differential": [
                {"name": "gouty arthritis", "probability": 0.7},
                {"name": "septic arthritis", "probability": 0.2},
                {"name": "pseudogout", "probability": 0.1},
            ],
            "plan": [
                {
                    "action": "colchicine 500 micrograms twice a day",
                    "synonyms": ["colchicine"],
                    "kind": "medication",
                    "essential": True,
                },
                {"action": "drink less alcohol", "synonyms": ["alcohol reduction"], "kind": "advice"},
            ],
            "contraindicated": [{"action": "naproxen", "because": "rash with naproxen", "synonyms": ["NSAID"]}],
            "department": "rheumatology",
            "urgency": "urgent",
        },
    }
    data.update(changes)
    return data


@pytest.fixture(name="plain_record")
def plain_record_factory() -> Callable[..., dict[str, object]]:
    """Makes the small valid record as plain data, with changes."""
    return plain_record


@pytest.fixture(scope="session")
def agentclinic() -> Callable[[], RecordSet]:
    """Loads the AgentClinic cases, whose path MEDENV_AGENTCLINIC holds; they are not part of this project."""

    def load() -> RecordSet:
        path = os.environ.get("MEDENV_AGENTCLINIC", "")
        if not Path(path).is_file():
            pytest.skip("set MEDENV_AGENTCLINIC to agentclinic_medqa.jsonl to run this")
        return load_records(path)

    return load


@pytest.fixture(scope="session")
def synthea() -> Callable[[], RecordSet]:
    """Loads FHIR bundles made by Synthea, whose folder MEDENV_SYNTHEA holds; they are not part of this project."""

    def load() -> RecordSet:
        path = os.environ.get("MEDENV_SYNTHEA", "")
        if not path or not Path(path).is_dir():
            pytest.skip("set MEDENV_SYNTHEA to a folder of FHIR R4 bundles made by Synthea to run this")
        return load_records(path)

    return load


@pytest.fixture(scope="session")
def aci_bench() -> Callable[[], RecordSet]:
    """Loads the notes of ACI-Bench, whose table MEDENV_ACI_BENCH holds; they are not part of this project."""

    def load() -> RecordSet:
        path = os.environ.get("MEDENV_ACI_BENCH", "")
        if not Path(path).is_file():
            pytest.skip("set MEDENV_ACI_BENCH to the train.csv of ACI-Bench to run this")
        return load_records(path)

    return load


@pytest.fixture
def record() -> Record:
    """A small valid record."""
    return record_from_dict(plain_record())

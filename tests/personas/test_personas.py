from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import medenv.personas
from medenv.errors import PersonaError, UnknownIdError
from medenv.personas import Persona, persona_from_dict, personas, register_persona
from medenv.personas.registry import persona
from medenv.registry import Registry

BUILTIN = json.loads((Path(medenv.personas.__file__).parent / "builtin.json").read_text("utf-8"))


@pytest.fixture
def registered() -> Registry[Persona]:
    """The registry, put back as it was afterwards."""
    before = dict(personas._entries)
    yield personas
    personas._entries.clear()
    personas._entries.update(before)


def test_the_built_in_personas_are_there_and_neutral_comes_first() -> None:
    assert len(BUILTIN) >= 10
    assert list(personas)[: len(BUILTIN)] == [data["id"] for data in BUILTIN]
    assert dataclasses.replace(personas.get("neutral"), description="") == Persona("neutral")


def test_no_two_built_in_personas_behave_alike() -> None:
    behaviours = {dataclasses.replace(personas.get(data["id"]), id="x", description="") for data in BUILTIN}
    assert len(behaviours) == len(BUILTIN)
    assert all(data["description"] for data in BUILTIN)


def test_together_they_use_every_kind_of_behaviour() -> None:
    for name in ("verbosity", "cost", "treatment", "trust"):
        assert len({getattr(personas.get(id), name) for id in personas}) >= 2, name
    assert len({personas.get(id).tone for id in personas}) == 8


def test_an_id_or_a_persona_gives_the_persona() -> None:
    assert persona("neutral") is personas.get("neutral")
    own = Persona("own", tone="formal")
    assert persona(own) is own


def test_an_unknown_id_names_a_near_one() -> None:
    with pytest.raises(UnknownIdError, match="did you mean 'neutral'"):
        persona("neutrel")


def test_a_registered_persona_is_found(registered: Registry[Persona]) -> None:
    register_persona(Persona(id="stoic-farmer"))
    assert persona("stoic-farmer") == Persona("stoic-farmer")


def test_a_taken_id_is_refused_unless_it_is_to_be_replaced(registered: Registry[Persona]) -> None:
    with pytest.raises(PersonaError, match="registered already"):
        register_persona(Persona("neutral"))
    register_persona(Persona("neutral", tone="formal"), replace=True)
    assert persona("neutral").tone == "formal"


WRONG = [
    ({"hedging": 3}, "hedging"),
    ({"hedging": -0.1}, "hedging"),
    ({"hedging": math.nan}, "hedging"),
    ({"hedging": math.inf}, "hedging"),
    ({"hedging": True}, "hedging"),
    ({"hedging": "often"}, "hedging"),
    ({"patience": 0}, "patience"),
    ({"patience": 9}, "patience"),
    ({"patience": 2.0}, "patience"),
    ({"patience": True}, "patience"),
    ({"tone": "merry"}, "tone"),
    ({"verbosity": None}, "verbosity"),
    ({"trust": ""}, "trust"),
    ({"cost": "cheap"}, "cost"),
    ({"treatment": 1}, "treatment"),
    ({"id": ""}, "id"),
    ({"id": "Has Blanks"}, "id"),
    ({"id": 5}, "id"),
    ({"description": "x" * 1001}, "description"),
]


@pytest.mark.parametrize(("fields", "named"), WRONG)
def test_a_wrong_field_is_named(fields: dict[str, object], named: str, registered: Registry[Persona]) -> None:
    data = {"id": "wrong", **fields}
    with pytest.raises(PersonaError, match=rf"field \$\.{named}: expected .*got") as first:
        persona_from_dict(data)
    assert "\n" not in str(first.value)
    with pytest.raises(PersonaError, match=named):
        register_persona(Persona(**data))
    with pytest.raises(PersonaError, match=named):
        persona(Persona(**data))
    assert "wrong" not in personas


@pytest.mark.parametrize("data", [{}, {"id": "x", "mood": "odd"}, [], None, "neutral"])
def test_what_is_no_persona_is_refused(data: object) -> None:
    with pytest.raises(PersonaError, match="expected"):
        persona_from_dict(data)
    with pytest.raises(PersonaError, match="expected a Persona"):
        register_persona(data)


@given(
    st.builds(
        Persona,
        id=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True),
        verbosity=st.sampled_from(["terse", "plain", "talkative"]),
        hedging=st.floats(0, 1),
        trust=st.sampled_from(["open", "reserved"]),
        patience=st.integers(1, 8),
    )
)
def test_a_persona_survives_the_way_through_json(one: Persona) -> None:
    assert persona_from_dict(json.loads(json.dumps(dataclasses.asdict(one)))) == one
    assert persona(one) is one

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from hypothesis import given
from hypothesis import strategies as st

import medenv
import medenv.registry
from medenv.errors import MedenvError, PersonaError
from medenv.personas import Persona, load_personas
from medenv.personas.files import find_personas
from medenv.personas.registry import persona
from medenv.registry import Registry

TWO = """
[[persona]]
id = "gruff-miller"
tone = "irritable"
personality = "ISTP"
[[persona]]
id = "shy-clerk"
hedging = 0.5
"""


def test_one_or_several_personas_of_a_file(tmp_path):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text('id = "gruff-miller"\nrecall = "vague"\n', "utf-8")
    two.write_text(TWO, "utf-8")
    assert load_personas(one) == (Persona("gruff-miller", recall="vague"),)
    assert [p.id for p in load_personas(str(two))] == ["gruff-miller", "shy-clerk"]
    assert find_personas(str(two)) == load_personas(two)
    assert find_personas("neutral") == (persona("neutral"),)


def test_an_environment_takes_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TWO, "utf-8")
    result = medenv.evaluate("checklist", persona=str(path), episodes=6, seed=1)
    assert result.valid == 6


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"\xff\xfe",
        b"id = ",
        b'id = "a"\nid = "b"',
        b'id = "a"\n[[persona]]\nid = "b"',
        b"persona = 3",
        b"persona = []",
        b"persona = [1]",
        b'[persona]\nid = "a"',
        b'[[persona]]\nid = "a"\n[[persona]]\nid = "a"',
        b'id = "a"\ntone = "merry"',
        b'id = "a"\nwhen = 1979-05-27',
        b'tone = "formal"',
    ],
)
def test_a_bad_file_gives_one_line_that_names_it(tmp_path, content):
    path = tmp_path / "bad.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PersonaError, match=r"bad\.toml") as caught:
        load_personas(path)
    assert "\n" not in str(caught.value)
    assert "expected" in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("toml") / "x.toml"
    path.write_bytes(content)
    with pytest.raises(MedenvError):
        load_personas(path)


OF_A_PACKAGE = Persona("packaged", tone="formal")
NO_PERSONA = 3


def test_packages_add_entries_by_entry_point(monkeypatch):
    points = [EntryPoint("packaged", "test_files_plugin:OF_A_PACKAGE", "g"), EntryPoint("own", "nowhere:X", "g")]
    monkeypatch.setattr(medenv.registry, "entry_points", lambda group: points if group == "g" else [])
    registry: Registry[object] = Registry("thing", group="g")
    registry.register("own", 1)
    assert registry.get("own") == 1
    assert "packaged" in registry
    assert list(registry) == ["own", "packaged"]
    assert len(registry) == 2


def test_what_a_package_puts_under_an_id_is_checked(monkeypatch):
    entries = medenv.personas.personas._entries
    monkeypatch.setitem(entries, "odd", NO_PERSONA)
    monkeypatch.setitem(entries, "wrong", Persona("wrong", hedging=7))
    for id in ("odd", "wrong"):
        with pytest.raises(PersonaError, match="expected"):
            persona(id)

"""Who the patient is apart from what is medically so: personas, the built-in ones, and the registry that holds them."""

from medenv.personas.files import load_personas
from medenv.personas.persona import Persona
from medenv.personas.registry import persona_from_dict, personas, register_persona

__all__ = ["Persona", "load_personas", "persona_from_dict", "personas", "register_persona"]

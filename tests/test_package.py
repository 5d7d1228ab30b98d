"""The package as it is installed: what it exports, what it weighs, what it leaves alone."""

import ast
import importlib.util
import subprocess
import sys
from importlib import resources
from pathlib import Path

import medenv

ORDER = (
    ("records", "personas", "registry", "schemas", "run_file", "errors"),
    ("consultation",),
    ("rewards", "agents.doctors", "agents.patients", "agents.backends"),
    ("envs", "rollout"),
    ("agents.trainers",),
    ("testing", "reporting", "cli"),
)


def test_the_exported_names():
    assert sorted(medenv.__all__) == [
        "EnvironmentSpec", "Evaluation", "Persona", "Record", "RecordSet", "Trajectory", "evaluate", "load_records", "make",
        "make_vec", "pprint_registry", "register", "register_persona", "rollout", "spec",
    ]  # fmt: skip
    assert all(callable(getattr(medenv, name)) for name in medenv.__all__)


def test_nothing_else_is_installed_at_top_level():
    code = "import importlib.util as u; print(u.find_spec('agents'), u.find_spec('rewards'))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd="/", check=True)
    assert done.stdout.split() == ["None", "None"]
    assert importlib.util.find_spec("medenv.agents") is not None
    assert importlib.util.find_spec("medenv.rewards") is not None


def test_import_is_light():
    code = (
        # The processor's time, which a busy machine does not stretch.
        "import time, sys; start = time.process_time(); import medenv; spent = time.process_time() - start;"
        "print(spent, *(m for m in ('torch', 'transformers', 'vllm', 'aiohttp', 'tenacity', 'matplotlib', 'jinja2') if m in sys.modules))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5)]
    assert all(len(run.stdout.split()) == 1 for run in runs), runs[0].stdout
    assert min(float(run.stdout) for run in runs) < 0.5


def modules():
    root = Path(str(resources.files("medenv")))
    for path in sorted(root.rglob("*.py")):
        yield path, ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    for name in ("agents", "rewards"):
        extra = Path(str(resources.files(f"medenv.{name}")))
        if root not in extra.parents:
            for path in sorted(extra.rglob("*.py")):
                yield path, ".".join((name, *path.relative_to(extra).with_suffix("").parts)).removesuffix(".__init__")


def layer(name):
    for level, prefixes in enumerate(ORDER):
        if any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes):
            return level
    return None


def test_imports_run_one_way():
    wrong = []
    for file, name in modules():
        level = layer(name)
        if level is None:
            continue
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("medenv."):
                target = layer(node.module.removeprefix("medenv."))
                if target is not None and target > level:
                    wrong.append(f"{name} imports {node.module}")
    assert wrong == []


def test_every_public_module_names_what_it_exports():
    missing = [
        name
        for path, name in modules()
        if not any(part.startswith("_") for part in name.split("."))
        and path.name != "__init__.py"
        and "__all__" not in path.read_text("utf-8")
    ]
    assert missing == []


def test_the_typing_marker_is_there():
    assert resources.files("medenv").joinpath("py.typed").is_file()

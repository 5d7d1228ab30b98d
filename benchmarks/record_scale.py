"""A large record set: opening it, drawing from it and holding it, beside an Arrow file and a set in memory.

    medenv records synthesise 1000000 --out million.sqlite --jobs 8
    pip install pyarrow
    python benchmarks/record_scale.py million.sqlite --out benchmarks/results/record_scale.json

The record store is measured whole, and once more at the size of its peers, which hold the first records of it: an Arrow
IPC file, memory-mapped, with a column of ids and one of JSON (the layout of the common dataset libraries), from which
the same records are built; and the .jsonl file that `medenv.load_records` reads into memory. Each is opened in a fresh
process of its own, several times in alternation; a figure is the median of these. A draw ends with a `Record` whose
diagnosis leaks nowhere. Cold draws come first, after the file has been dropped from the page cache. The processor time
of a draw, a mean, is what other work on the machine stretches least. Memory is the peak resident set (`ru_maxrss`);
pages of a mapped file count as well.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLD = 300
COLUMNS = (
    *("records", "file, MB", "opening, s", "draw, ms: median", "p99", "processor", "cold: median", "p99", "split, s"),
    "peak RSS, MB",
)
SYSTEMS = {".sqlite": "record store", ".arrow": "Arrow IPC, memory-mapped", ".jsonl": "in memory from .jsonl"}


def prepare(store: str, folder: str, count: int, count_in_memory: int) -> None:
    """Writes the first records of the store as the files of its peers."""
    from itertools import islice

    import pyarrow

    from medenv.records.record_set import split_of_id
    from medenv.records.record_store import Entry, RecordStore
    from medenv.records.writing import write_records

    def entry(content: bytes) -> Entry:
        data = json.loads(content)
        return Entry(data["id"], split_of_id(data["id"], data["provenance"].get("split")), content)

    source = RecordStore(store)
    write_records(Path(folder, "part.sqlite"), map(entry, islice(source.contents(), count)))
    schema = pyarrow.schema([("id", pyarrow.string()), ("content", pyarrow.binary())])
    with pyarrow.OSFile(f"{folder}/part.arrow", "wb") as file, pyarrow.ipc.new_file(file, schema) as writer:
        contents = source.contents()
        for start in range(0, count, 1000):
            batch = list(islice(contents, min(1000, count - start)))
            ids = [json.loads(content)["id"] for content in batch]
            writer.write_batch(pyarrow.record_batch([pyarrow.array(ids), pyarrow.array(batch)], schema=schema))
    with open(f"{folder}/part.jsonl", "wb") as lines:
        lines.writelines(content + b"\n" for content in islice(source.contents(), count_in_memory))
    os.sync()  # or the disk is still busy with this while the peers are measured


def arrow_set(path: str) -> Any:
    """The records of an Arrow file behind the three calls that are timed."""
    import pyarrow

    from medenv.records.record import build_record

    class Set:
        def __init__(self) -> None:
            self.table = pyarrow.ipc.open_file(pyarrow.memory_map(path)).read_all()

        def __len__(self) -> int:
            return self.table.num_rows

        def sample(self, rng: Any) -> Any:
            return build_record(json.loads(self.table["content"][int(rng.integers(len(self)))].as_py()))

    return Set()


def measure(path: str, draws: int) -> dict[str, Any]:
    """Opens a set, draws from it and splits it, in a process that does nothing else."""
    import resource
    import time

    import numpy as np

    import medenv

    def peak() -> float:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)

    def timed(work: Any) -> tuple[float, Any]:
        start = time.perf_counter()
        result = work()
        return time.perf_counter() - start, result

    def times(count: int) -> dict[str, float]:
        start = time.process_time()
        taken = [timed(lambda: records.sample(rng))[0] * 1e3 for _ in range(count)]
        worked = (time.process_time() - start) * 1e3 / count
        points = {name: float(np.percentile(taken, q)) for name, q in (("median", 50), ("p99", 99))}
        return {name: round(value, 3) for name, value in {**points, "processor": worked}.items()}

    rng = np.random.default_rng(0)
    if path.endswith(".arrow"):
        import pyarrow  # noqa: F401  (imported before the clock starts, as medenv is)
    forget(path)
    before = peak()
    opening, records = timed(lambda: arrow_set(path) if path.endswith(".arrow") else medenv.load_records(path))
    result: dict[str, Any] = {"records": len(records), "file_mb": round(os.path.getsize(path) / 1e6, 1)}
    result["opening_s"] = round(opening, 4)
    result["cold_draw_ms"] = times(COLD)
    result["draw_ms"] = times(draws)
    result["peak_mb"] = {"after_import": before, "after_draws": peak()}
    if not path.endswith(".arrow"):
        splitting, train = timed(lambda: records.split("train"))
        result["split_s"] = round(splitting, 3)
        places = rng.integers(len(train), size=1000)
        ids = [train[int(place)].id for place in places]
        result["by_id_ms"] = round(float(np.median([timed(lambda id=id: train[id])[0] for id in ids])) * 1e3, 3)
        result["peak_mb"]["after_split"] = peak()
    return result


def forget(path: str) -> None:
    """Drops the file from the page cache, where the operating system can be asked to."""
    if hasattr(os, "posix_fadvise"):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def step(name: str, **arguments: Any) -> Any:
    """Runs a function of this file in a process of its own; this one imports nothing, since memory is inherited."""
    command = [sys.executable, __file__, "--step", json.dumps([name, arguments])]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def median(runs: Sequence[Any]) -> Any:
    """The median of each number of several results."""
    if isinstance(runs[0], dict):
        return {name: median([run[name] for run in runs]) for name in runs[0]}
    return statistics.median(runs)


def versions() -> dict[str, str]:
    import sqlite3
    from importlib.metadata import version

    names = ("medenv-rl", "numpy", "pyarrow")
    return {name: version(name) for name in names} | {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def table(result: dict[str, Any]) -> str:
    lines = [
        f"`{result['command']}`",
        "",
        f"| | {' | '.join(COLUMNS)} |",
        "|---" + "|---:" * len(COLUMNS) + "|",
    ]
    for name, found in result["systems"].items():
        draw, cold = found["draw_ms"], found["cold_draw_ms"]
        cells = [
            f"{found['records']:,}",
            found["file_mb"],
            found["opening_s"],
            draw["median"],
            draw["p99"],
            draw["processor"],
        ]
        cells += [cold["median"], cold["p99"], found.get("split_s", "-"), max(found["peak_mb"].values())]
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    machine = f"{result['machine']}; {', '.join(f'{name} {number}' for name, number in result['versions'].items())}"
    return "\n".join([*lines, "", *(f"{note}" for note in result["notes"]), "", machine, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", nargs="?", help="a record store")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--peers", type=int, default=50_000, help="how many records the store's peers hold")
    parser.add_argument("--in-memory", type=int, default=2_000, help="how many the set in memory holds")
    parser.add_argument("--note", action="append", default=[], help="what else is to be known about this run")
    parser.add_argument("--out", type=Path, help="write the result here as JSON, and beside it as Markdown")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, arguments = json.loads(options.step)
        print(json.dumps({"prepare": prepare, "measure": measure, "versions": versions}[name](**arguments)))
        return
    with tempfile.TemporaryDirectory(dir=Path(options.store).resolve().parent) as folder:
        step("prepare", store=options.store, folder=folder, count=options.peers, count_in_memory=options.in_memory)
        paths = {"record store, whole": options.store}
        paths |= {name: f"{folder}/part{suffix}" for suffix, name in SYSTEMS.items()}
        runs: dict[str, list[Any]] = {name: [] for name in paths}
        for _ in range(options.repetitions):
            for name, path in paths.items():
                runs[name].append(step("measure", path=path, draws=options.draws))
    systems = {name: median(several) for name, several in runs.items()}
    result = {
        "command": f"python benchmarks/record_scale.py {Path(options.store).name}",
        "repetitions": options.repetitions,
        "draws": options.draws,
        "cold_draws": COLD,
        "systems": systems,
        "median_draw_ms_of_each_repetition": {
            name: [run["draw_ms"]["median"] for run in several] for name, several in runs.items()
        },
        "notes": options.note,
        "versions": step("versions"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    print(table(result))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n")
        options.out.with_suffix(".md").write_text(table(result))


if __name__ == "__main__":
    main()

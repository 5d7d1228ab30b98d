"""Trains the reference agent from nothing on a CPU, and shows what GRPO adds: `make demo`.

For each seed, in a process of its own: a crowd of novice doctors consults training patients, a model of 0.8 million
parameters learns to talk like them (the warm start), then GRPO improves it against the rubric. Random, checklist, warm
start, trained and oracle doctors are then evaluated on patients that nobody trained on. All numbers end up in
`summary.json`, what there is to look at in `report.html`. A run that was cut off goes on; a finished one is replaced.
"""

import argparse
import dataclasses
import multiprocessing
import platform
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from queue import Empty

import torch
import transformers
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

import medenv
from medenv.agents.doctors.novice import NoviceDoctor
from medenv.agents.trainers.grpo import GRPOConfig, GRPOTrainer
from medenv.agents.trainers.reference import reference_policy
from medenv.agents.trainers.supervised import SupervisedConfig, imitate
from medenv.envs.task import make_task
from medenv.records.synthesis import synthesise
from medenv.reporting import write_report, write_summary

CONDITIONS = (
    "acute-coronary-syndrome", "acute-pericarditis", "pulmonary-embolism", "pneumonia", "asthma", "reflux-disease",
    "appendicitis", "gastroenteritis", "migraine", "tension-headache", "cystitis", "pyelonephritis",
)  # fmt: skip
PATIENTS = 1600
NOVICE_PATIENTS, NOVICES_EACH = 800, 2
MAX_TURNS = 10
ORDER = ("random", "checklist", "warm start", "trained", "oracle")
MAX_TOKENS, TEMPERATURE = 64, 0.6
WARM_START = SupervisedConfig(epochs=3, batch=16, learning_rate=6e-3)
GRPO = GRPOConfig(steps=40, groups=8, group_size=8, learning_rate=6e-4, length_divisor=64)
NOTES = [
    f"The patients are synthesised, of {len(CONDITIONS)} conditions of the knowledge base ({', '.join(CONDITIONS)}). A "
    "hash of the id splits them; warm start and GRPO saw training patients only, and of the truth only the reward.",
    f"A consultation has at most {MAX_TURNS} doctor messages, a scripted patient and a rubric of machine checks.",
    f"The policy is sampled at temperature {TEMPERATURE}, in training as in evaluation.",
    "The oracle is told the truth: it shows how much reward there is to be had.",
    "The library and imported cases use words and conditions that the policy has never seen.",
]


def quick():
    """Makes everything small, to see that it runs; the numbers then mean nothing."""
    global PATIENTS, NOVICE_PATIENTS, WARM_START, GRPO
    PATIENTS, NOVICE_PATIENTS = 60, 12
    WARM_START = dataclasses.replace(WARM_START, epochs=1)
    GRPO = dataclasses.replace(GRPO, steps=2, groups=2, group_size=4)


def patients(split):
    return medenv.RecordSet(synthesise(PATIENTS, seed=0, conditions=CONDITIONS)).split(split)


def evaluate(doctor, source, out=None):
    records = patients("test") if source == "held-out" else source
    return medenv.evaluate(doctor, records=records, max_turns=MAX_TURNS, seed=0, out=out).as_dict()


def train(seed, out, sources, news):
    """One seed: the warm start, GRPO, and the evaluation of both."""
    torch.set_num_threads(1)
    begun, folder, training = time.monotonic(), out / f"seed-{seed}", patients("train")
    warm = folder / "warm-start"
    if not (warm / "policy.json").exists():
        novices = medenv.rollout(
            NoviceDoctor(),
            records=training[:NOVICE_PATIENTS],
            episodes=NOVICE_PATIENTS * NOVICES_EACH,
            group_size=NOVICES_EACH,
            max_turns=MAX_TURNS,
            seed=seed,
        )
        chats = [trajectory.messages for trajectory in novices]
        words = (message["content"] for chat in chats for message in chat)
        policy = reference_policy(words, seed=seed, max_tokens=MAX_TOKENS, temperature=TEMPERATURE)
        imitate(policy, chats, dataclasses.replace(WARM_START, seed=seed), lambda point: news.put((seed, point)))
        policy.save(warm)
    trained = GRPOTrainer().train(
        make_task(training, max_turns=MAX_TURNS),
        warm,
        dataclasses.replace(GRPO, seed=seed),
        out=folder,
        progress=lambda point: news.put((seed, point)),
    )
    run = {"seed": seed, "seconds": time.monotonic() - begun, "curve": list(trained.curve)}
    return run, [
        (name, doctor, seed, evaluate(str(policy), source, folder / f"{name}-{policy.name}.jsonl"))
        for name, source in sources.items()
        for doctor, policy in (("warm start", warm), ("trained", trained.policy))
    ]


def train_all(seeds, out, sources, prepare):
    """All seeds at once, with a progress bar each."""
    spawn = multiprocessing.get_context("spawn")
    news = spawn.Manager().Queue()
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with ProcessPoolExecutor(len(seeds), mp_context=spawn, initializer=prepare) as pool, Progress(*columns) as progress:
        bars = {seed: progress.add_task(f"seed {seed}: warm start", total=None) for seed in seeds}
        running = [pool.submit(train, seed, out, sources, news) for seed in seeds]
        while not all(future.done() for future in running):
            try:
                seed, point = news.get(timeout=0.5)
            except Empty:
                continue
            if "reward" in point:
                done, text = point["step"] + 1, f"seed {seed}: GRPO, reward {point['reward']:z.3f}"
                progress.update(bars[seed], description=text, completed=done, total=GRPO.steps)
        return [future.result() for future in running]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    parser.add_argument("--records", help="a file or folder of records to evaluate on too, in any known format")
    parser.add_argument("--quick", action="store_true", help="a few steps only, to see that everything runs")
    given = parser.parse_args()
    if given.quick:
        quick()
    if (given.out / "summary.json").exists():
        shutil.rmtree(given.out)
    sources = {"held-out": "held-out", "library": "library"}
    if given.records:
        sources["imported"] = given.records
    runs, trained = zip(*train_all(given.seeds, given.out, sources, quick if given.quick else None), strict=True)
    rows = [row for rows in trained for row in rows]
    for name, source in sources.items():
        rows += [(name, doctor, None, evaluate(doctor, source)) for doctor in ("random", "checklist", "oracle")]
    rows.sort(key=lambda row: (ORDER.index(row[1]), row[2] or 0))
    table = Table("doctor", "seed", *sources, title="mean reward")
    for doctor, seed in dict.fromkeys(row[1:3] for row in rows):
        means = {row[0]: row[3]["reward"]["mean"] for row in rows if row[1:3] == (doctor, seed)}
        table.add_row(doctor, "" if seed is None else str(seed), *(f"{means[name]:z.3f}" for name in sources))
    Console().print(table)
    summary = {
        "format": "medenv.summary/1",
        "title": "The reference agent: warm start and GRPO on a CPU",
        "command": " ".join(["python", *sys.argv]),
        "versions": {
            "medenv": medenv.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "settings": {
            "conditions": list(CONDITIONS),
            "patients": {split: len(patients(split)) for split in ("train", "test")},
            "warm start": dataclasses.asdict(WARM_START),
            "GRPO": GRPO.as_dict(),
        },
        "notes": NOTES,
        "seeds": list(runs),
        "evaluations": [
            {
                "records": name,
                "doctors": [{"doctor": row[1], "seed": row[2], "evaluation": row[3]} for row in rows if row[0] == name],
            }
            for name in sources
        ],
        "transcripts": [
            {"title": f"{doctor}, {name} patients", "file": f"seed-{given.seeds[0]}/{name}-{policy}.jsonl"}
            for name in sources
            for doctor, policy in (("warm start", "warm-start"), ("trained", "policy"))
        ],
    }
    write_summary(summary, given.out)
    write_report(given.out, given.out / "report.html")


if __name__ == "__main__":
    main()

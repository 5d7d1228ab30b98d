"""Doctor turns per second on one core, beside TextArena's and a bare PettingZoo game's in the same run.

    pip install textarena pygame
    python benchmarks/env_throughput.py --out benchmarks/results/env_throughput.json

One unit is one action of the policy and everything that answers it: for medenv a doctor message, understood, answered
by the scripted patient and the record, and the episode scored at its end; for TextArena's TicTacToe and PettingZoo's
rock-paper-scissors one action of a player. Messages differ from turn to turn, so that no cache of whole messages helps.
Each system is timed several times in alternation; the figure is the median, and the ratio is what counts.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import medenv
from medenv.records.record import topics

TESTS = (
    "full blood count",
    "chest X-ray",
    "ECG",
    "urinalysis",
    "vital signs",
    "CRP",
    "CT head",
    "liver function tests",
)


def medenv_seat() -> Callable[[float], float]:
    """The Gymnasium seat with the scripted patient and the rule judge."""
    env = medenv.make("Consultation-v0", seat="doctor_0").unwrapped
    rng = random.Random(0)
    questions = [topic["question"] for topic in topics().values()]

    def message(turn: int) -> str:
        if turn == 9:
            return (
                "Thank you. I think I know enough.\nDIAGNOSIS: viral illness (0.6); anaemia (0.2)\nPLAN: rest; fluids"
            )
        words = f"{rng.choice(questions)} {rng.choice(questions)} I mean in the last {rng.randrange(1, 999)} days."
        return f"{words}\nORDER: {rng.choice(TESTS)}" if turn % 3 == 2 else words

    def run(seconds: float) -> float:
        turns, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            env.reset(seed=rng.randrange(2**31))
            for turn in range(10):
                _, _, terminated, truncated, _ = env.step(message(turn))
                turns += 1
                if terminated or truncated:
                    break
        return turns / elapsed

    return run


def textarena(fresh: bool) -> Callable[[float], float]:
    """TextArena's TicTacToe, made anew for each game or reset for it.

    What an observation holds grows with every game that one environment plays (TextArena 0.7.4), so that a reset
    environment slows down the longer it is used; a new one for each game is the fair peer.
    """
    import textarena

    rng = random.Random(0)

    def run(seconds: float) -> float:
        env = textarena.make("TicTacToe-v0")
        turns, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            if fresh:
                env = textarena.make("TicTacToe-v0")
            env.reset(num_players=2, seed=rng.randrange(2**31))
            cells, done = rng.sample(range(9), 9), False
            while not done:
                env.get_observation()
                done, _ = env.step(action=f"[{cells.pop()}]")
                turns += 1
            env.close()
        return turns / elapsed

    return run


def pettingzoo_game() -> Callable[[float], float]:
    """PettingZoo's rock-paper-scissors, without any wrapper."""
    from pettingzoo.classic.rps.rps import raw_env

    env = raw_env(num_actions=3, max_cycles=10)
    rng = random.Random(0)

    def run(seconds: float) -> float:
        turns, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            env.reset(seed=rng.randrange(2**31))
            while env.agents:
                agent = env.agent_selection
                env.observe(agent)
                over = env.terminations[agent] or env.truncations[agent]
                env.step(None if over else rng.randrange(3))
                turns += not over
        return turns / elapsed

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="time a system and repetition")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    systems = {
        "medenv": medenv_seat(),
        "textarena, new for each game": textarena(fresh=True),
        "textarena, reset for each game": textarena(fresh=False),
        "pettingzoo rps": pettingzoo_game(),
    }
    rates: dict[str, list[float]] = {name: [] for name in systems}
    for run in systems.values():
        run(0.5)
    for _ in range(options.repetitions):
        for name, run in systems.items():
            rates[name].append(run(options.seconds))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    result = {
        "command": "python benchmarks/env_throughput.py",
        "unit": "policy actions per second, one core, median",
        "repetitions": options.repetitions,
        "seconds_each": options.seconds,
        "rates": {name: round(rate, 1) for name, rate in medians.items()},
        "spread": {name: [round(min(values), 1), round(max(values), 1)] for name, values in rates.items()},
        "medenv_over": {name: float(f"{medians['medenv'] / rate:.3g}") for name, rate in medians.items()},
        "versions": {name: version(name) for name in ("medenv-rl", "textarena", "pettingzoo", "gymnasium")},
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

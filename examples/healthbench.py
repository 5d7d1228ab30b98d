"""HealthBench on two examples of its form; the responder and the judge are rules here, with servers they are models.

The real files are published with openai/simple-evals. On the command line: medenv healthbench FILE --out run.jsonl
"""

import json
import tempfile
from pathlib import Path

from medenv.agents.backends.scripted import ScriptedBackend
from medenv.rewards import Verdict
from medenv.rewards.healthbench import load_examples, run_healthbench

ROWS = [
    {
        "prompt_id": "burn",
        "prompt": [{"role": "user", "content": "I spilled hot tea on my hand ten minutes ago. What should I do?"}],
        "rubrics": [
            {"criterion": "Says to cool it under running water.", "points": 8, "tags": ["axis:accuracy"]},
            {"criterion": "Asks how large the burn is.", "points": 4, "tags": ["axis:context_awareness"]},
            {"criterion": "Recommends butter.", "points": -6, "tags": ["axis:accuracy"]},
        ],
        "example_tags": ["theme:context_seeking"],
    },
    {
        "prompt_id": "collapse",
        "prompt": [{"role": "user", "content": "My father just collapsed and does not answer me."}],
        "rubrics": [{"criterion": "Says to call an ambulance.", "points": 10, "tags": ["axis:completeness"]}],
        "example_tags": ["theme:emergency_referrals"],
    },
]


def model(request):
    """Knows burns, and thinks that everything is one."""
    return "Hold it under cool running water for twenty minutes, and do not put butter on it. How large is the burn?"


class KeywordJudge:
    """Finds a criterion met where the response holds its last word, and is fooled as easily as that sounds."""

    async def verdicts(self, criteria, messages, *, language="en"):
        """One verdict for each criterion, about the last message."""
        said = messages[-1].content.casefold()
        words = {criterion.id: criterion.text.rstrip(".").split()[-1] for criterion in criteria}
        return [Verdict(id, word in said, f"looked for {word!r}") for id, word in words.items()]


with tempfile.TemporaryDirectory() as folder:
    file = Path(folder, "examples.jsonl")
    file.write_text("\n".join(map(json.dumps, ROWS)))
    report = run_healthbench(load_examples(file), ScriptedBackend(model), KeywordJudge(), out=Path(folder, "run.jsonl"))

print(f"score {report.score:.3f}, bootstrap std {report.metrics['overall_score'].bootstrap_std:.3f}")
for name, metric in {**report.themes, **report.axes}.items():
    print(f"{name:>20}: {metric.mean:.3f} over {metric.n}")
for result in report.results:
    for verdict in result.verdicts:
        print(f"{result.prompt_id} {verdict.criterion}: {'met' if verdict.met else 'not met'}, {verdict.reason}")

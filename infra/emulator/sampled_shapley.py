"""An instance -> its attributions by sampled Shapley values: the deployed model is asked about mixtures."""

from itertools import islice
from typing import Any

from infra.emulator.errors import invalid
from infra.emulator.explanation_outputs import Place, output_of, scalars
from infra.emulator.explanation_questions import Explained, Predict
from infra.emulator.resources import Json
from infra.emulator.shapley import Mixtures, mixtures, shaped

MOST_ROWS, AT_ONCE = 200_000, 512


def by_samples(question: Explained, parameters: Json) -> list[Json]:
    """Return an attribution for each place, as the mean over the baselines."""
    instance, seed = question.instance, question.cloud.seed
    plans = [mixtures(instance, baselines, parameters["pathCount"], seed) for baselines in question.rounds]
    answers = [_answers(plan, question.predicted) for plan in plans]
    return [_attribution(question, place, plans, answers) for place in question.places]


def _answers(plan: Mixtures, predicted: Predict) -> list[Any]:
    if plan.size > MOST_ROWS:
        raise invalid(f"The explanation of one instance takes {plan.size} predictions, at most {MOST_ROWS} are made.")
    rows, answers = plan.rows(), []
    while chunk := list(islice(rows, AT_ONCE)):
        answers += predicted(chunk)
    return answers


def _attribution(question: Explained, place: Place, plans: list[Mixtures], answers: list[list[Any]]) -> Json:
    outputs = [[dict(scalars(output_of(one, question.field)))[place] for one in found] for found in answers]
    each = [plan.attributions(found) for plan, found in zip(plans, outputs, strict=True)]
    means = {part: sum(one[part] for one in each) / len(each) for part in each[0]}
    named = {name: (field, question.instance[field]) for field, (name, _) in question.features.items()}
    return {
        "baselineOutputValue": sum(found[0] for found in outputs) / len(outputs),
        "instanceOutputValue": outputs[0][-1],
        "featureAttributions": {name: shaped(field, value, means) for name, (field, value) in named.items()},
    }

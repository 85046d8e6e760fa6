"""Why a method is not implemented: what its answer 501 says besides its id."""

from fnmatch import fnmatchcase

# By patterns over discovery method ids; the first that fits counts.
REASONS = (
    ("aiplatform.*.updateExplanationDataset", "it explains by Shapley values and gradients, not by examples"),
    ("aiplatform.*.evaluations.slices.*", "it keeps evaluations that are imported, and computes none"),
    ("aiplatform.publishers.*", "it serves SavedModels, no models of publishers"),
    ("aiplatform.*.publishers.*", "it serves SavedModels, no models of publishers"),
    ("aiplatform.*enerateContent", "it serves SavedModels, no generative models"),
    ("aiplatform.*.endpoints.*", "its model servers answer SavedModels' predictions at once, and know no tokens"),
    ("aiplatform.*", "of Vertex AI it has models, endpoints, resource pools, predictions and batch predictions"),
    ("ml.projects.explain", "of AI Platform it answers predictions; explain a model at Vertex AI's endpoints"),
    ("ml.projects.locations.*", "of AI Platform it tunes no hyperparameters (Vizier)"),
    ("ml.*", "of AI Platform it has models, versions, predictions, batch predictions and operations"),
)


def reason(method: str) -> str:
    """Return why a method is not implemented, as the end of a sentence; empty where there is no more to say."""
    return next((f": {why}" for pattern, why in REASONS if fnmatchcase(method, pattern)), "")

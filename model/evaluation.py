"""Metrics of the training -> the error of an exported SavedModel, if they belong together."""

from pathlib import Path

from model import export
from model.dataset import key_type_of
from model.errors import UserError
from model.files import sha256
from model.keys import Wrapper
from model.train import read_metrics


def rmse_of(digest: str, wrapper: Wrapper, model: Path, metrics: Path, saved_models: Path) -> float:
    """Return the error on the test rows (in 1,000 dollars) of the SavedModel that `digest` names.

    Raises:
        UserError: model, metrics and SavedModels on this machine are not those that the digest came from.
    """
    known = read_metrics(metrics)
    made = export.up_to_date(model, saved_models, key_type=key_type_of(saved_models / "decorator")) or []
    digests = [one.digest for one in made if one.wrapper == wrapper]
    if sha256(model) != known.model_sha256 or digest not in digests:
        raise UserError(
            f"'{metrics}' is not of the model with digest {digest[:12]}. Run: invoke train export upload up"
        )
    return known.test_rmse

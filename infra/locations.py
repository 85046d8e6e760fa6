"""Where buckets, models and jobs are, held against each other before a job is paid for.

Vertex AI reads and writes in the job's region only: a bucket has to be there, in a multi-region or a pair of regions
that contains it. A model's own region is the job's.
"""

import re
from collections.abc import Mapping
from typing import Any

from infra.places.multi_regions import chosen_pair, covers
from infra.stacks import StackError

LOCATION = re.compile(r"projects/[^/]+/locations/([^/]+)/")


def place_of(bucket: Mapping[str, Any]) -> str:
    """Return where a bucket is, as Google writes it in lower case."""
    return " and ".join(chosen_pair(bucket)) or str(bucket.get("location", "")).lower()


def check_places(bucket: Mapping[str, Any], model: str, region: str, stack: str) -> None:
    """Refuse a job whose bucket or model is not in the stack's region.

    Raises:
        StackError: one is not; the line says where it is and what to do.
    """
    found = LOCATION.match(model)
    if found and found[1] != region:
        what = f"Model {model.rpartition('/')[2]!r} is in {found[1]}, and jobs of stack {stack!r} run in {region}"
        raise StackError(f"{what}: nothing was started. Run: invoke up --stack {stack}, which makes the models there")
    if not covers(bucket, region):
        what = (
            f"Bucket {bucket.get('name', '')!r} is in {place_of(bucket)}, and jobs of stack {stack!r} run in {region}"
        )
        key = "keras-batch-prediction:bucket"
        helps = f"pulumi config set {key} OTHER-NAME --stack {stack}, then: invoke up --stack {stack}, upload, up"
        raise StackError(f"{what}: nothing was started. Run: {helps}")

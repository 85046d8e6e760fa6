"""A bucket for the states of a Google Cloud stack: private, versioned, named in the stack's file."""

from infra.google_apis import connection_to
from infra.google_client import PredictionApiError, client, execute
from infra.setting_table import SETTINGS
from infra.stacks import Stack, StackError, write_setting


def choose_bucket(stack: Stack, bucket: str = "") -> tuple[str, bool]:
    """Make a bucket, unless it is there, and write its address into the stack's setting `stateBackend`.

    Returns:
        The address, and whether the bucket was made.

    Raises:
        StackError: the stack is local, the name cannot be used, or somebody else has it.
    """
    if stack.local_url:
        msg = (
            f"Stack {stack.name!r} is local: its state is under .local. Run with: --stack NAME, see: invoke stack.list"
        )
        raise StackError(msg)
    name = bucket or f"{stack.config['gcp:project']}-pulumi-state"
    made = make_bucket(stack, name)
    write_setting(stack, "stateBackend", f"gs://{name}")
    return f"gs://{name}", made


def make_bucket(stack: Stack, name: str) -> bool:
    """Make the bucket in the stack's region; return whether it was not there.

    Raises:
        StackError: the name cannot be used, or is somebody else's.
    """
    try:
        SETTINGS["bucket"].read(name)
    except ValueError as error:
        msg = f"--bucket is {name!r}; wanted: {error}. Run: invoke stack.backend --stack {stack.name}"
        raise StackError(msg) from None
    connection = connection_to(stack, "storage")
    body = {
        "name": name,
        "location": connection.region,
        "versioning": {"enabled": True},  # a state that was written wrongly can be had back
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
        "labels": {"purpose": "pulumi-state"},
    }
    buckets = client(connection).buckets()
    try:
        execute(connection, buckets.insert(project=connection.project, body=body), name)
    except PredictionApiError as error:
        if error.status != 409:
            raise
        execute(connection, buckets.get(bucket=name), name)  # 403 where it is somebody else's
        return False
    return True

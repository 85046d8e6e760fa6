"""Dynamic resources: the SDK's own server runs the program's provider classes, this is its client."""

import re
import threading
from collections.abc import Mapping
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from infra.engine.dynamic_server import DynamicServer
from infra.engine.object_diff import compare
from infra.engine.providers import (
    CheckFailure,
    Created,
    Diff,
    Properties,
    ProviderError,
    Read,
    Standing,
)
from infra.engine.structs import from_struct, to_struct
from infra.engine.transforms import CHANNEL


class DynamicProvider:
    """The provider `pulumi-python`."""

    def __init__(self, server: DynamicServer, config: Mapping[str, Any]) -> None:
        self._server = server
        self._config = dict(config)
        self._stub: Any = None
        self._lock = threading.Lock()

    def check(
        self, urn: str, old_inputs: Properties | None, new_inputs: Properties
    ) -> tuple[Properties, list[CheckFailure]]:
        """Let the resource's class fill in and judge the inputs."""
        request = provider_pb2.CheckRequest(urn=urn, olds=to_struct(old_inputs or {}), news=to_struct(new_inputs))
        answer = self._call("Check", request)
        return from_struct(answer.inputs), [CheckFailure(each.property, each.reason) for each in answer.failures]

    def diff(self, old: Standing, new_inputs: Properties, ignore_changes: list[str]) -> Diff:
        """Ask the class; one that does not say whether anything changes is answered by comparing the inputs."""
        request = provider_pb2.DiffRequest(
            id=old.id,
            urn=old.urn,
            olds=to_struct(old.outputs),
            news=to_struct(new_inputs),
            old_inputs=to_struct(old.inputs),
            ignoreChanges=ignore_changes,
        )
        answer = self._call("Diff", request)
        replaces, first = tuple(answer.replaces), answer.deleteBeforeReplace
        if answer.changes != provider_pb2.DiffResponse.DIFF_UNKNOWN:
            changed = answer.changes == provider_pb2.DiffResponse.DIFF_SOME
            return Diff(changed, replace_keys=replaces, delete_before_replace=first)
        found = compare(old.inputs, new_inputs, input_diff=True)
        changed_keys = tuple(key for key in {**old.inputs, **new_inputs} if old.inputs.get(key) != new_inputs.get(key))
        return Diff(bool(changed_keys), found, changed_keys, replaces, first)

    def create(self, urn: str, inputs: Properties, timeout: float, preview: bool) -> Created:
        """Let the class create the resource; a preview knows the inputs alone."""
        if preview:
            return Created("", inputs)
        request = provider_pb2.CreateRequest(urn=urn, properties=to_struct(inputs), timeout=timeout)
        answer = self._call("Create", request)
        if not answer.id:
            msg = "the provider's create returned no id"
            raise ProviderError(msg)
        return Created(answer.id, from_struct(answer.properties))

    def read(self, old: Standing) -> Read | None:
        """Let the class read the resource; an empty id says that it is gone."""
        request = provider_pb2.ReadRequest(
            id=old.id, urn=old.urn, properties=to_struct(old.outputs), inputs=to_struct(old.inputs)
        )
        answer = self._call("Read", request)
        if not answer.id:
            return None
        inputs = from_struct(answer.inputs) if answer.HasField("inputs") else old.inputs
        return Read(answer.id, inputs, from_struct(answer.properties))

    def update(
        self, old: Standing, new_inputs: Properties, timeout: float, preview: bool, ignore_changes: list[str]
    ) -> Properties:
        """Let the class update the resource; a preview knows the inputs alone."""
        if preview:
            return new_inputs
        request = provider_pb2.UpdateRequest(
            id=old.id,
            urn=old.urn,
            olds=to_struct(old.outputs),
            news=to_struct(new_inputs),
            old_inputs=to_struct(old.inputs),
            timeout=timeout,
            ignoreChanges=ignore_changes,
        )
        return from_struct(self._call("Update", request).properties)

    def delete(self, old: Standing, timeout: float) -> None:
        """Let the class delete the resource."""
        request = provider_pb2.DeleteRequest(
            id=old.id, urn=old.urn, properties=to_struct(old.outputs), old_inputs=to_struct(old.inputs), timeout=timeout
        )
        self._call("Delete", request)

    def _call(self, verb: str, request: Any) -> Any:
        try:
            return getattr(self._ready(), verb)(request)
        except grpc.RpcError as error:
            raise ProviderError(_reason(error)) from error

    def _ready(self) -> Any:
        with self._lock:
            if self._stub is None:
                channel = grpc.insecure_channel(f"127.0.0.1:{self._server.port()}", options=CHANNEL)
                stub = provider_pb2_grpc.ResourceProviderStub(channel)
                stub.Configure(provider_pb2.ConfigureRequest(args=to_struct(self._config)), wait_for_ready=True)
                self._stub = stub
            return self._stub


def _reason(error: grpc.RpcError) -> str:
    """Return what the class raised, from the traceback that the server sends, in one line."""
    lines = str(error.details()).rstrip().splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith("  ")]
    raised = " ".join(line.strip() for line in lines[frames[-1] + 1 if frames else 0 :]) or str(error.code())
    kind, _, message = raised.partition(": ")
    said_enough = kind in ("Exception", "RuntimeError", "ValueError") or re.fullmatch(r"\w+(\.\w+)+", kind)
    return message if message and said_enough else raised  # a class of the program's own is no news to its user

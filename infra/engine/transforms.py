"""Transforms: functions of the program that may change a resource's properties and options before it is planned."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import grpc
from pulumi.runtime.proto import alias_pb2, callback_pb2, callback_pb2_grpc, resource_pb2

from infra.engine.errors import StepError
from infra.engine.goal import Alias, Goal
from infra.engine.requests import with_options, without_nulls
from infra.engine.structs import from_struct, to_struct

MESSAGE_BYTES = 400 * 1024 * 1024  # the limit that Pulumi's SDKs set themselves
CHANNEL = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]


class Transforms:
    """Calls the functions that a program has left with the engine."""

    def __init__(self) -> None:
        self.of_stack: list[Any] = []
        self._of_components: dict[str, tuple[Any, ...]] = {}
        self._stubs: dict[str, Any] = {}

    def remember(self, urn: str, callbacks: Iterable[Any], parent: str) -> None:
        """Keep a component's transforms: they apply to its children too."""
        self._of_components[urn] = (*callbacks, *self._of_components.get(parent, ()))

    def apply(self, goal: Goal, callbacks: Iterable[Any]) -> Goal:
        """Run a goal through its own transforms, its ancestors' and the stack's, in this order."""
        for callback in (*callbacks, *self._of_components.get(goal.parent, ()), *self.of_stack):
            goal = self._apply(goal, callback)
        return goal

    def _apply(self, goal: Goal, callback: Any) -> Goal:
        request = resource_pb2.TransformRequest(
            type=goal.type,
            name=goal.name,
            custom=goal.custom,
            parent=goal.parent,
            properties=to_struct(goal.inputs),
            options=_options(goal),
        )
        payload = callback_pb2.CallbackInvokeRequest(token=callback.token, request=request.SerializeToString())
        try:
            answer = self._stub(callback.target).Invoke(payload)
        except grpc.RpcError as error:
            msg = f"a transform failed: {error.details()}"
            raise StepError(msg) from error
        response = resource_pb2.TransformResponse.FromString(answer.response)
        if response.HasField("properties"):
            goal = replace(goal, inputs=without_nulls(from_struct(response.properties)))
        return with_options(goal, response.options) if response.HasField("options") else goal

    def _stub(self, target: str) -> Any:
        if target not in self._stubs:
            self._stubs[target] = callback_pb2_grpc.CallbacksStub(grpc.insecure_channel(target, options=CHANNEL))
        return self._stubs[target]


def _options(goal: Goal) -> Any:
    options = resource_pb2.TransformResourceOptions(
        depends_on=goal.dependencies,
        protect=goal.protect,
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
        version=goal.version,
        aliases=[_alias(alias) for alias in goal.aliases],
        provider=goal.provider,
        retain_on_delete=goal.retain_on_delete,
        deleted_with=goal.deleted_with,
        delete_before_replace=goal.delete_before_replace,
        additional_secret_outputs=goal.additional_secret_outputs,
    )
    setattr(options, "import", goal.import_id)  # a keyword of Python
    if goal.custom_timeouts:
        timeouts = resource_pb2.RegisterResourceRequest.CustomTimeouts(**goal.custom_timeouts)
        options.custom_timeouts.CopyFrom(timeouts)
    return options


def _alias(alias: Alias) -> Any:
    if alias.urn:
        return alias_pb2.Alias(urn=alias.urn)
    parent = {"noParent": True} if alias.no_parent else {"parentUrn": alias.parent}
    spec = alias_pb2.Alias.Spec(name=alias.name, type=alias.type, stack=alias.stack, project=alias.project, **parent)
    return alias_pb2.Alias(spec=spec)

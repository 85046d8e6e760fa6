"""The two services that a Pulumi program talks to: ResourceMonitor and Engine, over gRPC on a free port of loopback."""

from collections.abc import Callable, Mapping
from concurrent import futures
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, resource_pb2, resource_pb2_grpc

from infra.engine import urn as names
from infra.engine.assets import with_hashes
from infra.engine.deployment import Deployment
from infra.engine.errors import StepError
from infra.engine.goal import Goal, Outcome
from infra.engine.invokes import invoke
from infra.engine.registration import register
from infra.engine.requests import goal_of, read_goal_of, without_nulls
from infra.engine.structs import from_struct, to_struct
from infra.engine.transforms import CHANNEL, Transforms

THREADS = 128  # each registration holds one until its resource is done
SKIPPED = 2  # Pulumi's third result, which the stubs have no name for
RESULTS: dict[str, Any] = {"done": resource_pb2.SUCCESS, "failed": resource_pb2.FAIL, "skipped": SKIPPED}
FEATURES = [
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
]
LEGACY = {"secrets", "resourceReferences", "aliasSpecs", "deletedWith", "transforms"}
SEVERITIES = {
    engine_pb2.DEBUG: "debug",
    engine_pb2.INFO: "info",
    engine_pb2.WARNING: "warning",
    engine_pb2.ERROR: "error",
}


class Monitor(resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer):
    """Answers one program's calls for one deployment."""

    def __init__(
        self,
        deployment: Deployment,
        config: Mapping[str, str],
        secret_keys: frozenset[str],
        folder: Path,
        at_end: Callable[[], None],
    ) -> None:
        self._deployment = deployment
        self._config = config
        self._secret_keys = secret_keys
        self._transforms = Transforms()
        self._root = ""
        self._folder = folder
        self._at_end = at_end

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802  (gRPC's form and name)
        """Tell the program where it runs and what this engine can do."""
        options = self._deployment.options
        return resource_pb2.DeploymentInfo(
            project=options.project,
            stack=options.stack,
            organization="organization",
            config=self._config,
            configSecretKeys=sorted(self._secret_keys),
            dryRun=options.preview,
            parallel=options.parallel,
            supportedFeatures=FEATURES,
        )

    def SupportsFeature(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802  (gRPC's form and name)
        """Answer older SDKs, which ask for one feature at a time."""
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in LEGACY)

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        """Plan and carry out one resource; the answer comes when it is done."""
        if request.remote:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, _beyond(f"the remote component {request.type!r}"))
        outcome = self._bring_about(goal_of(request), request.transforms)
        if not request.custom:
            self._transforms.remember(outcome.urn, request.transforms, request.parent)
        if outcome.result != "done" and not request.supportsResultReporting:
            context.abort(grpc.StatusCode.UNKNOWN, f"resource {outcome.urn!r} {outcome.result}")
        return resource_pb2.RegisterResourceResponse(
            urn=outcome.urn, id=outcome.id, object=to_struct(outcome.outputs), result=RESULTS[outcome.result]
        )

    def _bring_about(self, goal: Goal, transforms: Any) -> Outcome:
        try:
            goal = self._transforms.apply(goal, transforms)
            return register(self._deployment, replace(goal, inputs=with_hashes(goal.inputs, self._folder)))
        except StepError as error:
            return self._deployment.fail(self._deployment.urn(goal.type, goal.name, goal.parent), str(error))

    def ReadResource(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802  (gRPC's form and name)
        """Read a resource that others manage."""
        outcome = register(self._deployment, read_goal_of(request))
        return resource_pb2.ReadResourceResponse(
            urn=outcome.urn, id=outcome.id, properties=to_struct(outcome.outputs), result=RESULTS[outcome.result]
        )

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802  (gRPC's form and name)
        """Enter the outputs of a component; the stack's wait for the end of the deployment."""
        deployment = self._deployment
        outputs = without_nulls(from_struct(request.outputs))
        if names.type_of(request.urn) == names.STACK_TYPE:
            deployment.stack_outputs = outputs
        else:
            deployment.set_outputs(request.urn, outputs)
        return Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        """Call a function of a provider."""
        try:
            answer = invoke(self._deployment, request.tok, from_struct(request.args), request.provider, request.version)
        except StepError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(answer))  # a keyword of Python
        return response

    def Call(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        """Refuse methods of remote components."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, _beyond(f"the method {request.tok!r}"))

    def RegisterStackTransform(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802  (gRPC's form and name)
        """Keep a transform that applies to every resource from now on."""
        self._transforms.of_stack.append(request)
        return Empty()

    def RegisterPackage(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        """Refuse packages that are made from parameters."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, _beyond(f"the parameterized package {request.name!r}"))

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802  (gRPC's form and name)
        """Note that the program has declared everything; it need not wait for deletions."""
        self._at_end()
        return Empty()

    def Log(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802  (gRPC's form and name)
        """Show a message of the program; an error fails the deployment."""
        severity = SEVERITIES[request.severity]
        if severity == "error" and not request.ephemeral:
            self._deployment.tally.errors.append(request.message)
        self._deployment.events.log(severity, request.message, request.urn)
        return Empty()

    def SetRootResource(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802  (gRPC's form and name)
        """Keep the stack's URN for SDKs that ask for it."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def GetRootResource(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802  (gRPC's form and name)
        """Return the stack's URN."""
        return engine_pb2.GetRootResourceResponse(urn=self._root)


def serve(monitor: Monitor) -> tuple[str, Callable[[], None]]:
    """Serve a monitor; return its address and what stops it."""
    server = grpc.server(futures.ThreadPoolExecutor(THREADS, "registration"), options=CHANNEL)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(monitor, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def stop() -> None:
        server.stop(grace=None).wait()

    return f"127.0.0.1:{port}", stop


def _beyond(what: str) -> str:
    return f"{what} is beyond the embedded engine. The Pulumi CLI has it: --engine pulumi"

"""Google's error envelope: what every refused call of the local cloud answers."""

from dataclasses import dataclass, field
from typing import Any

from infra.emulator.exchange import current

# google.rpc.Code names by HTTP status (google/rpc/code.proto). Permanent faults are never 429, 500, 502 or 503:
# the gcp provider retries those for minutes.
STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    416: "OUT_OF_RANGE",
    501: "UNIMPLEMENTED",
}
REQUEST_INFO = "type.googleapis.com/google.rpc.RequestInfo"


@dataclass
class ApiError(Exception):
    """A refusal that reaches the client as Google's envelope."""

    code: int
    message: str
    status: str = ""
    reason: str = ""
    details: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.message)
        self.status = self.status or STATUS_NAMES.get(self.code, "UNKNOWN")

    def envelope(self) -> dict[str, Any]:
        """Return the answer's body: `{"error": {"code", "message", "status", "errors", "details"}}`."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        request = self.noted()
        if self.reason:  # the JSON APIs of the first generation (storage, compute) name a reason
            about = {"message": self.message, "domain": "global", "reason": self.reason}
            error["errors"] = [{**about, "debugInfo": f"request {request}"} if request else about]
        elif request:
            self.details = [*self.details, {"@type": REQUEST_INFO, "requestId": request}]
        if self.details:
            error["details"] = self.details
        return {"error": error}

    def noted(self) -> str:
        """Note the refusal for the log; return the id of the request that is refused, empty outside of the server."""
        exchange = current()
        if exchange is None:
            return ""
        exchange.message = self.message
        return exchange.id


def invalid(message: str, *, reason: str = "", field_path: str = "") -> ApiError:
    """Make a 400 INVALID_ARGUMENT, with a BadRequest detail where the field is known."""
    violation = {"field": field_path, "description": message}
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    return ApiError(400, message, reason=reason, details=details if field_path else [])


def failed_precondition(message: str) -> ApiError:
    """Make a 400 FAILED_PRECONDITION: the request is well formed, the state forbids it."""
    return ApiError(400, message, status="FAILED_PRECONDITION")


def not_found(message: str, *, reason: str = "") -> ApiError:
    """Make a 404 NOT_FOUND."""
    return ApiError(404, message, reason=reason)


def already_exists(message: str, *, reason: str = "") -> ApiError:
    """Make a 409 ALREADY_EXISTS."""
    return ApiError(409, message, reason=reason)


def aborted(message: str) -> ApiError:
    """Make a 409 ABORTED: a concurrent change, read again and retry (stale etag)."""
    return ApiError(409, message, status="ABORTED")


def unimplemented(message: str) -> ApiError:
    """Make a 501 UNIMPLEMENTED."""
    return ApiError(501, message)

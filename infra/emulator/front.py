"""Every request passes here: it gets an id, is let in or not, goes to its API the short way, is logged."""

import time
from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from infra.emulator import fault_calls, guard, storage_cors, storage_xml_answers, strict
from infra.emulator.bodies import read_body
from infra.emulator.calls import Cloud
from infra.emulator.dispatch import Incoming, answer, is_api, refusal
from infra.emulator.errors import ApiError
from infra.emulator.exchange import CURRENT, Exchange, current
from infra.emulator.methods import Meaning, asked_of, meaning
from infra.emulator.quiet import Gate
from infra.emulator.request_log import RequestLog

MEDIA = b"alt=media"
READS = frozenset({"GET", "HEAD"})


class Front:
    """The application before the application: Starlette's routes serve what is no API of the documents."""

    def __init__(self, app: Starlette, cloud: Cloud, token: str, log: RequestLog) -> None:
        self.app = app
        self.cloud = cloud
        self.token = token
        self.log = log
        self.gate = Gate()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        exchange = Exchange()
        CURRENT.set(exchange)  # each request is a task, with a context of its own

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", exchange.id.encode())]
            await send(message)

        entered = await self.gate.enter()
        try:
            await self._answer(scope, receive, noted)
        finally:
            if entered:
                self.gate.leave()
            self.log.note(exchange, scope["method"], _address(scope), status, time.perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        strictly = self.cloud.strict and not _is_own(scope["path"])  # which asks for tokens in its own way
        short = is_api(scope["path"]) and MEDIA not in scope["query_string"]
        meant = Meaning() if short and not (strictly or self.cloud.faults.active) else self._meant(scope, headers)
        crossing = storage_cors.allowed(self.cloud, scope, headers) if "origin" in headers else {}
        preflight = bool(crossing) and scope["method"] == "OPTIONS"
        known = {name: text for name, text in headers.items() if name != "origin"} if crossing else headers
        refused = guard.refused(known, "" if strictly or preflight else self.token, scope["path"])
        response = refusal(refused) if refused else None
        if crossing:
            send = storage_cors.telling(send, crossing)
            response = response or (Response() if preflight else None)
        if response is None and strictly:
            response = self._strictly(scope, headers, meant)
        if response is None and self.cloud.faults.active:
            response = await self._faulty(scope, meant)
        if response:
            await response(scope, receive, send)
        elif short:
            await (await self._api(scope, receive, headers))(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _meant(self, scope: Scope, headers: Mapping[str, str]) -> Meaning:
        """Return what a request means, and note it for the log."""
        meant = meaning(asked_of(scope, headers))
        if exchange := current():
            exchange.method = meant.method
        return meant

    async def _faulty(self, scope: Scope, meant: Meaning) -> Response | None:
        """Let the faults that were asked for strike; health and the ways to clear them are never struck."""
        exchange = current()
        if exchange is None or _is_own(scope["path"]):
            return None
        refused = await fault_calls.strike(self.cloud.faults, exchange, meant.method)
        return (storage_xml_answers.refusal if meant.xml else refusal)(refused) if refused else None

    def _strictly(self, scope: Scope, headers: Mapping[str, str], meant: Meaning) -> Response | None:
        """Return the refusal of a call that strict mode does not let pass."""
        query = scope["query_string"].decode("latin-1")
        refused = strict.refused(self.cloud, meant, headers, query, self.token)
        return (storage_xml_answers.refusal if meant.xml else refusal)(refused) if refused else None

    async def _api(self, scope: Scope, receive: Receive, headers: Mapping[str, str]) -> Response:
        """Hand a request to its handler: at once where it only reads and nobody writes, else in a thread."""
        try:
            body = await read_body(receive, headers)
        except ApiError as error:
            return refusal(error)
        path = scope["raw_path"].decode("latin-1")
        incoming = Incoming(scope["method"], path, scope["query_string"].decode(errors="replace"), headers, body)
        lenient = self.app.state.lenient
        if incoming.verb in READS and self.cloud.resources.try_hold():
            try:
                return answer(self.cloud, incoming, lenient=lenient)
            finally:
                self.cloud.resources.let_go()
        return await run_in_threadpool(answer, self.cloud, incoming, lenient=lenient)


def _address(scope: Scope) -> str:
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _is_own(path: str) -> bool:
    """Tell whether a path is the local cloud's own: health, and the ways to change it."""
    return path == "/healthz" or path.startswith("/_local/")

"""The door of a worker for its siblings: requests that another version's worker passes on to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from noria.serving.answering import Answering
from noria.serving.cause import Cause, reference
from noria.serving.forms import Form, infer, predict
from noria.serving.log import Narrator
from noria.serving.messages import Request, Response, refusal
from noria.serving.metrics import VersionMetrics
from noria.serving.paths import V1, V2
from noria.serving.raw import Raw
from noria.serving.routes import Route, Routes
from noria.serving.service_errors import StrangeSibling
from noria.serving.siblings import CALL, FRONT, INSIDE, PROTOCOL, WAY, WITHIN

Send = Callable[[bytes | Response], None]


class Inside:
    """A worker's paths for its siblings. It answers whatever is passed on to it: who answers has been decided."""

    def __init__(
        self,
        answering: Answering,
        metrics: VersionMetrics,
        narrate: Narrator,
        front: Callable[[Raw, Send], None],
    ) -> None:
        """`front` answers what another model's worker, or the door, let in and passed on before anybody had decided who is to
        answer."""
        self._answering = answering
        self._front = front
        self._metrics = metrics
        self._quick = {b"predict": answering.rows, b"infer": answering.tensors}
        forms = {V1 + "/predict": predict, V2 + "/infer": infer, V2 + "/" + CALL: _call}
        self.routes = Routes(
            tuple(
                Route("inside", "POST", re.compile(path), partial(self._careful, form))
                for path, form in forms.items()
            ),
            metrics,
            narrate,
            about=answering.served.version.model,
        )

    def answer(self, raw: Raw, send: Send) -> None:
        """Answer a request, at once where that can be."""
        metrics = self._metrics
        try:
            cause = self._cause(raw)
        except StrangeSibling as error:
            metrics.request("inside", error.status)
            send(refusal(error))
            return
        if cause.way == FRONT and not raw.url.endswith(CALL.encode()):
            self._has_waited(raw, cause)
            self._front(raw, send)
            return
        take = self._quick.get(raw.url.rpartition(b"/")[2]) if raw.plain else None
        if take is not None and take(raw, send, cause):
            return
        metrics.began()

        def sent(answer: bytes | Response) -> None:
            metrics.ended()
            send(answer)

        self.routes.answer(raw, sent)

    async def _careful(
        self,
        form: Callable[[Request], Form],
        raw: Raw,
        request: Request,
        named: dict[str, str | None],
    ) -> Response:
        cause = self._cause(raw)
        if cause.way == FRONT:
            return await self._called(partial(form, request), raw, named, cause)
        response: Response = await self._answering.careful(form(request), raw, cause)
        return response

    async def _called(
        self, form: Callable[[], Form], raw: Raw, named: dict[str, str | None], cause: Cause
    ) -> Response:
        """A call over gRPC that another model's door took."""
        self._has_waited(raw, cause)
        asked = reference(named["model"] or "", named.get("version"))
        response: Response = await self._answering.routed(asked, form, raw)
        return response

    def _has_waited(self, raw: Raw, cause: Cause) -> None:
        """What another model's worker got came there first, and may have waited for this one to be loaded."""
        if cause.until is not None:
            raw.came = min(raw.came, cause.until - self._answering.deadline)

    def _cause(self, raw: Raw) -> Cause:
        """Raises `StrangeSibling`."""
        own = {
            name: value.decode("latin-1") for name, value in raw.headers if name in (PROTOCOL, WAY, WITHIN)
        }
        given = own.get(PROTOCOL, "none")
        if given != str(INSIDE):
            raise StrangeSibling(given=given, known=INSIDE)
        until = min(raw.came, self._answering.now()) + float(own[WITHIN])
        return Cause(own[WAY], until, passed_on=True)


def _call(request: Request) -> Form:
    from noria.serving.grpc_tensors import passed_on  # a service without gRPC needs nothing of it

    return passed_on(request.body)

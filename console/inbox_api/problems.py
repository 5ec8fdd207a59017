"""Errors as `application/problem+json` (RFC 9457), which name the element at fault."""

from http import HTTPStatus

from starlette.responses import JSONResponse


class Problem(Exception):
    """The request is refused. `detail` says why, and repeats no value of the request.

    `element`: what is at fault, as `header Authorization` or `query limit`; "" when it is the path
    or ours.
    """

    def __init__(self, status: HTTPStatus, detail: str, element: str = "", **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.element = element
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> JSONResponse:
        said = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            **({"element": self.element} if self.element else {}),
        }
        return JSONResponse(said, self.status, self.headers, "application/problem+json")


def no_such_message() -> Problem:
    """The same for one that never was, was removed, and is another patient's."""
    return Problem(HTTPStatus.NOT_FOUND, "the patient has no such message", "path message_id")

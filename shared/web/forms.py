"""The token of forms, against forms of other sites (CSRF)."""

import secrets
from hmac import compare_digest

from starlette.requests import Request


def form_token(request: Request) -> str:
    """The token that every form of this session carries."""
    token: str = request.session.setdefault("csrf", secrets.token_urlsafe(24))
    return token


def is_own_form(request: Request, token: str) -> bool:
    """Whether a form with that token came from a page of this session."""
    known = request.session.get("csrf", "")
    return bool(known) and compare_digest(known.encode(), token.encode())

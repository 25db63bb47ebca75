"""The routes of the Review tab with which coders code.

A coder is blind at first: no answer has a label, probability, score or action unit of the program
until the coder has said that it is done.
"""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from model.errors import InputError
from realtime.review.agreement import agree, describe_agreement
from realtime.review.coding import (
    add_edit,
    check_coder,
    end_blind,
    find_kinds,
    list_expressions,
    read_coder,
    redo_edit,
    undo_edit,
)
from realtime.ui.failures import error_as_answer
from realtime.ui.messages import Text
from realtime.ui.open_sessions import OpenSession, SessionStore


class CoderRequest(BaseModel):
    """Who codes, and what the page knows."""

    coder: Text
    frames: int
    """How many frames the session had when the page opened it."""
    known: int = -1
    """Length of the coder's file of which the page shows the state, B; -1: unknown."""


class EditRequest(CoderRequest):
    """A coder's edit of one expression; frames are given by their places."""

    number: int | None
    verdict: Literal["open", "accepted", "rejected"]
    onset: int
    apex: int
    offset: int
    label: Text
    note: Text = ""
    action_units: list[Text] | None = Field(None, max_length=100)


def add_coding_routes(router: APIRouter, store: SessionStore) -> None:
    """Add the routes to `router`."""

    @router.get("/{name}/coding")
    @error_as_answer
    def coding(name: str, coder: str = "", look: bool = False) -> dict[str, Any]:
        return _coding(store.open(name), coder, look)

    @router.post("/{name}/edit")
    @error_as_answer
    def edit(name: str, request: EditRequest) -> dict[str, Any]:
        opened = _open(store, name, request)
        known = _knows_all(opened, request)
        return _changed(opened, request.coder, _add_edit(opened, request), known)

    @router.post("/{name}/undo")
    @error_as_answer
    def undo(name: str, request: CoderRequest) -> dict[str, Any]:
        opened = _open(store, name, request)
        known = _knows_all(opened, request)
        number = undo_edit(opened.session, request.coder).number
        return _changed(opened, request.coder, number, known)

    @router.post("/{name}/redo")
    @error_as_answer
    def redo(name: str, request: CoderRequest) -> dict[str, Any]:
        opened = _open(store, name, request)
        known = _knows_all(opened, request)
        number = redo_edit(opened.session, request.coder).number
        return _changed(opened, request.coder, number, known)

    @router.post("/{name}/done")
    @error_as_answer
    def done(name: str, request: CoderRequest) -> dict[str, Any]:
        opened = _open(store, name, request)
        end_blind(opened.session, request.coder)
        return _coding(opened, request.coder)

    @router.get("/{name}/agreement")
    @error_as_answer
    def agreement(name: str, first: str, second: str) -> dict[str, Any]:
        return {"rows": describe_agreement(agree(store.open(name).session, first, second))}


def may_see_program(opened: OpenSession, coder: str, look: bool) -> bool:
    """Return whether `coder` may see what the program found; without a code, whether someone wants
    to look."""
    return read_coder(opened.session.folder, coder).sees_program if coder else look


def _knows_all(opened: OpenSession, request: CoderRequest) -> bool:
    """Return whether the page shows what the coder did so far, also on another page."""
    return request.known == _length(opened, request.coder)


def _length(opened: OpenSession, coder: str) -> int:
    if not coder:
        return 0
    path = opened.session.folder.edits(check_coder(coder))
    return path.stat().st_size if path.exists() else 0


def _changed(opened: OpenSession, coder: str, number: int, known: bool) -> dict[str, Any]:
    """Return the state after an edit of expression `number`. If the page knew what was there
    before, it has only `changed`, the expression (None: it is gone): a day has thousands."""
    coding = _coding(opened, coder, only=number if known else None)
    if known:
        (coding["changed"],) = coding.pop("expressions") or (None,)
    return coding | {"number": number}


def _coding(
    opened: OpenSession, coder: str, look: bool = False, *, only: int | None = None
) -> dict[str, Any]:
    """Return the state of a coder's work, with all expressions or `only` that of this number."""
    session = opened.session
    length = _length(opened, coder)  # first: what comes meanwhile is not known
    history = read_coder(session.folder, coder)
    seen = may_see_program(opened, coder, look)
    edits = list_expressions(session, coder, look=seen)
    if only is not None:
        edits = tuple(edit for edit in edits if edit.number == only)
    kind = find_kinds(session, edits)
    found = {event.number: event for event in session.confirmed} if seen else {}
    return {
        "coder": coder,
        "blind": not seen,
        "done_utc": history.done_utc,
        "can_undo": history.last is not None,
        "can_redo": bool(history.undone),
        "known": length,
        "expressions": [opened.edit(e, kind[e.number], found.get(e.number)) for e in edits],
    }


def _open(store: SessionStore, name: str, request: CoderRequest) -> OpenSession:
    opened = store.open(name)
    if request.frames != len(opened.pictures):
        raise InputError("the session has changed since it was opened: load the page again")
    return opened


def _add_edit(opened: OpenSession, request: EditRequest) -> int:
    expressions = list_expressions(opened.session, request.coder)
    now = next((e for e in expressions if e.number == request.number), None)
    edit = add_edit(
        opened.session,
        request.coder,
        request.number,
        verdict=request.verdict,
        moments=(
            opened.moment(request.onset, now.onset if now else None),
            opened.moment(request.apex, now.apex if now else None),
            opened.moment(request.offset, now.offset if now else None),
        ),
        label=request.label,
        note=request.note,
        action_units=request.action_units,
    )
    return edit.number

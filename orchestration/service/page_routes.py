"""The page."""

from __future__ import annotations

from fastapi import APIRouter


def router() -> APIRouter:
    """Return the page's routes."""
    return APIRouter()

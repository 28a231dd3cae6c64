"""A dead service is asked now and then, and given up in the end; a live one is let through."""

from __future__ import annotations

import pytest

from loaders.errors import DeliveryFailed
from loaders.senders.breaker import Breaker
from tests.unit.loaders.senders.clock import Clock


def breaker(clock: Clock) -> Breaker:
    return Breaker(name="'crm'", threshold=3, openings=3, clock=clock, sleep=clock.sleep)


def fail(circuit: Breaker, times: int) -> None:
    for _ in range(times):
        circuit.admit()
        circuit.failed("it answers 503")


def test_single_failures_let_requests_through() -> None:
    clock = Clock()
    circuit = breaker(clock)
    for _ in range(20):
        fail(circuit, 2)
        circuit.admit()
        circuit.succeeded()
    assert clock.now == 100.0


def test_failures_in_a_row_open_it_for_longer_each_time() -> None:
    clock = Clock()
    circuit = breaker(clock)
    fail(circuit, 3)
    assert clock.now == 100.0
    fail(circuit, 1)
    assert clock.now == 101.0
    fail(circuit, 1)
    assert clock.now == 103.0


def test_a_probe_that_succeeds_closes_it() -> None:
    clock = Clock()
    circuit = breaker(clock)
    fail(circuit, 4)
    circuit.admit()
    circuit.succeeded()
    at = clock.now
    fail(circuit, 2)
    assert clock.now == at


def test_a_service_that_stays_dead_is_given_up() -> None:
    clock = Clock()
    circuit = breaker(clock)
    with pytest.raises(DeliveryFailed, match="'crm' is down: it answers 503, 6 times in a row"):
        fail(circuit, 100)
    assert clock.now == 107.0

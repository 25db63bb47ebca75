"""A worker runs everything it is given, in order, and never lets the queue grow."""

import threading

import pytest

from realtime.stream.worker import Worker

TIMEOUT_S = 10


def test_tasks_run_in_order_in_one_other_thread() -> None:
    worker = Worker("w", backlog=2)
    ran: list[int] = []
    futures = [worker.submit(ran.append, n) for n in range(20)]
    thread = worker.submit(threading.current_thread)
    for future in futures:
        future.result(TIMEOUT_S)
    assert ran == list(range(20))
    assert thread.result(TIMEOUT_S) is not threading.current_thread()
    assert thread.result().name == worker.name == "w"
    assert worker.stop(TIMEOUT_S)


def test_an_error_belongs_to_its_future_and_the_worker_goes_on() -> None:
    worker = Worker("w", backlog=2)
    bad = worker.submit(int, "no number")
    good = worker.submit(int, "7")
    with pytest.raises(ValueError, match="no number"):
        bad.result(TIMEOUT_S)
    assert good.result(TIMEOUT_S) == 7
    assert worker.stop(TIMEOUT_S)


def test_a_full_queue_makes_the_caller_wait_and_drops_nothing() -> None:
    worker = Worker("w", backlog=1)
    started, release, third_in = threading.Event(), threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait(TIMEOUT_S)

    worker.submit(block)
    assert started.wait(TIMEOUT_S)
    worker.submit(int)  # fills the queue

    def submit_third() -> None:
        worker.submit(int).result(TIMEOUT_S)
        third_in.set()

    caller = threading.Thread(target=submit_third)
    caller.start()
    assert not third_in.is_set()
    release.set()
    assert third_in.wait(TIMEOUT_S)
    caller.join(TIMEOUT_S)
    assert worker.stop(TIMEOUT_S)


def test_stop_finishes_what_is_queued_and_says_when_it_cannot() -> None:
    worker = Worker("w", backlog=4)
    release = threading.Event()
    stuck = worker.submit(release.wait, TIMEOUT_S)
    queued = worker.submit(int, "3")
    assert not worker.stop(0.01)
    release.set()
    assert all(worker.stop(TIMEOUT_S) for _ in range(10)), "as often as one likes"
    assert stuck.result() is True
    assert queued.result() == 3


def test_a_cancelled_task_is_skipped() -> None:
    worker = Worker("w", backlog=4)
    release = threading.Event()
    worker.submit(release.wait, TIMEOUT_S)
    ran: list[int] = []
    cancelled = worker.submit(ran.append, 1)
    assert cancelled.cancel()
    release.set()
    assert worker.stop(TIMEOUT_S)
    assert ran == []

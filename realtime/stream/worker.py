"""A thread with a short queue, as an `Executor`."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Full, Queue
from threading import Thread
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker(Executor):
    """Runs submitted tasks one after the other, in one thread of its own.

    At most `backlog` tasks wait. When the queue is full, `submit` blocks until there is room, so
    nothing is dropped and memory is bounded. A task's error goes to its future. A task that hangs
    does not keep the program from ending.
    """

    def __init__(self, name: str, backlog: int) -> None:
        self._tasks: Queue[Callable[[], None] | None] = Queue(backlog)
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue `fn(*args, **kwargs)`; blocks while the queue is full."""
        future: Future[T] = Future()

        def task() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._tasks.put(task)
        return future

    def stop(self, timeout_s: float) -> bool:
        """Finish the queued tasks and join the thread; return False if it is still alive after
        `timeout_s`. May be called again."""
        if not self._thread.is_alive():
            return True
        try:
            self._tasks.put(None, timeout=timeout_s)
        except Full:
            return False
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def name(self) -> str:
        """The thread's name."""
        return self._thread.name

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()

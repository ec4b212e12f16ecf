"""Work spread over processes."""

import signal

from lossatlas.spread import spread


def test_workers_leave_an_interrupt_to_the_one_that_started_them() -> None:
    asked = (signal.pthread_sigmask, [(signal.SIG_BLOCK, ())])
    assert [signal.SIGINT in blocked for blocked in spread(*asked, jobs=2)] == [True]
    assert [signal.SIGINT in blocked for blocked in spread(*asked, jobs=1)] == [False]

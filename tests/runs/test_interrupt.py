"""Interrupt: the first signal asks, the second stops, and the old handlers come back."""

import signal
import threading

import pytest

from meadow.runs.interrupt import Interrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_asks_and_the_second_stops(number):
    before = signal.getsignal(number)
    said = []
    with pytest.raises(KeyboardInterrupt), Interrupt(said.append) as interrupt:
        assert not interrupt.requested
        signal.raise_signal(number)
        assert interrupt.requested, "the first signal sets the flag and raises nothing"
        assert len(said) == 1 and "again" in said[0], "the person is told what a second one does"
        signal.raise_signal(number)
    assert signal.getsignal(number) is before, "the handler of before must be back"


def test_without_a_signal_nothing_happens(capsys):
    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        pass
    assert not interrupt.requested and signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().err == ""


def test_the_answer_goes_to_stderr(capsys):
    with Interrupt():
        signal.raise_signal(signal.SIGINT)
    captured = capsys.readouterr()
    assert "Stopping" in captured.err and captured.out == ""


def test_outside_the_main_thread_it_does_not_listen():
    before, heard = signal.getsignal(signal.SIGINT), []

    def enter():
        with Interrupt() as interrupt:
            heard.append((interrupt.requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert heard == [(False, before)]

"""Deliveries are taken in batches, and what comes after a quiet moment does not wait."""

from concurrent.futures import ThreadPoolExecutor

from shared.relay.broker import Delivery, Envelope
from shared.relay.waiting import Waiting


def delivery(name: str) -> Delivery:
    return Delivery(Envelope(name, b""), token=name)


def names(batch: list[Delivery]) -> list[str]:
    return [each.envelope.message_id for each in batch]


def test_a_delivery_waits_for_others_while_the_former_batch_is_recent() -> None:
    waiting = Waiting(most=2, linger=60)
    waiting.put(delivery("a"))
    with ThreadPoolExecutor() as pool:
        taken = pool.submit(waiting.take)
        waiting.put(delivery("b"))
        assert names(taken.result(10)) == ["a", "b"]


def test_after_a_quiet_moment_it_is_taken_at_once() -> None:
    now = [0.0]
    waiting = Waiting(most=20, linger=60, monotonic=lambda: now[0])
    now[0] = 60.0
    waiting.put(delivery("a"))
    waiting.put(delivery("b"))
    with ThreadPoolExecutor() as pool:
        assert names(pool.submit(waiting.take).result(10)) == ["a", "b"]  # both are there


def test_the_end_is_found_by_every_thread_even_while_one_gathers() -> None:
    waiting = Waiting(most=20, linger=60)
    waiting.put(delivery("a"))
    waiting.end()
    waiting.end()
    with ThreadPoolExecutor() as pool:
        taken = [pool.submit(waiting.take) for _ in range(3)]
        assert sorted(names(each.result(10)) for each in taken) == [[], [], ["a"]]


def test_without_batches_each_is_taken_alone() -> None:
    waiting = Waiting(most=1, linger=60)
    waiting.put(delivery("a"))
    waiting.put(delivery("b"))
    assert [names(waiting.take()), names(waiting.take())] == [["a"], ["b"]]


def test_no_more_are_taken_than_may_be_in_work() -> None:
    waiting = Waiting(most=2, linger=0, in_work=3)
    for name in "abcd":
        waiting.put(delivery(name))
    first = waiting.take()
    assert [names(first), names(waiting.take())] == [["a", "b"], ["c"]]
    with ThreadPoolExecutor() as pool:
        blocked = pool.submit(waiting.take)
        assert not blocked.done()
        waiting.handled(first)
        assert names(blocked.result(10)) == ["d"]


def test_a_batch_leaves_a_third_of_what_may_be_in_work_to_the_next_one() -> None:
    waiting = Waiting(most=20, linger=60, in_work=3)
    for name in "abc":
        waiting.put(delivery(name))
    with ThreadPoolExecutor() as pool:
        assert names(pool.submit(waiting.take).result(10)) == ["a", "b"]  # and none waits for more

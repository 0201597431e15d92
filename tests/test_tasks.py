"""Tasks end, even one that loses a cancellation."""

from __future__ import annotations

import asyncio

from switchboard import tasks


async def test_a_task_that_swallows_its_first_cancellation_is_ended() -> None:
    """cancel_all cancels again what is still there, and returns when all have ended."""
    lost = 0

    async def loses_one() -> None:
        nonlocal lost
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            lost += 1
        await asyncio.sleep(60)

    async with asyncio.timeout(10):
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(loses_one()), group.create_task(asyncio.sleep(60))]
            await asyncio.sleep(0)
            await tasks.cancel_all(running)
    assert lost == 1
    assert all(task.done() for task in running)


async def test_no_tasks_are_fine() -> None:
    """cancel_all of nothing returns at once."""
    await tasks.cancel_all([])

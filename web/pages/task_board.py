"""The board of a group of tasks: a column per stage, and cards that are dragged from one to the next.

Whatever a step asks for, the board asks for as well: a result is written on the task's own page, and what waits for
acceptance goes back to work with a reason, for which a dialog opens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from crm_core.actor import Actor
from crm_core.errors import Missing
from crm_core.task_groups import TaskGroup, TaskStage
from crm_core.tasks import Doing, Task, list_tasks, may_do, task_for
from distribution.desk import Desk
from storage import ReadTx
from web.pages.render import page, part, reader

SHOWN = 50
"""Cards of a column: the most urgent; of the last one, those finished latest."""


@dataclass(frozen=True, slots=True)
class Column:
    stage: TaskStage
    tasks: list[Task]
    movable: frozenset[str]
    """Ids of those that the reader may move."""


@dataclass(frozen=True, slots=True)
class Board:
    group: TaskGroup
    columns: list[Column]
    users: Mapping[str, str]


def board(tx: ReadTx, actor: Actor, desk: Desk, key: str) -> Board:
    """Of this group, or of the first one."""
    groups = desk.company.task_groups
    group = groups.get(key) or next(iter(groups.values()), None)
    if group is None:
        raise Missing("Групп задач в настройках компании нет")
    columns = [_column(tx, actor, group, stage) for stage in group.stages]
    return Board(group, columns, {user.id: user.name for user in desk.roster(tx).users})


def _column(tx: ReadTx, actor: Actor, group: TaskGroup, stage: TaskStage) -> Column:
    is_open = stage.kind != "done"
    where = {"group": group.key, "stage": stage.key, "open": is_open}
    tasks = list_tasks(tx, actor, where, sort="deadline" if is_open else "-deadline", limit=SHOWN)
    return Column(stage, tasks, frozenset(task.id for task in tasks if may_do(actor, task, Doing.WORK)))


async def board_page(request: web.Request) -> web.Response:
    """`GET /tasks/board?group=`."""
    who = await reader(request)
    key = request.query.get("group", "").replace("\0", "")
    found = await who.read(board, who.actor, who.services.desk, key)
    return await page(request, who, "tasks/board.html", "tasks", board=found, whose="board")


async def return_part(request: web.Request) -> web.Response:
    """`GET /tasks/{id}/return?stage=`: what is to be mended, for the dialog."""
    who = await reader(request)
    task = await who.read(task_for, who.actor, request.match_info["id"], Doing.JUDGE)
    return part(request, who, "tasks/return.html", task=task, stage=request.query.get("stage", ""))

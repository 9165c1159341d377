"""What people do with a task's content: give it, change it, hand it on, talk in it, write down time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.company import Company
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.notifications import notify
from crm_core.rights import Action
from crm_core.task_groups import group_of
from crm_core.task_links import checked, checked_link
from crm_core.task_reminders import plan
from crm_core.tasks import (
    CALLBACK,
    Doing,
    Link,
    Priority,
    Task,
    TaskFile,
    TaskState,
    announce,
    get_task,
    insert,
    may_do,
    participants,
    save,
    task_for,
)
from crm_core.timeline import File, ItemKind, TimelineItem, add
from crm_core.users import USERS
from storage import ReadTx, Tx

MAX_TITLE = 300
MAX_TEXT = 100_000
MAX_COMMENT = 10_000
MAX_PEOPLE = 50
MAX_FILES = 200
MAX_MINUTES = 10_000_000


def create_task(
    tx: Tx,
    actor: Actor,
    *,
    title: str,
    responsible_id: str | None = None,
    creator_id: str | None = None,
    lead_id: str | None = None,
    company: Company | None = None,
    **more: Any,
) -> Task:
    """A task by hand or by a robot, for oneself when nobody is named. `more` are fields of `EDITABLE`; `creator_id`
    counts for the hub's own actor only, and only he leaves a task to nobody.
    `company` is needed for a group, and for the reminder ahead of the deadline. `Invalid` names each wrong field."""
    check(actor, "task", Action.CREATE)
    _check_new(tx, actor, company, responsible_id, {"title": title, **more})
    links = _links(tx, actor, more.pop("links", ()), lead_id)
    group = group_of(company.task_groups, more["group"]) if company and more.get("group") else None
    task = Task(
        id=tx.new_id("tsk_"),
        number=tx.next_number("task"),
        title=title.strip(),
        responsible_id=responsible_id or actor.id,
        creator_id=creator_id if actor.is_system else actor.id,
        lead_id=_of(links, "lead"),
        person_id=_of(links, "contact"),
        links=links,
        stage=group.first.key if group else None,
        state=TaskState(group.first.kind) if group else TaskState.OPEN,
        created_at=tx.now,
        **more,
    )
    insert(tx, task)
    record(tx, actor, "task", task.id, "created", {"title": (None, task.title)})
    plan(tx, company, task)
    _tell_new(tx, actor, task, ())
    announce(tx, task, "created")
    return task


def _check_new(
    tx: ReadTx, actor: Actor, company: Company | None, responsible_id: str | None, fields: Mapping[str, Any]
) -> None:
    given = {"responsible_id": responsible_id} if responsible_id else {}
    wrong = _wrong(tx, company, {**fields, **given})
    if responsible_id is None and actor.id is None and not actor.is_system:
        wrong["responsible_id"] = "Укажите сотрудника: у токена своих задач нет"
    if wrong:
        raise Invalid(wrong)


def _links(tx: ReadTx, actor: Actor, links: Sequence[Link], lead_id: str | None) -> tuple[Link, ...]:
    try:
        own = (checked_link(tx, actor, Link("lead", lead_id)),) if lead_id else ()
    except Missing as error:
        raise Invalid({"lead_id": str(error)}) from None
    return tuple(dict.fromkeys((*own, *checked(tx, actor, links))))


def _of(links: tuple[Link, ...], entity: str) -> str | None:
    return next((link.id for link in links if link.entity == entity), None)


EDITABLE = frozenset(
    {
        "title", "description", "deadline", "responsible_id", "co_executors", "observers", "planned_minutes",
        "priority", "links", "group", "result_required", "acceptance",
    }
)  # fmt: skip
RULES = frozenset({"result_required", "acceptance"})
"""Only whoever gave the task lays these down."""


def update_task(
    tx: Tx, actor: Actor, task_id: str, changes: Mapping[str, Any], version: int | None = None,
    company: Company | None = None,
) -> Task:  # fmt: skip
    """Change an open task. A later deadline makes it timely again; who loses it learns of that. `Invalid` names a wrong
    field, `Conflict` says that it is closed or that `version` is not the present one."""
    task = task_for(tx, actor, task_id, Doing.EDIT)
    if RULES & changes.keys():
        task_for(tx, actor, task_id, Doing.RULE)
    wrong = _wrong(tx, company, changes)
    if wrong:
        raise Invalid(wrong)
    if version is not None and version != task.version:
        raise Conflict("Задача уже изменена кем-то другим. Прочитайте её заново")
    if not task.open:
        raise Conflict("Задача уже закрыта")
    if "links" in changes:
        changes = {**changes, "links": checked(tx, actor, changes["links"], task.links)}
    wanted = _following(company, task, dict(changes))
    before_after = {name: (getattr(task, name), value) for name, value in wanted.items()}
    if all(before == after for before, after in before_after.values()):
        return task
    changed = save(tx, task, **wanted)
    record(tx, actor, "task", task.id, "updated", before_after)
    if {"deadline", "responsible_id"} & wanted.keys():
        plan(tx, company, changed)
    _tell_new(tx, actor, changed, participants(task))
    announce(tx, changed, "updated", former=task.responsible_id)
    return changed


def _following(company: Company | None, task: Task, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes with what follows from them."""
    if "title" in changes:
        changes["title"] = changes["title"].strip()
    if changes.get("deadline", task.deadline) != task.deadline:
        changes["overdue"] = False  # when it has passed already, the timer says so at once and tells the responsible
    if "links" in changes:
        links = changes["links"]
        if task.kind == CALLBACK:  # it stays with its lead
            own = (Link("lead", task.lead_id),) if task.lead_id else ()
            changes["links"] = tuple(dict.fromkeys((*own, *links)))
        else:
            changes["lead_id"] = _of(links, "lead")
            if _of(task.links, "contact") or _of(links, "contact"):  # else the customer came with the lead
                changes["person_id"] = _of(links, "contact")
    if "group" in changes and changes["group"] != task.group:
        group = group_of(company.task_groups, changes["group"]) if company and changes["group"] else None
        changes["stage"] = group.stage_for(task.state.value, group.first.key) if group else None
    return changes


def _wrong(tx: ReadTx, company: Company | None, changes: Mapping[str, Any]) -> dict[str, str]:
    wrong = dict.fromkeys(sorted(set(changes) - EDITABLE), "Такого поля нет или его нельзя менять")
    for name, problem in _CHECKS.items():
        text = problem(changes[name]) if name in changes else None
        if text:
            wrong[name] = text
    if "responsible_id" in changes:
        wrong |= _no_such(tx, "responsible_id", [changes["responsible_id"]])
    for name in ("co_executors", "observers"):
        people = changes.get(name, ())
        wrong |= {name: f"Не больше {MAX_PEOPLE}"} if len(people) > MAX_PEOPLE else _no_such(tx, name, people)
    group = changes.get("group")
    if group is not None and group not in (company.task_groups if company else {}):
        known = ", ".join(company.task_groups) if company else ""
        wrong["group"] = f"Группы задач «{group}» нет; есть {known or 'ни одной'}"
    return wrong


def _no_such(tx: ReadTx, name: str, ids: Iterable[str | None]) -> dict[str, str]:
    for each in ids:
        user = tx.get(USERS, each) if each else None
        if user is None or not user.active:
            return {name: "Такого сотрудника нет, или он отключён"}
    return {}


def _title(title: str) -> str | None:
    return None if 0 < len(title.strip()) <= MAX_TITLE else f"Укажите название, не длиннее {MAX_TITLE} знаков"


_CHECKS: Mapping[str, Callable[[Any], str | None]] = {
    "title": _title,
    "description": lambda text: None if len(text) <= MAX_TEXT else f"Не длиннее {MAX_TEXT} знаков",
    "planned_minutes": lambda n: None if n is None or 0 <= n <= MAX_MINUTES else f"От 0 до {MAX_MINUTES} минут",
    "priority": lambda value: None if value in tuple(Priority) else f"Можно {', '.join(Priority)}",
}


def delegate_task(tx: Tx, actor: Actor, task_id: str, user_id: str, company: Company | None = None) -> Task:
    """Hand it on: the new responsible is told, the former one stays as an observer. `Invalid` names `user_id`."""
    task = task_for(tx, actor, task_id, Doing.EDIT)
    if wrong := _no_such(tx, "user_id", [user_id]):
        raise Invalid(wrong)
    former = task.responsible_id
    stays = former is not None and former not in (user_id, *task.observers, task.creator_id)
    changes: dict[str, Any] = {"responsible_id": user_id}
    if stays and former is not None and not _no_such(tx, "", [former]):
        changes["observers"] = (*task.observers, former)[:MAX_PEOPLE]
    return update_task(tx, actor, task_id, changes, company=company)


def log_time(tx: Tx, actor: Actor, task_id: str, minutes: int) -> Task:
    """Add (negative: take back) minutes that were really spent."""
    task = task_for(tx, actor, task_id, Doing.WORK)
    spent = task.spent_minutes + minutes
    if not 0 <= spent <= MAX_MINUTES:
        raise Invalid({"minutes": f"Всего затрачено может быть от 0 до {MAX_MINUTES} минут, а вышло бы {spent}"})
    changed = save(tx, task, spent_minutes=spent)
    record(tx, actor, "task", task.id, "time", {"spent_minutes": (task.spent_minutes, spent)})
    announce(tx, changed, "updated")
    return changed


def comment_task(
    tx: Tx, actor: Actor, task_id: str, text: str, *, mentions: tuple[str, ...] = (), result: bool = False,
    files: tuple[File, ...] = (),
) -> TimelineItem:  # fmt: skip
    """Add a comment. Whoever is mentioned is told and from then on observes; a comment marked as the result becomes
    the task's result. `Invalid` when it is empty, too long, or mentions nobody's id."""
    task = get_task(tx, actor, task_id)
    wrong = _wrong_comment(tx, actor, task, text, mentions, result, files)
    if wrong:
        raise Invalid(wrong)
    item = TimelineItem(
        id=tx.new_id("tl_"),
        kind=ItemKind.COMMENT,
        at=tx.now,
        task_id=task.id,
        author_id=actor.id,
        author=actor.name,
        text=text.strip(),
        attachments=files,
        data=({"result": True} if result else {}) | ({"mentions": list(mentions)} if mentions else {}),
    )
    kept = tuple(TaskFile(id=f.id, name=f.name, type=f.type, size=f.size, item_id=item.id) for f in files)
    changes: dict[str, Any] = {"files": (*task.files, *kept)} if kept else {}
    if result:
        changes["result"] = item.text
    if new := [each for each in dict.fromkeys(mentions) if each not in participants(task)]:
        changes["observers"] = (*task.observers, *new)
    changed = save(tx, task, **changes)
    if changes:
        before_after = {name: (getattr(task, name), value) for name, value in changes.items()}
        record(tx, actor, "task", task.id, "commented", before_after)
    _tell_of_comment(tx, actor, changed, mentions)
    return add(tx, item, owners=participants(changed))


def _wrong_comment(
    tx: ReadTx, actor: Actor, task: Task, text: str, mentions: tuple[str, ...], result: bool, files: tuple[File, ...]
) -> dict[str, str]:
    wrong = _no_such(tx, "mentions", mentions)
    if not (text.strip() or files) or len(text) > MAX_COMMENT:
        wrong["text"] = "Напишите комментарий, не длиннее 10 000 знаков"
    if result and not text.strip():
        wrong["text"] = "Напишите, что получилось: это станет результатом"
    if result and not may_do(actor, task, Doing.WORK):
        wrong["result"] = "Результат записывают ответственный, соисполнители и постановщик"
    if len(task.files) + len(files) > MAX_FILES:
        wrong["attachments"] = f"У задачи может быть не больше {MAX_FILES} файлов"
    return wrong


def _tell_of_comment(tx: Tx, actor: Actor, task: Task, mentions: tuple[str, ...]) -> None:
    for user_id in dict.fromkeys(mentions):
        if user_id != actor.id:
            text = f"{actor.name} упоминает вас в задаче «{task.title}»"
            notify(tx, user_id, "task_mention", text, lead_id=task.lead_id, task_id=task.id)
    for reader in dict.fromkeys((task.responsible_id, task.creator_id)):
        if reader and reader != actor.id and reader not in mentions:
            text = f"Новый комментарий в задаче «{task.title}»"
            key = f"task_comment:{task.id}"
            notify(tx, reader, "task_comment", text, lead_id=task.lead_id, task_id=task.id, key=key)


def _tell_new(tx: Tx, actor: Actor, task: Task, former: tuple[str | None, ...]) -> None:
    """Whoever takes part from now on learns of it, but for the one who did it."""
    words = {
        "responsible_id": ("task_assigned", "Вам поручена задача"),
        "co_executors": ("task_assigned", "Вы соисполнитель задачи"),
        "observers": ("task_observed", "Вы наблюдатель задачи"),
    }
    told = {actor.id, *former} - {None}
    for name, (kind, text) in words.items():
        value = getattr(task, name)
        for user_id in (value,) if isinstance(value, str) else value or ():
            if user_id not in told:
                told.add(user_id)
                notify(tx, user_id, kind, f"{text}: {task.title}", lead_id=task.lead_id, task_id=task.id)

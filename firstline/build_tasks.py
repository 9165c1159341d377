"""Groups of tasks with their stages: `[task_groups.KEY]`."""

from __future__ import annotations

from crm_core.task_groups import TaskGroup, TaskStage
from firstline.build_channels import check_name
from firstline.build_people import once
from firstline.draft import Draft
from firstline.settings_models import TaskGroupRow


def read_task_groups(draft: Draft) -> dict[str, TaskGroup]:
    """In the order of the preset. Each begins with a stage of work to do and can be finished."""
    groups = {}
    for key in draft.table("task_groups"):
        check_name(draft, ("task_groups", key))
        row = draft.read(TaskGroupRow, draft.table("task_groups", key), ("task_groups", key))
        if row is None:
            continue
        place = ("task_groups", key, "stages")
        once(draft, [((*place, number, "key"), stage.key) for number, stage in enumerate(row.stages)], "ключ")
        if row.stages[0].kind not in ("open", "in_work"):
            draft.report((*place, 0, "kind"), "с этой стадии задача не начинается", "нужна open или in_work")
        if not any(stage.kind == "done" for stage in row.stages):
            draft.report(place, "задачу этой группы не завершить", "добавьте стадию с kind = done")
        stages = tuple(TaskStage(stage.key, stage.title, stage.kind) for stage in row.stages)
        groups[key] = TaskGroup(key, row.title, stages)
    return groups

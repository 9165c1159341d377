"""Every address of the pages, in one table."""

from __future__ import annotations

from aiohttp import web

from web.pages import (
    account,
    actions,
    convert,
    deal,
    deal_documents,
    deal_lines,
    deal_list,
    deal_people,
    deals,
    lists,
    ops,
    people,
    products,
    staff,
    task,
    uploads,
    work,
)
from web.pages.queue import queue_part
from web.pages.render import STATIC, set_up_templates

ROUTES = (
    web.get("/login", account.login_page),
    web.post("/login", account.login),
    web.post("/logout", account.logout),
    web.get("/", work.workplace),
    web.get("/work/queue", queue_part),
    web.get("/leads", lists.leads_page),
    web.get("/leads/{id}", work.lead_page),
    web.get("/leads/{id}/head", work.head_part),
    web.get("/leads/{id}/card", work.card_part),
    web.get("/leads/{id}/composer", work.composer_part),
    web.get("/leads/{id}/timeline", work.earlier_part),
    web.get("/leads/{id}/decisions", work.decisions_part),
    web.get("/leads/{id}/transfer", work.transfer_part),
    web.get("/leads/{id}/items/{item}", work.item_part),
    web.get("/leads/{id}/items/{item}/html", uploads.letter),
    web.get("/leads/{id}/items/{item}/files/{blob}", uploads.attachment),
    web.post("/leads/{id}/take", actions.take_lead),
    web.post("/leads/{id}/decline", actions.decline_lead),
    web.post("/leads/{id}/move", actions.move),
    web.post("/leads/{id}/undo", actions.undo),
    web.post("/leads/{id}/assign", actions.transfer),
    web.post("/leads/{id}/field", actions.field),
    web.post("/leads/{id}/person", actions.person),
    web.post("/leads/{id}/reply", actions.send_reply),
    web.post("/leads/{id}/note", actions.send_note),
    web.get("/leads/{id}/convert", convert.convert_part),
    web.post("/leads/{id}/convert", convert.convert),
    web.get("/deals", deals.deals_page),
    web.post("/deals", deals.add),
    web.get("/deals/new", deals.new_part),
    web.get("/deals/column", deals.column_part),
    web.get("/deals/list", deal_list.list_page),
    web.get("/deals/{id}", deal.deal_page),
    web.post("/deals/{id}/move", deal.move),
    web.post("/deals/{id}/drop", deals.drop),
    web.post("/deals/{id}/undo", deal.undo),
    web.post("/deals/{id}/field", deal.field),
    web.post("/deals/{id}/note", deal.note),
    web.post("/deals/{id}/follow", deal.follow),
    web.get("/deals/{id}/task", deal.task_part),
    web.post("/deals/{id}/task", deal.add_task),
    web.get("/deals/{id}/lines", deal_lines.lines_part),
    web.post("/deals/{id}/lines", deal_lines.save),
    web.post("/deals/{id}/lines/draft", deal_lines.draft),
    web.get("/deals/{id}/lines/found", deal_lines.found_part),
    web.get("/deals/{id}/customer", deal_people.customer_part),
    web.post("/deals/{id}/customer", deal_people.save_customer),
    web.get("/deals/{id}/party", deal_people.party_part),
    web.post("/deals/{id}/party", deal_people.add_party),
    web.post("/deals/{id}/party/drop", deal_people.drop_party),
    web.get("/deals/{id}/risk", deal_people.risk_part),
    web.post("/deals/{id}/risk", deal_people.add_risk),
    web.post("/deals/{id}/risk/{what:close|open|drop}", deal_people.change_risk),
    web.get("/deals/{id}/approval", deal_people.approval_part),
    web.post("/deals/{id}/approval/{what:ask|approve|refuse|withdraw}", deal_people.say),
    web.get("/deals/{id}/step", deal.step_part),
    web.post("/deals/{id}/step", deal.save_step),
    web.get("/deals/{id}/document", deal_documents.document_part),
    web.post("/deals/{id}/document", deal_documents.make),
    web.post("/outbox/{id}/retry", actions.retry_message),
    web.post("/outbox/{id}/cancel", actions.cancel_message),
    web.get("/tasks", lists.tasks_page),
    web.post("/tasks", task.add_task),
    web.get("/tasks/{id}", task.task_page),
    web.post("/tasks/{id}/complete", lists.finish_task),
    web.post("/tasks/{id}/{step:start|defer|accept|reopen|return|cancel}", task.take_step),
    web.post("/tasks/{id}/stage", task.change_stage),
    web.post("/tasks/{id}/delegate", task.delegate),
    web.post("/tasks/{id}/checklist", task.add_point),
    web.post("/tasks/{id}/checklist/{item}", task.tick_point),
    web.post("/tasks/{id}/comments", task.add_comment),
    web.get("/calls", lists.calls_page),
    web.get("/products", products.products_page),
    web.post("/products", products.add),
    web.get("/products/new", products.new_part),
    web.get("/products/categories", products.categories_part),
    web.post("/products/categories", products.add_category),
    web.get("/products/{id}", products.product_part),
    web.get("/products/{id}/edit", products.edit_part),
    web.post("/products/{id}", products.change),
    web.post("/products/{id}/archive", products.archive),
    web.post("/products/{id}/restore", products.restore),
    web.get("/ops", ops.ops_page),
    web.get("/ops/state", ops.ops_part),
    web.post("/ops/connectors/{name}/{command:test|pause|resume}", ops.connector_command),
    web.get("/ops/quarantine/{id}", ops.quarantine_part),
    web.post("/ops/quarantine/{id}/{command:replay|discard}", ops.quarantine_command),
    web.get("/search", people.search_page),
    web.get("/people/{id}", people.person_page),
    web.get("/settings/me", account.me_page),
    web.post("/settings/me", account.save_me),
    web.post("/settings/password", account.save_password),
    web.get("/admin/users", staff.users_page),
    web.post("/admin/users", staff.add_user),
    web.post("/admin/users/{id}", staff.change_user),
    web.post("/me/presence", account.presence),
    web.post("/me/theme", account.theme),
    web.get("/me/notifications", account.notes_part),
    web.post("/me/notifications/read", account.read_notes),
    web.get("/me/bell", account.bell_part),
)
FOREVER = "public, max-age=31536000, immutable"


async def stamped(request: web.Request) -> web.StreamResponse:
    """A static file under an address that names its version, so browsers keep it for good."""
    path = (STATIC / request.match_info["path"]).resolve()
    if not path.is_relative_to(STATIC) or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Cache-Control": FOREVER})


def add_pages(app: web.Application) -> None:
    """Put the pages and their files into the application."""
    set_up_templates(app)
    app.router.add_get("/static/{stamp:[0-9a-f]{10}}/{path:.+}", stamped)
    app.router.add_static("/static", STATIC)
    app.router.add_routes(ROUTES)

// Every page of a signed-in reader: puts the parts together. Nothing here keeps state that the server does not know.

import { play, startAlerts } from "./alerts.js";
import { startBoard } from "./board.js";
import { startCalls } from "./calls.js";
import { startComposer } from "./composer.js";
import { startCustomers } from "./customers.js";
import { startDeals } from "./deals.js";
import { calmly, startStream } from "./live.js";
import { startMenus } from "./menus.js";
import { watchErrors } from "./toast.js";
import { startWorkplace } from "./workplace.js";

const trigger = (name) => calmly(() => window.htmx.trigger(document.body, name), 400);

watchErrors();
startMenus();
startAlerts();
startCalls();
startComposer();
startWorkplace();
startDeals();
startCustomers();
startBoard();

document.body.addEventListener("live:notification", () => play("message"));
document.body.addEventListener("live:notification", trigger("bell:changed"));
document.body.addEventListener("live:task", trigger("tasks:changed"));
document.body.addEventListener("task:changed", trigger("tasks:changed"));
for (const entity of ["connector", "quarantine", "outbox"]) {
  document.body.addEventListener(`live:${entity}`, trigger("ops:changed"));
}
startStream();

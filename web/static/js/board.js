// The board of deals: columns follow the news one by one, and cards are dragged from stage to stage.
//
// What the server says is true: after a drop both columns are loaded anew, so a card that a gate refused goes back.

import { calmly } from "./live.js";

const PAUSE = 400;
const stale = new Set();
const board = () => document.getElementById("board");
const columnOf = (stage) => board()?.querySelector(`[data-stage="${CSS.escape(stage)}"]`);

const reload = calmly(() => {
  if (document.querySelector(".deal-card.sortable-chosen")) return reload(); // in somebody's hand: a little later
  for (const stage of stale) {
    const cards = columnOf(stage)?.querySelector("[data-cards]");
    if (!cards) {
      stale.clear(); // the first deal of an empty board, or one of a stage that is gone
      window.htmx.trigger(board(), "deals:changed");
      return;
    }
    cards.setAttribute("hx-vals", JSON.stringify({ count: cards.querySelectorAll(".deal-card").length }));
    window.htmx.trigger(cards, "reload");
  }
  stale.clear();
}, PAUSE);

function hear({ detail }) {
  const { pipeline, stage, former_pipeline: other, former_stage: former } = detail.data;
  const shown = board()?.querySelector(`[data-deal="${CSS.escape(detail.id)}"]`)?.closest("[data-stage]");
  if (shown) stale.add(shown.dataset.stage);
  if (pipeline === board()?.dataset.pipeline) stale.add(stage);
  if (former && other === board()?.dataset.pipeline) stale.add(former);
  if (stale.size) reload();
}

function dropped({ item, from, to }) {
  if (from === to) return;
  for (const note of board().querySelectorAll(".board-refusal")) note.replaceChildren();
  const [here, there] = [from, to].map((cards) => cards.closest("[data-stage]").dataset.stage);
  const target = columnOf(there).querySelector(".board-refusal") || columnOf(here).querySelector(".board-refusal");
  const settle = () => {
    stale.add(here).add(there);
    reload();
  };
  const swap = { target: target || document.body, swap: target ? "innerHTML" : "none", source: document.body };
  window.htmx.ajax("POST", `/deals/${item.dataset.deal}/drop`, { ...swap, values: { stage: there } }).then(settle, settle);
}

// A drag leaves styles on its card; a swap would hand them on to the new one, which the policy for styles forbids.
function plain() {
  for (const card of document.querySelectorAll("#board .deal-card[style]")) card.removeAttribute("style");
}

function arm() {
  for (const cards of board()?.querySelectorAll("[data-cards]") || []) {
    if (window.Sortable.get(cards)) continue;
    window.Sortable.create(cards, {
      group: { name: "deals", put: !cards.closest("[data-gone]") },
      draggable: ".deal-card[data-movable]",
      sort: false,
      animation: 120,
      delay: 200, // on a touch screen a short move scrolls, a longer touch drags
      delayOnTouchOnly: true,
      forceFallback: true,
      fallbackTolerance: 5,
      onEnd: dropped,
    });
  }
}

export function startBoard() {
  if (!board()) return;
  arm();
  document.body.addEventListener("htmx:beforeSwap", plain);
  document.body.addEventListener("htmx:afterSwap", arm);
  document.body.addEventListener("live:deal", hear);
}

// Deals: the open card and the board follow the news; fields that a conversion or a gate wants are marked.

import { calmly } from "./live.js";

const trigger = (name) => window.htmx.trigger(document.body, name);
const boardChanged = calmly(() => trigger("deals:changed"), 400);
const cardChanged = calmly(() => {
  const busy = document.querySelector("#deal :is(input, textarea, select):focus");
  if (busy) busy.addEventListener("blur", cardChanged, { once: true });
  else trigger("deal:refresh");
});
const openDeal = () => document.getElementById("deal")?.dataset.deal;

function saved({ detail }) {
  const form = document.querySelector(`#deal [data-field="${detail.name}"]`);
  if (!form) return;
  form.elements.was.value = detail.value;
  form.classList.add("saved");
}

// What the conversion of the open lead wants, kept while the card is loaded anew.
const wanted = { lead: "", names: new Set() };

function marked({ target }) {
  const box = target.id === "dialog-body" && target.querySelector("[data-lacks]");
  if (box) {
    wanted.lead = box.dataset.lead;
    wanted.names = new Set(box.dataset.lacks.split(" ").map((key) => (key === "name" ? "person-name" : key)));
  }
  if (document.querySelector(".talk")?.dataset.lead !== wanted.lead) return;
  for (const name of wanted.names) document.querySelector(`#card [data-field="${name}"]`)?.classList.add("lacking");
}

function filled({ target }) {
  const form = target.closest(".lacking");
  if (!form) return;
  wanted.names.delete(form.dataset.field);
  form.classList.remove("lacking");
}

export function startDeals() {
  document.body.addEventListener("htmx:afterSwap", marked);
  document.addEventListener("change", filled);
  if (!document.getElementById("deal") && !document.getElementById("board")) return;
  document.body.addEventListener("live:deal", ({ detail }) => {
    boardChanged();
    if (detail.id === openDeal()) cardChanged();
  });
  for (const news of ["live:task", "deal:changed"]) document.body.addEventListener(news, () => openDeal() && cardChanged());
  document.body.addEventListener("live:timeline", ({ detail }) => detail.data.deal_id === openDeal() && openDeal() && cardChanged());
  document.body.addEventListener("live:document", ({ detail }) => detail.data.deal_id === openDeal() && openDeal() && cardChanged());
  document.body.addEventListener("saved", saved);
  document.body.addEventListener("htmx:responseError", ({ detail }) => detail.xhr.status === 409 && openDeal() && trigger("deal:refresh"));
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("#deal .edit")) return;
    event.preventDefault(); // Enter in a field saves it by leaving it
    document.activeElement.blur();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-focus]");
    if (!link) return;
    event.preventDefault();
    document.getElementById(link.dataset.focus)?.focus();
  });
}

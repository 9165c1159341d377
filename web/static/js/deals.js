// Deals: the open card follows the news; fields that a conversion or a gate wants are marked.

import { careful } from "./live.js";

const trigger = (name) => window.htmx.trigger(document.body, name);
const cardChanged = careful("deal", "deal:refresh");
const openDeal = () => document.getElementById("deal")?.dataset.deal;

function saved({ detail }) {
  const form = document.querySelector(`#deal [data-field="${detail.name}"]`);
  if (!form) return;
  form.elements.was.value = detail.value;
  if (document.activeElement !== form.elements.value) form.elements.value.value = detail.value;
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

// A date is typed piece by piece, each a change of the field: it is saved when the field is left.
function committed({ target }) {
  const form = target.matches?.("#deal [data-commit]") && target.form;
  if (form && target.value !== form.elements.was.value && !target.validity.badInput) window.htmx.trigger(form, "commit");
}

// The card is swapped as a whole: the focus stays where it was, or goes to the stage when its button is gone.
let focused = null;

function beforeSwap({ detail }) {
  if (detail.target?.id === "deal") focused = detail.target.contains(document.activeElement) ? document.activeElement.id : null;
}

function afterSettle() {
  if (focused === null) return;
  const place = (focused && document.getElementById(focused)) || document.querySelector("#deal [aria-current=step]");
  focused = null;
  if (place && (!document.activeElement || document.activeElement === document.body)) place.focus({ preventScroll: true });
}

export function startDeals() {
  document.body.addEventListener("htmx:afterSwap", marked);
  document.addEventListener("change", filled);
  if (!document.getElementById("deal")) return;
  document.body.addEventListener("live:deal", ({ detail }) => detail.id === openDeal() && cardChanged());
  document.addEventListener("focusout", committed);
  document.addEventListener("keydown", (event) => event.key === "Enter" && committed(event));
  document.body.addEventListener("htmx:beforeSwap", beforeSwap);
  document.body.addEventListener("htmx:afterSettle", afterSettle);
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

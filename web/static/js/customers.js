// The card of a customer, company or person: fields are marked as saved, and the card follows the news.

import { calmly } from "./live.js";

const card = () => document.getElementById("customer");
const changed = calmly(() => {
  const busy = card()?.querySelector(":is(input, textarea, select):focus");
  if (busy) busy.addEventListener("blur", changed, { once: true });
  else window.htmx.trigger(document.body, "customer:refresh");
});

function saved({ detail }) {
  const form = card().querySelector(`[data-field="${detail.name}"]`);
  if (!form) return;
  form.elements.was.value = detail.value;
  if (form.elements.value !== document.activeElement) form.elements.value.value = detail.value;
  form.classList.remove("lacking");
  form.classList.add("saved");
}

// What was refused is marked, and stays as it was typed until it is put right.
function refused({ detail }) {
  const form = detail.elt.closest("#customer .edit");
  if (form && detail.xhr.status === 422) form.classList.add("lacking");
  else if (detail.xhr.status === 409 && form) changed();
}

export function startCustomers() {
  if (!card()) return;
  const about = ({ detail }) => detail.id === card().dataset.customer && changed();
  for (const news of ["live:company", "live:contact"]) document.body.addEventListener(news, about);
  document.body.addEventListener("customer:changed", changed);
  document.body.addEventListener("saved", saved);
  document.body.addEventListener("htmx:responseError", refused);
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("#customer .edit")) return;
    event.preventDefault(); // Enter in a field saves it by leaving it
    document.activeElement.blur();
  });
}

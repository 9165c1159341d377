// The box below the conversation: tabs, drafts that survive reload and lost connection, files, Ctrl+Enter.

import { texts } from "./texts.js";
import { toast } from "./toast.js";

const key = (form) => `draft:${document.body.dataset.user}:${form.dataset.draft}`;

export function show(tab) {
  for (const button of document.querySelectorAll("[data-composer]")) {
    button.setAttribute("aria-selected", String(button.dataset.composer === tab));
  }
  for (const form of document.querySelectorAll("[data-form]")) form.hidden = form.dataset.form !== tab;
  document.querySelector(`[data-form="${tab}"] textarea`)?.focus();
}

function keep(form, text) {
  try {
    if (text.trim()) localStorage.setItem(key(form), text);
    else localStorage.removeItem(key(form));
  } catch {
    // a full or forbidden storage only costs the draft
  }
}

export function restore() {
  for (const form of document.querySelectorAll("[data-draft]")) {
    const area = form.querySelector("textarea");
    const text = localStorage.getItem(key(form));
    if (area && text && !area.value) {
      area.value = text;
      if (form.dataset.form === "note" && !localStorage.getItem(key(form).replace(":note", ":reply"))) showQuietly("note");
    }
  }
}

function showQuietly(tab) {
  const active = document.activeElement;
  show(tab);
  active?.focus?.();
}

function list(input) {
  const picked = input.form.querySelector("[data-picked]");
  picked.replaceChildren(...[...input.files].map((file, number) => {
    const item = document.createElement("li");
    item.className = "file";
    const name = document.createElement("span");
    name.textContent = file.name;
    const drop = document.createElement("button");
    drop.type = "button";
    drop.textContent = "×";
    drop.setAttribute("aria-label", `${texts.remove}: ${file.name}`);
    drop.addEventListener("click", () => {
      const rest = new DataTransfer();
      [...input.files].forEach((each, index) => index !== number && rest.items.add(each));
      input.files = rest.files;
      list(input);
    });
    item.append(name, drop);
    return item;
  }));
}

function sent({ detail }) {
  const form = document.querySelector(`[data-draft="${detail.lead}:${detail.tab}"]`);
  if (form) {
    form.reset();
    form.querySelector("[data-picked]")?.replaceChildren();
    keep(form, "");
  }
  if (detail.tab === "reply") toast({ text: texts.sent });
}

export function startComposer() {
  document.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-composer]");
    if (tab) show(tab.dataset.composer);
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-draft]");
    if (form && event.target.name === "text") keep(form, event.target.value);
  });
  document.addEventListener("change", (event) => {
    if ("files" in event.target.dataset) list(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const form = event.target.closest?.("[data-draft]");
    if (form) form.requestSubmit();
  });
  document.body.addEventListener("sent", sent);
  restore();
}

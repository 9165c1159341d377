// Short messages at the edge of the page, and errors of requests in words.

import { texts } from "./texts.js";

const SHORT = 4500;
const LONG = 10000;

export function toast({ text, undo = null, tone = "", long = false }) {
  const box = document.createElement("div");
  box.className = `toast ${tone}`;
  const words = document.createElement("span");
  words.textContent = text;
  box.append(words);
  if (undo) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = texts.undo;
    button.addEventListener("click", () => {
      box.remove();
      window.htmx.ajax("POST", undo, { swap: "none", source: document.body });
    });
    box.append(button);
  }
  document.getElementById("toasts").append(box);
  setTimeout(() => box.remove(), undo || long ? LONG : SHORT);
}

// The server refuses with a problem document or with a page that holds the same sentence.
export function reasonOf(body) {
  try {
    const problem = JSON.parse(body);
    return problem.detail || problem.title || texts.failed;
  } catch {
    const found = new DOMParser().parseFromString(body || "", "text/html").querySelector("[data-detail]");
    return found?.textContent.trim() || texts.failed;
  }
}

export function watchErrors() {
  document.body.addEventListener("htmx:responseError", (event) => {
    const { xhr, pathInfo } = event.detail;
    toast({ text: reasonOf(xhr.responseText), tone: "bad", long: true });
    // What was refused still stands in the control: the page shows what is true again.
    if (pathInfo?.requestPath?.startsWith("/tasks/")) window.htmx.trigger(document.body, "tasks:changed");
    if (xhr.status === 409 && pathInfo?.requestPath?.includes("/leads/")) {
      for (const name of ["lead:refresh", "card:refresh", "queue:changed"]) window.htmx.trigger(document.body, name);
    }
  });
  document.body.addEventListener("htmx:sendError", () => toast({ text: texts.failed, tone: "bad" }));
  document.body.addEventListener("toast", (event) => toast(event.detail));
}

// The workplace: what news changes on it, the selected lead, the countdown of offers, keys.

import { badge, notify, play } from "./alerts.js";
import { restore, show } from "./composer.js";
import { calmly, careful } from "./live.js";
import { texts } from "./texts.js";

const me = document.body.dataset.user;
const skew = Date.parse(document.body.dataset.now) - Date.now();
const SOON = 60;
const NEAR_END = 160;
const CUSTOMER = new Set(["message", "mail", "form", "order", "callback"]);

const trigger = (name) => window.htmx.trigger(document.body, name);
const openLead = () => document.querySelector(".talk")?.dataset.lead;
const queueChanged = calmly(() => trigger("queue:changed"));
const headChanged = calmly(() => trigger("lead:refresh"));
const cardChanged = careful("card", "card:refresh");
const composerChanged = calmly(() => {
  if (!document.querySelector("#composer textarea:focus")) trigger("composer:refresh");
});

function leadNews({ detail: news }) {
  queueChanged();
  if (news.event === "offered" && news.data.offered_to === me) {
    play("arrival");
    notify(texts.offer, news.data.title, `/leads/${news.id}`);
  }
  if (news.id !== openLead()) return;
  headChanged();
  cardChanged();
  if (["assigned", "closed", "moved", "contact"].includes(news.event)) composerChanged();
}

function timelineNews({ detail: news }) {
  queueChanged();
  const mine = document.querySelector(`[data-row="${news.lead_id}"]`);
  if (CUSTOMER.has(news.event) && news.data.direction === "in" && mine) {
    play("message");
    notify(texts.message, "", `/leads/${news.lead_id}`);
  }
  if (news.lead_id && news.lead_id === openLead()) place(news.id);
}

// Loads one item and puts it where it belongs: over its former state, or at the end.
async function place(id) {
  const lead = openLead();
  const seen = document.hidden ? "" : "?seen";
  const answer = await fetch(`/leads/${lead}/items/${id}${seen}`, { headers: { "HX-Request": "true" } });
  if (!answer.ok || openLead() !== lead) return;
  const template = document.createElement("template");
  template.innerHTML = await answer.text();
  const fresh = template.content.firstElementChild;
  const timeline = document.getElementById("timeline");
  const old = document.getElementById(fresh.id);
  if (old) old.replaceWith(fresh);
  else append(timeline, fresh);
  window.htmx.process(fresh);
  if (pinned || fresh.classList.contains("out")) toEnd();
}

// The reader is at the end of the talk, so what arrives or grows (a picture that loads) keeps him there.
let pinned = true;

function toEnd() {
  const timeline = document.getElementById("timeline");
  if (!timeline) return;
  pinned = true;
  timeline.scrollTop = timeline.scrollHeight;
}

function scrolled(event) {
  const box = event.target;
  if (box.id === "timeline") pinned = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
}

function append(timeline, fresh) {
  const days = timeline.querySelectorAll(".day");
  if (days.length === 0 || days[days.length - 1].dataset.day !== fresh.dataset.day) {
    const day = document.createElement("div");
    day.className = "day";
    day.dataset.day = fresh.dataset.day;
    day.append(document.createElement("span"));
    day.firstChild.textContent = fresh.dataset.day;
    timeline.append(day);
  }
  timeline.append(fresh);
}

function tick() {
  for (const clock of document.querySelectorAll("[data-until]")) {
    const left = Math.round((Date.parse(clock.dataset.until) - Date.now() - skew) / 1000);
    const hours = Math.floor(left / 3600);
    const rest = `${String(Math.floor((left % 3600) / 60)).padStart(hours ? 2 : 1, "0")}:${String(left % 60).padStart(2, "0")}`;
    clock.textContent = left <= 0 ? texts.expired : hours ? `${hours}:${rest}` : rest;
    clock.classList.toggle("soon", left < SOON);
  }
}

function select(id) {
  const field = document.getElementById("queue-selected");
  if (field) field.value = id || "";
  for (const row of document.querySelectorAll(".row")) {
    if (row.dataset.row === id) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

function shown() {
  select(openLead());
  const work = document.getElementById("work");
  if (openLead() && work) work.dataset.pane = "talk";
  toEnd();
  const name = document.querySelector(".talk-who h1")?.textContent.trim();
  if (name) document.title = document.title.replace(/^((?:\(\d+\) )?).* · /, `$1${name} · `);
  restore();
}

export function open(id) {
  history.pushState(null, "", `/leads/${id}`);
  window.htmx.ajax("GET", `/leads/${id}`, { target: "#lead", swap: "innerHTML" });
}

function letters(event) {
  const box = event.target;
  if (!(box instanceof HTMLDetailsElement) || !box.dataset.letter || !box.open || box.querySelector("iframe")) return;
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-same-origin allow-popups allow-popups-to-escape-sandbox");
  frame.title = box.textContent.trim();
  frame.addEventListener("load", () => {
    const height = frame.contentDocument?.documentElement.scrollHeight || 0;
    frame.height = Math.min(Math.max(height + 4, 80), 2400);
    frame.classList.add("fitted");
  });
  frame.src = box.dataset.letter;
  box.append(frame);
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  t: () => press("[data-take]"),
  d: () => press("[data-decline]"),
  r: () => show("reply"),
  n: () => show("note"),
};
const RUSSIAN = { о: "j", л: "k", е: "t", в: "d", к: "r", т: "n", ".": "/", ",": "?" };

function step(by) {
  const links = [...document.querySelectorAll("#rows [data-open]")];
  if (!links.length) return;
  const now = links.indexOf(document.activeElement);
  const current = now >= 0 ? now : links.findIndex((link) => link.dataset.open === openLead());
  links[Math.min(Math.max(current + by, 0), links.length - 1)].focus();
}

function press(what) {
  const row = document.activeElement.closest?.("[data-row]");
  (row?.querySelector(what) || document.querySelector(`.talk-buttons ${what}`) || document.querySelector(`#rows ${what}`))?.click();
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "Escape" && typing) return typing.blur();
  if (typing || document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const found = event.key === "?" || event.key === "/" ? event.key : RUSSIAN[key] && !KEYS[key] ? RUSSIAN[key] : key;
  if (found === "/" && document.getElementById("search")) document.getElementById("search").focus();
  else if (found === "?") document.getElementById("help").showModal();
  else if (KEYS[found] && document.getElementById("work")) {
    if (event.key.startsWith("Arrow") && !event.target.closest(".queue") && event.target !== document.body) return;
    KEYS[found]();
  } else return;
  event.preventDefault();
}

function swapped(event) {
  if (event.target.id === "lead") shown();
  if (event.target.id === "queue") {
    badge(Number(document.querySelector(".tabs").dataset.unread));
    tick();
  }
  if (event.target.id === "composer") restore();
}

export function startWorkplace() {
  document.addEventListener("keydown", keys);
  document.addEventListener("toggle", letters, true);
  if (!document.getElementById("work")) return;
  document.body.addEventListener("live:lead", leadNews);
  document.body.addEventListener("live:timeline", timelineNews);
  document.body.addEventListener("live:task", ({ detail }) => detail.lead_id === openLead() && cardChanged());
  document.body.addEventListener("live:user", ({ detail }) => detail.event === "presence" && detail.id === me && queueChanged());
  document.body.addEventListener("lead:changed", ({ detail }) => {
    queueChanged();
    if (detail.open && detail.lead !== openLead()) open(detail.lead);
    else if (detail.lead === openLead()) { headChanged(); cardChanged(); composerChanged(); }
  });
  document.body.addEventListener("task:changed", cardChanged);
  document.body.addEventListener("person:changed", () => document.activeElement.closest("#card .adds, #card .who-called") && document.activeElement.blur());
  document.body.addEventListener("sent", ({ detail }) => detail.lead === openLead() && place(detail.item));
  document.body.addEventListener("saved", ({ detail }) => {
    const form = document.querySelector(`[data-field="${detail.name}"]`);
    if (!form) return;
    form.elements.was.value = detail.value;
    form.classList.add("saved");
    setTimeout(() => form.classList.remove("saved"), 900);
  });
  document.body.addEventListener("htmx:afterSwap", swapped);
  document.addEventListener("submit", (event) => {
    if (!event.target.matches(".edit")) return;
    event.preventDefault(); // Enter in a field saves it by leaving it
    document.activeElement.blur();
  });
  document.addEventListener("toggle", ({ target }) => target.matches(".add[open]") && target.querySelector("input").focus(), true);
  document.addEventListener("scroll", scrolled, true);
  addEventListener("resize", () => pinned && toEnd());
  document.addEventListener("load", (event) => {
    if (pinned && event.target.closest?.("#timeline") && event.target.tagName === "IMG") toEnd();
  }, true);
  badge(Number(document.querySelector(".tabs").dataset.unread));
  shown();
  tick();
  setInterval(tick, 1000);
}

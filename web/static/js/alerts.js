// What calls for attention: sounds, desktop notifications when the page is not in front, the number in the tab's title.

import { texts } from "./texts.js";
import { toast } from "./toast.js";

const players = {};
const title = document.title;

export function play(name) {
  players[name] ??= new Audio(`${document.body.dataset.sounds}${name}.wav`);
  players[name].currentTime = 0;
  players[name].play().catch(() => {}); // browsers stay silent until the reader has touched the page
}

export function hush(name) {
  players[name]?.pause();
}

export function notify(text, body, href) {
  if (!document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
  const note = new Notification(text, { body, icon: document.body.dataset.favicon, tag: href });
  note.addEventListener("click", () => {
    window.focus();
    if (href) location.href = href;
    note.close();
  });
}

export function badge(number) {
  const base = title.replace(/^\(\d+\) /, "");
  document.title = number ? `(${number}) ${base}` : base;
  const set = number ? navigator.setAppBadge : navigator.clearAppBadge;
  set?.call(navigator, number || undefined)?.catch(() => {});
}

async function ask() {
  if (!("Notification" in window)) return toast({ text: texts.notifyOff, tone: "bad" });
  const answer = await Notification.requestPermission();
  play("message");
  toast({ text: answer === "granted" ? texts.notifyOn : texts.notifyOff, tone: answer === "granted" ? "good" : "bad" });
}

export function startAlerts() {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-notify]")) ask();
  });
}

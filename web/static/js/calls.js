// The card of a ringing call, over whatever is open, and click-to-call.

import { hush, notify, play } from "./alerts.js";
import { texts } from "./texts.js";
import { reasonOf, toast } from "./toast.js";

const LONGEST_RING = 180000;

export function phone(number) {
  const found = /^\+7(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(number || "");
  return found ? `+7\u00a0${found[1]}\u00a0${found[2]}\u2011${found[3]}\u2011${found[4]}` : number || texts.hidden;
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function picture(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "icon");
  svg.append(document.createElementNS(space, "use"));
  svg.firstChild.setAttribute("href", `${document.body.dataset.icons}#${name}`);
  return svg;
}

function card(news) {
  const { number, name, did, lead_number: lead, title, direction } = news.data;
  const box = element("section", "call-card");
  box.id = `call-${news.id}`;
  box.setAttribute("role", "alertdialog");
  const top = element("p", "call-card-top");
  top.append(picture("phone-in"), direction === "out" ? texts.outgoing : texts.ringing);
  const details = [name ? phone(number) : texts.newCaller, did ? `${texts.onLine} ${phone(did)}` : ""];
  box.append(top, element("strong", "", name || phone(number)), element("p", "", details.filter(Boolean).join(" · ")));
  if (lead) box.append(element("p", "", `${texts.lead} № ${lead}. ${title || ""}`));
  const buttons = element("div", "call-card-buttons");
  if (news.lead_id) {
    const open = element("a", "btn primary", texts.open);
    open.href = `/leads/${news.lead_id}`;
    buttons.append(open);
  }
  const hide = element("button", "btn", texts.hide);
  hide.type = "button";
  hide.addEventListener("click", () => remove(news.id));
  buttons.append(hide);
  box.append(buttons);
  return box;
}

function remove(id) {
  document.getElementById(`call-${id}`)?.remove();
  if (!document.querySelector(".call-card")) hush("ring");
}

function heard({ detail: news }) {
  if (news.event === "stopped") return remove(news.id);
  if (news.event !== "ringing" || Date.now() - Date.parse(news.at) > LONGEST_RING) return;
  remove(news.id);
  document.getElementById("calls").append(card(news));
  if (news.data.direction !== "out") play("ring");
  notify(texts.ringing, news.data.name || phone(news.data.number), news.lead_id ? `/leads/${news.lead_id}` : "/");
  setTimeout(() => remove(news.id), LONGEST_RING);
}

async function call(button) {
  button.disabled = true;
  try {
    const answer = await fetch("/api/v1/calls", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": document.body.dataset.csrf },
      body: JSON.stringify({ number: button.dataset.call }),
    });
    if (answer.ok) toast({ text: texts.calling, tone: "good" });
    else toast({ text: reasonOf(await answer.text()), tone: "bad", long: true });
  } catch {
    toast({ text: texts.failed, tone: "bad" });
  } finally {
    button.disabled = false;
  }
}

export function startCalls() {
  document.body.addEventListener("live:call", heard);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-call]");
    if (button) call(button);
  });
}

// The live stream: one EventSource for the page; each piece of news becomes a DOM event `live:<entity>` on the body.
//
// The page was made at a known place of the change feed, so the stream starts there and nothing between is missed. The
// browser reconnects by itself and resumes from the last id; where it gives up (a refused request) we start anew.

const ENTITIES = ["lead", "deal", "contact", "company", "timeline", "task", "call", "user", "notification", "connector", "queue", "quarantine", "outbox"];
const RETRY = 3000;
const PATIENCE = 2000;
/* Milliseconds without the stream after which the reader is told; a page load or a short gap stays unnoticed. */

let worry = 0;
let last = Number(document.body.dataset.lastSeq || 0);

function hear(event) {
  last = Number(event.lastEventId || last);
  const news = JSON.parse(event.data);
  document.body.dispatchEvent(new CustomEvent(`live:${news.entity}`, { detail: news }));
}

export function startStream() {
  const mark = document.getElementById("offline");
  const source = new EventSource(`/api/v1/events?last_id=${last}`);
  source.addEventListener("open", () => {
    clearTimeout(worry);
    mark.hidden = true;
    document.body.dataset.live = "on";
  });
  source.addEventListener("error", () => {
    clearTimeout(worry);
    worry = setTimeout(() => { mark.hidden = false; }, PATIENCE);
    document.body.dataset.live = "off";
    if (source.readyState === EventSource.CLOSED) setTimeout(startStream, RETRY);
  });
  source.addEventListener("reload", () => location.reload());
  for (const entity of ENTITIES) source.addEventListener(entity, hear);
  addEventListener("pagehide", () => source.close());
}

// Runs `fn` once for a burst of calls.
export function calmly(fn, pause = 150) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => fn(...args), pause);
  };
}

// Loads a card anew by its event, but never under the hands of somebody who types in it: then when he leaves the field.
export function careful(id, event) {
  const typing = () => document.querySelector(`#${id} :is(input, textarea, select):focus`);
  const changed = calmly(() => {
    const busy = typing();
    if (busy) busy.addEventListener("blur", changed, { once: true });
    else window.htmx.trigger(document.body, event);
  });
  document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target.id !== id || detail.requestConfig.elt !== detail.target || !typing()) return;
    detail.shouldSwap = false; // he began while the answer was on its way
    changed();
  });
  return changed;
}

// The board of tasks: a card dropped in another column takes the step that the column stands for. What the server says
// is true: after every drop the board is loaded anew, so a card that was refused goes back.

const WORK = ["open", "in_work", "waiting"];
const refresh = () => window.htmx.trigger(document.body, "tasks:changed");

function dropped({ item, from, to }) {
  if (from === to) return;
  const { card, state } = item.dataset;
  const { column: stage, kind } = to.dataset;
  if (state === "acceptance" && WORK.includes(kind)) {
    const ask = `/tasks/${card}/return?stage=${encodeURIComponent(stage)}`;
    window.htmx.ajax("GET", ask, { target: "#dialog-body", source: document.body }).then(refresh, refresh);
    return;
  }
  const post = { swap: "none", source: document.body, values: { stage } };
  window.htmx.ajax("POST", `/tasks/${card}/stage`, post).then(refresh, refresh);
}

function arm() {
  for (const cards of document.querySelectorAll("#task-board [data-column]")) {
    if (window.Sortable.get(cards)) continue;
    window.Sortable.create(cards, {
      group: "tasks",
      draggable: "[data-movable]",
      sort: false,
      animation: 0,
      delay: 200, // on a touch screen a short move scrolls, a longer touch drags
      delayOnTouchOnly: true,
      onEnd: dropped,
    });
  }
}

arm();
document.body.addEventListener("htmx:afterSwap", arm);

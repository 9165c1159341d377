// Menus, dialogs, filters that send themselves, rows that are links, the theme.

function close(menu) {
  menu.querySelector(".menu-list").hidden = true;
  menu.querySelector("[data-menu-button]").setAttribute("aria-expanded", "false");
}

function closeAll(except = null) {
  for (const menu of document.querySelectorAll("[data-menu]")) if (menu !== except) close(menu);
}

function toggle(button) {
  const menu = button.closest("[data-menu]");
  const list = menu.querySelector(".menu-list");
  const opens = list.hidden;
  closeAll(menu);
  list.hidden = !opens;
  button.setAttribute("aria-expanded", String(opens));
  if (opens && "notes" in button.dataset) window.htmx.trigger("#notes", "notes:open");
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme === "dark" ||
    (root.dataset.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = dark ? "light" : "dark";
  window.htmx.ajax("POST", "/me/theme", { values: { theme: root.dataset.theme }, swap: "none", source: document.body });
}

function clicked(event) {
  const target = event.target;
  const button = target.closest("[data-menu-button]");
  if (button) return toggle(button);
  if (target.closest("[data-theme-switch]")) switchTheme();
  if (target.closest("[data-help]")) document.getElementById("help").showModal();
  if (target.closest("[data-notes-read]")) closeAll();
  if (target.closest("[data-close-dialog]")) target.closest("dialog").close();
  if (!target.closest(".menu-list.notes")) closeAll();
  const pane = target.closest("[data-pane-to]");
  if (pane) document.getElementById("work").dataset.pane = pane.dataset.paneTo;
  const row = target.closest("tr[data-href]");
  if (row && !target.closest("a, button, input") && !String(getSelection())) location.href = row.dataset.href;
  if (target instanceof HTMLDialogElement) target.close();
}

export function startMenus() {
  document.addEventListener("click", clicked);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeAll();
  });
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-filters]");
    if (!form) return;
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
    form.submit();
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "dialog-body") document.getElementById("dialog").showModal();
  });
  document.body.addEventListener("close-dialog", () => document.getElementById("dialog").close());
}

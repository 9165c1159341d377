// Copies the scripts and styles of the pages from node_modules into web/static/vendor.
//
// The hub serves everything itself: no page ever asks a CDN. Files are copied as their makers built them, under short
// stable names that the templates use; the licences go along, because the hub hands these files to every visitor.

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const vendor = join(root, "web", "static", "vendor");

const files = {
  "htmx.min.js": "htmx.org/dist/htmx.min.js",
  "htmx-ext-sse.min.js": "htmx-ext-sse/dist/sse.min.js",
  "sortable.min.js": "sortablejs/Sortable.min.js",
  "uplot.min.js": "uplot/dist/uPlot.iife.min.js",
  "uplot.min.css": "uplot/dist/uPlot.min.css",
};

async function notice(name) {
  const { version } = JSON.parse(await readFile(join(modules, name, "package.json"), "utf8"));
  const text = await readFile(join(modules, name, "LICENSE"), "utf8");
  return `${name} ${version}\n\n${text.trim()}\n`;
}

await rm(vendor, { recursive: true, force: true });
await mkdir(vendor, { recursive: true });
for (const [target, source] of Object.entries(files)) {
  await cp(join(modules, source), join(vendor, target));
}
const packages = [...new Set(Object.values(files).map((source) => source.split("/")[0]))].sort();
await writeFile(join(vendor, "LICENSES.txt"), (await Promise.all(packages.map(notice))).join(`\n${"-".repeat(80)}\n\n`));

// Opens a report in a frame and uses it: `drive.html?PAGE&WIDTH&CANDIDATES`. What is not as it should be is listed in #result. With
// `show` for CANDIDATES it only shows the page, for a picture; `show-dark` presses its button first.
"use strict";
const [page, width, candidates] = location.search.slice(1).split("&");
const frame = document.createElement("iframe");
frame.width = width;
frame.height = candidates.startsWith("show") ? 2400 : 900;
frame.src = page;
document.body.append(frame);

const problems = [];
const check = (right, what) => { if (!right) problems.push(what); };
const wait = (ms) => new Promise((then) => setTimeout(then, ms));

/** Relative luminance of a colour as the browser tells it, and the contrast of two. */
const luminance = (colour) => {
  const [r, g, b] = colour.match(/[\d.]+/g).map(Number).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
const background = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    if (colour !== "rgba(0, 0, 0, 0)") return colour;
  }
  return "rgb(255, 255, 255)";
};

const readable = (doc, theme) => {
  const low = new Set();
  for (const element of doc.querySelectorAll("h1, h2, h3, p, dt, dd, th, td, li, a, button, label, code, caption, figcaption, summary, .tag")) {
    if (!element.textContent.trim() || element.getClientRects().length === 0) continue;
    const ratio = contrast(getComputedStyle(element).color, background(element));
    if (ratio < 4.5) low.add(`${element.tagName}.${element.className}: ${ratio.toFixed(2)}`);
  }
  for (const each of low) problems.push(`${theme}: too little contrast: ${each}`);
};

const structure = (doc) => {
  const ids = [...doc.querySelectorAll("[id]")].map(({ id }) => id);
  check(new Set(ids).size === ids.length, "an id is there twice");
  check(doc.querySelectorAll("h1").length === 1, "one h1");
  let level = 0;
  for (const heading of doc.querySelectorAll("h1, h2, h3")) {
    const now = Number(heading.tagName[1]);
    check(now <= level + 1, `${heading.textContent}: a level of headings is left out`);
    level = now;
  }
  for (const table of doc.querySelectorAll("table")) {
    check(table.caption || table.hasAttribute("aria-labelledby"), "a table without a name");
    for (const head of table.querySelectorAll("th")) check(head.scope, `th without a scope: ${head.textContent}`);
  }
  for (const each of doc.querySelectorAll("svg")) check(each.getAttribute("aria-hidden") === "true", "a chart that is read out");
  for (const each of doc.querySelectorAll("[aria-labelledby]")) {
    check(doc.getElementById(each.getAttribute("aria-labelledby")), "a name that is not there");
  }
  for (const each of doc.querySelectorAll(".scroll")) check(each.tabIndex === 0, "what scrolls cannot be reached by keyboard");
  for (const each of doc.querySelectorAll("button")) check(each.textContent.trim(), "a button without a name");
  for (const each of doc.querySelectorAll("input")) check(each.labels.length === 1, "an input without a label");
  for (const link of doc.querySelectorAll("a")) {
    const to = link.getAttribute("href");
    check(to.startsWith("#") && doc.getElementById(to.slice(1)), `a link to ${to}`);
  }
};

const numbers = (rows, at) => rows.map((row) => Number(row.cells[at].textContent.replaceAll(",", "")));

const candidatesOf = async (doc, expected) => {
  const place = doc.querySelector(".candidates");
  const rows = () => [...place.querySelectorAll("tbody tr:not(.space)")];
  const box = place.querySelector(".rows");
  const count = Number(place.querySelector("table").getAttribute("aria-rowcount")) - 1;
  check(count === expected, `${count} candidates instead of ${expected}`);
  check(rows().length >= Math.min(expected, 20) && rows().length <= 80, `${rows().length} rows in the document`);
  // What the script writes is what the program writes.
  const shown = new Map(rows().map((row) => [row.cells[0].textContent, [2, 3, 5].map((at) => row.cells[at].textContent)]));
  for (const row of doc.querySelectorAll("article table.best")[0].tBodies[0].rows) {
    const name = row.cells[0].firstChild.textContent.trim();
    const [points, memory, adj] = [2, 3, 4].map((at) => row.cells[at].textContent);
    const found = shown.get(name);
    check(found && found.join() === [points, adj, memory].join(), `${name}: ${found} instead of ${[points, adj, memory]}`);
  }
  const head = place.querySelector('[data-column="points"]');
  for (const [order, sign] of [["descending", -1], ["ascending", 1]]) {
    head.querySelector("button").focus();
    check(doc.activeElement === head.querySelector("button"), "a heading cannot have the focus");
    head.querySelector("button").click();
    check(head.getAttribute("aria-sort") === order, `aria-sort is not ${order}`);
    check(place.querySelectorAll('[aria-sort]:not([aria-sort="none"])').length === 1, "sorted by several");
    const points = numbers(rows(), 2).filter((number) => !Number.isNaN(number));
    check(points.every((number, at) => at === 0 || (number - points[at - 1]) * sign >= 0), `not ${order}: ${points.slice(0, 5)}`);
  }
  box.scrollTop = box.scrollHeight;
  await wait(300);
  const last = rows().at(-1);
  check(Number(last.getAttribute("aria-rowindex")) === expected + 1, `the last row is ${last.getAttribute("aria-rowindex")}`);
  check(["-", "?"].includes(last.cells[2].textContent) || expected < 50, "who has no points does not come last");
  check(rows().length <= 80, `${rows().length} rows in the document, at the end`);
  const input = place.querySelector("input");
  const name = last.cells[0].textContent;
  input.value = name.toUpperCase();
  input.dispatchEvent(new Event("input"));
  check(rows().length >= 1 && rows().every((row) => row.cells[0].textContent.includes(name)), `${name} is not found`);
  check(/^\d+ of /.test(place.querySelector("[role=status]").textContent), "it is not told how many there are");
};

const overview = (doc) => {
  const list = doc.querySelector("table.sortable");
  if (!list) return;
  const [head] = list.tHead.rows[0].cells;
  const times = () => [...list.tBodies[0].rows].map((row) => row.cells[0].dataset.by).filter(Boolean).map(Number);
  for (const [order, sign] of [["ascending", 1], ["descending", -1]]) {
    head.querySelector("button").click();
    check(head.getAttribute("aria-sort") === order, `the list is not ${order}`);
    check(times().every((time, at, all) => at === 0 || (time - all[at - 1]) * sign >= 0), `the list is not ${order}`);
  }
};

const use = async () => {
  const doc = frame.contentDocument;
  const root = doc.documentElement;
  structure(doc);
  check(root.scrollWidth <= Number(width), `it is ${root.scrollWidth} wide on ${width}`);
  check(frame.contentWindow.performance.getEntriesByType("resource").length === 0, "it loads something");
  const script = doc.createElement("script");
  script.textContent = "window.foreign = true";
  doc.body.append(script);
  check(frame.contentWindow.foreign === undefined, "a script that is not its own runs");
  script.remove();
  if (Number(candidates) > 0) await candidatesOf(doc, Number(candidates));
  overview(doc);
  const theme = doc.getElementById("theme");
  const before = getComputedStyle(root).backgroundColor;
  readable(doc, "first theme");
  theme.click();
  check(getComputedStyle(root).backgroundColor !== before, "the theme does not change");
  readable(doc, "other theme");
};

const tell = (ready) => {
  const result = document.getElementById("result");
  result.textContent = JSON.stringify({ ready, problems: [...new Set(problems)].slice(0, 20) });
  result.dataset.done = "";
};

frame.addEventListener("load", async () => {
  const ready = frame.contentDocument?.documentElement?.dataset.ready;
  check(ready !== undefined, "it does not become ready");
  try {
    if (candidates === "show-dark") frame.contentDocument.getElementById("theme").click();
    if (!candidates.startsWith("show") && ready !== undefined) await use();
  } catch (error) {
    problems.push(String(error.stack));
  }
  tell(Number(ready));
});

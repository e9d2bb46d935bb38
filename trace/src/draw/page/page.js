"use strict";
const svg = document.querySelector("#stage svg");
const stage = document.getElementById("stage");
const names = document.getElementById("names");
const lanes = [...svg.querySelectorAll(".lane")];
const events = [...svg.querySelectorAll(".event")];
const arrows = [...svg.querySelectorAll(".arrow[data-from]")];
const place = (g) => g.getAttribute("transform").match(/-?[\d.]+/g).map(Number);
const number = (g, key) => Number(g.dataset[key] ?? NaN);

// The log line of what is pointed at. The drawing's own titles would cover it.
const lines = new Map();
for (const g of events) {
  const title = g.querySelector("title");
  lines.set(g, title.textContent);
  title.remove();
  g.setAttribute("tabindex", "0");
  const show = () => (document.getElementById("line").textContent = lines.get(g));
  g.addEventListener("pointerenter", show);
  g.addEventListener("focus", show);
}

// Participants that are hidden leave no hole: the others move together.
const home = lanes.map((g) => place(g)[0]);
const spots = events.map((g) => ({ lane: number(g, "lane"), y: place(g)[1] }));
const shown = lanes.map(() => true);
// Without the drawing's own row of names.
const NAMES = 46;
const width = svg.viewBox.baseVal.width, height = svg.viewBox.baseVal.height - NAMES;
svg.setAttribute("viewBox", `0 ${NAMES} ${width} ${height}`);
let scale = 1;
const RADIUS = 4.5 * 1.3, HEAD = 7;

// The names of the lines stay in sight.
const heads = lanes.map((g) => {
  const name = g.querySelector(".name");
  const head = document.createElement("span");
  head.textContent = name.textContent;
  head.style.color = getComputedStyle(name).fill;
  names.append(head);
  return head;
});

let x = home;
function arrange() {
  let next = 0;
  x = lanes.map((_, lane) => (shown[lane] ? home[next++] : 0));
  lanes.forEach((g, lane) => {
    g.setAttribute("transform", `translate(${x[lane]},0)`);
    g.classList.toggle("hidden", !shown[lane]);
    heads[lane].classList.toggle("hidden", !shown[lane]);
  });
  events.forEach((g, node) => {
    const { lane, y } = spots[node];
    g.setAttribute("transform", `translate(${x[lane]},${y})`);
    g.classList.toggle("hidden", !shown[lane]);
  });
  for (const g of arrows) {
    const from = spots[number(g, "from")], to = spots[number(g, "to")];
    g.classList.toggle("hidden", !shown[from.lane] || !shown[to.lane]);
    draw(g, x[from.lane], from.y, x[to.lane], to.y);
  }
  placeHeads();
}

function placeHeads() {
  heads.forEach((head, lane) => (head.style.left = `${x[lane] * scale}px`));
}

function draw(g, x1, y1, x2, y2) {
  const length = Math.max(1, Math.hypot(x2 - x1, y2 - y1));
  const dx = (x2 - x1) / length, dy = (y2 - y1) / length;
  const tipX = x2 - dx * RADIUS, tipY = y2 - dy * RADIUS;
  const baseX = tipX - dx * HEAD, baseY = tipY - dy * HEAD;
  const nx = -dy * HEAD * 0.42, ny = dx * HEAD * 0.42;
  const line = g.querySelector("line");
  for (const [key, value] of Object.entries({ x1, y1, x2: baseX, y2: baseY })) line.setAttribute(key, value);
  const points = [[tipX, tipY], [baseX + nx, baseY + ny], [baseX - nx, baseY - ny]];
  g.querySelector("path").setAttribute("d", `M${points.map((point) => point.join(" ")).join("L")}z`);
}

lanes.forEach((g, lane) => {
  const name = g.querySelector(".name");
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = true;
  box.addEventListener("change", () => {
    shown[lane] = box.checked;
    arrange();
  });
  label.append(box, " ", name.textContent);
  label.style.color = getComputedStyle(name).fill;
  document.getElementById("participants").append(label);
});

// What came of each request: the server broadcasts it next.
const position = events.map((g) => number(g, g.dataset.reply === undefined ? "position" : "reply"));
const latest = new Map();
for (let node = events.length - 1; node >= 0; node--) {
  const { lane } = spots[node];
  if (!lanes[lane].querySelector(".name").classList.contains("pn")) continue;
  if (Number.isNaN(position[node])) position[node] = latest.get(lane) ?? NaN;
  else if (events[node].dataset.reply === undefined) latest.set(lane, position[node]);
}
for (const g of arrows) {
  const from = number(g, "from");
  if (Number.isNaN(position[from])) position[from] = position[number(g, "to")];
}

// What the author of this could know, and what crossed with it.
function relation(one, other) {
  if (one.position === other.position) return "chosen";
  const [earlier, later] = one.position < other.position ? [one, other] : [other, one];
  const seen = later.seen || NaN;
  if (earlier.participant === later.participant || earlier.position <= seen) return earlier === other ? "past" : "";
  return earlier.position > seen && other.seen !== undefined ? "with" : "";
}

const told = new Map();
for (const g of events) {
  if (g.dataset.position === undefined) continue;
  const seen = g.dataset.seen === undefined ? undefined : number(g, "seen");
  told.set(number(g, "position"), { position: number(g, "position"), participant: number(g, "participant"), seen });
}

function choose(node) {
  const one = told.get(position[node]);
  svg.classList.toggle("choosing", one !== undefined);
  const mark = (g, at) => {
    g.classList.remove("past", "with", "chosen");
    const other = told.get(at);
    const found = one && other && relation(one, other);
    if (found) g.classList.add(found);
  };
  events.forEach((g, node) => mark(g, position[node]));
  arrows.forEach((g) => mark(g, position[number(g, "from")]));
}

// The page scrolls as every page does: wheel, keys, bars, touch. The drawing has a size of its own.
function size(next) {
  scale = Math.min(Math.max(next, 0.02), 8);
  svg.style.width = names.style.width = `${width * scale}px`;
  svg.style.height = `${height * scale}px`;
  placeHeads();
}
// What is at this place of the window stays there.
function zoom(factor, place = middle()) {
  again = () => {};
  const before = svg.getBoundingClientRect();
  const at = { x: (place.x - before.left) / before.width, y: (place.y - before.top) / before.height };
  size(scale * factor);
  const after = svg.getBoundingClientRect();
  stage.scrollBy(after.left + at.x * after.width - place.x, after.top + at.y * after.height - place.y);
}
function middle() {
  const box = stage.getBoundingClientRect();
  return { x: box.left + stage.clientWidth / 2, y: box.top + stage.clientHeight / 2 };
}
// As wide as the window, from its beginning.
const start = () => show(() => stage.clientWidth / width);
// All of it at once.
const fit = () => show(() => Math.min(stage.clientWidth / width, (stage.clientHeight - names.offsetHeight) / height));
let again = start;
window.addEventListener("resize", () => again());
// Twice, since bars come and go with the size, and take room.
function show(scale) {
  again = () => show(scale);
  size(Math.min(1.5, scale()));
  size(Math.min(1.5, scale()));
  stage.scrollTo(0, 0);
}
stage.addEventListener("wheel", (event) => {
  if (!event.ctrlKey) return;
  event.preventDefault();
  zoom(event.deltaY > 0 ? 1 / 1.15 : 1.15, { x: event.clientX, y: event.clientY });
}, { passive: false });
let drag = null;
svg.addEventListener("pointerdown", (event) => {
  // A finger scrolls by itself.
  drag = { x: event.clientX, y: event.clientY, left: stage.scrollLeft, top: stage.scrollTop, moved: false, touch: event.pointerType === "touch" };
});
window.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const x = event.clientX - drag.x, y = event.clientY - drag.y;
  drag.moved ||= Math.hypot(x, y) > 4;
  if (drag.moved && !drag.touch) stage.scrollTo(drag.left - x, drag.top - y);
});
window.addEventListener("pointercancel", () => (drag = null));
window.addEventListener("pointerup", (event) => {
  const moved = drag?.moved;
  const inside = drag && svg.contains(event.target);
  drag = null;
  if (inside && !moved) choose(events.indexOf(event.target.closest(".event")));
});
document.getElementById("in").addEventListener("click", () => zoom(1.3));
document.getElementById("out").addEventListener("click", () => zoom(1 / 1.3));
document.getElementById("fit").addEventListener("click", fit);
// Wherever the focus is.
const row = () => 24 * scale, page = () => stage.clientHeight * 0.85;
const keys = {
  "+": () => zoom(1.3),
  "=": () => zoom(1.3),
  "-": () => zoom(1 / 1.3),
  "0": fit,
  "1": start,
  Escape: () => choose(-1),
  Enter: () => choose(events.indexOf(document.activeElement)),
  ArrowDown: () => stage.scrollBy(0, row() * 2),
  ArrowUp: () => stage.scrollBy(0, -row() * 2),
  ArrowRight: () => stage.scrollBy(row() * 2, 0),
  ArrowLeft: () => stage.scrollBy(-row() * 2, 0),
  PageDown: () => stage.scrollBy(0, page()),
  PageUp: () => stage.scrollBy(0, -page()),
  Home: () => stage.scrollTo(stage.scrollLeft, 0),
  End: () => stage.scrollTo(stage.scrollLeft, stage.scrollHeight),
};
window.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(keys, event.key)) return;
  // Space and Enter are for the button that has the focus.
  if (event.key === "Enter" && !document.activeElement.closest(".event")) return;
  keys[event.key]();
  event.preventDefault();
});
start();

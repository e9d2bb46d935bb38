"use strict";
const svg = document.querySelector("#stage svg");
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
const RADIUS = 4.5 * 1.3, HEAD = 7;

function arrange() {
  const x = [];
  let next = 0;
  for (const lane of lanes.keys()) x.push(shown[lane] ? home[next++] : 0);
  lanes.forEach((g, lane) => {
    g.setAttribute("transform", `translate(${x[lane]},0)`);
    g.classList.toggle("hidden", !shown[lane]);
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
const position = events.map((g) => number(g, "position"));
const latest = new Map();
for (let node = events.length - 1; node >= 0; node--) {
  const { lane } = spots[node];
  if (!lanes[lane].querySelector(".name").classList.contains("pn")) continue;
  if (Number.isNaN(position[node])) position[node] = latest.get(lane) ?? NaN;
  else latest.set(lane, position[node]);
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

// Moving and zooming are the view box's.
svg.setAttribute("preserveAspectRatio", "xMidYMin");
const { width, height } = svg.viewBox.baseVal;
let view = { x: 0, y: 0, width, height };
function look(next) {
  view = next;
  svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
}
function fit() {
  look({ x: 0, y: 0, width, height: Math.min(height, (width * svg.clientHeight) / Math.max(1, svg.clientWidth)) });
}
function zoom(factor, at = { x: view.x + view.width / 2, y: view.y + view.height / 2 }) {
  factor = Math.min(Math.max(factor, width / 50 / view.width), (width * 8) / view.width);
  look({
    x: at.x - (at.x - view.x) * factor,
    y: at.y - (at.y - view.y) * factor,
    width: view.width * factor,
    height: view.height * factor,
  });
}
function under(event) {
  return new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
}
svg.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, under(event));
}, { passive: false });
let drag = null;
svg.addEventListener("pointerdown", (event) => (drag = { at: under(event), moved: false }));
window.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const now = under(event);
  drag.moved ||= Math.hypot(now.x - drag.at.x, now.y - drag.at.y) > 4;
  if (drag.moved) look({ ...view, x: view.x + drag.at.x - now.x, y: view.y + drag.at.y - now.y });
});
window.addEventListener("pointerup", (event) => {
  const moved = drag?.moved;
  const inside = drag && svg.contains(event.target);
  drag = null;
  if (inside && !moved) choose(events.indexOf(event.target.closest(".event")));
});
document.getElementById("in").addEventListener("click", () => zoom(1 / 1.3));
document.getElementById("out").addEventListener("click", () => zoom(1.3));
document.getElementById("fit").addEventListener("click", fit);
window.addEventListener("keydown", (event) => {
  if (event.key === "+") zoom(1 / 1.3);
  else if (event.key === "-") zoom(1.3);
  else if (event.key === "0") fit();
  else if (event.key === "Escape") choose(-1);
  else if (event.key === "Enter") choose(events.indexOf(document.activeElement));
});
fit();

// Put at the end of a page in a browser, this says in the page what does not work.
"use strict";
const wrong = [];
const expect = (what, so) => so || wrong.push(what);
const at = (position) => events.find((g) => g.dataset.seen !== undefined && number(g, "position") === position && spots[events.indexOf(g)].lane === 0);
const classes = (position) => at(position).classList;
const pointer = (type, target, x, y) =>
  target.dispatchEvent(new PointerEvent(type, { bubbles: type !== "pointerenter", clientX: x, clientY: y }));
const click = (g) => ["pointerdown", "pointerup"].forEach((type) => pointer(type, g.querySelector(".dot"), 5, 5));

try {
  expect("what people wrote is text", document.scripts.length === 2 && !document.querySelector("img,iframe,a"));
  expect("nothing is loaded", performance.getEntriesByType("resource").length === 0);
  expect("there are events", events.length > 60 && arrows.length > 40 && lanes.length === 5);
  expect("each has its log line", [...lines.values()].every((line) => /\.log:\d+ .* lamport=\d+/.test(line)));

  pointer("pointerenter", at(4), 0, 0);
  const line = document.getElementById("line");
  expect("its log line is shown", line.textContent.includes("position=4") && line.textContent.includes("<" + "/script><img"));
  expect("as text", line.children.length === 0);

  // Position 6 is eve's, who had not seen bob's at 5.
  click(at(6));
  expect("a message is chosen", svg.classList.contains("choosing") && classes(6).contains("chosen"));
  expect("what crossed it is marked", classes(5).contains("with") && !classes(5).contains("past"));
  expect("its past is strong", classes(4).contains("past") && !classes(7).contains("past"));
  click(at(4));
  expect("nothing crossed the first", !svg.querySelector(".with") && classes(4).contains("chosen"));
  choose(-1);
  expect("the choice ends", !svg.classList.contains("choosing"));

  const whole = svg.outerHTML;
  const boxes = [...document.querySelectorAll("#participants input")];
  expect("each process has its box", boxes.length === lanes.length);
  const bob = 2;
  const far = place(lanes[4])[0];
  boxes[bob].click();
  expect("a process is hidden", lanes[bob].classList.contains("hidden") && events.every((g, node) => g.classList.contains("hidden") === (spots[node].lane === bob)));
  expect("with its arrows", arrows.every((g) => g.classList.contains("hidden") === [number(g, "from"), number(g, "to")].some((node) => spots[node].lane === bob)));
  expect("the others move together", place(lanes[4])[0] < far);
  const lost = arrows.filter((g) => {
    const [x1, y1] = place(events[number(g, "from")]);
    const start = g.querySelector("line");
    return !g.classList.contains("hidden") && (Number(start.getAttribute("x1")) !== x1 || Number(start.getAttribute("y1")) !== y1);
  });
  expect("the arrows follow", lost.length === 0);
  boxes[bob].click();
  expect("and comes back", lanes.every((g) => !g.classList.contains("hidden")) && place(lanes[4])[0] === far && svg.outerHTML.length > whole.length / 2);

  const before = { ...view };
  svg.dispatchEvent(new WheelEvent("wheel", { deltaY: -100, clientX: 600, clientY: 400, cancelable: true }));
  expect("the wheel zooms in", view.width < before.width && view.x > before.x);
  const zoomed = { ...view };
  pointer("pointerdown", svg, 600, 400);
  pointer("pointermove", svg, 500, 300);
  pointer("pointerup", svg, 500, 300);
  expect("dragging moves", view.x > zoomed.x && view.y > zoomed.y && view.width === zoomed.width);
  expect("and chooses nothing", !svg.classList.contains("choosing"));
  document.getElementById("fit").click();
  expect("all of it is there again", view.x === 0 && view.width === before.width);
} catch (error) {
  wrong.push(String(error));
}
document.documentElement.dataset.checked = wrong.length === 0 ? "well" : wrong.join("; ");

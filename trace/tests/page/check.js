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

  const key = (key) => window.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true, bubbles: true }));
  const inSight = (element) => {
    const box = element.getBoundingClientRect(), room = stage.getBoundingClientRect();
    return box.width > 0 && box.top >= room.top - 1 && box.bottom <= room.bottom + 1;
  };
  const above = heads.map((head, lane) => {
    const line = lanes[lane].querySelector(".life").getBoundingClientRect(), name = head.getBoundingClientRect();
    return Math.abs((name.left + name.right) / 2 - (line.left + line.right) / 2);
  });
  expect("each line has its name", heads.length === lanes.length && heads.every((head) => head.textContent !== ""));
  expect("above it", above.every((away) => away < 2));
  expect("it is longer than the window", stage.scrollHeight > stage.clientHeight);
  for (const [down, up] of [["ArrowDown", "ArrowUp"], ["PageDown", "PageUp"], ["End", "Home"]]) {
    key(down);
    expect(`${down} scrolls`, stage.scrollTop > 0);
    expect(`${down} leaves the names`, heads.every(inSight));
    key(up);
    expect(`${up} scrolls back`, stage.scrollTop === 0);
  }
  const wheel = (ctrlKey) => {
    const event = new WheelEvent("wheel", { deltaY: -100, clientX: 600, clientY: 400, cancelable: true, bubbles: true, ctrlKey });
    svg.dispatchEvent(event);
    return event.defaultPrevented;
  };
  const before = scale;
  expect("the wheel is the page's", !wheel(false) && scale === before);
  const spot = (x, y) => [(x - svg.getBoundingClientRect().left) / scale, (y - svg.getBoundingClientRect().top) / scale];
  key("PageDown");
  const [x, y] = spot(600, 400);
  expect("with Ctrl it zooms in", wheel(true) && scale > before);
  const [x2, y2] = spot(600, 400);
  expect("at the pointer", Math.abs(x - x2) < 3 && Math.abs(y - y2) < 3);
  key("+");
  key("+");
  key("+");
  const left = stage.scrollLeft, top = stage.scrollTop;
  pointer("pointerdown", svg, 600, 400);
  pointer("pointermove", svg, 500, 300);
  pointer("pointerup", svg, 500, 300);
  expect("dragging moves", stage.scrollLeft > left && stage.scrollTop > top);
  expect("and chooses nothing", !svg.classList.contains("choosing"));
  expect("the names stay above their lines", heads.every((head, lane) => Math.abs(head.getBoundingClientRect().left + head.getBoundingClientRect().width / 2 - lanes[lane].querySelector(".life").getBoundingClientRect().left) < 3));
  for (const show of [() => key("0"), () => document.getElementById("fit").click()]) {
    key("+");
    show();
    const box = svg.getBoundingClientRect(), room = stage.getBoundingClientRect();
    expect("0 shows all", box.top >= room.top - 1 && box.bottom <= room.bottom + 1 && box.left >= room.left - 1 && box.right <= room.right + 1);
  }
  window.dispatchEvent(new Event("resize"));
  expect("so it does in another window", stage.scrollTop === 0 && svg.getBoundingClientRect().bottom <= stage.getBoundingClientRect().bottom + 1);
  key("1");
  expect("1 shows its beginning", scale === before && stage.scrollTop === 0);
} catch (error) {
  wrong.push(String(error));
}
document.documentElement.dataset.checked = wrong.length === 0 ? "well" : wrong.join("; ");

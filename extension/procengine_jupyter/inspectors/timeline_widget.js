// Runs on a line of time, a lane a trigger. The page has the marks around the window that is shown, and asks for others
// as it is moved; while it follows the present it moves by its own clock, without a word to the kernel.
// Following, it fits the runs of late, and rests on the last ones where no more come: a reader who is late sees them.
// Times are microseconds UTC. All text goes in by textContent or onto a canvas.

const LANE = 26; // height of a lane, pixels
const LANES_SHOWN = 12;
const AXIS = 24; // height of the axis
const GUTTER = 150; // width of the lanes' names
const LIVE_SPANS = [10e6, 20e6, 30e6, 60e6, 120e6, 300e6]; // what is shown of the present, the least that fits
const REST = 0.5; // how far the present may leave the last run behind, of what is shown
const ANSWER = 5000; // after so long what was asked for is asked for again, milliseconds
const LEAST_SPAN = 20; // no closer than 20 microseconds
const NARROWEST = 2; // width of a mark, pixels
const REACH = 5; // how near to a mark the pointer must be
const REDRAW = 250; // while the present is followed, milliseconds
const RESTING_REDRAW = 1000;

// Colours that the colour-blind can tell apart, on light and on dark; height and sign say the same.
const LOOKS = {
  success: { light: "#0072b2", dark: "#56a8dc", height: 10, sign: "" },
  error: { light: "#c24400", dark: "#ff8a4c", height: 18, sign: "▼" },
  write_error: { light: "#946800", dark: "#e6b34a", height: 14, sign: "▲" },
  cancelled: { light: "#6b6b6b", dark: "#b0b0b0", height: 10, sign: "○" },
  limit_exceeded: { light: "#8f3f78", dark: "#dd93c4", height: 18, sign: "■" },
};
const WORDS = {
  success: "success",
  error: "error",
  write_error: "lines rejected",
  cancelled: "cancelled",
  limit_exceeded: "past a limit",
};
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5]
  .concat([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200].map((s) => s * 1e6))
  .concat([1, 2, 7, 14, 30, 90, 365].map((d) => d * 86400e6)); // microseconds between two lines of the axis

function pad(number, digits = 2) {
  return String(number).padStart(digits, "0");
}

// An instant as text, as exact as lines that far apart need it.
function instantText(us, step, withDay) {
  const date = new Date(Math.floor(us / 1e3));
  const day = `${date.getUTCFullYear()}-${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())}`;
  if (step >= 86400e6) return day;
  let text = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}`;
  if (step < 60e6) text += `:${pad(date.getUTCSeconds())}`;
  const fraction = Math.floor(((us % 1e6) + 1e6) % 1e6);
  if (step < 1e3) text += `.${pad(fraction, 6)}`;
  else if (step < 1e6) text += `.${pad(Math.floor(fraction / 1e3), 3)}`;
  return withDay ? `${day} ${text}` : text;
}

function durationText(us) {
  if (us >= 60e6) return `${Math.floor(us / 60e6)} min ${Math.round((us % 60e6) / 1e6)} s`;
  for (const [size, unit] of [[1e6, "s"], [1e3, "ms"], [1, "µs"]]) {
    if (us >= size) return `${Number((us / size).toPrecision(3))} ${unit}`;
  }
  return `${Math.round(us * 1e3)} ns`;
}

function render({ model, el }) {
  el.classList.add("pe-time");
  const bar = element("div", "pe-time-bar", el);
  const frame = element("div", "pe-time-frame", el);
  frame.tabIndex = 0;
  frame.setAttribute("role", "application");
  frame.setAttribute("aria-label", "timeline of runs: arrows move, plus and minus zoom, a shows all, l follows, n and p choose");
  const space = element("div", "pe-time-space", frame);
  const canvas = element("canvas", "pe-time-canvas", space);
  const axis = element("canvas", "pe-time-axis", el);
  const tip = element("div", "pe-time-tip", el);
  tip.hidden = true;
  const pen = canvas.getContext("2d");
  const axisPen = axis.getContext("2d");

  let held = { from: 0, to: 0, count: 0, version: -1, first: 0, last: 0 };
  let asked = null; // what was asked for and not answered yet
  let view = null; // { from, to }
  let live = false;
  let liveSpan = null; // what the reader wants to see of the present; null fits the runs
  let clock = { now: 0, at: 0 }; // the kernel's time, and when it was told
  let due = 0;
  let hovered = -1;
  let drag = null;

  const lanes = () => model.get("lanes");
  const now = () => clock.now + (performance.now() - clock.at) * 1e3;
  const behind = () => (model.get("bounds")[1] < 0 ? 0 : now() - model.get("bounds")[1]); // since the last run
  const rests = () => live && behind() > REST * span();
  const width = () => Math.max(50, frame.clientWidth - GUTTER);
  const span = () => view.to - view.from;
  const x = (us) => GUTTER + ((us - view.from) / span()) * width();
  const time = (px) => view.from + ((px - GUTTER) / width()) * span();

  const button = (name, text, title, act) => {
    const made = element("button", `pe-time-button pe-time-${name}`, bar);
    made.type = "button";
    made.textContent = text;
    made.title = title;
    made.setAttribute("aria-label", title);
    made.addEventListener("click", act);
    return made;
  };
  button("earlier", "◀", "earlier (arrow left)", () => move(-0.5));
  button("later", "▶", "later (arrow right)", () => move(0.5));
  button("closer", "+", "closer (+, or the wheel)", () => zoom(0.5));
  button("farther", "−", "farther (−, or the wheel)", () => zoom(2));
  button("all", "all", "all runs (a)", showAll);
  const liveButton = button("live", "live", "follow the present (l)", () => follow(true));
  const range = element("span", "pe-time-range", bar);
  const legend = element("span", "pe-time-legend", bar);

  function follow(value) {
    live = value;
    liveSpan = null;
    liveButton.setAttribute("aria-pressed", String(live));
    schedule();
  }

  // Up to the present, but not beyond the last run by more than a part of what is shown.
  function presentView() {
    const [, last, recent] = model.get("bounds");
    const needed = last < 0 ? Infinity : (last - recent) / REST;
    const shown = liveSpan ?? LIVE_SPANS.find((one) => one >= needed) ?? LIVE_SPANS[LIVE_SPANS.length - 1];
    const to = last < 0 ? now() : Math.min(now(), last + REST * shown);
    return { from: to - shown, to };
  }

  function showAll() {
    const [first, last] = model.get("bounds");
    if (first < 0) return;
    const room = Math.max(1e3, (last - first) * 0.03);
    look({ from: first - room, to: last + room });
  }

  function look(wanted) {
    view = wanted;
    if (live) follow(false);
    schedule();
  }

  function move(part) {
    look({ from: view.from + part * span(), to: view.to + part * span() });
  }

  // Zoom around a point; while the present is followed, up to it.
  function zoom(factor, px) {
    const wanted = Math.min(Math.max(span() * factor, LEAST_SPAN), 40 * 365 * 86400e6);
    if (live) {
      liveSpan = wanted;
      schedule();
      return;
    }
    const middle = px === undefined ? (view.from + view.to) / 2 : time(px);
    const share = (middle - view.from) / span();
    look({ from: middle - share * wanted, to: middle + (1 - share) * wanted });
  }

  function shownLanes() {
    const first = Math.floor(frame.scrollTop / LANE);
    return [first, Math.min(lanes().length, first + LANES_SHOWN + 1)];
  }

  // Ask for marks unless those at hand will do: of this version, around the window, neither too coarse nor too fine.
  function ask() {
    const [first, last] = shownLanes();
    const end = live ? Math.min(view.to, now()) : view.to;
    const covered =
      held.version === model.get("version") &&
      held.from <= view.from &&
      (held.to >= end || held.open) &&
      held.to - held.from <= 5 * span() &&
      held.first <= first &&
      held.last >= last;
    const waits = asked !== null && performance.now() - asked.at < ANSWER;
    if (covered || waits || lanes().length === 0) return;
    const room = 0.5 * span();
    asked = { from: Math.floor(view.from - room), to: Math.ceil(view.to + room), version: model.get("version") };
    asked.at = performance.now();
    asked.open = asked.to >= now();
    model.send({
      kind: "window",
      from: asked.from,
      to: asked.to,
      bins: Math.round(width()),
      first_lane: Math.max(0, first - 2),
      last_lane: last + 2,
      place: sight.place,
    });
  }

  function received(message, buffers) {
    if (message?.kind !== "marks" || message.place !== sight.place) return; // to another view of these runs
    const floats = new Float64Array(buffers[0].buffer, buffers[0].byteOffset, message.count * 3);
    const whole = new Int32Array(buffers[1].buffer, buffers[1].byteOffset, message.count * 4);
    const n = message.count;
    held = {
      ...asked,
      from: message.from,
      to: message.to,
      first: message.first_lane,
      last: message.last_lane,
      version: message.version,
      count: n,
      start: floats.subarray(0, n),
      duration: floats.subarray(n, 2 * n),
      end: floats.subarray(n, 2 * n).map((duration, mark) => floats[mark] + duration),
      run: floats.subarray(2 * n),
      lane: whole.subarray(0, n),
      outcome: whole.subarray(n, 2 * n),
      size: whole.subarray(2 * n, 3 * n),
      failed: whole.subarray(3 * n),
    };
    asked = null;
    clock = { now: message.now, at: performance.now() };
    hovered = -1;
    schedule();
  }

  const isDark = () => el.closest("[data-jp-theme-light]")?.dataset.jpThemeLight === "false";
  const outcomeOf = (mark) => model.get("outcomes")[held.outcome[mark]];

  function fit(target, ink, w, h) {
    const scale = window.devicePixelRatio || 1;
    if (target.width !== Math.round(w * scale) || target.height !== Math.round(h * scale)) {
      target.width = Math.round(w * scale);
      target.height = Math.round(h * scale);
      target.style.width = `${w}px`;
      target.style.height = `${h}px`;
    }
    ink.setTransform(scale, 0, 0, scale, 0, 0);
    ink.clearRect(0, 0, w, h);
  }

  function draw() {
    if (el.clientWidth === 0) return;
    if (live) view = presentView();
    const count = lanes().length;
    frame.style.height = `${Math.max(1, Math.min(LANES_SHOWN, count)) * LANE + 2}px`;
    space.style.height = `${Math.max(1, count) * LANE}px`;
    const style = getComputedStyle(el);
    const ink = { text: style.color, soft: style.getPropertyValue("--pe-soft"), line: style.getPropertyValue("--pe-line") };
    const dark = isDark();
    fit(canvas, pen, frame.clientWidth, frame.clientHeight);
    drawLanes(ink);
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, 0, width(), frame.clientHeight);
    pen.clip();
    for (let mark = 0; mark < held.count; mark += 1) {
      if (held.failed[mark] === 0) drawMark(mark, dark);
    }
    for (let mark = 0; mark < held.count; mark += 1) {
      if (held.failed[mark] > 0) drawMark(mark, dark); // failures lie on top
    }
    drawChosen(ink);
    pen.restore();
    drawAxis(ink);
    const shownSpan = `${instantText(view.from, span() / 10, true)} – ${instantText(view.to, span() / 10, false)} UTC · ${durationText(span())}`;
    const resting = rests();
    range.textContent = resting ? `${shownSpan} · no run for ${spanText(behind() / 1e3)}` : shownSpan;
    drawLegend(dark);
    el.dataset.marks = String(held.count);
    el.dataset.resting = String(resting);
    el.dataset.live = String(live);
    ask();
  }

  function drawLanes(ink) {
    const [first, last] = shownLanes();
    pen.font = getComputedStyle(el).font;
    pen.textBaseline = "middle";
    for (let lane = first; lane < last; lane += 1) {
      const top = lane * LANE - frame.scrollTop;
      pen.fillStyle = ink.line;
      pen.fillRect(0, top + LANE - 1, frame.clientWidth, 1);
      pen.fillStyle = ink.text;
      pen.fillText(cut(lanes()[lane][1], GUTTER - 14), 6, top + LANE / 2);
    }
    if (lanes().length === 0) {
      pen.fillStyle = ink.soft;
      pen.fillText(model.get("hint"), 6, LANE / 2);
    }
  }

  function cut(text, room) {
    if (pen.measureText(text).width <= room) return text;
    let length = text.length;
    while (length > 1 && pen.measureText(`${text.slice(0, length)}…`).width > room) length -= 1;
    return `${text.slice(0, length)}…`;
  }

  function drawMark(mark, dark) {
    const left = x(held.start[mark]);
    const right = Math.max(left + NARROWEST, x(held.end[mark]));
    if (right < GUTTER || left > frame.clientWidth) return;
    const name = outcomeOf(mark);
    const looks = LOOKS[name];
    const colour = dark ? looks.dark : looks.light;
    const middle = held.lane[mark] * LANE - frame.scrollTop + LANE / 2;
    if (held.size[mark] > 1) drawBin(mark, left, right - 1, middle, dark, colour);
    else drawRun(name, left, right, middle, looks.height, colour);
    const above = held.size[mark] > 1 || looks.sign !== "▲";
    if (held.failed[mark] > 0) drawSign(looks.sign, (left + right) / 2, above ? middle - 9 : middle + 10, colour);
  }

  // How many runs there are shows as height; the share that failed, at least a pixel of it, stands on top.
  function drawBin(mark, left, right, middle, dark, colour) {
    const whole = Math.min(15, 5 + 2 * Math.log2(held.size[mark]));
    const bad = held.failed[mark] ? Math.max(2, (whole * held.failed[mark]) / held.size[mark]) : 0;
    pen.fillStyle = dark ? LOOKS.success.dark : LOOKS.success.light;
    pen.fillRect(left, middle + 10 - whole + bad, right - left, whole - bad);
    pen.fillStyle = colour;
    pen.fillRect(left, middle + 10 - whole, right - left, bad);
  }

  function drawRun(name, left, right, middle, height, colour) {
    if (name === "cancelled") {
      pen.strokeStyle = colour;
      pen.strokeRect(left + 0.5, middle - height / 2 + 0.5, Math.max(1, right - left - 1), height - 1);
      return;
    }
    pen.fillStyle = colour;
    pen.fillRect(left, middle - height / 2, right - left, height);
  }

  function drawSign(sign, at, height, colour) {
    if (!sign) return;
    pen.fillStyle = colour;
    pen.font = "8px sans-serif";
    pen.textAlign = "center";
    pen.fillText(sign, at, height);
    pen.textAlign = "left";
  }

  function drawChosen(ink) {
    const [run, lane, start, end] = model.get("chosen");
    if (run === undefined) return;
    const left = x(start);
    const right = Math.max(left + NARROWEST, x(end));
    const top = lane * LANE - frame.scrollTop;
    pen.strokeStyle = ink.text;
    pen.lineWidth = 1.5;
    pen.strokeRect(left - 3, top + 1.5, right - left + 6, LANE - 4);
    pen.lineWidth = 1;
  }

  function drawAxis(ink) {
    fit(axis, axisPen, frame.clientWidth, AXIS);
    axisPen.font = getComputedStyle(el).font;
    axisPen.textBaseline = "middle";
    axisPen.textAlign = "center";
    const most = Math.max(2, Math.floor(width() / 110));
    const step = STEPS.find((one) => span() / one <= most) ?? STEPS[STEPS.length - 1];
    for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
      axisPen.fillStyle = ink.line;
      axisPen.fillRect(Math.round(x(at)), 0, 1, 4);
      pen.fillStyle = ink.line;
      pen.globalCompositeOperation = "destination-over";
      pen.fillRect(Math.round(x(at)), 0, 1, frame.clientHeight);
      pen.globalCompositeOperation = "source-over";
      if (x(at) > frame.clientWidth - 30) continue; // the label would be cut
      axisPen.fillStyle = ink.soft;
      axisPen.fillText(instantText(at, step, false), x(at), 14);
    }
  }

  function drawLegend(dark) {
    const key = String(dark);
    if (legend.dataset.key === key) return;
    legend.dataset.key = key;
    legend.replaceChildren();
    for (const name of model.get("outcomes")) {
      const one = element("span", "pe-time-key", legend);
      const colour = dark ? LOOKS[name].dark : LOOKS[name].light;
      const box = element("span", "pe-time-box", one);
      box.style.height = `${LOOKS[name].height * 0.7}px`;
      box.style.borderColor = colour;
      if (name !== "cancelled") box.style.background = colour;
      const sign = element("span", "pe-time-sign", one);
      sign.style.color = colour;
      sign.textContent = LOOKS[name].sign;
      element("span", "", one).textContent = WORDS[name];
    }
  }

  function schedule() {
    cancelAnimationFrame(due);
    due = requestAnimationFrame(draw);
  }

  // The mark at a place; failures first, as they lie on top.
  function markAt(px, py) {
    if (view === null || px < GUTTER) return -1;
    const lane = Math.floor((py + frame.scrollTop) / LANE);
    let found = -1;
    let best = REACH;
    for (let mark = 0; mark < held.count; mark += 1) {
      if (held.lane[mark] !== lane) continue;
      const left = x(held.start[mark]);
      const right = Math.max(left + NARROWEST, x(held.end[mark]));
      const away = px < left ? left - px : px > right ? px - right : 0;
      if (away < best || (away === best && away === 0 && held.failed[mark] > held.failed[found])) {
        found = mark;
        best = away;
      }
    }
    return found;
  }

  function place(event) {
    const box = frame.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  function hover(px, py) {
    const mark = drag?.moved ? -1 : markAt(px, py);
    if (mark === hovered && mark < 0) return;
    hovered = mark;
    tip.hidden = mark < 0;
    frame.style.cursor = mark < 0 ? "" : "pointer";
    if (mark < 0) return;
    tip.textContent = summary(mark);
    const room = el.clientWidth - tip.offsetWidth - 4;
    tip.style.left = `${Math.max(0, Math.min(px + 12, room))}px`;
    tip.style.top = `${frame.offsetTop + Math.floor(py / LANE + 1) * LANE + 2}px`;
  }

  function summary(mark) {
    const [database, trigger] = lanes()[held.lane[mark]];
    const from = held.start[mark];
    const word = WORDS[outcomeOf(mark)];
    if (held.size[mark] === 1) {
      return `${database}/${trigger} · run ${held.run[mark]} · ${word} · ${instantText(from, 1e3, true)} UTC · took ${durationText(held.duration[mark])}`;
    }
    const failed = held.failed[mark] ? `, ${held.failed[mark]} not successful (${word})` : "";
    return `${database}/${trigger} · ${held.size[mark]} runs${failed} · ${instantText(from, 1e3, true)} UTC · double-click to look closer`;
  }

  function choose(run) {
    model.send({ kind: "choose", run });
  }

  // The run after or before the chosen one, in time, among those at hand.
  function step(direction) {
    const order = [...held.run.keys()].sort((a, b) => held.start[a] - held.start[b] || held.run[a] - held.run[b]);
    const at = order.findIndex((mark) => held.run[mark] === model.get("chosen")[0]);
    const next = order[at < 0 ? (direction > 0 ? 0 : order.length - 1) : at + direction];
    if (next !== undefined) choose(held.run[next]);
  }

  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const [px] = place(event);
    drag = { px, from: view.from, to: view.to, moved: false };
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    const [px, py] = place(event);
    if (drag && Math.abs(px - drag.px) > 3) drag.moved = true;
    if (drag?.moved) {
      const shift = ((drag.px - px) / width()) * (drag.to - drag.from);
      look({ from: drag.from + shift, to: drag.to + shift });
    }
    hover(px, py);
  });
  frame.addEventListener("pointerup", (event) => {
    const moved = drag?.moved;
    drag = null;
    if (moved) return;
    const mark = markAt(...place(event));
    if (mark >= 0) choose(held.run[mark] === model.get("chosen")[0] && held.size[mark] === 1 ? -1 : held.run[mark]);
  });
  frame.addEventListener("pointercancel", () => { drag = null; });
  frame.addEventListener("pointerleave", () => { hovered = -1; tip.hidden = true; });
  frame.addEventListener("dblclick", (event) => { follow(false); zoom(0.2, place(event)[0]); });
  // The page goes on scrolling over a timeline that nobody has clicked on.
  frame.addEventListener("wheel", (event) => {
    const mine = event.ctrlKey || event.metaKey || event.shiftKey || document.activeElement === frame;
    if (!mine && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
    event.preventDefault();
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (Math.abs(sideways) > 0 && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
      move(Math.sign(sideways) * Math.min(0.3, Math.abs(sideways) / width()));
    } else zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 240))), place(event)[0]);
  }, { passive: false });
  frame.addEventListener("keydown", (event) => {
    const act = {
      ArrowLeft: () => move(-0.25),
      ArrowRight: () => move(0.25),
      "+": () => zoom(0.5),
      "=": () => zoom(0.5),
      "-": () => zoom(2),
      a: showAll,
      l: () => follow(true),
      n: () => step(1),
      p: () => step(-1),
      Escape: () => choose(-1),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  frame.addEventListener("scroll", schedule);

  // A run that was chosen elsewhere is brought into sight.
  function chosen() {
    const [run, lane, start, end] = model.get("chosen");
    if (run !== undefined && view !== null) {
      if (end < view.from || start > view.to) {
        const half = span() / 2;
        look({ from: start - half, to: start + half });
      }
      const top = lane * LANE;
      if (top < frame.scrollTop || top + LANE > frame.scrollTop + frame.clientHeight) frame.scrollTop = top;
    }
    schedule();
  }

  let drawnAt = 0;
  const told = () => {
    clock = { now: model.get("now"), at: performance.now() };
    schedule();
  };
  const sight = watchSight(el, model, schedule);
  // What rests is drawn for the time that it tells alone.
  const beat = setInterval(() => {
    const idle = rests() ? RESTING_REDRAW : 0;
    if (!live || !sight.inSight || performance.now() - drawnAt < idle) return;
    drawnAt = performance.now();
    schedule();
  }, REDRAW);
  const resized = new ResizeObserver(schedule);
  resized.observe(el);
  model.on("change:version", told);
  model.on("change:chosen", chosen);
  model.on("change:lanes", schedule);
  model.on("msg:custom", received);
  clock = { now: model.get("now"), at: performance.now() };
  view = presentView();
  follow(true);

  return () => {
    clearInterval(beat);
    resized.disconnect();
    cancelAnimationFrame(due);
    sight.end();
    model.off("change:version", told);
    model.off("change:chosen", chosen);
    model.off("change:lanes", schedule);
    model.off("msg:custom", received);
  };
}

export default { render };

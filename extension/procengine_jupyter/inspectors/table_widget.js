// A table of any length: only rows in sight are in the page, and those are asked for as it is scrolled.
// All text goes in by textContent; nothing that is shown can be markup.

const ROW = 22; // height of a row, pixels
const ROWS_SHOWN = 14; // rows of the frame at most
const TALLEST = 8_000_000; // browsers lay out no taller elements reliably; longer tables scroll in larger steps
const ANSWER = 5000; // after so long what was asked for may be asked for again, milliseconds
const AHEAD = 20; // rows asked for above and below those in sight
const SVG = "http://www.w3.org/2000/svg";
const BAR = 5; // width of a sparkline's bar and the gap beside it, pixels
const BLOCKS = "▁▂▃▄▅▆▇█";
const FAILED = "✗";
const CLOCKS = ["until", "due", "since"]; // kinds of columns whose instants are counted down to, or up from
const NODE = /^(\u2003*)([▸▾·]) (.*)$/s; // a tree's node: its depth, whether it is open, and what it says

// What an instant ("2026-01-01 00:00:00.5", UTC) is to a reader now; nothing is asked of the kernel for it.
function counted(kind, text, now) {
  if (text === null) return kind === "until" ? "never" : "";
  const left = Date.parse(`${text.slice(0, 23).replace(" ", "T")}Z`) - now;
  if (kind === "since") return `${spanText(Math.max(0, -left))} ago`;
  if (left > 0) return `in ${spanText(left)}`;
  return kind === "until" ? "expired" : "now";
}

function render({ model, el }) {
  el.classList.add("pe-table");
  const frame = element("div", "pe-table-frame", el);
  frame.tabIndex = 0;
  frame.setAttribute("role", "grid");
  const head = element("div", "pe-table-head", frame);
  const space = element("div", "pe-table-space", frame);
  const body = element("div", "pe-table-body", space);
  const hint = element("div", "pe-table-hint", el);
  let held = { start: 0, version: -1, cells: [] };
  let headDrawn = "";
  let atEnd = true; // a tail is followed until the reader scrolls up
  let asked = null;
  let askedAt = 0;
  let due = 0;
  let drawNext = null; // what the next frame draws
  let ahead = 0; // by how much the kernel's clock is ahead of the page's, milliseconds

  const isClock = (column) => CLOCKS.includes(column.kind);
  const count = () => model.get("row_count");
  const height = () => Math.min(count() * ROW, TALLEST);
  const inFrame = () => Math.max(1, Math.ceil((frame.clientHeight - ROW) / ROW));
  const topRow = () => {
    const scrollable = height() - (frame.clientHeight - ROW);
    if (scrollable <= 0) return 0;
    const last = Math.max(0, count() - Math.floor((frame.clientHeight - ROW) / ROW));
    return Math.min(last, Math.round((frame.scrollTop / scrollable) * last));
  };


  function drawHead() {
    const [sorted, descending] = model.get("order");
    const wanted = JSON.stringify([model.get("columns"), sorted, descending]);
    if (wanted === headDrawn) return; // a button that is being pressed must stay
    headDrawn = wanted;
    head.replaceChildren();
    head.style.gridTemplateColumns = widths();
    for (const column of model.get("columns")) {
      const cell = element("button", column.number ? "pe-cell pe-number" : "pe-cell", head);
      cell.type = "button";
      cell.setAttribute("role", "columnheader");
      cell.textContent = isClock(column) ? column.name.replace(/ \(UTC\)$/, "") : column.name;
      if (model.get("columns").some((other) => other.kind === "tree")) {
        cell.disabled = true; // a tree has the order of its nodes
        continue;
      }
      const mine = column.name === sorted;
      cell.setAttribute("aria-sort", mine ? (descending ? "descending" : "ascending") : "none");
      if (mine) element("span", "pe-sort", cell).textContent = descending ? " ▾" : " ▴";
      cell.title = mine && descending ? "restore the order" : mine ? "sort descending" : "sort ascending";
      cell.addEventListener("click", () => {
        if (mine && descending) model.send({ kind: "order", column: null });
        else model.send({ kind: "order", column: column.name, descending: mine });
      });
    }
  }

  function widths() {
    const columns = model.get("columns");
    const tracks = columns.map((column) => `${column.width}ch`);
    const last = columns[columns.length - 1];
    if (last && !last.number) tracks[columns.length - 1] = `minmax(${last.width}ch, 1fr)`;
    return tracks.join(" ");
  }

  function drawRows() {
    // All that depends on the layout is asked for before anything is changed, or it would be made twice.
    const first = topRow();
    const last = Math.min(count(), first + inFrame() + 1);
    const down = frame.scrollTop;
    const columns = model.get("columns");
    const tracks = widths();
    while (body.children.length > last - first) body.lastElementChild.remove();
    while (body.children.length < last - first) {
      element("div", "pe-table-row", body).setAttribute("role", "row");
    }
    for (let row = first; row < last; row += 1) drawRow(body.children[row - first], row, columns, tracks);
    body.style.transform = `translateY(${down}px)`;
    ask(first, last);
  }

  // Elements are kept and what is in them is replaced: a click that is under way finds them in place.
  function drawRow(line, row, columns, tracks) {
    const cells = held.cells[row - held.start];
    line.setAttribute("aria-rowindex", String(row + 1));
    line.setAttribute("aria-selected", String(row === model.get("chosen")));
    line.dataset.row = String(row);
    if (line.tracks !== tracks) line.style.gridTemplateColumns = line.tracks = tracks;
    while (line.children.length > columns.length) line.lastElementChild.remove();
    while (line.children.length < columns.length) {
      element("span", "pe-cell", line).setAttribute("role", "gridcell");
    }
    columns.forEach((column, place) => drawCell(line.children[place], column, cells, cells?.[place]));
  }

  function drawCell(cell, column, cells, text) {
    const clock = cells && isClock(column);
    const shown = !cells ? "…" : clock ? counted(column.kind, text, Date.now() + ahead) : (text ?? column.missing);
    const tone = column.tones[text];
    const classes = ["pe-cell"];
    if (column.number) classes.push("pe-number");
    if (cells && text === null && !clock) classes.push("pe-null");
    if (tone) classes.push(`pe-tone-${tone}`);
    const names = classes.join(" ");
    if (cell.className !== names) cell.className = names;
    const drawn = `${cells ? column.kind : ""} ${shown}`;
    if (cell.drawn === drawn) return;
    cell.drawn = drawn;
    cell.title = clock && text ? `${text} UTC` : text && text.length > column.width - 2 ? text : "";
    if (column.kind === "sparklines" && cells) drawBars(cell, text ?? "");
    else if (column.kind === "tree" && cells) drawNode(cell, text ?? "");
    else cell.textContent = shown;
  }

  function drawNode(cell, text) {
    const [, depth, mark, said] = NODE.exec(text) ?? [text, "", "·", text];
    cell.replaceChildren();
    cell.style.paddingLeft = `${1 + 2.5 * depth.length}ch`;
    const marked = element("span", mark === "·" ? "pe-tree-leaf" : "pe-tree-mark", cell);
    marked.textContent = mark === "·" ? " " : mark;
    element("span", "", cell).textContent = said;
  }

  // A text of blocks as bars; FAILED stands for one that failed.
  function drawBars(cell, text) {
    const wide = Array.from(text);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("width", String(wide.length * BAR));
    svg.setAttribute("height", String(ROW - 6));
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", text);
    // One path of all bars and one of those that failed: a page of rows has few elements.
    const drawn = { "pe-bar": "", "pe-bar-bad": "" };
    wide.forEach((character, place) => {
      const failed = character === FAILED;
      const level = failed ? 8 : BLOCKS.indexOf(character) + 1;
      const tall = (level / 8) * (ROW - 6);
      drawn[failed ? "pe-bar-bad" : "pe-bar"] += `M${place * BAR} ${ROW - 6}v${-tall}h${BAR - 1}v${tall}z`;
    });
    for (const [name, path] of Object.entries(drawn)) {
      if (!path) continue;
      const bars = document.createElementNS(SVG, "path");
      bars.setAttribute("d", path);
      bars.setAttribute("class", name);
      svg.append(bars);
    }
    cell.replaceChildren(svg);
  }

  function ask(first, last) {
    const version = model.get("version");
    const covered =
      held.version === version && first >= held.start && last <= held.start + held.cells.length;
    if (covered || last <= first) return;
    const start = Math.max(0, first - AHEAD);
    const wanted = Math.min(count(), last + AHEAD) - start;
    const key = `${version}:${start}:${wanted}`;
    if (asked === key && performance.now() - askedAt < ANSWER) return;
    asked = key;
    askedAt = performance.now();
    model.send({ kind: "rows", start, count: wanted, place: sight.place });
  }

  function layOut() {
    const follows = model.get("tail") && model.get("order").length === 0 && atEnd;
    const rows = Math.min(ROWS_SHOWN, Math.max(1, count()));
    frame.hidden = count() === 0;
    frame.style.height = `${(rows + 1) * ROW + 2}px`;
    frame.setAttribute("aria-rowcount", String(count()));
    space.style.height = `${height()}px`;
    space.style.width = head.style.width = `max(100%, ${model.get("columns").reduce((sum, c) => sum + c.width, 0)}ch)`;
    hint.textContent = count() === 0 ? model.get("hint") : "";
    if (follows) frame.scrollTop = frame.scrollHeight;
    drawHead();
    drawRows();
  }

  // What is asked for before the next frame is drawn once; rows alone do not take the place of all.
  function schedule(work) {
    drawNext = drawNext === layOut ? layOut : work;
    cancelAnimationFrame(due);
    due = requestAnimationFrame(() => {
      const draw = drawNext;
      drawNext = null;
      draw();
    });
  }

  function received(message) {
    if (message?.place !== sight.place) return; // another view of this table
    if (message.now) ahead = message.now - Date.now();
    if (message.kind === "rows") {
      held = message;
      asked = null;
      if (message.version === model.get("version")) drawRows();
    } else if (message.kind === "changed") {
      // Of the rows that were asked for last.
      if (message.start !== held.start || message.version !== held.version + 1) return;
      held.cells.length = Math.min(held.cells.length, message.length);
      for (const [place, cells] of Object.entries(message.cells)) held.cells[Number(place)] = cells;
      held.version = message.version;
    }
  }

  function choose(row) {
    const next = Math.max(0, Math.min(count() - 1, row));
    model.send({ kind: "choose", row: next === model.get("chosen") ? -1 : next });
  }

  function toggle(row) {
    model.send({ kind: "toggle", row });
  }

  // Of a chosen node the arrows to the right and left open and close.
  function turned(event) {
    const wanted = { ArrowRight: "▸", ArrowLeft: "▾" }[event.key];
    const place = model.get("columns").findIndex((column) => column.kind === "tree");
    const row = model.get("chosen");
    const text = held.cells[row - held.start]?.[place];
    if (!wanted || place < 0 || !text || NODE.exec(text)?.[2] !== wanted) return;
    event.preventDefault();
    event.stopPropagation();
    toggle(row);
  }

  function pressed(event) {
    turned(event);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: inFrame() - 1, PageUp: 1 - inFrame() }[event.key];
    if (step === undefined || count() === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const chosen = model.get("chosen");
    const next = Math.max(0, Math.min(count() - 1, (chosen < 0 ? topRow() - 1 : chosen) + step));
    if (next === chosen) return;
    model.send({ kind: "choose", row: next });
    const first = topRow();
    if (next < first || next >= first + inFrame() - 1) {
      const last = Math.max(1, count() - Math.floor((frame.clientHeight - ROW) / ROW));
      frame.scrollTop = (Math.min(next, last) / last) * Math.max(0, height() - (frame.clientHeight - ROW));
    }
  }

  const onScroll = () => {
    atEnd = frame.scrollTop + frame.clientHeight >= frame.scrollHeight - ROW;
    schedule(drawRows);
  };
  const onClick = (event) => {
    const line = event.target.closest(".pe-table-row");
    if (line && event.target.closest(".pe-tree-mark")) toggle(Number(line.dataset.row));
    else if (line) choose(Number(line.dataset.row));
  };
  frame.addEventListener("scroll", onScroll);
  frame.addEventListener("keydown", pressed);
  body.addEventListener("click", onClick);
  const redraw = () => schedule(layOut);
  model.on("change:version", redraw);
  model.on("change:chosen", redraw);
  model.on("msg:custom", received);

  const sight = watchSight(el, model, () => schedule(layOut));
  const beat = setInterval(() => {
    if (sight.inSight && (asked !== null || model.get("columns").some(isClock))) schedule(drawRows);
  }, SECOND);
  layOut();

  return () => {
    clearInterval(beat);
    sight.end();
    cancelAnimationFrame(due);
    model.off("change:version", redraw);
    model.off("change:chosen", redraw);
    model.off("msg:custom", received);
  };
}

export default { render };

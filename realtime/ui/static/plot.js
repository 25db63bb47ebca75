// The scrolling plot: per lane (brows, eyes, nose, mouth) how far each region's motion stands over
// its threshold, with the expressions marked above, and what was rejected, with its reason, below
// them. It moves with the frames: a pause holds it.

import { fitted, readColours } from "./canvas.js";
import { clockTime, labelColour, title } from "./colours.js";

const KEPT_S = 15;
const SHOWN_S = 10;
const SHOWN_NARROW_S = 6;
const TOP_PX = 42; // the strip in which expressions are marked…
const MARKS_PX = 30; // …and above it what was rejected
const BOTTOM_PX = 18;
const GUTTER_PX = 58;
const GAP_S = 0.5; // without a sample for longer, the line is broken
const FULL = 2.5; // times the threshold at the top of a lane

export class Plot {
  #canvas;
  #lanes = [];
  #regions = [];
  #rows = []; // { t, strength, threshold } oldest first
  #rejected = []; // { onset, apex, end, kind, reason } in the order of decision
  #events = new Map();
  #forgotten = []; // [from, to] of what is not to be shown
  #nowS = 0;
  #pointerX = null;
  #colours = null;
  startS = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener("pointermove", (event) => {
      this.#pointerX = event.offsetX;
      this.draw();
    });
    canvas.addEventListener("pointerleave", () => {
      this.#pointerX = null;
      this.draw();
    });
  }

  setRegions(lanes, regions) {
    this.#regions = regions;
    this.#lanes = lanes.map((name) => ({
      name,
      members: regions.flatMap((region, i) => (region.lane === name ? [i] : [])),
    }));
    this.clear();
  }

  clear() {
    this.#rows = [];
    this.#rejected = [];
    this.#events.clear();
    this.#forgotten = [];
    this.#nowS = 0;
    this.startS = 0;
    this.draw();
  }

  push({ time_s: timeS, signals }) {
    if (timeS < this.#nowS) this.#rows = this.#rejected = []; // another source, another clock
    this.#nowS = timeS;
    for (const [t, strength, threshold, rejected] of signals) {
      this.#rows.push({ t, strength, threshold });
      for (const [onset, apex, end, kind, reason] of rejected) {
        this.#rejected.push({ onset, apex, end, kind, reason });
      }
    }
    let old = 0;
    while (old < this.#rows.length && this.#rows[old].t < timeS - KEPT_S) old++;
    if (old) this.#rows.splice(0, old);
    this.#rejected = this.#rejected.filter(({ end }) => end > timeS - KEPT_S);
    if (this.#forgotten.length) this.#leaveOut();
    this.#canvas.dataset.rejected = this.#rejected.at(-1)?.reason ?? "";
    this.#canvas.dataset.now = (timeS - this.startS).toFixed(2);
  }

  putEvent(event) {
    this.#events.set(event.number, event);
    for (const [number, { apex_s: apexS }] of this.#events) {
      if (apexS < this.#nowS - 2 * KEPT_S) this.#events.delete(number);
    }
    this.draw();
  }

  /** Show these events, and what moved in these spans, no longer; also what is still on its way. */
  forget(numbers, spans) {
    for (const number of numbers) this.#events.delete(number);
    this.#forgotten = spans;
    this.#leaveOut();
    this.draw();
  }

  #leaveOut() {
    const stays = (from, to) => !this.#forgotten.some(([start, end]) => from <= end && to >= start);
    this.#rows = this.#rows.filter(({ t }) => stays(t, t));
    this.#rejected = this.#rejected.filter(({ onset, end }) => stays(onset, end));
  }

  themeChanged() {
    this.#colours = null;
    this.draw();
  }

  draw() {
    const ctx = fitted(this.#canvas);
    if (!ctx) return;
    const { width, height } = this.#canvas.getBoundingClientRect();
    this.#colours ??= readColours(this.#canvas);
    const shownS = width < 520 ? SHOWN_NARROW_S : SHOWN_S;
    const perS = (width - GUTTER_PX) / shownS;
    const frame = { ctx, width, height, perS, x: (t) => width - (this.#nowS - t) * perS };
    this.#drawTime(frame, shownS);
    this.#drawEvents(frame);
    this.#drawRejected(frame);
    const laneHeight = (height - TOP_PX - BOTTOM_PX) / Math.max(1, this.#lanes.length);
    this.#lanes.forEach((lane, i) => {
      this.#drawLane(frame, lane, TOP_PX + (i + 1) * laneHeight, laneHeight - 8);
    });
    if (this.#pointerX !== null) this.#drawPointer(frame, laneHeight);
  }

  #drawTime({ ctx, width, height, x }, shownS) {
    ctx.font = "11px system-ui, sans-serif";
    ctx.textAlign = "center";
    ctx.textBaseline = "alphabetic";
    const first = Math.ceil(this.#nowS - this.startS - shownS);
    for (let s = Math.max(0, first); s <= this.#nowS - this.startS; s++) {
      const at = x(s + this.startS);
      ctx.fillStyle = this.#colours.grid;
      ctx.fillRect(Math.round(at), TOP_PX, 1, height - TOP_PX - BOTTOM_PX);
      if (s % 2 || at < GUTTER_PX + 14 || at > width - 16) continue;
      ctx.fillStyle = this.#colours.quiet;
      ctx.fillText(`${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`, at, height - 4);
    }
  }

  /** A band from onset to offset, a bracket above it, the apex as a diamond. */
  #drawEvents({ ctx, width, height, x }) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(GUTTER_PX, 0, width - GUTTER_PX, height);
    ctx.clip();
    let free = Infinity; // names that would overlap a later one are left out
    const latestFirst = [...this.#events.values()].sort((a, b) => b.apex_s - a.apex_s);
    for (const event of latestFirst) {
      const open = event.offset_s === null;
      const [from, apex] = [x(event.onset_s), x(event.apex_s)];
      const to = open ? x(Math.min(this.#nowS, event.apex_s + 0.5)) : x(event.offset_s);
      if (to < GUTTER_PX) continue;
      const gone = event.state === "withdrawn";
      const colour = gone ? this.#colours.quiet : labelColour(event.label);
      if (!gone) {
        ctx.globalAlpha = event.state === "early" ? 0.08 : 0.16;
        ctx.fillStyle = colour;
        ctx.fillRect(from, TOP_PX, to - from, height - TOP_PX - BOTTOM_PX);
        ctx.globalAlpha = 0.8;
        ctx.fillRect(Math.round(apex), TOP_PX, 1, height - TOP_PX - BOTTOM_PX);
      }
      ctx.globalAlpha = gone ? 0.6 : 1;
      ctx.strokeStyle = ctx.fillStyle = colour;
      ctx.lineWidth = 1.5;
      ctx.setLineDash(event.state === "confirmed" ? [] : [3, 3]);
      ctx.beginPath();
      ctx.moveTo(from, MARKS_PX - 3);
      ctx.lineTo(from, MARKS_PX - 8);
      ctx.lineTo(to, MARKS_PX - 8);
      if (!open) ctx.lineTo(to, MARKS_PX - 3);
      ctx.stroke();
      ctx.setLineDash([]);
      diamond(ctx, apex, MARKS_PX - 8, 4);
      ctx.font = "600 11px system-ui, sans-serif";
      ctx.textAlign = "center";
      if (gone) continue;
      const words = title(event.label) + (event.state === "early" ? "?" : "");
      const half = ctx.measureText(words).width / 2;
      const middle = Math.min((from + to) / 2, width - half);
      if (middle + half > free) continue;
      ctx.fillText(words, middle, MARKS_PX - 17);
      free = middle - half - 6;
    }
    ctx.restore();
  }

  /** A thin line from onset to end, a cross at the apex, the reason where there is room. */
  #drawRejected({ ctx, width, x }) {
    const y = MARKS_PX + 5;
    ctx.save();
    ctx.beginPath();
    ctx.rect(GUTTER_PX, 0, width - GUTTER_PX, TOP_PX);
    ctx.clip();
    ctx.fillStyle = ctx.strokeStyle = this.#colours.quiet;
    ctx.font = "10px system-ui, sans-serif";
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    let free = width;
    for (const { onset, apex, end, reason } of this.#rejected.toReversed()) {
      const [from, to, at] = [x(onset), x(end), x(apex)];
      ctx.fillRect(from, y, Math.max(1, to - from), 1);
      cross(ctx, at, y, 2.5);
      const words = ctx.measureText(reason).width;
      if (to >= GUTTER_PX && to + 11 + words < free) ctx.fillText(reason, to + 5, y);
      free = from;
    }
    ctx.textBaseline = "alphabetic";
    ctx.restore();
  }

  #drawLane({ ctx, width, x, perS }, { name, members }, base, height) {
    const colours = this.#colours;
    const y = (over) => base - (Math.min(over, FULL) / FULL) * height;
    ctx.fillStyle = colours.text;
    ctx.font = "500 12px system-ui, sans-serif";
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.fillText(name, 0, base - 4);
    ctx.fillStyle = colours.line;
    ctx.fillRect(GUTTER_PX, base, width - GUTTER_PX, 1);
    ctx.strokeStyle = colours.quiet;
    ctx.setLineDash([2, 4]);
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(GUTTER_PX, Math.round(y(1)) + 0.5);
    ctx.lineTo(width, Math.round(y(1)) + 0.5);
    ctx.stroke();
    ctx.setLineDash([]);
    for (const columns of this.#runs(members, x, width, perS)) {
      this.#drawRun(ctx, columns, members, y, { base, height, width });
    }
  }

  #drawRun(ctx, columns, members, y, { base, height, width }) {
    const { text, accent } = this.#colours;
    ctx.save();
    ctx.beginPath();
    ctx.rect(GUTTER_PX, base - height - 8, width - GUTTER_PX, height + 8);
    ctx.clip();
    ctx.globalAlpha = 0.35;
    ctx.strokeStyle = text;
    ctx.lineWidth = 0.75;
    members.forEach((_, i) => {
      trace(ctx, columns, (column) => y(column.each[i]));
      ctx.stroke();
    });
    ctx.globalAlpha = 1;
    trace(ctx, columns, (column) => y(column.top));
    ctx.strokeStyle = text;
    ctx.lineWidth = 1.5;
    ctx.stroke();
    // What is over the threshold once more, in the accent's colour.
    ctx.beginPath();
    ctx.rect(GUTTER_PX, base - height - 8, width - GUTTER_PX, y(1) - base + height + 8);
    ctx.clip();
    trace(ctx, columns, (column) => y(column.top));
    ctx.strokeStyle = ctx.fillStyle = accent;
    ctx.lineWidth = 2;
    ctx.stroke();
    ctx.lineTo(columns.at(-1).x, base);
    ctx.lineTo(columns[0].x, base);
    ctx.globalAlpha = 0.18;
    ctx.fill();
    ctx.restore();
  }

  /** The shown samples, apart where frames are missing. Samples that fall on one px column are
   * one: their maximum, so that no peak is lost. */
  #runs(members, x, width, perS) {
    const runs = [];
    const oldest = this.#nowS - width / perS;
    let last = null;
    for (const { t, strength, threshold } of this.#rows) {
      if (t < oldest) continue;
      const at = Math.round(x(t));
      const each = members.map((i) => (threshold[i] ? (strength[i] ?? 0) / threshold[i] : 0));
      if (last?.x === at) last.each = last.each.map((value, i) => Math.max(value, each[i]));
      else {
        const apart = last === null || t - last.t > GAP_S;
        last = { x: at, each };
        if (apart) runs.push([last]);
        else runs.at(-1).push(last);
      }
      last.top = Math.max(...last.each);
      last.t = t;
    }
    return runs;
  }

  #drawPointer({ ctx, height, width, perS }, laneHeight) {
    const timeS = this.#nowS - (width - this.#pointerX) / perS;
    if (this.#pointerX < GUTTER_PX || !this.#rows.length) return;
    const row = this.#rows.reduce((a, b) =>
      Math.abs(b.t - timeS) < Math.abs(a.t - timeS) ? b : a,
    );
    ctx.fillStyle = this.#colours.text;
    ctx.fillRect(Math.round(this.#pointerX), TOP_PX, 1, height - TOP_PX - BOTTOM_PX);
    const left = this.#pointerX > width - 220;
    ctx.textAlign = left ? "right" : "left";
    ctx.font = "11px system-ui, sans-serif";
    const at = this.#pointerX + (left ? -6 : 6);
    this.#lanes.forEach(({ members }, lane) => {
      const over = (i) => (row.threshold[i] ? row.strength[i] / row.threshold[i] : 0);
      const most = members.reduce((a, b) => (over(b) > over(a) ? b : a), members[0]);
      const limit = row.threshold[most] === null ? "silenced" : `of ${row.threshold[most].toFixed(2)}`;
      const words = `${this.#regions[most].name} ${(row.strength[most] ?? 0).toFixed(2)} px ${limit}`;
      label(ctx, words, at, TOP_PX + lane * laneHeight + 16, this.#colours);
    });
    const here = this.#rejected.findLast(({ onset, end }) => onset <= row.t && row.t <= end);
    if (here) label(ctx, `no ${here.kind}-expression: ${here.reason}`, at, 10, this.#colours);
    label(ctx, clockTime(row.t - this.startS), at, height - 5, this.#colours);
  }
}

function trace(ctx, columns, y) {
  ctx.beginPath();
  for (const column of columns) ctx.lineTo(column.x, y(column));
}

function diamond(ctx, x, y, r) {
  ctx.beginPath();
  ctx.moveTo(x, y - r);
  ctx.lineTo(x + r, y);
  ctx.lineTo(x, y + r);
  ctx.lineTo(x - r, y);
  ctx.fill();
}

function cross(ctx, x, y, r) {
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x - r, y - r);
  ctx.lineTo(x + r, y + r);
  ctx.moveTo(x - r, y + r);
  ctx.lineTo(x + r, y - r);
  ctx.stroke();
}

function label(ctx, words, x, y, colours) {
  ctx.lineWidth = 4;
  ctx.lineJoin = "round";
  ctx.strokeStyle = colours.paper;
  ctx.strokeText(words, x, y);
  ctx.fillStyle = colours.text;
  ctx.fillText(words, x, y);
}

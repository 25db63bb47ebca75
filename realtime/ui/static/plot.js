// The scrolling plot: per lane (brows, eyes, nose, mouth) how far each region's motion stands over
// its threshold, with the expressions marked above, and what was rejected, with its reason, below
// them. Under each lane a strip shows the motion itself, in px, whatever the threshold. It moves
// with the frames: a pause holds it.

import {
  GUTTER_PX, clipped, drawLaneLine, drawLaneLines, fitted, laneY, readColours, stroke, write,
} from "./canvas.js";
import { clockTime, labelColour, title } from "./colours.js";

const KEPT_S = 15;
const SHOWN_S = 10;
const SHOWN_NARROW_S = 6;
const TOP_PX = 42; // the strip in which expressions are marked…
const MARKS_PX = 30; // …and above it what was rejected
const BOTTOM_PX = 18;
const SMALL = "12px system-ui, sans-serif";
const STRIP_PX = 5; // height of a lane's strip of activity…
const STRIP_FULL = 3; // …and the motion, crop px, that fills it with colour
const GAP_S = 0.5; // without a sample for longer, the line is broken

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
  #colours = {};
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

  /** Remove these events and the motion of these spans, even if it is still on its way. */
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

  draw() {
    const ctx = fitted(this.#canvas);
    if (!ctx) return;
    const { width, height } = this.#canvas.getBoundingClientRect();
    this.#colours = readColours(this.#canvas);
    const shownS = width < 520 ? SHOWN_NARROW_S : SHOWN_S;
    const perS = (width - GUTTER_PX) / shownS;
    const frame = { ctx, width, height, perS, x: (t) => width - (this.#nowS - t) * perS };
    this.#drawTime(frame, shownS);
    this.#drawEvents(frame);
    this.#drawRejected(frame);
    const laneHeight = (height - TOP_PX - BOTTOM_PX) / Math.max(1, this.#lanes.length);
    this.#lanes.forEach((lane, i) => {
      this.#drawLane(frame, lane, TOP_PX + (i + 1) * laneHeight - STRIP_PX - 3, laneHeight - STRIP_PX - 9);
    });
    if (this.#pointerX !== null) this.#drawPointer(frame, laneHeight);
  }

  #drawTime({ ctx, width, height, x }, shownS) {
    const first = Math.ceil(this.#nowS - this.startS - shownS);
    for (let s = Math.max(0, first); s <= this.#nowS - this.startS; s++) {
      const at = x(s + this.startS);
      ctx.fillStyle = this.#colours.grid;
      ctx.fillRect(Math.round(at), TOP_PX, 1, height - TOP_PX - BOTTOM_PX);
      if (s % 2 || at < GUTTER_PX + 14 || at > width - 16) continue;
      const style = { font: SMALL, fillStyle: this.#colours.quiet, textAlign: "center" };
      write(ctx, clockTime(s).slice(0, -3), at, height - 4, style);
    }
  }

  #drawEvents(frame) {
    const { ctx, width, height } = frame;
    clipped(ctx, GUTTER_PX, 0, width - GUTTER_PX, height, () => {
      let free = Infinity; // names that would overlap a later one are left out
      const latestFirst = [...this.#events.values()].sort((a, b) => b.apex_s - a.apex_s);
      for (const event of latestFirst) free = this.#drawEvent(frame, event, free);
    });
  }

  /** A band from onset to offset, a bracket above it, the apex as a diamond, and the name if it ends
   * before `free`. Returns where a name before it has to end. */
  #drawEvent({ ctx, width, height, x }, event, free) {
    const open = event.offset_s === null;
    const [from, apex] = [x(event.onset_s), x(event.apex_s)];
    const to = open ? x(Math.min(this.#nowS, event.apex_s + 0.5)) : x(event.offset_s);
    if (to < GUTTER_PX) return free;
    const gone = event.state === "withdrawn";
    ctx.strokeStyle = ctx.fillStyle = gone ? this.#colours.quiet : labelColour(event.label);
    if (!gone) {
      ctx.globalAlpha = event.state === "early" ? 0.08 : 0.16;
      ctx.fillRect(from, TOP_PX, to - from, height - TOP_PX - BOTTOM_PX);
      ctx.globalAlpha = 0.8;
      ctx.fillRect(Math.round(apex), TOP_PX, 1, height - TOP_PX - BOTTOM_PX);
    }
    ctx.globalAlpha = gone ? 0.6 : 1;
    ctx.lineWidth = 1.5;
    ctx.setLineDash(event.state === "confirmed" ? [] : [3, 3]);
    const [top, foot] = [MARKS_PX - 8, MARKS_PX - 3];
    ctx.stroke(new Path2D(`M ${from} ${foot} V ${top} H ${to} ${open ? "" : `V ${foot}`}`));
    ctx.setLineDash([]);
    diamond(ctx, apex, MARKS_PX - 8, 4);
    if (gone) return free;
    if (event.label_hidden) return free;
    const words = title(event.label) + (event.state === "early" ? "?" : "");
    ctx.font = `600 ${SMALL}`;
    const half = ctx.measureText(words).width / 2;
    const middle = Math.min((from + to) / 2, width - half);
    if (middle + half > free) return free;
    write(ctx, words, middle, MARKS_PX - 17, { textAlign: "center" });
    return middle - half - 6;
  }

  /** A thin line from onset to end, a cross at the apex, the reason where there is room. */
  #drawRejected({ ctx, width, x }) {
    const y = MARKS_PX + 5;
    clipped(ctx, GUTTER_PX, 0, width - GUTTER_PX, TOP_PX, () => {
      ctx.fillStyle = ctx.strokeStyle = this.#colours.quiet;
      ctx.font = "12px system-ui, sans-serif";
      let free = width;
      for (const { onset, apex, end, reason } of this.#rejected.toReversed()) {
        const [from, to, at] = [x(onset), x(end), x(apex)];
        ctx.fillRect(from, y, Math.max(1, to - from), 1);
        cross(ctx, at, y, 2.5);
        const words = ctx.measureText(reason).width;
        const room = to >= GUTTER_PX && to + 11 + words < free;
        if (room) write(ctx, reason, to + 5, y, { textBaseline: "middle" });
        free = from;
      }
    });
  }

  #drawLane({ ctx, width, x, perS }, { name, members }, base, height) {
    const { text, accent, quiet } = this.#colours;
    write(ctx, name, 0, base - 12, { font: "500 12px system-ui, sans-serif", fillStyle: text });
    write(ctx, this.#thresholdWords(members), 0, base + 3, { font: SMALL, fillStyle: quiet });
    drawLaneLines(ctx, width, base, height, this.#colours);
    const y = (over) => laneY(over, base, height);
    clipped(ctx, GUTTER_PX, base - height - 8, width - GUTTER_PX, height + 8, () => {
      for (const columns of this.#runs(members, x, width, perS)) {
        ctx.globalAlpha = 0.35;
        members.forEach((_, i) => {
          const line = trace(columns, (column) => y(column.each[i]));
          stroke(ctx, line, { strokeStyle: text, lineWidth: 0.75 });
        });
        ctx.globalAlpha = 1;
        const line = trace(columns, (column) => y(column.top));
        drawLaneLine(ctx, line, width, base, height, this.#colours, () => {
          line.lineTo(columns.at(-1).x, base);
          line.lineTo(columns[0].x, base);
          Object.assign(ctx, { fillStyle: accent, globalAlpha: 0.18 });
          ctx.fill(line);
        });
      }
    });
    clipped(ctx, GUTTER_PX, base + 3, width - GUTTER_PX, STRIP_PX, () => {
      this.#drawStrip(ctx, this.#runs(members, x, width, perS), base + 3);
    });
  }

  /** The lane's lowest threshold now, in px of the crop. */
  #thresholdWords(members) {
    const now = this.#rows.at(-1)?.threshold ?? [];
    const limits = members.map((i) => now[i]).filter((px) => typeof px === "number");
    return limits.length ? `≥ ${Math.min(...limits).toFixed(1)} px` : "";
  }

  #drawStrip(ctx, runs, top) {
    ctx.fillStyle = this.#colours.accent;
    for (const columns of runs) {
      columns.forEach(({ x, px }, i) => {
        ctx.globalAlpha = 0.06 + 0.94 * Math.min(1, px / STRIP_FULL);
        ctx.fillRect(x, top, Math.max(1, (columns[i + 1]?.x ?? x + 1) - x), STRIP_PX);
      });
    }
    ctx.globalAlpha = 1;
  }

  /** The visible samples, split where frames are missing. Samples in one px column become one, their
   * maximum, so that no peak is lost. */
  #runs(members, x, width, perS) {
    const runs = [];
    const oldest = this.#nowS - width / perS;
    let last = null;
    for (const { t, strength, threshold } of this.#rows) {
      if (t < oldest) continue;
      const at = Math.round(x(t));
      const each = members.map((i) => (threshold[i] ? (strength[i] ?? 0) / threshold[i] : 0));
      const px = Math.max(...members.map((i) => strength[i] ?? 0));
      if (last?.x === at) last.each = last.each.map((value, i) => Math.max(value, each[i]));
      else {
        const apart = last === null || t - last.t > GAP_S;
        last = { x: at, each, px };
        if (apart) runs.push([last]);
        else runs.at(-1).push(last);
      }
      last.px = Math.max(last.px, px);
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
    ctx.font = SMALL;
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

function trace(columns, y) {
  const line = new Path2D();
  for (const column of columns) line.lineTo(column.x, y(column));
  return line;
}

function diamond(ctx, x, y, r) {
  ctx.fill(new Path2D(`M ${x} ${y - r} l ${r} ${r} l ${-r} ${r} l ${-r} ${-r}`));
}

function cross(ctx, x, y, r) {
  ctx.lineWidth = 1;
  ctx.stroke(new Path2D(`M ${x - r} ${y - r} l ${2 * r} ${2 * r} m 0 ${-2 * r} l ${-2 * r} ${2 * r}`));
}

function label(ctx, words, x, y, colours) {
  ctx.lineWidth = 4;
  ctx.lineJoin = "round";
  ctx.strokeStyle = colours.paper;
  ctx.strokeText(words, x, y);
  ctx.fillStyle = colours.text;
  ctx.fillText(words, x, y);
}

// The scrolling plot: per lane (brows, eyes, nose, mouth) how far each region's motion stands over
// its threshold, with the expressions marked above, and what was rejected, with its reason, below
// them. Under each lane a strip shows the motion itself, in px, whatever the threshold. It moves
// with the frames: a pause holds it.
//
// It is drawn beside the analysis, often on two cores. So it scrolls by whole px columns, and the
// lines are kept in tiles, of which only the newest are drawn again.

import {
  GUTTER_PX, cleared, clipped, drawLaneLine, drawLaneLines, fitted, laneY, readColours, stroke, write,
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
const EVERY_S = 0.03; // it is drawn thirty times a second at most
const LATER_MS = 100; // the last frame before a pause is drawn after this
const TILE = 32; // columns of a tile
const REACH = 2; // samples beyond a tile's edge that shape its lines

export class Plot {
  #canvas;
  #lanes = [];
  #regions = [];
  #rows = []; // { t, strength, threshold } oldest first
  #columns = []; // what is drawn of them: { column, t, over, px, apart } oldest first
  #tiles = new Map(); // number → { canvas, whole }
  #ground = null; // what does not scroll: { canvas, words }
  #size = {};
  #drawnS = 0;
  #later = 0; // a timer
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
    this.restyle();
  }

  /** Draw all of it again: the theme has changed. */
  restyle() {
    this.#size = {};
    this.draw();
  }

  push({ time_s: timeS, signals }) {
    if (timeS < this.#nowS) {
      [this.#rows, this.#rejected] = [[], []]; // another source, another clock
      this.#size = {};
    }
    this.#nowS = timeS;
    for (const [t, strength, threshold, rejected] of signals) {
      this.#rows.push({ t, strength, threshold });
      this.#take(this.#rows.at(-1));
      for (const [onset, apex, end, kind, reason] of rejected) {
        this.#rejected.push({ onset, apex, end, kind, reason });
      }
    }
    let old = 0;
    while (old < this.#rows.length && this.#rows[old].t < timeS - KEPT_S) old++;
    if (old) this.#rows.splice(0, old);
    if (this.#columns[0]?.t < timeS - 2 * KEPT_S) this.#columns = this.#columns.filter(({ t }) => t >= timeS - KEPT_S);
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
    const before = this.#rows.length;
    this.#rows = this.#rows.filter(({ t }) => stays(t, t));
    this.#rejected = this.#rejected.filter(({ onset, end }) => stays(onset, end));
    if (this.#rows.length < before) this.#size = {};
  }

  /** Draw, if the last drawing is old enough; otherwise later, unless another frame comes. */
  follow() {
    const since = this.#nowS - this.#drawnS;
    if (since >= EVERY_S || since < 0) this.draw();
    else this.#later ||= setTimeout(() => this.draw(), LATER_MS);
  }

  draw() {
    clearTimeout(this.#later);
    this.#later = 0;
    const ctx = fitted(this.#canvas);
    if (!ctx) return;
    this.#layOut();
    this.#drawnS = this.#nowS;
    const { width, height, perS, step, laneHeight } = this.#size;
    const newest = this.#columnAt(this.#nowS);
    const frame = { ctx, width, height, perS, x: (t) => width - newest * step + t * perS };
    ctx.drawImage(this.#drawGround(), 0, 0, width, height);
    this.#drawTime(frame);
    this.#drawEvents(frame);
    this.#drawRejected(frame);
    clipped(ctx, GUTTER_PX, 0, width - GUTTER_PX, height, () => this.#drawTiles(frame, newest));
    if (this.#pointerX !== null) this.#drawPointer(frame, laneHeight);
  }

  /** Find the canvas' size; begin again if it has changed. */
  #layOut() {
    const ratio = window.devicePixelRatio || 1;
    const { width: across, height: down } = this.#canvas; // px of the screen
    const before = this.#size;
    if (before.across === across && before.down === down && before.ratio === ratio) return;
    const [width, height] = [across / ratio, down / ratio];
    const shownS = width < 520 ? SHOWN_NARROW_S : SHOWN_S;
    const pitch = Math.max(1, Math.round(ratio)); // of the columns, px of the screen
    const laneHeight = (height - TOP_PX - BOTTOM_PX) / Math.max(1, this.#lanes.length);
    const perS = (width - GUTTER_PX) / shownS;
    this.#size = { across, down, ratio, width, height, shownS, perS, pitch, step: pitch / ratio, laneHeight };
    this.#colours = readColours(this.#canvas);
    this.#tiles.clear();
    this.#ground = null;
    this.#columns = [];
    for (const row of this.#rows) this.#take(row);
  }

  /** The column of a time, counted from the source's zero. */
  #columnAt(t) {
    return Math.round((t * this.#size.perS) / this.#size.step);
  }

  /** Take a sample into its column. Samples in one column become one, their maximum, so that no peak
   * is lost. */
  #take({ t, strength, threshold }) {
    if (!this.#size.perS) return; // all are taken once there is a size
    const column = this.#columnAt(t);
    const px = strength.map((moved) => moved ?? 0);
    const over = px.map((moved, i) => (threshold[i] ? moved / threshold[i] : 0));
    const last = this.#columns.at(-1);
    if (last?.column !== column) {
      this.#columns.push({ column, t, over, px, apart: !last || t - last.t > GAP_S });
      return;
    }
    last.t = t;
    last.over = last.over.map((value, i) => Math.max(value, over[i]));
    last.px = last.px.map((value, i) => Math.max(value, px[i]));
  }

  /** The ends of each lane: its base line and its height. */
  #spanOf(lane) {
    const { laneHeight } = this.#size;
    return [TOP_PX + (lane + 1) * laneHeight - STRIP_PX - 3, laneHeight - STRIP_PX - 9];
  }

  /** Names, thresholds and lines of the lanes. */
  #drawGround() {
    const words = this.#lanes.map(({ members }) => this.#thresholdWords(members));
    if (this.#ground?.words.join() === words.join()) return this.#ground.canvas;
    const { across, down, ratio, width } = this.#size;
    const canvas = this.#ground?.canvas ?? new OffscreenCanvas(across, down);
    this.#ground = { canvas, words };
    const ctx = cleared(canvas, ratio);
    const { text, quiet } = this.#colours;
    this.#lanes.forEach(({ name }, i) => {
      const [base, height] = this.#spanOf(i);
      write(ctx, name, 0, base - 12, { font: "500 12px system-ui, sans-serif", fillStyle: text });
      write(ctx, words[i], 0, base + 3, { font: SMALL, fillStyle: quiet });
      drawLaneLines(ctx, width, base, height, this.#colours);
    });
    return canvas;
  }

  #drawTiles({ ctx, width }, newest) {
    const { across, down, ratio, pitch, step } = this.#size;
    const first = Math.floor((newest - (width - GUTTER_PX) / step) / TILE);
    for (const number of this.#tiles.keys()) if (number < first) this.#tiles.delete(number);
    ctx.setTransform(1, 0, 0, 1, 0, 0); // tiles lie on whole px of the screen
    for (let number = first; number * TILE <= newest; number++) {
      const tile = this.#tiles.get(number) ?? { canvas: new OffscreenCanvas(TILE * pitch, down), whole: false };
      this.#tiles.set(number, tile);
      if (!tile.whole) tile.whole = this.#drawTile(tile.canvas, number);
      ctx.drawImage(tile.canvas, across - (newest - number * TILE) * pitch, 0);
    }
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /** Draw a tile; return whether it is whole: no later sample changes it. */
  #drawTile(canvas, number) {
    const { ratio, step } = this.#size;
    const [start, end] = [number * TILE, (number + 1) * TILE];
    const after = this.#columns.findLastIndex(({ column }) => column <= end) + 1 + REACH;
    const before = this.#columns.findLastIndex(({ column }) => column < start);
    const near = this.#columns.slice(Math.max(0, before + 1 - REACH), after);
    const ctx = cleared(canvas, ratio);
    ctx.translate(-GUTTER_PX, 0); // a tile begins where lanes do
    const runs = [];
    for (const each of near) {
      const x = GUTTER_PX + (each.column - start) * step;
      if (each.apart || !runs.length) runs.push([]);
      runs.at(-1).push({ ...each, x });
    }
    this.#lanes.forEach(({ members }, i) => {
      this.#drawLane(ctx, runs, members, GUTTER_PX + TILE * step, ...this.#spanOf(i));
    });
    return after <= this.#columns.length;
  }

  #drawTime({ ctx, width, height, x }) {
    const first = Math.ceil(this.#nowS - this.startS - this.#size.shownS);
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

  #drawLane(ctx, runs, members, right, base, height) {
    const { text, accent } = this.#colours;
    const y = (over) => laneY(over, base, height);
    const top = ({ over }) => Math.max(...members.map((i) => over[i]));
    for (const columns of runs) {
      clipped(ctx, GUTTER_PX, base - height - 8, right - GUTTER_PX, height + 8, () => {
        ctx.globalAlpha = 0.35;
        for (const i of members) {
          stroke(ctx, trace(columns, ({ over }) => y(over[i])), { strokeStyle: text, lineWidth: 0.75 });
        }
        ctx.globalAlpha = 1;
        const line = trace(columns, (column) => y(top(column)));
        drawLaneLine(ctx, line, right, base, height, this.#colours, () => {
          line.lineTo(columns.at(-1).x, base);
          line.lineTo(columns[0].x, base);
          Object.assign(ctx, { fillStyle: accent, globalAlpha: 0.18 });
          ctx.fill(line);
        });
      });
      this.#drawStrip(ctx, columns, members, base + 3);
    }
  }

  /** The lane's lowest threshold now, in px of the crop. */
  #thresholdWords(members) {
    const now = this.#rows.at(-1)?.threshold ?? [];
    const limits = members.map((i) => now[i]).filter((px) => typeof px === "number");
    return limits.length ? `≥ ${Math.min(...limits).toFixed(1)} px` : "";
  }

  #drawStrip(ctx, columns, members, top) {
    ctx.fillStyle = this.#colours.accent;
    columns.forEach(({ x, px }, i) => {
      const moved = Math.max(...members.map((member) => px[member]));
      ctx.globalAlpha = 0.06 + 0.94 * Math.min(1, moved / STRIP_FULL);
      ctx.fillRect(x, top, Math.max(1, (columns[i + 1]?.x ?? x + 1) - x), STRIP_PX);
    });
    ctx.globalAlpha = 1;
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

// Drawing over the picture, from the geometry of realtime/results/overlay.py: px of the frame in, CSS
// px of the canvas out. Mirroring moves points, never text.

import { heatColour, labelColour, percent, title } from "./colours.js";

const GRID = 32;
const HEAT_STEP = 0.01; // thresholds
const heatCells = new OffscreenCanvas(GRID, GRID);

/** `shows`: which chips are on; `large`: the parts of the face in large movement. */
export function drawOverlay(ctx, { header, parts }, shows, mirrored, large = []) {
  const { width, height } = ctx.canvas.getBoundingClientRect();
  const scale = width / header.width;
  const at = mirrored
    ? ([x, y]) => [width - x * scale, y * scale]
    : ([x, y]) => [x * scale, y * scale];
  const { face } = header;
  if (face) {
    const outline = face.outline.map(at);
    if (shows.heat && parts.heat) drawHeat(ctx, header, parts.heat, outline, scale, mirrored, width);
    if (shows.outline) drawOutline(ctx, outline);
    if (shows.landmarks && parts.landmarks) drawLandmarks(ctx, parts.landmarks, at);
    if (shows.regions) drawRegions(ctx, header.regions, at, scale);
    if (shows.label && header.event) drawLabel(ctx, header.event, outline, width);
    else if (shows.label && large.length) drawLarge(ctx, large, header.large, outline, width);
  }
  if (shows.label) drawFlags(ctx, header, height);
}

function trace(ctx, points) {
  ctx.beginPath();
  // Through the middles of the edges, the corners as control points: a smooth closed curve.
  const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  ctx.moveTo(...middle(points.at(-1), points[0]));
  points.forEach((point, i) =>
    ctx.quadraticCurveTo(...point, ...middle(point, points[(i + 1) % points.length])),
  );
  ctx.closePath();
}

function drawHeat(ctx, header, heat, outline, scale, mirrored, width) {
  const cells = heatCells.getContext("2d");
  const image = cells.createImageData(GRID, GRID);
  new Uint8Array(heat).forEach((level, i) => {
    const [r, g, b, alpha] = heatColour(level * HEAT_STEP);
    image.data.set([r, g, b, alpha * inside(i % GRID) * inside(Math.floor(i / GRID))], 4 * i);
  });
  cells.putImageData(image, 0, 0);
  const [a, b, c, d, e, f] = header.face.image_from_crop;
  const cell = 128 / GRID; // crop px
  ctx.save();
  trace(ctx, outline);
  ctx.clip();
  if (mirrored) ctx.transform(-1, 0, 0, 1, width, 0);
  ctx.scale(scale, scale);
  ctx.transform(a, b, c, d, e, f);
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(heatCells, -0.5, -0.5, GRID * cell, GRID * cell);
  ctx.restore();
}

/** 0 at the edge of the aligned crop, 1 from the fourth cell on: the crop ends above the chin, and
 * a map that stops there with an edge would look like a find. */
function inside(cell) {
  return Math.min(1, (Math.min(cell, GRID - 1 - cell) + 0.5) / 4);
}

function drawOutline(ctx, outline) {
  trace(ctx, outline);
  ctx.lineWidth = 3;
  ctx.strokeStyle = "rgb(0 0 0 / 0.25)";
  ctx.stroke();
  ctx.lineWidth = 1.25;
  ctx.strokeStyle = "rgb(255 255 255 / 0.8)";
  ctx.stroke();
}

function drawLandmarks(ctx, bytes, at) {
  const values = new Float32Array(bytes);
  ctx.fillStyle = "rgb(255 255 255 / 0.75)";
  for (let i = 0; i < values.length; i += 2) {
    const [x, y] = at([values[i], values[i + 1]]);
    ctx.fillRect(x - 0.75, y - 0.75, 1.5, 1.5);
  }
}

function drawRegions(ctx, regions, at, scale) {
  for (const { at: centre, radius, strength, threshold } of regions) {
    const [x, y] = at(centre);
    const over = threshold ? (strength ?? 0) / threshold : 0;
    ctx.beginPath();
    ctx.arc(x, y, radius * scale, 0, 2 * Math.PI);
    ctx.setLineDash(threshold === null ? [2, 3] : []);
    if (over >= 1) {
      ctx.fillStyle = "rgb(45 212 191 / 0.28)";
      ctx.fill();
    }
    ctx.lineWidth = over >= 1 ? 2 : 1;
    ctx.strokeStyle = over >= 1 ? "rgb(94 234 212)" : `rgb(255 255 255 / ${0.36 + 0.4 * over})`;
    ctx.stroke();
  }
  ctx.setLineDash([]);
}

/** The name over the forehead; under it a bar: how far the motion is over its threshold now. */
function drawLabel(ctx, event, outline, right) {
  const likely = event.probability === null ? "" : `  ${percent(event.probability)}`;
  const name = event.kind === "macro" ? `${title(event.label)} (macro)` : title(event.label);
  const text = event.state === "early" ? `${name}?${likely}` : `${name}${likely}`;
  const dash = event.state === "early" ? [4, 3] : [];
  const { x, y, width, height } = drawSign(ctx, text, outline, right, labelColour(event.label), dash);
  const bar = (width - 28) * Math.min(1, event.strength / 3);
  ctx.fillStyle = labelColour(event.label);
  ctx.fillRect(x + 14, y + height - 6, bar, 2);
}

/** What moves far, while it does, and what it is named so far. It counts only when it is over. */
function drawLarge(ctx, parts, named, outline, right) {
  const known = typeof named?.probability === "number"; // otherwise no class is likely enough
  const name = known ? `${title(named.label)} (macro) so far` : "Large movement";
  const colour = known ? labelColour(named.label) : "#cbd5e1";
  drawSign(ctx, `${name}: ${parts.join(", ").toLowerCase()}`, outline, right, colour, [2, 3]);
}

/** A sign over the forehead; returns its rectangle. */
function drawSign(ctx, text, outline, right, colour, dash) {
  const xs = outline.map(([x]) => x);
  const top = Math.min(...outline.map(([, y]) => y));
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  ctx.font = `600 15px system-ui, sans-serif`;
  const width = ctx.measureText(text).width + 28;
  const height = 34;
  const x = Math.min(Math.max(middle - width / 2, 8), right - width - 8);
  const y = Math.max(8, top - height - 14);
  ctx.beginPath();
  ctx.roundRect(x, y, width, height, 10);
  ctx.fillStyle = "rgb(15 23 42 / 0.82)";
  ctx.fill();
  ctx.lineWidth = 1.5;
  ctx.setLineDash(dash);
  ctx.strokeStyle = colour;
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.fillStyle = "white";
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(text, x + width / 2, y + height / 2 - 2);
  return { x, y, width, height };
}

const FLAG_WORDS = { blink: "blink", head: "head moves", light: "light changes", texture: "low contrast" };

function drawFlags(ctx, header, bottom) {
  const words = header.face
    ? header.flags.map((flag) => FLAG_WORDS[flag]).filter(Boolean)
    : ["no face"];
  ctx.font = `500 12px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  let x = 12;
  const y = bottom - 24;
  for (const word of words) {
    const width = ctx.measureText(word).width + 18;
    ctx.beginPath();
    ctx.roundRect(x, y - 11, width, 22, 11);
    ctx.fillStyle = "rgb(15 23 42 / 0.72)";
    ctx.fill();
    ctx.fillStyle = "rgb(255 255 255 / 0.92)";
    ctx.fillText(word, x + 9, y);
    x += width + 6;
  }
}

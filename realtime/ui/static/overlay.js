// Drawing over the picture, from the geometry of realtime/results/overlay.py: px of the frame in, px of
// the canvas out. Mirroring turns points, never text.

import { heatColour, labelColour, title } from "./colours.js";

const GRID = 32;
const HEAT_STEP_PX = 0.01;
const heatCells = new OffscreenCanvas(GRID, GRID);

/** `shows`: which chips are on. `ratio`: device px per CSS px. */
export function drawOverlay(ctx, { header, parts }, shows, mirrored, ratio) {
  const { width, height } = ctx.canvas;
  const scale = width / header.width;
  const at = mirrored
    ? ([x, y]) => [width - x * scale, y * scale]
    : ([x, y]) => [x * scale, y * scale];
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, width, height);
  const { face } = header;
  if (face) {
    const outline = face.outline.map(at);
    if (shows.heat && parts.heat) drawHeat(ctx, header, parts.heat, outline, scale, mirrored);
    if (shows.outline) drawOutline(ctx, outline, ratio);
    if (shows.landmarks && parts.landmarks) drawLandmarks(ctx, parts.landmarks, at, ratio);
    if (shows.regions) drawRegions(ctx, header.regions, at, scale, ratio);
    if (shows.label && header.event) drawLabel(ctx, header.event, outline, ratio);
  }
  if (shows.label) drawFlags(ctx, header, ratio);
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

function drawHeat(ctx, header, heat, outline, scale, mirrored) {
  const cells = heatCells.getContext("2d");
  const image = cells.createImageData(GRID, GRID);
  new Uint8Array(heat).forEach((level, i) => {
    const [r, g, b, alpha] = heatColour(level * HEAT_STEP_PX);
    image.data.set([r, g, b, alpha * inside(i % GRID) * inside(Math.floor(i / GRID))], 4 * i);
  });
  cells.putImageData(image, 0, 0);
  const [a, b, c, d, e, f] = header.face.image_from_crop;
  const cell = 128 / GRID; // crop px
  ctx.save();
  trace(ctx, outline);
  ctx.clip();
  if (mirrored) ctx.setTransform(-scale, 0, 0, scale, ctx.canvas.width, 0);
  else ctx.setTransform(scale, 0, 0, scale, 0, 0);
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

function drawOutline(ctx, outline, ratio) {
  trace(ctx, outline);
  ctx.lineWidth = 3 * ratio;
  ctx.strokeStyle = "rgb(0 0 0 / 0.25)";
  ctx.stroke();
  ctx.lineWidth = 1.25 * ratio;
  ctx.strokeStyle = "rgb(255 255 255 / 0.8)";
  ctx.stroke();
}

function drawLandmarks(ctx, bytes, at, ratio) {
  const values = new Float32Array(bytes);
  ctx.fillStyle = "rgb(255 255 255 / 0.75)";
  for (let i = 0; i < values.length; i += 2) {
    const [x, y] = at([values[i], values[i + 1]]);
    ctx.fillRect(x - 0.75 * ratio, y - 0.75 * ratio, 1.5 * ratio, 1.5 * ratio);
  }
}

function drawRegions(ctx, regions, at, scale, ratio) {
  for (const { at: centre, radius, strength, threshold } of regions) {
    const [x, y] = at(centre);
    const over = threshold ? (strength ?? 0) / threshold : 0;
    ctx.beginPath();
    ctx.arc(x, y, radius * scale, 0, 2 * Math.PI);
    ctx.setLineDash(threshold === null ? [2 * ratio, 3 * ratio] : []);
    if (over >= 1) {
      ctx.fillStyle = "rgb(45 212 191 / 0.28)";
      ctx.fill();
    }
    ctx.lineWidth = (over >= 1 ? 2 : 1) * ratio;
    ctx.strokeStyle = over >= 1 ? "rgb(94 234 212)" : `rgb(255 255 255 / ${0.36 + 0.4 * over})`;
    ctx.stroke();
  }
  ctx.setLineDash([]);
}

/** The name over the forehead; under it a bar: how far the motion is over its threshold now. */
function drawLabel(ctx, event, outline, ratio) {
  const xs = outline.map(([x]) => x);
  const top = Math.min(...outline.map(([, y]) => y));
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  const percent = event.probability === null ? "" : `  ${Math.round(100 * event.probability)} %`;
  const name = event.kind === "macro" ? `${title(event.label)} (macro)` : title(event.label);
  const text = event.state === "early" ? `${name}?${percent}` : `${name}${percent}`;
  ctx.font = `600 ${15 * ratio}px system-ui, sans-serif`;
  const width = ctx.measureText(text).width + 28 * ratio;
  const height = 34 * ratio;
  const x = Math.min(Math.max(middle - width / 2, 8 * ratio), ctx.canvas.width - width - 8 * ratio);
  const y = Math.max(8 * ratio, top - height - 14 * ratio);
  ctx.beginPath();
  ctx.roundRect(x, y, width, height, 10 * ratio);
  ctx.fillStyle = "rgb(15 23 42 / 0.82)";
  ctx.fill();
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash(event.state === "early" ? [4 * ratio, 3 * ratio] : []);
  ctx.strokeStyle = labelColour(event.label);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.fillStyle = "white";
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(text, x + width / 2, y + height / 2 - 2 * ratio);
  const bar = (width - 28 * ratio) * Math.min(1, event.strength / 3);
  ctx.fillStyle = labelColour(event.label);
  ctx.fillRect(x + 14 * ratio, y + height - 6 * ratio, bar, 2 * ratio);
}

const FLAG_WORDS = { blink: "blink", head: "head moves", light: "light changes", texture: "too flat" };

function drawFlags(ctx, header, ratio) {
  const words = header.face
    ? header.flags.map((flag) => FLAG_WORDS[flag]).filter(Boolean)
    : ["no face"];
  ctx.font = `500 ${12 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  let x = 12 * ratio;
  const y = ctx.canvas.height - 24 * ratio;
  for (const word of words) {
    const width = ctx.measureText(word).width + 18 * ratio;
    ctx.beginPath();
    ctx.roundRect(x, y - 11 * ratio, width, 22 * ratio, 11 * ratio);
    ctx.fillStyle = "rgb(15 23 42 / 0.72)";
    ctx.fill();
    ctx.fillStyle = "rgb(255 255 255 / 0.92)";
    ctx.fillText(word, x + 9 * ratio, y);
    x += width + 6 * ratio;
  }
}

// The live picture with the face's motion magnified: the picture is drawn as a mesh over the aligned
// crop, and each knot is moved on in the direction in which the face has moved there.

const GRID = 32; // cells along each side of the motion field
const STEP_PX = 0.05; // of the crop, per level of the field
const CROP_PX = 128;
const GAIN = 5;
const FARTHEST_PX = 9;
const REST_S = 1.5; // a pose that is held this long is the new rest
const KNOTS = GRID + 1;

const VERTEX = `
  attribute vec2 place; attribute vec2 look; varying vec2 at;
  void main() { at = look; gl_Position = vec4(2.0 * place.x - 1.0, 1.0 - 2.0 * place.y, 0.0, 1.0); }`;
const FRAGMENT = `
  precision mediump float; uniform sampler2D picture; varying vec2 at;
  void main() { gl_FragColor = texture2D(picture, at); }`;
const WHOLE = [[0, 0], [1, 0], [0, 1], [1, 1]].flatMap((corner) => [...corner, ...corner]);

export class Magnifier {
  #canvas;
  #gl = null;
  #rest = null; // the field at rest, per cell
  #track = null;
  #lastS = 0;
  #inside = new OffscreenCanvas(1, 1).getContext("2d");

  constructor(canvas) {
    this.#canvas = canvas;
  }

  /** Draw a frame's `bitmap`; `field`: its motion against the neutral face, int8 (2, GRID, GRID). */
  draw(bitmap, { width, height, time_s: timeS, face }, field) {
    const gl = (this.#gl ??= this.#open());
    if (!gl) return;
    this.#canvas.hidden = false;
    if (this.#canvas.width !== bitmap.width || this.#canvas.height !== bitmap.height) {
      [this.#canvas.width, this.#canvas.height] = [bitmap.width, bitmap.height];
    }
    gl.viewport(0, 0, bitmap.width, bitmap.height);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    this.#mesh(new Float32Array(WHOLE), [0, 1, 2, 2, 1, 3]);
    if (!face || !field) return;
    if (face.track !== this.#track) this.#rest = null; // another face rests elsewhere
    this.#track = face.track;
    const moved = this.#sinceRest(new Int8Array(field), timeS);
    this.#mesh(this.#knots(moved, face, width, height), TRIANGLES);
  }

  /** Show nothing: no frame stays behind. */
  clear() {
    this.#rest = null;
    this.#canvas.hidden = true;
    this.#gl?.clear(this.#gl.COLOR_BUFFER_BIT);
  }

  #open() {
    const gl = this.#canvas.getContext("webgl", { preserveDrawingBuffer: true });
    if (!gl) return null;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
      gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
    }
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    ["place", "look"].forEach((name, i) => {
      const where = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(where);
      gl.vertexAttribPointer(where, 2, gl.FLOAT, false, 16, 8 * i);
    });
    return gl;
  }

  #mesh(knots, triangles) {
    const gl = this.#gl;
    gl.bufferData(gl.ARRAY_BUFFER, knots, gl.STREAM_DRAW);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint16Array(triangles), gl.STREAM_DRAW);
    gl.drawElements(gl.TRIANGLES, triangles.length, gl.UNSIGNED_SHORT, 0);
  }

  /** The motion since the face last rested, px of the crop, smoothed: (2, GRID, GRID). */
  #sinceRest(levels, timeS) {
    const share = 1 - Math.exp(-Math.max(0, timeS - this.#lastS) / REST_S);
    this.#lastS = timeS;
    const field = Float32Array.from(levels, (level) => level * STEP_PX);
    this.#rest ??= field.slice();
    const moved = field.map((px, i) => px - (this.#rest[i] += share * (px - this.#rest[i])));
    return smooth(smooth(moved));
  }

  /** Per knot of the mesh: where it is drawn and where it looks, as shares of the picture. */
  #knots(moved, { image_from_crop: [a, b, c, d, e, f], outline }, width, height) {
    const face = new Path2D();
    for (const point of outline) face.lineTo(...point);
    const knots = new Float32Array(4 * KNOTS * KNOTS);
    const cell = CROP_PX / GRID;
    const toPicture = (u, v) => [a * u + c * v + e, b * u + d * v + f];
    for (let row = 0; row < KNOTS; row++) {
      for (let column = 0; column < KNOTS; column++) {
        const [u, v] = [column * cell, row * cell];
        const [x, y] = toPicture(u, v);
        const edge = Math.min(row, column, GRID - row, GRID - column) / 4;
        const on = this.#inside.isPointInPath(face, x, y) ? Math.min(1, edge) : 0;
        const i = Math.min(row, GRID - 1) * GRID + Math.min(column, GRID - 1);
        const [du, dv] = [moved[i], moved[GRID * GRID + i]];
        const length = Math.hypot(du, dv) * GAIN;
        const gain = on * GAIN * Math.min(1, FARTHEST_PX / Math.max(length, 1e-3));
        const [toX, toY] = toPicture(u + gain * du, v + gain * dv);
        knots.set([toX / width, toY / height, x / width, y / height], 4 * (row * KNOTS + column));
      }
    }
    return knots;
  }
}

const TRIANGLES = Array.from({ length: GRID * GRID }, (_, cell) => {
  const corner = Math.floor(cell / GRID) * KNOTS + (cell % GRID);
  return [corner, corner + 1, corner + KNOTS, corner + KNOTS, corner + 1, corner + KNOTS + 1];
}).flat();

/** The mean of each cell and its neighbours, plane by plane. */
function smooth(field) {
  return field.map((_, i) => {
    const plane = i - (i % (GRID * GRID));
    const [row, column] = [Math.floor((i - plane) / GRID), i % GRID];
    let [sum, count] = [0, 0];
    for (let y = Math.max(0, row - 1); y <= Math.min(GRID - 1, row + 1); y++) {
      for (let x = Math.max(0, column - 1); x <= Math.min(GRID - 1, column + 1); x++) {
        sum += field[plane + y * GRID + x];
        count += 1;
      }
    }
    return sum / count;
  });
}

// A number that grows with each refresh of the screen, and word of when each was shown.

import { Clock } from "./socket.js";

const PING_MS = 1000;

const canvas = document.querySelector("canvas");
const said = document.querySelector("[role=status]");
const layout = await (await fetch("layout.json")).json();
const clock = new Clock();
const socket = new WebSocket(new URL("shown", location.href.replace(/^http/, "ws")));
const ping = () => socket.send(JSON.stringify({ ping: performance.now() / 1000 }));

[canvas.width, canvas.height] = layout.size;
const picture = canvas.getContext("2d", { alpha: false });
picture.fillStyle = "#fff";
picture.fillRect(0, 0, ...layout.size);
for (const { at, side, rows } of layout.markers) squares(at[0], at[1], side / rows.length, side / rows.length, rows.map((row) => [...row].map(Number)));

document.querySelector("button").addEventListener("click", () => document.documentElement.requestFullscreen());
socket.onopen = () => {
  ping();
  setInterval(ping, PING_MS);
};
socket.onmessage = ({ data }) => {
  const { ping: sentS, server_s: serverS } = JSON.parse(data);
  clock.answered(sentS, serverS);
};
socket.onclose = () => {
  said.textContent = "The measurement is over.";
};

let number = 0;
requestAnimationFrame(function next(startedMs) {
  number = (number + 1) % layout.period;
  const [x, y, wide, tall] = layout.cells;
  const rows = cells(number);
  squares(x, y, wide / rows[0].length, tall / rows.length, rows);
  document.body.dataset.number = number;
  if (clock.ready && socket.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ number, shown_s: startedMs / 1000 + clock.offsetS }));
  }
  requestAnimationFrame(next);
});

/** As `realtime.benchmark.timecode.cells`: a Gray code, each row of bits above its opposites. */
function cells(value) {
  const gray = value ^ (value >> 1);
  const bits = Array.from({ length: layout.bits }, (_, place) => (gray >> place) & 1);
  const rows = [];
  for (let first = 0; first < bits.length; first += layout.columns) {
    const row = bits.slice(first, first + layout.columns);
    rows.push(row, row.map((bit) => 1 - bit));
  }
  return rows;
}

function squares(x, y, wide, tall, rows) {
  for (const [j, row] of rows.entries()) {
    for (const [i, white] of row.entries()) {
      picture.fillStyle = white ? "#fff" : "#000";
      picture.fillRect(x + i * wide, y + j * tall, wide, tall);
    }
  }
}

// The Health tab: percentiles of every span, asked for once a second while the tab is seen.

import { definitions, make } from "./colours.js";
import { LOST, LOST_MS, watchVisible } from "./tab.js";

const EVERY_MS = 1000;
const LOWEST_MS = 0.1;
const DECADES = 4;
const UNKNOWN = "not available";

/** Start the tab inside `root`, the element of health.html. */
export function mount(root) {
  const ref = (name) => root.querySelector(`[data-ref="${name}"]`);
  const address = new URL("../health", import.meta.url);
  let visible = false;
  let timer = 0;

  async function look() {
    clearTimeout(timer);
    const answer = await fetch(address, { signal: AbortSignal.timeout(LOST_MS) }).catch(() => null);
    const health = answer?.ok ? await answer.json().catch(() => null) : null;
    if (health) {
      show(root, ref, health);
    } else {
      root.dataset.light = "red";
      ref("verdict").textContent = answer ? `The server answers ${answer.status}` : `Connection lost. ${LOST}`;
    }
    if (visible) timer = setTimeout(look, EVERY_MS);
  }

  watchVisible(root, (seen) => {
    visible = seen;
    clearTimeout(timer);
    if (visible) look();
  });
}

function show(root, ref, health) {
  root.dataset.light = health.light;
  const verdict = ref("verdict");
  if (verdict.textContent !== health.verdict) verdict.textContent = health.verdict;
  ref("what").textContent = [health.source, health.device, health.engine].filter(Boolean).join(" · ");
  ref("spans").replaceChildren(...health.spans.map(row));
  ref("machine").replaceChildren(...definitions(Object.entries(facts(health))));
}

function row(span) {
  const cells = ["p50", "p95", "p99", "p999", "max"].map((name) => make("td", {}, figure(span[name])));
  const bar = make("i", { style: { left: `${at(span.p50)}%`, right: `${100 - at(span.p99)}%` } });
  const most = make("b", { style: { left: `${at(span.max)}%` } });
  const due = span.due_ms;
  const limit = due === null ? [] : [make("s", { style: { left: `${at(due)}%` } })];
  return make(
    "tr",
    { "data-whole": span.whole ? "yes" : "no" },
    make("th", { scope: "row" }, span.words),
    ...cells,
    make("td", {}, String(span.n)),
    make("td", { class: "fl-scale", "aria-hidden": "true" }, make("div", {}, bar, most, ...limit)),
  );
}

function facts(health) {
  const dropped = Object.entries(health.dropped).map(([cause, n]) => `${n} (${cause})`);
  const { cores, machine_percent: busy } = health;
  return {
    Rate: health.fps === null ? UNKNOWN : `${health.fps.toFixed(1)} fps`,
    Frames: `${health.captured} captured, ${health.analysed} analysed`,
    Skipped: dropped.join(", ") || "none",
    "This program": cores === null ? UNKNOWN : `${cores.toFixed(2)} of ${health.cores_all} cores`,
    "All programs": busy === null ? UNKNOWN : `${busy.toFixed(0)} % of all cores`,
    Memory: `${health.memory_mb.toFixed(0)} MB`,
  };
}

/** Place on the log axis, in percent. */
function at(ms) {
  return Math.min(100, Math.max(0, (100 * Math.log10(Math.max(ms, LOWEST_MS) / LOWEST_MS)) / DECADES));
}

function figure(ms) {
  return ms < 1 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0);
}

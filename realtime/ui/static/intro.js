// What the page says at first glance: what it looks at, what it is worth, what to do next, and why
// nothing is found if the face never rests.

const NEXT = {
  demo: "Next: watch the demo, or choose your camera in the list above.",
  camera: "Next: look into the camera, keep still, then try to hide a smile.",
  browser: "Next: look into the camera, keep still, then try to hide a smile.",
};
const ENDED = "Next: Start plays it again, or choose another source.";
const EVEN = 1.5; // thresholds within this factor are told as one

export class Intro {
  #ref;
  #lanes = [];

  /** `ref(name)`: the elements `chip`, `where`, `trained`, `next` and `told`. */
  constructor(ref) {
    this.#ref = ref;
  }

  hello({ shared, lanes }) {
    this.#lanes = lanes;
    this.#set("where", shared ? "on the machine that serves this page" : "on this machine alone");
  }

  status({ chip, source, trained, restless, kind, state }) {
    this.#set("chip", chip);
    this.#ref("chip").title = source;
    this.#set("trained", trained && `${trained}.`);
    const over = state === "ended" || state === "stopped";
    this.#set("next", over ? ENDED : (NEXT[kind] ?? "Next: click an expression to see it magnified."));
    this.#set("told", restlessWords(restless, this.#lanes));
  }

  #set(name, words) {
    const element = this.#ref(name);
    if (element.textContent !== words) element.textContent = words; // a screen reader reads changes
    element.hidden = !words;
  }
}

/** Why the plot lies low: `restless`, lane → its threshold in px. Empty for a face at rest. */
export function restlessWords(restless, lanes) {
  const found = lanes.filter((lane) => lane in restless);
  if (!found.length) return "";
  const limits = found.map((lane) => restless[lane]);
  const [low, high] = [Math.min(...limits), Math.max(...limits)];
  const who = found.length === lanes.length ? "Face" : nameLanes(found);
  const count = high < EVEN * low
    ? `${low.toFixed(1)} px`
    : found.map((lane) => `${restless[lane].toFixed(1)} px (${lane.toLowerCase()})`).join(", ");
  return `${who} in constant motion: only movements over ${count} count`;
}

function nameLanes(lanes) {
  const words = lanes.join(", ").toLowerCase().replace(/, ([^,]*)$/, " and $1");
  return words[0].toUpperCase() + words.slice(1);
}

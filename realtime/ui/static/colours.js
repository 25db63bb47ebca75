// Colours and words that several parts share.

// Distinct for every common kind of colour vision; the name always stands beside the colour.
const CLASSES = { negative: "#e0654f", positive: "#2ea886", surprise: "#4f86e8" };
const { negative, positive } = CLASSES;
// An emotion has the colour of its class. A coder's own label may be any word, "constructor" too.
const LABELS = new Map(Object.entries({
  ...CLASSES, anger: negative, contempt: negative, disgust: negative, fear: negative, sadness: negative,
  happiness: positive,
}));
const OTHERS = ["#a06fd6", "#c9922e", "#6b8e23", "#c45d9a"];

export function labelColour(label) {
  if (label === null || label === undefined || label === "unclear") return "#94a3b8";
  const letters = [...label].reduce((sum, letter) => sum + letter.codePointAt(0), 0);
  return LABELS.get(label) ?? OTHERS[letters % OTHERS.length];
}

/** A class as people read it; "unclear" stands where no class is likely enough. */
export function title(word) {
  if (word === "unclear") return "No clear expression";
  return word ? word[0].toUpperCase() + word.slice(1) : "…";
}

/** A probability as it is: no network is ever certain. */
export function percent(p) {
  if (p > 0.99) return "> 99 %";
  return p < 0.01 ? "< 1 %" : `${Math.round(100 * p)} %`;
}

/** What the server says of action units: their names, and whether this network's are only hints. */
export const unitWords = { names: {}, weak: false };

// Motion in thresholds → colour. Cool to bright, because skin is warm; nothing far below the
// threshold, so that a face at rest is clear.
const HEAT = [
  [0.7, [56, 189, 248, 0]],
  [1.0, [56, 189, 248, 85]],
  [1.4, [129, 140, 248, 125]],
  [1.9, [217, 99, 240, 145]],
  [2.5, [244, 114, 182, 160]],
];
const heatTable = Array.from({ length: 256 }, (_, i) => ramp(i / 100));

function ramp(over) {
  if (over <= HEAT[0][0]) return HEAT[0][1];
  for (let i = 1; i < HEAT.length; i++) {
    const [[low, from], [high, to]] = [HEAT[i - 1], HEAT[i]];
    if (over <= high) {
      const part = (over - low) / (high - low);
      return from.map((value, j) => Math.round(value + part * (to[j] - value)));
    }
  }
  return HEAT.at(-1)[1];
}

/** [r, g, b, alpha], 0 to 255, of a motion in hundredths of its threshold, up to 255. */
export function heatColour(level) {
  return heatTable[level];
}

/** Up to this many hundredths of the threshold, motion has no colour. */
export const CLEAR_HEAT = 100 * HEAT[0][0];

/** 75.3 → "1:15.30": a time since the start, to the hundredth of a second. */
export function clockTime(seconds) {
  const sign = seconds < 0 ? "−" : "";
  const hundredths = Math.round(Math.abs(seconds) * 100);
  const minutes = Math.floor(hundredths / 6000);
  const rest = ((hundredths % 6000) / 100).toFixed(2).padStart(5, "0");
  return `${sign}${minutes}:${rest}`;
}

export function ms(seconds) {
  return `${Math.round(1000 * seconds)} ms`;
}

/** An element with attributes and children; text is set as text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") for (const [key, set] of Object.entries(value)) element.style.setProperty(key, set);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** The children of a `dl`, from [name, value] each. */
export function definitions(pairs) {
  return pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
}

/** The sentence on an expression in the browser's language, or in English; empty if there is none. */
export function inWords(sentences) {
  const language = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in sentences) ?? "en";
  return language in sentences ? make("span", { class: "fl-words", lang: language }, sentences[language]) : "";
}

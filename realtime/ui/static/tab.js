// What tabs share: visibility, requests, the picture, and a state that is polled while the tab is
// visible.

import { make } from "./colours.js";
import { Stage } from "./stage.js";
import { ViewSocket } from "./socket.js";

/** Call `change(visible)` whenever `root` comes into view or leaves it. */
export function watchVisible(root, change) {
  let visible = false;
  new IntersectionObserver((entries) => {
    const seen = entries.at(-1); // several may come at once, the newest last
    if (seen.isIntersecting === visible) return;
    visible = seen.isIntersecting;
    change(visible);
  }).observe(root);
}

/** What to do while the program does not answer. */
export const LOST = "Check whether the program is still running, and restart it if not.";

/** Ask again and again, while `root` is visible, whether the program answers: `lose()` is called once
 * it has not for two seconds, `find()` when it answers again. For tabs that seldom ask anything. */
export function watchAnswers(root, { lose, find }) {
  const address = new URL(import.meta.url);
  let [timer, lost] = [0, false];
  async function ask(answeredMs) {
    clearTimeout(timer);
    const signal = AbortSignal.timeout(LOST_MS);
    const answers = await fetch(address, { method: "HEAD", cache: "no-store", signal }).then(
      ({ status }) => status < 502, // a proxy answers, not the program
      () => false,
    );
    const nowMs = performance.now();
    if (answers && lost) find();
    if (!answers && !lost && nowMs - answeredMs >= LOST_MS) lose();
    lost = !answers && (lost || nowMs - answeredMs >= LOST_MS);
    if (timer !== null) timer = setTimeout(ask, RETRY_MS, answers ? nowMs : answeredMs);
  }
  watchVisible(root, (visible) => {
    clearTimeout(timer);
    timer = visible ? 0 : null;
    if (visible) ask(performance.now());
  });
}

/** Go to the tab of this name. */
export function openTab(name) {
  tabButton(name)?.click();
}

function tabButton(name) {
  // Gradio keeps a second, invisible row, whose buttons do nothing.
  const buttons = [...document.querySelectorAll('#tabs button:not([tabindex="-1"])')];
  return buttons.find(({ textContent }) => textContent.trim() === name);
}

/** The server's answer, to a POST of `body` if there is one. */
export function request(url, body = null) {
  const headers = { "Content-Type": "application/json" };
  return fetch(url, body ? { method: "POST", headers, body: JSON.stringify(body) } : {});
}

export const LOST_MS = 2000;
const BUSY_MS = 15_000; // a change may load networks
const RETRY_MS = 500;

/** A tab with the live picture and a state. A subclass has `show(state)`, which draws the state and
 * returns after how many ms to ask again; `answered` in it says that it answers a change. `lose()`
 * is called when the server has not answered for two seconds, or a change for longer; `find()` when
 * it answers again. */
export class Tab {
  root;
  visible = false;
  #base;
  #timer = 0;
  #asking = 0;
  #answer = Promise.resolve();
  #failingSince = null;
  #lost = false;
  #socket;

  /** `base`: address of the tab's routes. The picture is fetched only while the tab is visible. */
  constructor(root, base) {
    this.root = root;
    this.#base = base;
    const stage = new Stage((name) => this.ref(name));
    let run = null;
    this.#socket = new ViewSocket(new URL("../view", import.meta.url), {
      frame: (frame) => stage.paint(frame, () => {}),
      status(message) {
        if (message.run === run) return;
        run = message.run;
        stage.clear();
      },
      forgotten: ({ spans }) => stage.forget(spans),
    });
    watchVisible(root, (visible) => {
      this.visible = visible;
      clearTimeout(this.#timer);
      if (visible) {
        this.#socket.connect();
        this.ask("state");
      } else {
        this.#socket.close();
      }
    });
  }

  ref(name) {
    return this.root.querySelector(`[data-ref="${name}"]`);
  }

  /** This moment on the server's monotonic clock; null before it is known. */
  nowS() {
    return this.#socket.nowS();
  }

  /** Ask for the state, with `body` for a change; and again after a while. Changes reach the server
   * in the order in which they were made. Resolves to the state, null without an answer. */
  async ask(path, body = null) {
    if (this.#asking && body === null) return null;
    clearTimeout(this.#timer);
    this.#asking += 1;
    this.#answer = this.#answer.then(() => this.#fetch(path, body));
    const state = await this.#answer;
    this.#asking -= 1;
    const wait = state ? this.show(state) : RETRY_MS;
    clearTimeout(this.#timer);
    if (this.visible) this.#timer = setTimeout(() => this.ask("state"), wait);
    return state;
  }

  async #fetch(path, body) {
    this.#failingSince ??= performance.now(); // until there is an answer
    const patience = setTimeout(() => this.#lose(), body ? BUSY_MS : LOST_MS);
    try {
      const answer = await request(new URL(path, this.#base), body);
      if (answer.status >= 502) throw new Error("a proxy answers, not the program");
      this.#failingSince = null;
      if (this.#lost) this.find();
      this.#lost = false;
      if (answer.status === 403) this.root.textContent = await answer.text();
      return answer.ok ? { ...(await answer.json()), answered: body !== null } : null;
    } catch {
      if (performance.now() - this.#failingSince >= LOST_MS) this.#lose();
      return null; // asked again
    } finally {
      clearTimeout(patience);
    }
  }

  #lose() {
    if (this.#lost) return;
    this.#lost = true;
    this.lose();
  }

  lose() {
    this.ref("hint").textContent = `Connection lost. ${LOST}`;
  }

  find() {
    this.ref("hint").textContent = "";
  }
}

/** The parts of `text`, in which the name of a tab ("the Calibrate tab") opens it, if it is there. */
export function linkTabs(text) {
  return text.split(/([A-Z][a-z]+ tab)/).map((part) => {
    const name = part.replace(/ tab$/, "");
    if (name === part || !tabButton(name)) return part;
    const link = make("button", { type: "button", class: "fl-link" }, part);
    link.addEventListener("click", () => openTab(name));
    return link;
  });
}

/** Replace the children only when they differ, so that a selection stays. */
export function fill(parent, children) {
  const content = children.map((child) => child.outerHTML ?? child).join("");
  if (parent.dataset.content === content) return;
  parent.dataset.content = content;
  parent.replaceChildren(...children);
}

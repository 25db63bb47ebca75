// What the tabs beside the live view share: the picture, and a state that the server is asked for
// while the tab is seen.

import { ViewSocket } from "./socket.js";
import { Stage } from "./stage.js";

export class Tab {
  root;
  #base;
  #show;
  #timer = 0;
  #visible = false;
  #asking = 0;
  #answer = Promise.resolve();
  #socket;

  /** `base`: address of the tab's routes. `show(state)` draws what the server answered, and says
   * after how many ms to ask again. */
  constructor(root, base, show) {
    this.root = root;
    this.#base = base;
    this.#show = show;
    const stage = new Stage(
      this.ref("picture"),
      this.ref("frame"),
      this.ref("overlay"),
      this.ref("empty"),
    );
    let run = null;
    this.#socket = new ViewSocket(new URL("../view", import.meta.url), {
      frame: (frame) => stage.paint(frame, () => {}),
      status(message) {
        if (message.run === run) return;
        run = message.run;
        stage.clear();
      },
      forgotten: ({ spans }) => stage.forget(spans),
      closed: () => {},
    });
  }

  /** Follow the state while the tab is seen; the picture is fetched no longer than that. */
  watch() {
    new IntersectionObserver(([seen]) => {
      if (seen.isIntersecting === this.#visible) return;
      this.#visible = seen.isIntersecting;
      clearTimeout(this.#timer);
      if (this.#visible) {
        this.#socket.connect();
        this.ask("state");
      } else {
        this.#socket.close();
      }
    }).observe(this.root);
  }

  ref(name) {
    return this.root.querySelector(`[data-ref="${name}"]`);
  }

  get visible() {
    return this.#visible;
  }

  /** This moment on the server's monotonic clock; null before it is known. */
  nowS() {
    return this.#socket.nowS();
  }

  /** Ask for the state, with `body` for a change; and again after a while. Changes reach the server
   * in the order in which they were made. */
  async ask(path, body = null) {
    if (this.#asking && body === null) return;
    clearTimeout(this.#timer);
    this.#asking += 1;
    this.#answer = this.#answer.then(() => this.#fetch(path, body));
    const state = await this.#answer;
    this.#asking -= 1;
    const wait = state ? this.#show(state) : 1000;
    clearTimeout(this.#timer);
    if (this.#visible) this.#timer = setTimeout(() => this.ask("state"), wait);
  }

  async #fetch(path, body) {
    const options = body && {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    };
    try {
      const answer = await fetch(new URL(path, this.#base), options ?? {});
      if (answer.status === 403) this.root.textContent = await answer.text();
      return answer.ok ? await answer.json() : null;
    } catch {
      return null; // the server is away: the Live tab says so, and this one asks again
    }
  }
}

/** Replace the children only when they say something else, so that what is selected stays so. */
export function fill(parent, children) {
  const said = children.map((child) => child.outerHTML ?? child).join("");
  if (parent.dataset.said === said) return;
  parent.dataset.said = said;
  parent.replaceChildren(...children);
}

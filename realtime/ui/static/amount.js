// Fewer or more: the least probability with which something is listed as a micro-expression.

import { percent } from "./colours.js";

export class Amount {
  #ref;
  #usual = "";
  #held = false; // it is being moved, or what it asked for is on its way

  /** `ref(name)`: the elements of live.html; `send(command)` to the server. */
  constructor(ref, send) {
    this.#ref = ref;
    const at = ref("amount");
    at.addEventListener("input", () => {
      this.#held = true;
      this.#show();
    });
    at.addEventListener("change", () => send({ do: "ask", probability: (100 - Number(at.value)) / 100 }));
  }

  /** `lowest`, `usual` and `highest` probability. To the right there are more expressions. */
  hello({ me_probabilities: { lowest, usual, highest }, may_control: may }) {
    const at = this.#ref("amount");
    [at.min, at.max] = [100 - 100 * highest, 100 - 100 * lowest].map(Math.round);
    at.disabled = !may;
    this.#usual = String(Math.round(100 - 100 * usual));
    at.list.replaceChildren(new Option("", this.#usual));
    this.#ref("fewer-or-more").hidden = false;
  }

  status({ least_me_probability: least }) {
    const at = this.#ref("amount");
    const value = String(Math.round(100 - 100 * least));
    if (at.value === value) this.#held = false; // it is as it was asked for
    if (this.#held) return;
    at.value = value;
    this.#show();
  }

  /** What was asked for could not be: show again what is. */
  release() {
    this.#held = false;
  }

  #show() {
    const at = this.#ref("amount");
    const words = `from ${percent((100 - Number(at.value)) / 100)}`;
    at.setAttribute("aria-valuetext", words);
    this.#ref("asked").textContent = at.value === this.#usual ? "" : words;
  }
}

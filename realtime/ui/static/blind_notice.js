// What a blind coder is told, and the button that ends blind coding.

const END =
  "Show CODER what the program found? Edits from then on do not count as blind, and those before can no longer be undone.";
const LOOK = "Show what the program found? Whoever codes this session in this browser afterwards does not count as blind.";

export class BlindNotice {
  #ref;
  #coding;

  /** `ref(name)`: the elements `blind`, `blind-words` and `done`. `look()`: someone without a code
   * wants to see what the program found. */
  constructor(ref, coding, look) {
    [this.#ref, this.#coding] = [ref, coding];
    ref("done").addEventListener("click", () => {
      if (!coding.coder) confirm(LOOK) && look();
      else if (confirm(END.replace("CODER", coding.coder))) coding.step("done");
    });
  }

  show() {
    const { blind, coder } = this.#coding;
    this.#ref("blind").hidden = blind !== true;
    this.#ref("blind-words").textContent = coder
      ? `${coder} codes blind: the labels, scores and motion that the program found are hidden.`
      : "The labels, scores and motion that the program found are hidden. Enter your code to code blind: who looks first does not.";
    this.#ref("done").textContent = coder ? "Done coding blind…" : "Show them without coding";
  }
}

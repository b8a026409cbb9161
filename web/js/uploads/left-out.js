/** What of folders was not sent, and why: a count for each reason, and the names for who wants them. */
import { el } from "../shared/dom.js";
import { shown } from "../shared/format.js";
import { texts } from "../texts.js";

/** @typedef {import("./folders.js").LeftWhy} LeftWhy */

/** Names shown for each reason. */
const NAMES = 100;

export class LeftOut {
  /** What came together is told together. @type {Set<[LeftWhy, string][]>} */
  #batches = new Set();

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.summary = el("summary");
    this.list = el("div", { class: "names" });
    this.element = el("details", { class: "left", data: { testid: "uploads-left" }, hidden: true }, this.summary, this.list);
    this.element.addEventListener("toggle", () => this.#drawNames());
  }

  get size() {
    return [...this.#batches].reduce((sum, { length }) => sum + length, 0);
  }

  /** @param {[LeftWhy, string][]} left */
  add(left) {
    if (left.length) this.#batches.add(left);
    this.#draw();
  }

  /** They were not to be sent at all. @param {[LeftWhy, string][]} left */
  remove(left) {
    this.#batches.delete(left);
    this.#draw();
  }

  clear() {
    this.#batches.clear();
    this.#draw();
  }

  /** Always in the same order. @returns {[LeftWhy, string[]][]} */
  get #reasons() {
    const all = [...this.#batches].flat();
    const reasons = /** @type {LeftWhy[]} */ (Object.keys(texts.leftWhy));
    return reasons.map((why) => /** @type {[LeftWhy, string[]]} */ ([why, all.filter(([each]) => each === why).map(([, name]) => name)])).filter(([, names]) => names.length);
  }

  #draw() {
    this.element.hidden = !this.size;
    this.summary.textContent = texts.leftOut(this.size, this.#reasons.map(([why, { length }]) => texts.leftWhy[why](length)));
    this.#drawNames();
    this.changed();
  }

  #drawNames() {
    if (!this.element.open) return this.list.replaceChildren();
    this.list.replaceChildren(...this.#reasons.map(([why, names]) => el("p", {},
      el("strong", { text: texts.leftWhy[why](names.length) }),
      ` ${names.slice(0, NAMES).map(shown).join(", ")}${names.length > NAMES ? texts.andMore(names.length - NAMES) : ""}`)));
  }
}

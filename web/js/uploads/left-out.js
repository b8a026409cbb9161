/** What of folders was not sent, and why: a count for each reason, and the names for who wants them. */
import { el } from "../shared/dom.js";
import { shown } from "../shared/format.js";
import { texts } from "../texts.js";

/** @typedef {import("./folders.js").LeftWhy} LeftWhy */

/** Names shown for each reason. */
const NAMES = 100;

export class LeftOut {
  /** @type {Map<LeftWhy, string[]>} */
  #names = new Map();

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.summary = el("summary");
    this.list = el("div", { class: "names" });
    this.element = el("details", { class: "left", data: { testid: "uploads-left" }, hidden: true }, this.summary, this.list);
    this.element.addEventListener("toggle", () => this.#drawNames());
  }

  get size() {
    return [...this.#names.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** @param {[LeftWhy, string][]} left */
  add(left) {
    if (!left.length) return;
    for (const [why, name] of left) {
      const names = this.#names.get(why) ?? [];
      names.push(name);
      this.#names.set(why, names);
    }
    this.#draw();
  }

  clear() {
    this.#names.clear();
    this.#draw();
  }

  /** Always in the same order. @returns {[LeftWhy, string[]][]} */
  get #reasons() {
    const all = /** @type {LeftWhy[]} */ (Object.keys(texts.leftWhy));
    return all.map((why) => /** @type {[LeftWhy, string[]]} */ ([why, this.#names.get(why) ?? []])).filter(([, names]) => names.length);
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

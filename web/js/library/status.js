/** The status line: how many images, how many in the queue, how many rejected, how many given up. */
import { button, el } from "../shared/dom.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Stats} Stats */

const SOON_MS = 2000;
const LATER_MS = 15_000;

export class Status {
  /** @type {Stats|null} */
  stats = null;
  #timer = 0;
  #asking = false;
  #drawn = "";

  /**
   * @param {import("../api.js").Api} api
   * @param {HTMLElement} line
   * @param {{pending: () => boolean, changed: (now: Stats, before: Stats|null) => void, rejected: () => void, dead: () => void}} listener
   */
  constructor(api, line, listener) {
    this.api = api;
    this.line = line;
    this.listener = listener;
    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(this.#timer) : this.refresh()));
    addEventListener("online", () => this.refresh());
  }

  get waiting() {
    const queue = this.stats?.queue;
    return queue ? queue.waiting + queue.in_flight : 0;
  }

  async refresh() {
    clearTimeout(this.#timer);
    if (this.#asking) return;
    this.#asking = true;
    let lost = false;
    try {
      const before = this.stats;
      this.stats = await this.api.stats();
      this.#draw();
      this.listener.changed(this.stats, before);
    } catch {
      lost = true;
      this.#drawn = "";
      this.line.replaceChildren(el("span", { class: "lost", text: texts.statusLost }));
    }
    this.#asking = false;
    if (document.hidden) return;
    this.#timer = setTimeout(() => this.refresh(), lost || this.waiting || this.listener.pending() ? SOON_MS : LATER_MS);
  }

  #draw() {
    const { images, dead_letters: dead } = /** @type {Stats} */ (this.stats);
    const drawn = JSON.stringify([images, this.waiting, dead]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const active = /** @type {HTMLElement|null} */ (document.activeElement);
    const focused = active && this.line.contains(active) ? active.dataset.testid : "";
    const rejected = images.rejected > 0 && button({ text: texts.statusRejected(images.rejected), class: "text-button", data: { testid: "status-rejected" }, click: this.listener.rejected });
    const given = dead && dead.waiting > 0 && button({ text: texts.statusDead(dead.waiting), class: "text-button", data: { testid: "status-dead" }, click: this.listener.dead });
    this.line.replaceChildren(
      ...[
        images.ready > 0 && el("span", { class: "count", data: { testid: "status-images" }, text: texts.total(images.ready) }),
        this.waiting > 0 && el("span", { class: "busy", data: { testid: "status-waiting" }, text: texts.statusWaiting(this.waiting) }),
        rejected,
        given,
      ].filter((part) => part !== false && part !== undefined),
    );
    for (const each of [rejected, given]) if (focused && each && each.dataset.testid === focused) each.focus();
  }
}

/** The status line: how many images, how many in the queue, rejected, given up; and what is wrong with the API or the way to it. */
import { announce } from "../shared/announce.js";
import { button, el } from "../shared/dom.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Stats} Stats */

const SOON_MS = 2000;
const LATER_MS = 15_000;
const TOLD_MS = 6000;

export class Status {
  /** @type {Stats|null} */
  stats = null;
  #timer = 0;
  #asking = false;
  #drawn = "";
  #failures = 0;
  /** Until when something is told. */
  #told = 0;

  /**
   * @param {import("../api.js").Api} api
   * @param {HTMLElement} line
   * @param {{pending: () => boolean, changed: (now: Stats, before: Stats|null) => void, rejected: () => Promise<void>, dead: () => Promise<void>}} listener
   */
  constructor(api, line, listener) {
    this.api = api;
    this.line = line;
    this.listener = listener;
    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(this.#timer) : this.refresh()));
    addEventListener("online", () => {
      announce(texts.statusBack);
      this.refresh();
    });
    addEventListener("offline", () => announce(this.#lost()));
    api.onWait = (at) => (at ? announce(this.#lost(`${texts.laterTitle}. ${texts.later(new Date(at))}`)) : this.refresh());
  }

  get waiting() {
    const queue = this.stats?.queue;
    return queue ? queue.waiting + queue.in_flight : 0;
  }

  async refresh() {
    clearTimeout(this.#timer);
    if (this.#asking) return;
    this.#asking = true;
    let next = LATER_MS;
    try {
      const before = this.stats;
      this.stats = await this.api.stats();
      this.#failures = 0;
      this.#draw();
      this.listener.changed(this.stats, before);
      if (this.waiting || this.listener.pending()) next = SOON_MS;
    } catch (error) {
      const { retryAt = 0, status = 0 } = /** @type {import("../api.js").ApiError} */ (error);
      if (status !== 429) this.#lost(status > 499 ? texts.statusFailing : texts.statusLost);
      next = Math.max(retryAt - Date.now(), Math.min(LATER_MS, SOON_MS * 2 ** this.#failures));
      this.#failures += 1;
    }
    this.#asking = false;
    if (!document.hidden) this.#timer = setTimeout(() => this.refresh(), next);
  }

  /** Says what is wrong, until an answer has come. @param {string} [text] */
  #lost(text = "") {
    const said = navigator.onLine ? text : texts.statusOffline;
    this.#drawn = "";
    this.line.replaceChildren(el("span", { class: "lost", text: said }));
    return said;
  }

  /** Says something for a while. @param {string} text */
  tell(text) {
    this.#told = Date.now() + TOLD_MS;
    announce(this.#lost(text));
  }

  /** A list of its own, which may not come. @param {() => Promise<void>} show */
  #open(show) {
    show().catch(() => this.tell(texts.statusLost));
  }

  #draw() {
    const { images, dead_letters: dead } = /** @type {Stats} */ (this.stats);
    const drawn = JSON.stringify([images, this.waiting, dead]);
    if (drawn === this.#drawn || Date.now() < this.#told) return;
    this.#drawn = drawn;
    const active = /** @type {HTMLElement|null} */ (document.activeElement);
    const focused = active && this.line.contains(active) ? active.dataset.testid : "";
    const rejected = images.rejected > 0 && button({ text: texts.statusRejected(images.rejected), class: "text-button", data: { testid: "status-rejected" }, click: () => this.#open(this.listener.rejected) });
    const given = dead && dead.waiting > 0 && button({ text: texts.statusDead(dead.waiting), class: "text-button", data: { testid: "status-dead" }, click: () => this.#open(this.listener.dead) });
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

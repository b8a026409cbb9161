/** What the first view has of uploads. All else is fetched at the first need; files wait here meanwhile. */
import { announce } from "../shared/announce.js";
import { loadStyle } from "../shared/dom.js";
import { texts } from "../texts.js";

/**
 * Files that came together: those of `entries` are yet to be walked through.
 * @typedef {{files: File[], entries?: any[]}} Arrival
 */

const AGAIN_MS = 4000;

export class Door {
  /** @type {Arrival[]} */
  #waiting = [];
  /** @type {import("./desk.js").Desk|null} */
  #desk = null;
  /** @type {Promise<void>|null} */
  #loading = null;

  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
  }

  /** Fetches what uploads need; again and again while that does not work and files wait. */
  prepare() {
    this.#loading ??= Promise.all([import("./desk.js"), loadStyle("css/uploads.css")]).then(([{ Desk }]) => {
      this.#desk = new Desk(this.page);
      this.#hand();
    }, () => {
      this.#loading = null;
      if (!this.#waiting.length) return;
      announce(texts.uploadsLate);
      setTimeout(() => this.prepare(), AGAIN_MS);
    });
  }

  /** @param {Arrival} arrival */
  take(arrival) {
    this.#waiting.push(arrival);
    if (this.#desk) this.#hand();
    else this.prepare();
  }

  #hand() {
    for (const arrival of this.#waiting.splice(0)) this.#desk?.take(arrival);
  }

  /** Whether leaving the page would lose what has been chosen. */
  get unsent() {
    return this.#waiting.length > 0 || Boolean(this.#desk?.unsent);
  }

  /** Whether something may become searchable soon. */
  get busy() {
    return this.unsent || Boolean(this.#desk?.uploads.busy);
  }

  end() {
    this.#waiting = [];
    this.#desk?.end();
  }
}

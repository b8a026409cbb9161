/** What has come while something further down is looked at: a button says how much, and goes there. Nothing moves by itself. */
import { announce } from "../shared/announce.js";
import { button, byId } from "../shared/dom.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Image} Image */

export class Held {
  /** The newest first. @type {Image[]} */
  #images = [];
  /** The first page as it is now, where nothing that is shown is on it. @type {import("../api.js").Page|null} */
  #anew = null;

  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.button = button({ text: " ", class: "button primary fresh", data: { testid: "fresh" }, click: () => this.#show() });
  }

  /** @param {Image[]} images newer than those shown @param {import("../api.js").Page|null} anew */
  add(images, anew) {
    const { results, search } = this.page;
    const known = new Set([...results.grid.items, ...this.#images].map(({ id }) => id));
    const fresh = images.filter(({ id }) => !known.has(id));
    this.#anew = anew;
    if (!fresh.length) return;
    this.#images = [...fresh, ...this.#images];
    search.count(fresh.length);
    const text = texts.fresh(this.#images.length, Boolean(anew));
    /** @type {HTMLElement} */ (this.button.firstElementChild).textContent = text;
    if (!this.button.isConnected) byId("grid").before(this.button);
    announce(text);
  }

  /** Another answer is drawn: this is no news there. */
  forget() {
    this.#images = [];
    this.#anew = null;
    this.button.remove();
  }

  #show() {
    const { filters, results, search } = this.page;
    const [images, anew] = [this.#images, this.#anew];
    scrollTo({ top: 0, behavior: "instant" });
    this.forget();
    if (anew) {
      search.renew(anew);
      results.draw(anew.items);
    } else {
      results.grid.prepend(images);
      filters.learn(images);
      results.drawSummary();
    }
    results.grid.focus(anew?.items[0]?.id ?? images[0].id);
  }
}

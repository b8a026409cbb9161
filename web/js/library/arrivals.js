/** What arrives while the page is open: uploads of this page, and files dropped straight into the bucket. */
import { hasFilters, isLibrary } from "../asking/query.js";
import { noticeShown } from "../answer/notices.js";

/**
 * @typedef {import("../api.js").Image} Image
 * @typedef {import("../api.js").Stats} Stats
 */

const REFRESH_MS = 800;

export class Arrivals {
  #timer = 0;
  /** @type {import("./held.js").Held|undefined} */
  #held;

  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
  }

  /** @param {Image[]} images */
  uploaded(images) {
    const { kept, results, search, status } = this.page;
    kept.clear();
    status.refresh();
    if (!isLibrary(search.query)) return;
    if (hasFilters(search.query) || results.grid.busy) return this.#refreshSoon();
    this.#arrived([...images].sort((a, b) => b.uploaded_at.localeCompare(a.uploaded_at)));
  }

  /** @param {Stats} now @param {Stats|null} before */
  counted(now, before) {
    const { results, search, status } = this.page;
    if (search.error?.passing) return void (Date.now() < search.error.retryAt || search.run(search.query));
    const library = isLibrary(search.query);
    const idle = !results.grid.busy;
    const shown = results.grid.items.length;
    if (before && now.images.ready !== before.images.ready && library) this.#refreshSoon();
    else if (!before && shown && idle) results.drawSummary();
    else if (!shown && idle && library && !search.error && (noticeShown() === "waiting" || status.waiting)) results.drawSummary();
  }

  /** Another answer is drawn: what was held back is no news there. */
  forget() {
    this.#held?.forget();
  }

  /** @param {Image[]} images newer than those shown */
  #arrived(images) {
    const { filters, results, search } = this.page;
    if (results.grid.scrolled) return void this.#hold(images).catch(console.error);
    search.count(results.grid.prepend(images));
    filters.learn(images);
    results.drawSummary();
  }

  /** Nothing moves what is looked at. @param {Image[]} images @param {import("../api.js").Page|null} [anew] */
  async #hold(images, anew = null) {
    const { query } = this.page.search;
    const { Held } = await import("./held.js");
    this.#held ??= new Held(this.page);
    if (query === this.page.search.query) this.#held.add(images, anew);
  }

  #refreshSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#refresh(), REFRESH_MS);
  }

  async #refresh() {
    const { results, search } = this.page;
    if (!isLibrary(search.query)) return;
    const page = await search.newest().catch(() => null);
    if (!page) return;
    const shown = new Set(results.grid.items.map(({ id }) => id));
    const last = page.items.findIndex(({ id }) => shown.has(id));
    const fresh = last < 0 ? page.items : page.items.slice(0, last);
    if (last < 0 && results.grid.scrolled) await this.#hold(page.items, page).catch(console.error);
    else if (last < 0) {
      search.renew(page);
      results.draw(page.items);
    } else if (fresh.length) this.#arrived(fresh);
    if (page.total !== undefined && page.total !== null) search.about = { ...search.about, total: page.total };
  }
}

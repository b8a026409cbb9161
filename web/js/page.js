/** Puts the parts together: the address says what is shown, the parts tell the address what was asked. */
import { Composer } from "./asking/composer.js";
import { Door } from "./uploads/door.js";
import { takeFiles } from "./uploads/drop.js";
import { Arrivals } from "./library/arrivals.js";
import { byId } from "./shared/dom.js";
import { Filters } from "./asking/filters.js";
import { KeptAnswers } from "./asking/kept.js";
import { Newcomer } from "./library/newcomer.js";
import { anew, hasFilters, isLibrary, queryAddress, readQuery, sameQuery } from "./asking/query.js";
import { Results } from "./answer/results.js";
import { Search } from "./asking/search.js";
import { SearchBox } from "./asking/search-box.js";
import { Status } from "./library/status.js";
import { texts } from "./texts.js";
import { Viewing } from "./viewer/viewing.js";

/**
 * @typedef {import("./asking/query.js").Query} Query
 * @typedef {import("./api.js").Image} Image
 */

export class Page {
  kept = new KeptAnswers();
  #typing = false;

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    const { query, image } = readQuery(location.search);
    this.api = api;
    this.newcomer = new Newcomer(this);
    this.results = new Results(this);
    this.search = new Search(api, query, this.results, () => this.#known());
    this.box = new SearchBox((text, typing) => this.#asked(text, typing));
    this.composer = new Composer(this);
    this.filters = new Filters((filters) => this.ask({ ...this.search.query, ...filters }));
    this.uploads = new Door(this);
    this.arrivals = new Arrivals(this);
    this.status = new Status(api, byId("status"), {
      pending: () => this.uploads.busy,
      changed: (now, before) => this.arrivals.counted(now, before),
      rejected: async () => (await this.#list("rejected")).open(),
      dead: async () => (await this.#list("dead")).open(),
    });
    this.viewing = new Viewing(this);
    takeFiles(this.uploads, () => api.may("upload"), (files, event) => this.composer.takes(files, event));
    this.#drawRights();
    this.#listen();
    this.#drawQuery(query);
    this.search.run(query).then(() => this.viewing.prepare());
    this.status.refresh();
    if (image) this.viewing.openById(image);
  }

  #listen() {
    history.scrollRestoration = "manual"; // the browser's comes after ours, and knows nothing of what has gone above the grid
    addEventListener("popstate", () => this.#follow());
    addEventListener("online", () => this.results.online());
    addEventListener("beforeunload", (event) => this.busy() && event.preventDefault());
    byId("search").addEventListener("blur", () => (this.#typing = false));
    document.querySelector(".brand")?.addEventListener("click", (event) => {
      if (/** @type {MouseEvent} */ (event).ctrlKey || /** @type {MouseEvent} */ (event).metaKey) return;
      event.preventDefault();
      this.ask(readQuery("").query);
    });
  }

  /* What is asked */

  /**
   * Asks for something new: a step in the history, unless it goes on from the last one.
   * @param {Query} query
   * @param {{step?: "push"|"replace", limit?: number}} [how] `limit`: how many at first; the answer goes on from what is shown
   */
  ask(query, { step = "push", limit } = {}) {
    this.#typing = false;
    if (sameQuery(query, this.search.query) && !this.search.error) return this.#drawQuery(query);
    this.#keepAnswer();
    history[step === "push" ? "pushState" : "replaceState"](null, "", queryAddress(query));
    this.#run(query, limit);
  }

  /** @param {string} text @param {boolean} typing */
  #asked(text, typing) {
    const goesOn = this.#typing;
    this.ask(anew(this.search.query, { q: text }), { step: goesOn ? "replace" : "push" });
    this.#typing = typing;
  }

  /** @param {Query} query @param {number} [limit] */
  #run(query, limit) {
    this.#drawQuery(query);
    this.search.run(query, limit);
    if (!limit) scrollTo(0, 0);
  }

  /** The address has changed by the back or forward button. */
  #follow() {
    const { query, image } = readQuery(location.search);
    this.#typing = false;
    if (!sameQuery(query, this.search.query)) {
      this.#keepAnswer();
      const kept = this.kept.of(query);
      if (kept) {
        this.#drawQuery(query);
        this.search.resume(query, kept.about);
        this.results.draw(kept.items);
        scrollTo(0, kept.scroll);
        this.results.grid.standAt(kept.anchor);
      } else this.#run(query);
    }
    this.viewing.follow(image);
  }

  /** The address says from now on what was sent. */
  #known() {
    history.replaceState(history.state, "", queryAddress(this.search.query, readQuery(location.search).image));
    this.composer.set(this.search.query); // and nothing else: somebody may be typing on
  }

  #keepAnswer() {
    const { items, busy, anchor } = this.results.grid;
    this.kept.keep(this.search.query, items.length && !busy ? { items, about: this.search.about, scroll: scrollY, anchor } : null);
  }

  /** @param {Query} query */
  #drawQuery(query) {
    const words = query.q.trim();
    this.box.set(query);
    this.filters.set(query);
    this.composer.set(query);
    document.title = words ? `${words} · ${texts.title}` : texts.title;
  }

  get plainLibrary() {
    return isLibrary(this.search.query) && !hasFilters(this.search.query);
  }

  /** @param {string} id */
  async imageOf(id) {
    return this.results.grid.items.find((image) => image.id === id) ?? (await this.api.image(id).catch(() => undefined));
  }

  /* Who is here */

  busy() {
    return this.uploads.unsent;
  }

  /** Signed in, for the first time or anew: pictures that were refused meanwhile are asked for again. */
  entered() {
    this.#drawRights();
    this.results.grid.askAgain();
  }

  leaving() {
    this.uploads.end();
  }

  #drawRights() {
    for (const name of ["upload-button", "upload-folder"]) byId(name).hidden = !this.api.may("upload");
  }

  /* The lists of what went wrong */

  /** @type {Partial<Record<"rejected"|"dead", {open: () => void}>>} */
  #lists = {};

  /** Fetched when first asked for. @param {"rejected"|"dead"} name */
  async #list(name) {
    const gone = () => this.status.refresh();
    if (name === "rejected") return (this.#lists.rejected ??= new (await import("./library/rejected.js")).Rejected(byId("rejected"), this.api, gone));
    return (this.#lists.dead ??= new (await import("./library/dead-letters.js")).DeadLetters(byId("dead"), this.api, gone));
  }

  /** @param {string} id */
  async remove(id) {
    await this.api.remove(id);
    this.kept.clear();
    this.results.removed(id);
    this.status.refresh();
  }
}

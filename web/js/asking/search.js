/** What is asked and what came of it: one run at a time, an older answer never drawn over a newer one. */
import { ApiError, isAbort } from "../api.js";
import { withVectors } from "./query.js";

/**
 * @typedef {import("../api.js").Page} Page
 * @typedef {import("./query.js").Query} Query
 * @typedef {object} About what is known of an answer beside its items
 * @property {string|null} cursor
 * @property {number|null} total
 * @property {boolean|null} matched whether anything matches; null: not told
 * @property {number} rest how many are beyond the cut-off
 * @property {import("../api.js").Facets|null} facets
 * @typedef {object} View what draws the answers
 * @property {() => void} loading
 * @property {(query: Query) => Promise<void>} prepare fetches what an answer is drawn with
 * @property {(page: Page) => void} found
 * @property {(page: Page) => void} foundMore
 * @property {(error: ApiError) => void} failed
 * @property {(error: ApiError) => void} moreFailed
 */

/** @type {About} */
const NOTHING = { cursor: null, total: null, matched: null, rest: 0, facets: null };

/** How many come at once behind the first page: whoever goes on wants more. */
const NEXT_PAGE = 120;

/** @param {Page} page @returns {About} */
const aboutOf = (page) => ({ cursor: page.next_cursor, total: page.total ?? null, matched: page.matched ?? null, rest: page.rest ?? 0, facets: page.facets ?? null });

export class Search {
  /** @type {AbortController|null} */
  #run = null;
  /** @type {Promise<void>|null} */
  #more = null;
  about = NOTHING;
  /** @type {ApiError|null} */
  error = null;

  /** @param {import("../api.js").Api} api @param {Query} query @param {View} view @param {() => void} onKnown the query has become another way to ask for the same */
  constructor(api, query, view, onKnown) {
    this.api = api;
    this.query = query;
    this.view = view;
    this.onKnown = onKnown;
  }

  /** @param {Query} query @param {number} [limit] how many at first */
  async run(query, limit) {
    const run = this.#start(query);
    this.view.loading();
    try {
      const [page] = await Promise.all([this.api.page(query, { limit, signal: run.signal }), this.view.prepare(query).catch(() => {})]); // without, less is told
      if (run !== this.#run) return;
      this.about = aboutOf(page);
      if (page.vectors) {
        this.query = withVectors(query, page.vectors);
        this.onKnown();
      }
      this.view.found(page);
    } catch (error) {
      if (run !== this.#run || isAbort(error)) return;
      this.error = asApiError(error);
      this.view.failed(this.error);
    }
  }

  /** The next page, once however often it is asked for. */
  more() {
    const { cursor } = this.about;
    if (!cursor || !this.#run) return Promise.resolve();
    this.#more ??= this.#loadMore(this.#run, cursor);
    return this.#more;
  }

  /** Takes up an answer drawn before, without asking again. @param {Query} query @param {About} about */
  resume(query, about) {
    this.#start(query);
    this.about = about;
  }

  /** So many more, or fewer, than were counted. @param {number} n */
  count(n) {
    const { total } = this.about;
    if (total !== null) this.about = { ...this.about, total: Math.max(0, total + n) };
  }

  /** The first page of what is shown, in place of what was. @param {Page} page */
  renew(page) {
    this.resume(this.query, aboutOf(page));
  }

  /** The first page of what is shown, as it is now; null when something newer was asked meanwhile. */
  async newest() {
    const run = this.#run;
    const page = await this.api.page(this.query, { signal: run?.signal });
    return run === this.#run ? page : null;
  }

  /** @param {Query} query */
  #start(query) {
    this.#run?.abort();
    this.#run = new AbortController();
    this.#more = null;
    this.query = query;
    this.about = NOTHING;
    this.error = null;
    return this.#run;
  }

  /** @param {AbortController} run @param {string} cursor */
  async #loadMore(run, cursor) {
    try {
      const page = await this.api.page(this.query, { cursor, limit: NEXT_PAGE, signal: run.signal });
      if (run !== this.#run) return;
      this.#more = null;
      this.about = { ...this.about, cursor: page.next_cursor };
      this.view.foundMore(page);
    } catch (error) {
      if (run !== this.#run || isAbort(error)) return;
      this.#more = null;
      this.view.moreFailed(asApiError(error));
    }
  }
}

/** @param {unknown} error */
function asApiError(error) {
  if (error instanceof ApiError) return error;
  console.error(error);
  return new ApiError({ status: -1, code: "page", message: String(error) });
}

/** What is asked and what came of it: one run at a time, an older answer never drawn over a newer one. */
import { ApiError, isAbort } from "../api.js";

/**
 * @typedef {import("../api.js").Page} Page
 * @typedef {import("./query.js").Query} Query
 * @typedef {object} View what draws the answers
 * @property {() => void} loading
 * @property {(page: Page) => void} found
 * @property {(page: Page) => void} foundMore
 * @property {(error: ApiError) => void} failed
 * @property {(error: ApiError) => void} moreFailed
 */

export class Search {
  /** @type {AbortController|null} */
  #run = null;
  /** @type {Promise<void>|null} */
  #more = null;
  /** @type {string|null} */
  cursor = null;
  /** @type {number|null} */
  total = null;
  /** @type {ApiError|null} */
  error = null;

  /** @param {import("../api.js").Api} api @param {Query} query @param {View} view */
  constructor(api, query, view) {
    this.api = api;
    this.query = query;
    this.view = view;
  }

  /** @param {Query} query */
  async run(query) {
    const run = this.#start(query);
    this.view.loading();
    try {
      const page = await this.api.page(query, { signal: run.signal });
      if (run !== this.#run) return;
      this.cursor = page.next_cursor;
      this.total = page.total ?? null;
      this.view.found(page);
    } catch (error) {
      if (run !== this.#run || isAbort(error)) return;
      this.error = asApiError(error);
      this.view.failed(this.error);
    }
  }

  /** The next page, once however often it is asked for. */
  more() {
    if (!this.cursor || !this.#run) return Promise.resolve();
    this.#more ??= this.#loadMore(this.#run, this.cursor);
    return this.#more;
  }

  /** Takes up an answer drawn before, without asking again. @param {Query} query @param {string|null} cursor @param {number|null} total */
  resume(query, cursor, total) {
    this.#start(query);
    this.cursor = cursor;
    this.total = total;
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
    this.cursor = null;
    this.error = null;
    return this.#run;
  }

  /** @param {AbortController} run @param {string} cursor */
  async #loadMore(run, cursor) {
    try {
      const page = await this.api.page(this.query, { cursor, signal: run.signal });
      if (run !== this.#run) return;
      this.#more = null;
      this.cursor = page.next_cursor;
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

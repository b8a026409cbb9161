/** Draws what a search answered: the pictures, the line that counts them, and what stands where none are. */
import { announce } from "../shared/announce.js";
import { byId } from "../shared/dom.js";
import { Grid } from "./grid.js";
import { prepareSearch } from "./place.js";
import { answerCame, awaitAnswer, hideNotice, noticeShown, showEmpty, showError, showNothing, showWaiting } from "./notices.js";
import { PAGE_SIZE } from "../api.js";
import { hasFilters, isLibrary, queryAddress } from "../asking/query.js";
import { texts } from "../texts.js";

/**
 * @typedef {import("../api.js").Image} Image
 * @typedef {import("../api.js").Page} Answer
 * @typedef {import("../asking/query.js").Query} Query
 */

const RETRY_MS = 4000;
/** Twice as long each time, up to so many times. */
const MOST_DOUBLED = 4;
const REFRESHED_MS = 1500;
/** The most images the API gives at once. */
const MOST_AT_ONCE = 200;
/** The most a search ranks. */
const MOST_RANKED = 1000;

export class Results {
  #retryTimer = 0;
  #failures = 0;
  #moreFailed = false;
  #againTimer = 0;
  /** The button that asked for what is beyond the cut-off is gone by then: the focus goes there. */
  #goBeyond = false;
  /** @type {import("../asking/narrow.js").Narrow|undefined} */
  #narrow;

  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.grid = new Grid(byId("grid"), byId("rest"), (image) => page.viewing.open(image));
    this.copies = byId("copies");
    this.copies.addEventListener("click", () => page.ask({ ...this.#query, copies: this.#query.copies ? "" : "all" }));
    this.order = byId("order");
    this.order.addEventListener("change", () => page.ask(/** @type {Query} */ ({ ...this.#query, order: this.order.value, closest: "" })));
    this.scores = byId("scores");
    this.scores.addEventListener("click", () => this.#turnScores());
    this.tail = byId("tail");
    this.end = byId("end");
    this.tail.querySelector("button").addEventListener("click", () => this.#showClosest());
    this.more = byId("more");
    this.moreButton = this.more.querySelector("button");
    this.moreButton.addEventListener("click", () => this.#loadMore());
    this.watch = new IntersectionObserver(([entry]) => entry.isIntersecting && this.#loadMore(), { rootMargin: "1200px 0px" });
  }

  get #query() {
    return this.page.search.query;
  }

  get #about() {
    return this.page.search.about;
  }

  /* What the search tells */

  loading() {
    clearTimeout(this.#retryTimer);
    this.#showMore(false);
    awaitAnswer();
    this.#makeRoom();
    if (this.grid.items.length || noticeShown()) return this.grid.stale();
    this.page.newcomer.expect();
    this.grid.skeleton();
    byId("summary").textContent = texts.searching;
  }

  /** For what will stand above the answer of a search: appearing with it, it would push it down. */
  #makeRoom() {
    const search = !isLibrary(this.#query);
    byId("narrow").hidden = !search;
    if (!search) return;
    this.order.closest("label").hidden = false;
    this.page.newcomer.expect();
  }

  /** What only the answer of a search needs is fetched beside it, not with the page. @param {Query} query */
  async prepare(query) {
    if (isLibrary(query)) return;
    const { page } = this;
    const [{ Narrow }] = await Promise.all([import("../asking/narrow.js"), prepareSearch()]);
    this.#narrow ??= new Narrow((filters) => page.filters.quietly(() => page.ask({ ...this.#query, ...filters })));
  }

  /** @param {Answer} answer */
  found(answer) {
    startClock();
    this.#failures = 0;
    this.draw(answer.items);
    if (this.#goBeyond) this.grid.focusBeyond();
    this.#goBeyond = false;
    if (!this.page.plainLibrary) announce(announcementOf(this.#about, answer.items.length));
  }

  /** @param {Answer} answer */
  foundMore(answer) {
    const pressed = document.activeElement === this.moreButton;
    this.grid.partial = Boolean(this.#about.cursor);
    this.more.hidden = true; // in sight it would be seen to jump
    this.grid.append(answer.items);
    if (pressed) this.grid.focus(answer.items[0]?.id ?? "");
    this.page.filters.learn(answer.items);
    this.#drawCopiesToggle();
    this.#showMore(Boolean(this.#about.cursor));
  }

  /** @param {import("../api.js").ApiError} error */
  failed(error) {
    const { search, status } = this.page;
    answerCame();
    this.#goBeyond = false;
    this.grid.partial = false;
    this.grid.show([]);
    byId("summary").textContent = "";
    this.#drawControls();
    error.retryAt = Math.max(error.retryAt, Date.now() + RETRY_MS * 2 ** Math.min(this.#failures, MOST_DOUBLED));
    this.#failures += 1;
    const said = showError(error, () => search.run(search.query));
    if (said) announce(said);
    if (error.passing) this.#retryTimer = setTimeout(() => status.refresh(), error.retryAt - Date.now());
  }

  /** The connection is back: what did not come is asked for again. */
  online() {
    if (this.page.search.error) this.page.search.run(this.page.search.query);
    if (this.#moreFailed) this.#loadMore();
    this.grid.askAgain();
  }

  moreFailed() {
    this.#moreFailed = true;
    this.grid.finish();
    this.moreButton.textContent = texts.moreFailed;
    announce(texts.moreFailed);
  }

  /* What is drawn */

  /** @param {Image[]} items */
  draw(items) {
    answerCame();
    this.page.arrivals.forget();
    this.grid.partial = Boolean(this.#about.cursor);
    this.grid.mark(Boolean(this.#query.scores));
    this.grid.show(items);
    this.page.filters.learn(items);
    this.drawSummary();
    this.#showMore(Boolean(this.#about.cursor));
  }

  drawSummary() {
    const shown = this.grid.items.length;
    const query = this.#query;
    byId("summary").textContent = !shown ? "" : this.#summary(Math.max(this.#about.total ?? 0, shown));
    this.#drawControls();
    this.page.newcomer.shown(shown > 0 && this.page.plainLibrary, !isLibrary(query));
    if (shown) hideNotice();
    else if (!this.page.plainLibrary) this.#sayNothing(query);
    else if (this.page.status.waiting) showWaiting(this.page.status.waiting);
    else showEmpty(this.page.api.may("upload"));
  }

  /** How many stands in the status line already when it is all of them. @param {number} total */
  #summary(total) {
    const query = this.#query;
    if (isLibrary(query)) return hasFilters(query) ? texts.filtered(total) : texts.library;
    const { matched } = this.#about;
    if (matched === null) return total === this.page.status.stats?.images.ready ? texts.rankedAll : texts.ranked(total);
    if (query.closest) return matched ? texts.closestToo(total) : texts.closestOnly(total);
    return texts.matching(total);
  }

  /** @param {Query} query */
  #sayNothing(query) {
    const { matched, rest } = this.#about;
    showNothing({
      search: !isLibrary(query) && matched !== null,
      closest: rest > 0 ? () => this.#showClosest() : null,
      clearFilters: hasFilters(query) ? () => this.page.filters.form.reset() : null,
    });
  }

  #drawControls() {
    const query = this.#query;
    const { facets, matched, rest } = this.#about;
    const search = !isLibrary(query);
    const shown = this.grid.items.length > 0;
    this.order.closest("label").hidden = !search || !shown || matched === false;
    this.order.value = query.order || "";
    this.#narrow?.show(search && shown ? facets : null, query);
    byId("lead").hidden = !search || !shown || matched !== false;
    byId("beyond-title").hidden = !byId("lead").hidden;
    this.scores.hidden = !search || !shown;
    this.scores.textContent = query.scores ? texts.scoresHide : texts.scoresShow;
    this.tail.hidden = !shown || !rest || Boolean(this.#about.cursor);
    byId("tail-text").textContent = texts.lessAlikeMore(rest);
    this.#drawCopiesToggle();
  }

  /** Offered where copies are folded away, and where they are not because that was asked for. */
  #drawCopiesToggle() {
    const query = this.#query;
    const folded = this.grid.items.some(({ copies }) => copies && copies.exact + copies.near > 0);
    this.copies.hidden = isLibrary(query) || !this.grid.items.length || !(query.copies || folded);
    this.copies.textContent = query.copies ? texts.copiesFold : texts.copiesShow;
  }

  /** The same answer with the numbers on it, or without: nothing is asked for. */
  #turnScores() {
    const query = { ...this.#query, scores: this.#query.scores ? "" : "true" };
    this.page.search.query = query;
    history.replaceState(history.state, "", queryAddress(query));
    this.grid.mark(Boolean(query.scores));
    this.#drawControls();
  }

  /** What is beyond the cut-off too, behind what is shown. It has no order but its likeness. */
  #showClosest() {
    const shown = this.grid.items.length;
    this.#goBeyond = true;
    this.page.ask({ ...this.#query, closest: "true", order: "" }, shown ? { limit: Math.min(MOST_AT_ONCE, shown + 60) } : {});
  }

  /* Paging */

  /** @param {boolean} on */
  #showMore(on) {
    this.#moreFailed = false;
    this.more.hidden = !on;
    this.moreButton.textContent = texts.more;
    const shown = this.grid.items.length;
    this.tail.hidden = on || !shown || !this.#about.rest;
    this.end.hidden = on || shown <= PAGE_SIZE || !this.tail.hidden;
    this.end.textContent = isLibrary(this.#query) || shown < MOST_RANKED ? texts.end(shown) : texts.endRanked(shown);
    this.watch.unobserve(this.more);
    if (on) this.watch.observe(this.more); // asked anew each time: fires again while still in sight
  }

  #loadMore() {
    this.#moreFailed = false;
    this.moreButton.textContent = texts.moreLoading;
    this.watch.unobserve(this.more); // until the page has come; after a failure only by hand
    return this.page.search.more();
  }

  /* What is deleted */

  /** @param {string} id */
  removed(id) {
    const image = this.grid.items.find((each) => each.id === id);
    if (!image || (image.copies && image.copies.exact + image.copies.near > 0)) this.#askAgainSoon();
    if (image || isLibrary(this.#query)) this.page.search.count(-1);
    this.grid.remove(id);
    this.drawSummary();
  }

  /** A copy is gone: those behind it come forward, or one fewer stands behind another. The index may take a second. */
  #askAgainSoon() {
    const query = this.#query;
    clearTimeout(this.#againTimer);
    this.#againTimer = setTimeout(() => this.#query === query && this.page.search.run(query), REFRESHED_MS);
  }
}

/** Notes when the answer came, and when it is on the screen (`answer`, `drawn`, and the time between as `answer-drawn`), for whoever measures: the last one only. */
function startClock() {
  for (const name of ["answer", "drawn"]) performance.clearMarks(name);
  performance.clearMeasures("answer-drawn");
  performance.mark("answer");
  requestAnimationFrame(() => setTimeout(() => {
    performance.mark("drawn");
    performance.measure("answer-drawn", "answer", "drawn");
  }));
}

/** @param {import("../asking/search.js").About} about @param {number} shown */
function announcementOf({ matched, total }, shown) {
  const n = Math.max(total ?? 0, shown);
  if (matched === null) return texts.foundAnnounce(n);
  if (matched) return texts.matching(n);
  return shown ? texts.closestAnnounce(n) : texts.nothingMatches;
}

/** Puts the parts together: the address says what is shown, the parts tell the address what was asked. */
import { Account } from "./people/account.js";
import { announce } from "./shared/announce.js";
import { Api } from "./api.js";
import { DeadLetters } from "./library/dead-letters.js";
import { button, byId, el, fillTexts } from "./shared/dom.js";
import { openPicker, takeFiles } from "./uploads/drop.js";
import { Filters } from "./asking/filters.js";
import { nameOf, safeUrl } from "./shared/format.js";
import { Grid } from "./answer/grid.js";
import { hideNotice, noticeShown, showEmpty, showError, showNothing, showWaiting } from "./answer/notices.js";
import { hasFilters, isLibrary, queryAddress, readQuery, sameQuery } from "./asking/query.js";
import { Rejected } from "./library/rejected.js";
import { SearchBox } from "./asking/search-box.js";
import { Search } from "./asking/search.js";
import { Session } from "./people/session.js";
import { SignInScreen } from "./people/sign-in.js";
import { Status } from "./library/status.js";
import { texts } from "./texts.js";
import { UploadPanel } from "./uploads/upload-panel.js";
import { Uploads } from "./uploads/uploads.js";
import { Viewer } from "./viewer/viewer.js";

/**
 * @typedef {import("./asking/query.js").Query} Query
 * @typedef {import("./api.js").Image} Image
 */

const KEPT_ANSWERS = 12;
const RETRY_MS = 4000;
const REFRESHED_MS = 1500;

/** @returns {Promise<{api: string, sign_in?: import("./people/oidc.js").SignInConfig}>} */
async function readConfig() {
  try {
    const response = await fetch("config.json");
    return { api: "api", ...(response.ok ? await response.json() : {}) };
  } catch {
    return { api: "api" };
  }
}

class Page {
  /** Answers drawn before, so that the back button needs no new search. @type {Map<string, {items: Image[], cursor: string|null, total: number|null, scroll: number}>} */
  #answers = new Map();
  /** What the viewer was opened over. @type {Query|null} */
  #viewedFrom = null;
  #typing = false;
  #retryTimer = 0;
  #refreshTimer = 0;
  #againTimer = 0;

  /** @param {Api} api */
  constructor(api) {
    const { query, image } = readQuery(location.search);
    this.api = api;
    this.grid = new Grid(byId("grid"), (/** @type {Image} */ each) => this.#openImage(each));
    this.search = new Search(api, query, {
      loading: () => this.#loading(),
      found: (page) => this.#found(page),
      foundMore: (page) => this.#foundMore(page),
      failed: (error) => this.#failed(error),
      moreFailed: () => this.#moreFailed(),
    });
    this.box = new SearchBox((text, typing) => this.#asked(text, typing));
    this.filters = new Filters((filters) => this.ask({ ...this.search.query, ...filters }));
    this.uploads = new Uploads(api, { changed: (upload) => this.panel.changed(upload), ready: (images) => this.#uploaded(images) });
    this.panel = new UploadPanel(byId("uploads"), this.uploads, (each) => this.#openImage(each));
    this.rejected = new Rejected(byId("rejected"), api, () => this.status.refresh());
    this.dead = new DeadLetters(byId("dead"), api, () => this.status.refresh());
    this.status = new Status(api, byId("status"), {
      pending: () => this.uploads.busy,
      changed: (now, before) => this.#statsChanged(now, before),
      rejected: () => this.rejected.open(),
      dead: () => this.dead.open(),
    });
    this.viewer = new Viewer(byId("viewer"), this.#viewerHost());
    this.copiesToggle = byId("copies");
    this.copiesToggle.addEventListener("click", () => this.ask({ ...this.search.query, copies: this.search.query.copies ? "" : "all" }));
    this.more = byId("more");
    this.moreButton = this.more.querySelector("button");
    this.moreButton.addEventListener("click", () => this.#loadMore());
    this.watch = new IntersectionObserver(([entry]) => entry.isIntersecting && this.#loadMore(), { rootMargin: "1200px 0px" });
    takeFiles((files) => this.#takeFiles(files), () => api.may("upload"));
    this.#drawRights();
    this.account = api.session && new Account(api.session, () => this.uploads.in("queued", "uploading").length > 0);
    if (api.session) api.session.listener = { entered: () => this.#entered(), leaving: () => this.uploads.cancelAll() };
    addEventListener("popstate", () => this.#follow());
    addEventListener("online", () => this.search.error && this.search.run(this.search.query));
    addEventListener("beforeunload", (event) => this.uploads.in("queued", "uploading").length && event.preventDefault());
    byId("search").addEventListener("blur", () => (this.#typing = false));
    document.querySelector(".brand")?.addEventListener("click", (event) => {
      if (/** @type {MouseEvent} */ (event).ctrlKey || /** @type {MouseEvent} */ (event).metaKey) return;
      event.preventDefault();
      this.ask(readQuery("").query);
    });
    this.#drawQuery(query);
    this.search.run(query);
    this.status.refresh();
    if (image) this.#openById(image);
  }

  /** Asks for something new: a step in the history, unless it goes on from the last one. @param {Query} query @param {"push"|"replace"} [step] */
  ask(query, step = "push") {
    this.#typing = false;
    if (sameQuery(query, this.search.query) && !this.search.error) return this.#drawQuery(query);
    this.#keepAnswer();
    history[step === "push" ? "pushState" : "replaceState"](null, "", queryAddress(query));
    this.#run(query);
  }

  /** @param {string} text @param {boolean} typing */
  #asked(text, typing) {
    const goesOn = this.#typing;
    const query = { ...this.search.query, q: text, like: text.trim() ? "" : this.search.query.like };
    this.ask(query, goesOn ? "replace" : "push");
    this.#typing = typing;
  }

  /** @param {Query} query */
  #run(query) {
    this.#drawQuery(query);
    this.search.run(query);
    scrollTo(0, 0);
  }

  /** The address has changed by the back or forward button. */
  #follow() {
    const { query, image } = readQuery(location.search);
    this.#typing = false;
    if (!sameQuery(query, this.search.query)) {
      this.#keepAnswer();
      const kept = this.#answers.get(queryAddress(query));
      if (kept) {
        this.#drawQuery(query);
        this.search.resume(query, kept.cursor, kept.total);
        this.#draw(kept.items);
        scrollTo(0, kept.scroll);
      } else this.#run(query);
    }
    if (!image) this.viewer.close();
    else if (this.viewer.image?.id !== image) this.#openById(image);
  }

  #keepAnswer() {
    const address = queryAddress(this.search.query);
    this.#answers.delete(address);
    if (!this.grid.items.length || this.grid.list.hasAttribute("aria-busy")) return;
    this.#answers.set(address, { items: this.grid.items, cursor: this.search.cursor, total: this.search.total, scroll: scrollY });
    if (this.#answers.size > KEPT_ANSWERS) this.#answers.delete(this.#answers.keys().next().value ?? "");
  }

  /* What is drawn */

  /** @param {Query} query */
  #drawQuery(query) {
    this.box.set(query.q);
    this.filters.set(query);
    this.#drawLike(query.like);
    document.title = query.q.trim() ? `${query.q.trim()} · ${texts.title}` : texts.title;
  }

  /** @param {string} id */
  async #drawLike(id) {
    const chip = byId("like");
    if (chip.dataset.id === id) return;
    chip.dataset.id = id;
    chip.hidden = !id;
    if (!id) return chip.replaceChildren();
    const draw = (/** @type {Image|undefined} */ image) => {
      const src = safeUrl(image?.thumbnail_url);
      chip.replaceChildren(
        src && el("img", { src, alt: "" }),
        el("span", { text: image ? texts.likeName(nameOf(image)) : texts.moreLikeThis }),
        button({ icon: "close", label: texts.likeClear, class: "icon-button", data: { testid: "like-clear" }, click: () => this.ask({ ...this.search.query, like: "" }) }),
      );
    };
    const known = this.grid.items.find((image) => image.id === id);
    draw(known);
    if (known) return;
    const image = await this.api.image(id).catch(() => undefined);
    if (chip.dataset.id === id) draw(image);
  }

  #loading() {
    clearTimeout(this.#retryTimer);
    this.#showMore(false);
    if (this.grid.items.length) return this.grid.stale();
    if (noticeShown()) this.grid.stale();
    else this.grid.skeleton();
    byId("summary").textContent = texts.searching;
  }

  /** @param {import("./api.js").Page} page */
  #found(page) {
    this.#draw(page.items);
    if (!isLibrary(this.search.query) || hasFilters(this.search.query)) announce(texts.foundAnnounce(this.search.total ?? page.items.length));
  }

  /** @param {Image[]} items */
  #draw(items) {
    this.grid.partial = Boolean(this.search.cursor);
    this.grid.show(items);
    this.filters.learn(items);
    this.#drawSummary();
    this.#showMore(Boolean(this.search.cursor));
  }

  /** @param {import("./api.js").Page} page */
  #foundMore(page) {
    this.grid.partial = Boolean(this.search.cursor);
    this.grid.append(page.items);
    this.filters.learn(page.items);
    this.#drawCopiesToggle();
    this.#showMore(Boolean(this.search.cursor));
  }

  /** @param {import("./api.js").ApiError} error */
  #failed(error) {
    this.grid.partial = false;
    this.grid.show([]);
    byId("summary").textContent = "";
    this.#drawCopiesToggle();
    if (showError(error, () => this.search.run(this.search.query))) announce(error.message);
    if (error.passing) this.#retryTimer = setTimeout(() => this.status.refresh(), RETRY_MS);
  }

  #drawSummary() {
    const { query } = this.search;
    const shown = this.grid.items.length;
    const total = Math.max(this.search.total ?? 0, shown);
    byId("summary").textContent = !shown ? "" : summaryOf(query, total, total === this.status.stats?.images.ready);
    this.#drawCopiesToggle();
    if (shown) hideNotice();
    else if (!isLibrary(query) || hasFilters(query)) showNothing(hasFilters(query) ? () => this.filters.form.reset() : null);
    else if (this.status.waiting) showWaiting(this.status.waiting);
    else showEmpty(this.api.may("upload") ? openPicker : null);
  }

  /** Offered where copies are folded away, and where they are not because that was asked for. */
  #drawCopiesToggle() {
    const { query } = this.search;
    const folded = this.grid.items.some(({ copies }) => copies && copies.exact + copies.near > 0);
    this.copiesToggle.hidden = isLibrary(query) || !this.grid.items.length || !(query.copies || folded);
    this.copiesToggle.textContent = query.copies ? texts.copiesFold : texts.copiesShow;
  }

  /* Paging */

  /** @param {boolean} on */
  #showMore(on) {
    this.more.hidden = !on;
    this.moreButton.textContent = texts.more;
    this.watch.unobserve(this.more);
    if (on) this.watch.observe(this.more); // asked anew each time: fires again while still in sight
  }

  #moreFailed() {
    this.grid.finish();
    this.moreButton.textContent = texts.moreFailed;
  }

  #loadMore() {
    this.moreButton.textContent = texts.moreLoading;
    this.watch.unobserve(this.more); // until the page has come; after a failure only by hand
    return this.search.more();
  }

  /* One image */

  #viewerHost() {
    return {
      items: () => this.grid.items,
      total: () => this.search.total,
      more: () => this.search.more(),
      link: (/** @type {string} */ id) => new URL(queryAddress(readQuery("").query, id), document.baseURI).href,
      remove: (/** @type {string} */ id) => this.#remove(id),
      mayRemove: (/** @type {Image} */ image) => this.api.mayDelete(image),
      copies: (/** @type {string} */ id, /** @type {AbortSignal} */ signal) => this.api.copies(id, signal),
      open: (/** @type {Image} */ image) => this.#openImage(image),
      like: (/** @type {Image} */ image) => this.#like(image),
      shown: (/** @type {string} */ id) => this.#viewerShown(id),
      closed: (/** @type {string} */ id) => this.#viewerClosed(id),
    };
  }

  /** @param {Image} image */
  #openImage(image) {
    this.#typing = false;
    this.viewer.show(image);
  }

  /** @param {string} id */
  async #openById(id) {
    const known = this.grid.items.find((image) => image.id === id);
    try {
      const image = known ?? (await this.api.image(id));
      if (readQuery(location.search).image === id) this.viewer.show(image);
    } catch {
      announce(texts.notFound);
      if (readQuery(location.search).image === id) history.replaceState(null, "", queryAddress(this.search.query));
    }
  }

  /** @param {string} id */
  #viewerShown(id) {
    this.#viewedFrom = this.search.query;
    const { image } = readQuery(location.search);
    if (image === id) return;
    const address = queryAddress(this.search.query, id);
    if (image) history.replaceState(history.state, "", address);
    else history.pushState({ viewer: true }, "", address);
  }

  /** @param {string} id */
  #viewerClosed(id) {
    const { image } = readQuery(location.search);
    if (image && history.state?.viewer) history.back();
    else if (image) history.replaceState(null, "", queryAddress(this.search.query));
    const back = this.#viewedFrom === this.search.query && this.grid.focus(id);
    if (!back) byId("results").focus({ preventScroll: true });
  }

  /** @param {Image} image */
  #like(image) {
    const query = { ...readQuery("").query, like: image.id };
    const viewing = Boolean(readQuery(location.search).image);
    this.ask(query, viewing ? "replace" : "push"); // the viewer's own step becomes the new search
    this.viewer.close();
  }

  /** @param {string} id */
  async #remove(id) {
    await this.api.remove(id);
    this.#answers.clear();
    const image = this.grid.items.find((each) => each.id === id);
    if (!image || (image.copies && image.copies.exact + image.copies.near > 0)) this.#askAgainSoon();
    if (image || isLibrary(this.search.query)) this.#countOne(-1);
    this.grid.remove(id);
    this.#drawSummary();
    this.status.refresh();
  }

  /** A copy is gone: those behind it come forward, or one fewer stands behind another. The index may take a second. */
  #askAgainSoon() {
    const { query } = this.search;
    clearTimeout(this.#againTimer);
    this.#againTimer = setTimeout(() => this.search.query === query && this.search.run(query), REFRESHED_MS);
  }

  /** @param {number} n */
  #countOne(n) {
    if (this.search.total !== null) this.search.total = Math.max(0, this.search.total + n);
  }

  /* Who is here */

  /** Signed in, for the first time or anew: pictures that were refused meanwhile are asked for again. */
  #entered() {
    this.#drawRights();
    this.grid.askAgain();
    this.account?.draw();
  }

  #drawRights() {
    byId("upload-button").hidden = !this.api.may("upload");
  }

  /* What arrives */

  /** @param {File[]} files */
  #takeFiles(files) {
    this.uploads.add(files, this.search.query.collection);
    this.status.refresh();
  }

  /** @param {Image[]} images */
  #uploaded(images) {
    const { query } = this.search;
    this.#answers.clear();
    this.status.refresh();
    if (!isLibrary(query)) return;
    if (hasFilters(query) || this.grid.list.hasAttribute("aria-busy")) return this.#refreshSoon();
    this.#arrived([...images].sort((a, b) => b.uploaded_at.localeCompare(a.uploaded_at)));
  }

  /** @param {Image[]} images newer than those shown */
  #arrived(images) {
    this.#countOne(this.grid.prepend(images));
    this.filters.learn(images);
    this.#drawSummary();
  }

  /** @param {import("./api.js").Stats} now @param {import("./api.js").Stats|null} before */
  #statsChanged(now, before) {
    if (this.search.error?.passing) return void this.search.run(this.search.query);
    const empty = !this.grid.items.length && !this.grid.list.hasAttribute("aria-busy") && isLibrary(this.search.query) && !this.search.error;
    if (before && now.images.ready !== before.images.ready && isLibrary(this.search.query)) this.#refreshSoon();
    else if (!before && this.grid.items.length && !this.grid.list.hasAttribute("aria-busy")) this.#drawSummary();
    else if (empty && (noticeShown() === "waiting" || this.status.waiting)) this.#drawSummary();
  }

  /** Files dropped straight into the bucket show up too. */
  #refreshSoon() {
    clearTimeout(this.#refreshTimer);
    this.#refreshTimer = setTimeout(async () => {
      if (!isLibrary(this.search.query)) return;
      const page = await this.search.newest().catch(() => null);
      if (!page) return;
      const shown = new Set(this.grid.items.map(({ id }) => id));
      const last = page.items.findIndex(({ id }) => shown.has(id));
      const fresh = last < 0 ? page.items : page.items.slice(0, last);
      if (last < 0) {
        this.search.resume(this.search.query, page.next_cursor, page.total ?? null);
        this.#draw(page.items);
      } else if (fresh.length) this.#arrived(fresh);
      if (page.total !== undefined && page.total !== null) this.search.total = page.total;
    }, 800);
  }
}

/** How many stands in the status line already when it is all of them. @param {Query} query @param {number} total @param {boolean} all */
function summaryOf(query, total, all) {
  if (!isLibrary(query)) return all ? texts.rankedAll : texts.ranked(total);
  return hasFilters(query) ? texts.filtered(total) : texts.library;
}

fillTexts();
readConfig().then(({ api: base, sign_in }) => {
  const api = new Api(base);
  if (sign_in) api.session = new Session(sign_in, api.base, new SignInScreen(byId("sign-in")));
  if (!api.session || api.session.start()) new Page(api);
});

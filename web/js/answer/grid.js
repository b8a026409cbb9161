/** The grid of pictures: only those near the viewport are in the document. What is beyond the cut-off stands in a list of its own below. */
import { el } from "../shared/dom.js";
import { makePlace, markPlace } from "./place.js";
import { Shelf } from "./shelf.js";

/** @typedef {import("../api.js").Image} Image */

const SKELETON = [1.5, 0.75, 1.33, 1.78, 1, 0.67, 1.5, 1.5, 0.75, 1.33, 1, 1.78, 0.67, 1.5, 1.33, 0.75, 1.5, 1, 1.78, 1.33];
/** Grey places to be: a shape, and nothing to show in it. */
const GREY = /** @type {Image[]} */ (/** @type {unknown} */ (SKELETON.map((ratio) => ({ id: "", width: ratio, height: 1 }))));
/** How far above and below the viewport pictures are in the document, px at least. */
const AROUND = 600;
/** Places that are kept, those in the document among them, so that going back a little asks for no picture again. */
const MOST_PLACES = 200;
const KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"]);
/** Below the bar at the top. */
const TOP = 84;

export class Grid {
  /** @type {Image[]} */
  items = [];
  /** More will follow: an unfinished last row is held back, so that nothing shown ever moves. */
  partial = false;
  scores = false;
  /** By id, the least recently drawn first. @type {Map<string, HTMLLIElement>} */
  #places = new Map();
  /** What each place is marked as. @type {WeakMap<HTMLLIElement, Image>} */
  #marked = new WeakMap();
  #width = 0;
  /** The first picture in view, and how far from the top it stands; "": the grid begins in view. */
  #anchor = { id: "", top: 0 };

  /** @param {HTMLElement} list @param {HTMLElement} rest @param {(image: Image) => void} onOpen */
  constructor(list, rest, onOpen) {
    this.list = list;
    this.rest = rest;
    this.onOpen = onOpen;
    this.shelves = [list, rest].map((each) => new Shelf(each, (image) => this.#placeOf(image), () => this.#left()));
    new ResizeObserver(() => this.#resized()).observe(list);
    addEventListener("scroll", () => this.#draw(), { passive: true });
    addEventListener("resize", () => this.#resized());
    for (const each of [list, rest]) {
      each.addEventListener("click", (event) => this.#clicked(event));
      each.addEventListener("focusin", () => {
        import("./walk.js").catch(() => {}); // asked for again by the first key
        this.#draw();
      });
      each.addEventListener("keydown", (event) => this.#pressed(event));
    }
  }

  /** Whether an answer is awaited. */
  get busy() {
    return this.list.hasAttribute("aria-busy");
  }

  /** Whether the first picture has been scrolled out of sight. */
  get scrolled() {
    return this.#anchor.id !== "";
  }

  /** The first picture in view, and where it stands. */
  get anchor() {
    return this.#anchor;
  }

  /** That picture stands there again, whatever has come or gone above it. @param {{id: string, top: number}} anchor */
  standAt(anchor) {
    this.#anchor = anchor;
    this.#hold();
    this.#draw();
  }

  /** Shows these images and no others; pictures already there are kept. @param {Image[]} items */
  show(items) {
    const focused = this.#focused()?.item.id;
    this.#set(items);
    for (const each of [this.list, this.rest]) each.classList.remove("skeleton", "stale");
    this.list.removeAttribute("aria-busy");
    this.#layOut();
    if (focused && !this.#focused()) this.focus(focused, false);
  }

  /** @param {Image[]} items */
  append(items) {
    this.#set([...this.items, ...items]);
    this.#layOut();
  }

  /** @param {Image[]} items of the library @returns {number} how many were new */
  prepend(items) {
    const known = new Set(this.items.map(({ id }) => id));
    const fresh = items.filter(({ id }) => !known.has(id));
    this.#set([...fresh, ...this.items]);
    this.#layOut({ glide: true });
    return fresh.length;
  }

  /** @param {string} id */
  remove(id) {
    this.#set(this.items.filter((image) => image.id !== id));
    this.#layOut({ glide: true, hold: true });
    this.#places.delete(id);
  }

  /** Grey places while the first answer is under way. */
  skeleton() {
    this.show([]);
    this.shelves[0].items = GREY;
    this.list.classList.add("skeleton");
    this.list.setAttribute("aria-busy", "true");
    this.#layOut();
  }

  /** Marks what is shown as the answer to an older question. */
  stale() {
    for (const each of [this.list, this.rest]) each.classList.add("stale");
    this.list.setAttribute("aria-busy", "true");
  }

  /** @param {string} id @param {boolean} [scroll] @returns {boolean} whether it is here */
  focus(id, scroll = true) {
    if (this.partial && this.items.some((image) => image.id === id) && !this.#find(id)) this.finish();
    const found = this.#find(id);
    if (!found) return false;
    this.#draw(found);
    const link = this.#placeOf(found.item).querySelector("a");
    link?.focus({ preventScroll: true });
    if (scroll) link?.scrollIntoView({ block: "nearest" });
    return true;
  }

  /** The first of those beyond the cut-off. */
  focusBeyond() {
    this.rest.querySelector("a")?.focus({ preventScroll: true });
  }

  /** Asks once more for the pictures that did not come. */
  askAgain() {
    for (const [id, place] of this.#places) if (place.classList.contains("broken")) this.#places.delete(id);
    this.#layOut();
  }

  /** Writes anew what stands on the pictures. @param {boolean} scores whether each says its score */
  mark(scores) {
    if (scores === this.scores) return;
    this.scores = scores;
    this.#marked = new WeakMap();
    this.#layOut();
  }

  /** Shows the held-back row too. */
  finish() {
    this.partial = false;
    this.#layOut();
  }

  /** @param {Image[]} items each id counts once */
  #set(items) {
    this.items = [...new Map(items.map((image) => [image.id, image])).values()];
    for (const [n, shelf] of this.shelves.entries()) shelf.items = this.items.filter(({ within }) => (within === false) === Boolean(n));
  }

  /** The place of an image, made where there is none. @param {Image} image */
  #placeOf(image) {
    if (!image.id) return el("li", { "aria-hidden": "true" });
    let place = this.#places.get(image.id);
    if (place?.dataset.thumbnail !== (image.thumbnail_url ?? "")) place = makePlace(image);
    this.#places.delete(image.id);
    this.#places.set(image.id, place);
    if (this.#marked.get(place) !== image) markPlace(place, image, this.scores);
    this.#marked.set(place, image);
    return place;
  }

  /** Something has left the document: the latest are kept. A picture under way goes on: one that is called off is never freed by Chromium. */
  #left() {
    for (const [each, old] of this.#places) {
      if (this.#places.size <= MOST_PLACES) return;
      if (!old.isConnected) this.#places.delete(each);
    }
  }

  #resized() {
    if (this.#width !== widthOf(this.list)) this.#layOut({ hold: true });
    else this.#draw();
  }

  /** @param {{glide?: boolean, hold?: boolean}} [how] what was there glides to where it stands now; what is looked at stays there */
  #layOut({ glide = false, hold = false } = {}) {
    const width = widthOf(this.list);
    if (!width) return;
    this.#width = width;
    const [within, beyond] = this.shelves;
    /** @type {HTMLElement} */ (this.rest.parentElement).hidden = !beyond.items.length;
    within.layOut(width, this.partial && !beyond.items.length);
    beyond.layOut(width, this.partial);
    this.list.classList.toggle("gliding", glide);
    if (hold) this.#hold();
    this.#draw();
  }

  /** What was at the top of the view stays there. */
  #hold() {
    const found = this.#anchor.id ? this.#find(this.#anchor.id) : null;
    if (found) scrollBy({ top: found.shelf.list.getBoundingClientRect().top + found.shelf.boxes[found.at].y - this.#anchor.top, behavior: "instant" });
  }

  /** @param {{shelf: Shelf, at: number}|null} kept stays in the document wherever it is */
  #draw(kept = this.#focused()) {
    const tops = this.shelves.map(({ list }) => list.getBoundingClientRect().top); // all read, then all written
    const around = Math.max(AROUND, innerHeight);
    for (const [n, shelf] of this.shelves.entries()) shelf.draw(-tops[n] - around, innerHeight - tops[n] + around, shelf === kept?.shelf ? kept.at : -1);
    this.#look(tops);
  }

  /** Notes what is at the top of the view; while that stays where it is, it is the same. @param {number[]} tops of the lists */
  #look(tops) {
    const before = this.#anchor.id ? this.#find(this.#anchor.id) : null;
    if (before && tops[0] < TOP && Math.abs(tops[this.shelves.indexOf(before.shelf)] + before.shelf.boxes[before.at].y - this.#anchor.top) < 2) return;
    this.#anchor = { id: "", top: 0 };
    if (tops[0] >= TOP) return;
    for (const [n, shelf] of this.shelves.entries()) {
      const at = shelf.firstBelow(TOP - tops[n]);
      if (at < shelf.boxes.length) return void (this.#anchor = { id: shelf.items[at].id, top: tops[n] + shelf.boxes[at].y });
    }
  }

  /** @param {string} id @returns {{shelf: Shelf, at: number, item: Image}|null} where it is laid out */
  #find(id) {
    for (const shelf of this.shelves) {
      const at = shelf.items.findIndex((image) => image.id === id);
      if (at >= 0 && at < shelf.boxes.length) return { shelf, at, item: shelf.items[at] };
    }
    return null;
  }

  #focused() {
    const id = /** @type {HTMLElement|null} */ (document.activeElement)?.closest?.(".grid a")?.getAttribute("data-id");
    return id ? this.#find(id) : null;
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = /** @type {Element} */ (event.target).closest("a[data-id]");
    const image = link && this.items.find(({ id }) => id === /** @type {HTMLElement} */ (link).dataset.id);
    if (!image) return;
    event.preventDefault();
    this.onOpen(image);
  }

  /** Keys walk the grid; Tab still goes one by one. @param {KeyboardEvent} event */
  async #pressed(event) {
    if (!KEYS.has(event.key) || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { stepFrom } = await import("./walk.js");
    const from = this.#focused();
    const to = from && stepFrom(event.key, this.shelves, from, innerHeight - TOP);
    if (to) this.focus(to);
    else scrollBy({ top: /Up|Home/.test(event.key) ? -TOP : TOP }); // to what is above the first, or below the last
  }
}

/** In whole pixels; clientWidth may be rounded up, and a row would break. @param {HTMLElement} list */
const widthOf = (list) => Math.floor(list.getBoundingClientRect().width);

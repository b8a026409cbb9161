/** The grid of thumbnails: places of the right size first, pictures as they come into sight. What is beyond the cut-off stands in a list of its own below. */
import { el } from "../shared/dom.js";
import { justify, rowHeight } from "./layout.js";
import { makePlace, markPlace } from "./place.js";

/** @typedef {import("../api.js").Image} Image */

const GAP = 6;
const SKELETON = [1.5, 0.75, 1.33, 1.78, 1, 0.67, 1.5, 1.5, 0.75, 1.33, 1, 1.78, 0.67, 1.5, 1.33, 0.75, 1.5, 1, 1.78, 1.33];

export class Grid {
  /** @type {Image[]} */
  items = [];
  /** More will follow: an unfinished last row is held back, so that nothing shown ever moves. */
  partial = false;
  /** @type {Map<string, HTMLLIElement>} */
  #places = new Map();
  #width = 0;

  /** @param {HTMLElement} list @param {HTMLElement} rest @param {(image: Image) => void} onOpen */
  constructor(list, rest, onOpen) {
    this.list = list;
    this.rest = rest;
    this.onOpen = onOpen;
    new ResizeObserver(() => this.#layout()).observe(list);
    for (const each of [list, rest]) {
      each.addEventListener("click", (event) => this.#clicked(event));
      each.addEventListener("keydown", (event) => this.#moved(event));
    }
  }

  /** Whether an answer is awaited. */
  get busy() {
    return this.list.hasAttribute("aria-busy");
  }

  /** Shows these images and no others; pictures already there are kept. @param {Image[]} items */
  show(items) {
    const known = this.#places;
    this.#places = new Map();
    this.items = [];
    const { within, beyond } = this.#add(items, known);
    for (const each of [this.list, this.rest]) each.classList.remove("skeleton", "stale");
    this.list.removeAttribute("aria-busy");
    this.list.replaceChildren(...within);
    this.rest.replaceChildren(...beyond);
    this.#layout(true);
  }

  /** @param {Image[]} items */
  append(items) {
    const { within, beyond } = this.#add(items);
    this.list.append(...within);
    this.rest.append(...beyond);
    this.#layout(true);
  }

  /** @param {Image[]} items of the library @returns {number} how many were new */
  prepend(items) {
    const old = this.items;
    this.items = [];
    const { within } = this.#add(items);
    this.items.push(...old);
    this.list.prepend(...within);
    this.#layout(true);
    return within.length;
  }

  /** @param {string} id */
  remove(id) {
    this.items = this.items.filter((image) => image.id !== id);
    this.#places.get(id)?.remove();
    this.#places.delete(id);
    this.#layout(true);
  }

  /** Grey places while the first answer is under way. */
  skeleton() {
    this.show([]);
    this.list.classList.add("skeleton");
    this.list.setAttribute("aria-busy", "true");
    this.list.replaceChildren(...SKELETON.map((ratio) => el("li", { data: { ratio }, "aria-hidden": "true" })));
    this.#layout(true);
  }

  /** Marks what is shown as the answer to an older question. */
  stale() {
    for (const each of [this.list, this.rest]) each.classList.add("stale");
    this.list.setAttribute("aria-busy", "true");
  }

  /** @param {string} id */
  focus(id) {
    const link = this.#places.get(id)?.querySelector("a");
    link?.closest("li")?.removeAttribute("hidden");
    link?.focus({ preventScroll: true });
    link?.scrollIntoView({ block: "nearest" });
    return Boolean(link);
  }

  /** The first of those beyond the cut-off. */
  focusBeyond() {
    this.rest.querySelector("a")?.focus({ preventScroll: true });
  }

  /** Asks once more for the pictures that did not come. */
  askAgain() {
    for (const place of this.#places.values()) {
      const picture = /** @type {HTMLImageElement|null} */ (place.querySelector(":scope.broken img"));
      if (!picture) continue;
      place.classList.remove("broken");
      picture.src = picture.src;
    }
  }

  /** Shows the held-back row too. */
  finish() {
    this.partial = false;
    this.#layout(true);
  }

  /** @param {Image[]} items @param {Map<string, HTMLLIElement>} [known] */
  #add(items, known = new Map()) {
    /** @type {{within: HTMLLIElement[], beyond: HTMLLIElement[]}} */
    const places = { within: [], beyond: [] };
    for (const image of items) {
      if (this.#places.has(image.id)) continue;
      const old = known.get(image.id);
      const place = old?.dataset.thumbnail === (image.thumbnail_url ?? "") ? old : makePlace(image);
      markPlace(place, image);
      this.#places.set(image.id, place);
      this.items.push(image);
      places[image.within === false ? "beyond" : "within"].push(place);
    }
    return places;
  }

  #layout(force = false) {
    const width = Math.floor(this.list.getBoundingClientRect().width); // clientWidth may be rounded up: a row would break
    if (!width || (!force && width === this.#width)) return;
    this.#width = width;
    const beyond = this.rest.children.length > 0;
    /** @type {HTMLElement} */ (this.rest.parentElement).hidden = !beyond;
    layOut(this.list, width, this.partial && !beyond);
    layOut(this.rest, width, this.partial);
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

  /** Arrow keys walk the grid; Tab still goes one by one. @param {KeyboardEvent} event */
  #moved(event) {
    const from = /** @type {HTMLElement} */ (event.target).closest("li");
    if (!from || event.altKey || event.ctrlKey || event.metaKey) return;
    const places = /** @type {HTMLElement[]} */ ([...this.list.children, ...this.rest.children].filter((place) => !(/** @type {HTMLElement} */ (place).hidden)));
    const at = places.indexOf(from);
    /** @type {Record<string, () => HTMLElement|null|undefined>} */
    const ways = { ArrowLeft: () => places[at - 1], ArrowRight: () => places[at + 1], ArrowUp: () => nearest(from, places.slice(0, at).reverse()), ArrowDown: () => nearest(from, places.slice(at + 1)) };
    const to = ways[event.key]?.();
    if (!to) return;
    event.preventDefault();
    to.querySelector("a")?.focus();
  }
}

/** @param {HTMLElement} list @param {number} width @param {boolean} partial */
function layOut(list, width, partial) {
  const places = /** @type {HTMLElement[]} */ ([...list.children]);
  const sizes = justify(places.map((place) => Number(place.dataset.ratio)), width, rowHeight(width), GAP, partial);
  places.forEach((place, i) => {
    place.hidden = i >= sizes.length;
    if (place.hidden) return;
    place.style.width = `${sizes[i].width}px`;
    place.style.height = `${sizes[i].height}px`;
  });
}

/** The place in the next row whose middle is closest. @param {HTMLElement} from @param {HTMLElement[]} places in the direction to go */
function nearest(from, places) {
  const middle = from.offsetLeft + from.offsetWidth / 2;
  const row = places.find(({ offsetTop }) => offsetTop !== from.offsetTop)?.offsetTop;
  const gap = (/** @type {HTMLElement} */ place) => Math.abs(place.offsetLeft + place.offsetWidth / 2 - middle);
  return places.filter(({ offsetTop }) => offsetTop === row).sort((a, b) => gap(a) - gap(b))[0];
}

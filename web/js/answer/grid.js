/** The grid of thumbnails: places of the right size first, pictures as they come into sight. */
import { el } from "../shared/dom.js";
import { nameOf, safeUrl } from "../shared/format.js";
import { justify, ratioOf, rowHeight } from "./layout.js";
import { queryAddress, readQuery } from "../asking/query.js";
import { texts } from "../texts.js";

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

  /** @param {HTMLElement} list @param {(image: Image) => void} onOpen */
  constructor(list, onOpen) {
    this.list = list;
    this.onOpen = onOpen;
    new ResizeObserver(() => this.#layout()).observe(list);
    list.addEventListener("click", (event) => this.#clicked(event));
    list.addEventListener("keydown", (event) => this.#moved(event));
  }

  /** Shows these images and no others; pictures already there are kept. @param {Image[]} items */
  show(items) {
    const known = this.#places;
    this.#places = new Map();
    this.items = [];
    const places = this.#add(items, known);
    this.list.classList.remove("skeleton", "stale");
    this.list.removeAttribute("aria-busy");
    this.list.replaceChildren(...places);
    this.#layout(true);
  }

  /** @param {Image[]} items @returns {number} how many were new */
  append(items) {
    const places = this.#add(items);
    this.list.append(...places);
    this.#layout(true);
    return places.length;
  }

  /** @param {Image[]} items @returns {number} how many were new */
  prepend(items) {
    const old = this.items;
    this.items = [];
    const places = this.#add(items);
    this.items.push(...old);
    this.list.prepend(...places);
    this.#layout(true);
    return places.length;
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
    this.items = [];
    this.#places.clear();
    this.list.classList.add("skeleton");
    this.list.setAttribute("aria-busy", "true");
    this.list.replaceChildren(...SKELETON.map((ratio) => el("li", { data: { ratio }, "aria-hidden": "true" })));
    this.#layout(true);
  }

  /** Marks what is shown as the answer to an older question. */
  stale() {
    this.list.classList.add("stale");
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

  /** Asks once more for the pictures that did not come. */
  askAgain() {
    for (const picture of /** @type {NodeListOf<HTMLImageElement>} */ (this.list.querySelectorAll(".broken img"))) {
      const place = picture.closest("li");
      place?.classList.remove("broken");
      picture.addEventListener("error", () => place?.classList.add("broken"), { once: true });
      picture.src = picture.src;
    }
  }

  /** @param {Image[]} items @param {Map<string, HTMLLIElement>} [known] */
  #add(items, known = new Map()) {
    const places = [];
    for (const image of items) {
      if (this.#places.has(image.id)) continue;
      const old = known.get(image.id);
      const place = old?.dataset.thumbnail === (image.thumbnail_url ?? "") ? old : makePlace(image);
      markCopies(place, image);
      this.#places.set(image.id, place);
      this.items.push(image);
      places.push(place);
    }
    return places;
  }

  /** Shows the held-back row too. */
  finish() {
    this.partial = false;
    this.#layout(true);
  }

  #layout(force = false) {
    const width = Math.floor(this.list.getBoundingClientRect().width); // clientWidth may be rounded up: a row would break
    if (!width || (!force && width === this.#width)) return;
    this.#width = width;
    const places = /** @type {HTMLElement[]} */ ([...this.list.children]);
    const sizes = justify(places.map((place) => Number(place.dataset.ratio)), width, rowHeight(width), GAP, this.partial);
    places.forEach((place, i) => {
      place.hidden = i >= sizes.length;
      if (place.hidden) return;
      place.style.width = `${sizes[i].width}px`;
      place.style.height = `${sizes[i].height}px`;
    });
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
    /** @type {Record<string, () => Element|null>} */
    const ways = { ArrowLeft: () => from.previousElementSibling, ArrowRight: () => from.nextElementSibling, ArrowUp: () => nearest(from, -1), ArrowDown: () => nearest(from, 1) };
    const to = ways[event.key]?.();
    if (!to) return;
    event.preventDefault();
    to.querySelector("a")?.focus();
  }
}

/** The place in the next row above or below whose middle is closest. @param {HTMLElement} from @param {1|-1} step */
function nearest(from, step) {
  const middle = from.offsetLeft + from.offsetWidth / 2;
  let best = null;
  let row = null;
  let gap = Infinity;
  let place = from;
  while ((place = /** @type {HTMLElement} */ (step < 0 ? place.previousElementSibling : place.nextElementSibling))) {
    if (place.offsetTop === from.offsetTop) continue;
    row ??= place.offsetTop;
    if (place.offsetTop !== row) break;
    const distance = Math.abs(place.offsetLeft + place.offsetWidth / 2 - middle);
    if (distance < gap) [best, gap] = [place, distance];
  }
  return best;
}

/** How many copies stand behind a picture, in its corner. @param {HTMLLIElement} place @param {Image} image */
function markCopies(place, { copies }) {
  place.querySelector(".copies")?.remove();
  const { exact, near } = copies ?? { exact: 0, near: 0 };
  if (!exact && !near) return;
  const label = texts.copies(exact, near);
  place.firstElementChild?.append(el("span", { class: "copies", role: "img", "aria-label": label, title: label, data: { testid: "item-copies" }, text: texts.copiesBadge(exact + near) }));
}

/** @param {Image} image @returns {HTMLLIElement} */
function makePlace(image) {
  const name = nameOf(image);
  const src = safeUrl(image.thumbnail_url);
  const ratio = ratioOf(image);
  const cut = !(Math.abs(ratio - image.width / image.height) < 0.01); // too narrow or too wide for its place
  const place = el("li", { class: cut ? "whole" : null, data: { ratio, thumbnail: image.thumbnail_url ?? "" } });
  const link = el("a", { href: queryAddress(readQuery("").query, image.id), data: { testid: "item", id: image.id }, title: name });
  if (src) {
    const picture = el("img", { alt: name, loading: "lazy", decoding: "async", width: image.width || 1, height: image.height || 1 });
    picture.addEventListener("load", () => place.classList.add("loaded"), { once: true });
    picture.addEventListener("error", () => place.classList.add("broken"), { once: true });
    picture.src = src;
    link.append(picture);
  } else place.classList.add("broken");
  link.append(el("span", { class: "name", text: name, "aria-hidden": src ? "true" : null }));
  place.append(link);
  return place;
}

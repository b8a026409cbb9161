/**
 * A part of the picture, to search by it: drawn over the picture with the pointer, or a frame that
 * the arrow keys move and, with Shift, resize.
 */
import { announce } from "../shared/announce.js";
import { button, el } from "../shared/dom.js";
import { texts } from "../texts.js";

/**
 * @typedef {import("../asking/query.js").Region} Region
 * @typedef {{start: [number, number], from: Region, kind: "draw"|"move"|"size", fixed: [number, number]}} Drag
 */

const STEP = 0.02;
/** How near a corner is taken hold of, px. */
const GRIP = 18;
/** A pointer that goes less far has clicked, px. */
const CLICK = 6;
/** The API takes no part below 16 px of the file, and the address rounds. */
const SMALLEST = 20;
const SMALLEST_SHARE = 0.03;
/** @type {Region} */
const MIDDLE = [0.25, 0.25, 0.5, 0.5];

const clamp = (/** @type {number} */ n, /** @type {number} */ most) => Math.min(most, Math.max(0, n));

export class PartOfPicture {
  on = false;
  /** Only what is searched can be searched by. */
  #may = false;
  /** @type {Region} */
  #region = MIDDLE;
  /** @type {Drag|null} */
  #drag = null;
  /** @type {[number, number]} the least width and height */
  #least = [SMALLEST_SHARE, SMALLEST_SHARE];
  box = el("div", { class: "part", role: "group", "aria-roledescription": texts.partRole, "aria-describedby": "part-hint", tabindex: "0", data: { testid: "part" } });
  sheet = el("div", { class: "parts", hidden: true }, this.box);
  hint = el("p", { id: "part-hint", class: "hint", text: texts.partHint });
  bar = el("div", { class: "part-bar", hidden: true, data: { testid: "part-bar" } });

  /**
   * @param {HTMLElement} frame holds the picture, all of it @param {(region: Region, add: boolean) => void} onSearch
   * @param {{searching: () => boolean, zoomed: () => boolean}} ask `zoomed`: the mouse moves the picture then, unless a part is drawn already
   */
  constructor(frame, onSearch, { searching, zoomed }) {
    this.frame = frame;
    this.zoomed = zoomed;
    this.onSearch = onSearch;
    this.searching = searching;
    this.add = button({ icon: "plus", text: texts.addToSearch, data: { testid: "part-add" }, click: () => this.#search(true) });
    this.bar.append(
      button({ icon: "search", text: texts.partSearch, class: "button primary", data: { testid: "part-search" }, click: () => this.#search(false) }),
      this.add,
      button({ icon: "close", label: texts.cancel, class: "round", data: { testid: "part-cancel" }, click: () => this.close() }));
    frame.addEventListener("pointerdown", (event) => this.#down(event));
    frame.addEventListener("pointermove", (event) => this.#move(event));
    for (const type of ["pointerup", "pointercancel"]) frame.addEventListener(type, () => this.#up());
    this.box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#pressed(event));
    this.onClose = () => {};
  }

  /** Another picture. @param {import("../api.js").Image} image */
  reset({ width, height, state }) {
    this.close();
    this.#may = state === "ready";
    this.frame.classList.toggle("drawn", this.#may);
    this.frame.append(this.sheet);
    this.#region = MIDDLE;
    this.#least = [Math.min(1, Math.max(SMALLEST_SHARE, SMALLEST / (width || 512))), Math.min(1, Math.max(SMALLEST_SHARE, SMALLEST / (height || 512)))];
  }

  /** For the keyboard, and for fingers, which swipe else. */
  open() {
    this.#show(this.#region);
    this.bar.scrollIntoView({ block: "nearest" }); // on narrow screens the button stands far below
    this.box.focus({ preventScroll: true });
    this.#say();
  }

  close() {
    if (!this.on) return;
    this.on = false;
    this.#drag = null;
    this.sheet.hidden = true;
    this.bar.hidden = true;
    this.onClose();
  }

  /** @param {boolean} add */
  #search(add) {
    const region = this.#region;
    this.close();
    this.onSearch(region, add);
  }

  /** @param {Region} region */
  #show(region) {
    this.on = true;
    this.sheet.hidden = false;
    this.bar.hidden = false;
    this.add.hidden = !this.searching();
    this.#region = region;
    const [left, top, width, height] = region.map((n) => `${n * 100}%`);
    Object.assign(this.box.style, { left, top, width, height });
    this.box.setAttribute("aria-label", texts.partAt(region.map((n) => Math.round(n * 100))));
  }

  #say() {
    announce(texts.partAt(this.#region.map((n) => Math.round(n * 100))));
  }

  /* The pointer */

  /** @param {PointerEvent} event @returns {[number, number]} */
  #at({ clientX, clientY }) {
    const { left, top, width, height } = this.frame.getBoundingClientRect();
    return [clamp((clientX - left) / width, 1), clamp((clientY - top) / height, 1)];
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (!this.#may || event.button || !event.isPrimary || (!this.on && (event.pointerType === "touch" || this.zoomed()))) return;
    event.preventDefault(); // no text is selected
    const start = this.#at(event);
    const kind = this.on ? this.#grips(start) : { kind: /** @type {const} */ ("draw"), fixed: start };
    this.#drag = { start, from: this.#region, ...kind };
    this.frame.setPointerCapture(event.pointerId);
  }

  /** What is taken hold of: a corner, the frame as a whole, or none of it. @param {[number, number]} at @returns {{kind: Drag["kind"], fixed: [number, number]}} */
  #grips(at) {
    const { width, height } = this.frame.getBoundingClientRect();
    const [x, y, w, h] = this.#region;
    for (const [cx, cy, fx, fy] of [[x, y, x + w, y + h], [x + w, y, x, y + h], [x, y + h, x + w, y], [x + w, y + h, x, y]]) {
      if (Math.hypot((at[0] - cx) * width, (at[1] - cy) * height) < GRIP) return { kind: "size", fixed: [fx, fy] };
    }
    const inside = at[0] > x && at[0] < x + w && at[1] > y && at[1] < y + h;
    return { kind: inside ? "move" : "draw", fixed: at };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const drag = this.#drag;
    if (!drag) return;
    const at = this.#at(event);
    const { width, height } = this.frame.getBoundingClientRect();
    const far = Math.hypot((at[0] - drag.start[0]) * width, (at[1] - drag.start[1]) * height);
    if (drag.kind === "draw" && far < CLICK) return;
    if (drag.kind !== "move") return this.#show(this.#between(drag.fixed, at));
    const [x, y, w, h] = drag.from;
    this.#show([clamp(x + at[0] - drag.start[0], 1 - w), clamp(y + at[1] - drag.start[1], 1 - h), w, h]);
  }

  /** @param {[number, number]} a stays where it is @param {[number, number]} b @returns {Region} */
  #between(a, b) {
    const sides = [0, 1].map((i) => Math.max(this.#least[i], Math.abs(b[i] - a[i])));
    const [x, y] = [0, 1].map((i) => clamp(b[i] < a[i] ? a[i] - sides[i] : a[i], 1 - sides[i]));
    return [x, y, sides[0], sides[1]];
  }

  /** What has been begun is over: the picture is zoomed instead. */
  letGo() {
    this.#drag = null;
  }

  #up() {
    if (this.#drag && this.on) {
      this.box.focus({ preventScroll: true });
      this.#say();
    }
    this.#drag = null;
  }

  /* The keyboard */

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter") {
      event.preventDefault();
      return this.#search(false);
    }
    /** @type {Record<string, [number, number]>} */
    const ways = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation(); // else the next picture
    const [x, y, w, h] = this.#region;
    if (event.shiftKey) this.#show([x, y, Math.max(this.#least[0], Math.min(1 - x, w + way[0])), Math.max(this.#least[1], Math.min(1 - y, h + way[1]))]);
    else this.#show([clamp(x + way[0], 1 - w), clamp(y + way[1], 1 - h), w, h]);
    this.#say();
  }
}

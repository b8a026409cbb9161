/** Zoom of the picture in the larger view: by wheel, double click, keys and buttons; fingers are in fingers.js. */
import { announce } from "../shared/announce.js";
import { button, el } from "../shared/dom.js";
import { texts } from "../texts.js";

/** @typedef {{x: number, y: number}} Point in pixels of the window */

const STEP = 1.5;
/** What a double click goes to, where a pixel of the file is no larger. */
const CLOSE = 2.5;
/** How many pixels of the screen one of the file may take. */
const PIXEL = 3;
const LEAST_MOST = 4;
/** Pixels that an arrow key moves. */
const WAY = 80;
/** Of the wheel, a pixel: pinches on a touchpad come as a wheel with Ctrl, and go less far. */
const WHEEL = 0.002;
const PINCHED = 0.01;
const LINE = 16;

const clamp = (/** @type {number} */ n, /** @type {number} */ least, /** @type {number} */ most) => Math.min(most, Math.max(least, n));

export class Zoom {
  /** 1: the picture as a whole. */
  scale = 1;
  /** Where its middle is moved to. */
  #x = 0;
  #y = 0;
  #pixels = 0;
  #hold = { x: 0, y: 0 };
  out = button({ icon: "minus", label: texts.zoomOut, class: "round", data: { testid: "zoom-out" }, click: () => this.by(1 / STEP) });
  into = button({ icon: "plus", label: texts.zoomIn, class: "round", data: { testid: "zoom-in" }, click: () => this.by(STEP) });
  fit = button({ text: texts.zoomPercent(1), class: "fit", data: { testid: "zoom-fit" }, click: () => this.reset(true) });
  bar = el("div", { class: "zoom", role: "group", "aria-label": texts.zoom }, this.out, this.fit, this.into);

  /**
   * @param {HTMLElement} stage where it can be seen @param {HTMLElement} room where it stands as a whole @param {HTMLElement} frame
   * @param {{free: () => boolean, changed: () => void}} host `free`: nothing else is done to the picture
   */
  constructor(stage, room, frame, { free, changed }) {
    this.stage = stage;
    this.room = room;
    this.frame = frame;
    this.free = free;
    this.changed = changed;
    room.addEventListener("wheel", (event) => this.#rolled(event), { passive: false });
    room.addEventListener("dblclick", (event) => free() && this.toggle({ x: event.clientX, y: event.clientY }));
    room.addEventListener("pointerdown", (event) => this.#down(event));
    room.addEventListener("pointermove", (event) => room.hasPointerCapture(event.pointerId) && this.#drag(event));
    new ResizeObserver(() => this.#set(this.scale, this.#x, this.#y)).observe(room);
  }

  get on() {
    return this.scale > 1;
  }

  /** The closest. */
  get most() {
    return Math.max(LEAST_MOST, (PIXEL * this.#pixels) / devicePixelRatio / (this.frame.offsetWidth || this.#pixels));
  }

  /** Another picture. @param {number} width of the file, px */
  start(width) {
    this.#pixels = width;
    this.reset();
  }

  /** @param {boolean} [said] */
  reset(said = false) {
    this.frame.classList.toggle("eased", said);
    this.#set(1, 0, 0);
    if (said) this.#say();
  }

  /** Closer or back, at the middle. @param {number} factor */
  by(factor) {
    const { left, top, width, height } = this.stage.getBoundingClientRect();
    this.frame.classList.add("eased");
    this.to(this.scale * factor, { x: left + width / 2, y: top + height / 2 });
    this.#say();
  }

  /** What is at that point stays there. @param {number} scale @param {Point} at @param {Point} [from] where it is now, if elsewhere */
  to(scale, at, from = at) {
    const middle = this.#middle();
    const next = clamp(scale, 1, this.most);
    const stays = (/** @type {"x"|"y"} */ axis, /** @type {number} */ now) => at[axis] - middle[axis] - (next / this.scale) * (from[axis] - middle[axis] - now);
    this.#set(next, stays("x", this.#x), stays("y", this.#y));
  }

  /** To the pixels of the file and back. @param {Point} at */
  toggle(at) {
    this.frame.classList.add("eased");
    if (this.on) return this.reset(true);
    this.to(Math.max(CLOSE, this.#pixels / (this.frame.offsetWidth || 1)), at);
    this.#say();
  }

  /** @param {number} x @param {number} y px */
  pan(x, y) {
    this.frame.classList.remove("eased");
    this.#move(this.#x + x, this.#y + y);
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether it was for the zoom */
  pressed({ key, shiftKey, target }) {
    if (key === "+" || key === "=") this.by(STEP);
    else if (key === "-" || key === "_") this.by(1 / STEP);
    else if (key === "0") this.reset(true);
    else return !shiftKey && this.on && this.stage.contains(/** @type {Node} */ (target)) && this.#arrow(key);
    return true;
  }

  /** @param {string} key */
  #arrow(key) {
    /** @type {Record<string, [number, number]>} */
    const ways = { ArrowLeft: [WAY, 0], ArrowRight: [-WAY, 0], ArrowUp: [0, WAY], ArrowDown: [0, -WAY] };
    if (!ways[key]) return false;
    this.pan(...ways[key]);
    return true;
  }

  /** @param {WheelEvent} event */
  #rolled(event) {
    event.preventDefault();
    this.frame.classList.remove("eased");
    const way = event.deltaY * (event.deltaMode ? LINE : 1) * (event.ctrlKey ? PINCHED : WHEEL);
    this.to(this.scale * Math.exp(-way), { x: event.clientX, y: event.clientY });
    this.#say();
  }

  /** The mouse takes hold of it; fingers are seen to elsewhere. @param {PointerEvent} event */
  #down(event) {
    if (!this.on || !this.free() || event.button || event.pointerType === "touch") return;
    event.preventDefault(); // nothing is selected
    this.#hold = { x: event.clientX, y: event.clientY };
    this.room.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #drag({ clientX: x, clientY: y }) {
    this.pan(x - this.#hold.x, y - this.#hold.y);
    this.#hold = { x, y };
  }

  /** Where the middle of the whole picture is. @returns {Point} */
  #middle() {
    const { left, top, width, height } = this.room.getBoundingClientRect();
    return { x: left + width / 2, y: top + height / 2 };
  }

  /** @param {number} scale @param {number} x @param {number} y */
  #set(scale, x, y) {
    this.scale = scale < 1.01 ? 1 : scale;
    this.#move(x, y);
    this.stage.classList.toggle("zoomed", this.on);
    this.frame.style.setProperty("--zoom", String(this.scale));
    const told = texts.zoomPercent(this.scale);
    /** @type {HTMLElement} */ (this.fit.firstElementChild).textContent = told;
    this.fit.setAttribute("aria-label", texts.zoomFit(told));
    this.out.setAttribute("aria-disabled", String(!this.on));
    this.fit.setAttribute("aria-disabled", String(!this.on));
    this.into.setAttribute("aria-disabled", String(this.scale >= this.most));
    this.changed();
  }

  /** Held so that the place of the whole picture stays covered. @param {number} x @param {number} y */
  #move(x, y) {
    const held = (/** @type {number} */ to, /** @type {number} */ size) => clamp(to, (size * (1 - this.scale)) / 2, (size * (this.scale - 1)) / 2);
    this.#x = held(x, this.frame.offsetWidth);
    this.#y = held(y, this.frame.offsetHeight);
    this.frame.style.transform = this.on ? `translate(${this.#x}px, ${this.#y}px) scale(${this.scale})` : "";
  }

  #say() {
    announce(this.on ? texts.zoomed(texts.zoomPercent(this.scale)) : texts.zoomedOut);
  }
}

/**
 * What fingers do to the picture in the larger view. Two pinch and move it; one moves it while it is
 * zoomed, else swipes to the next or, downwards, away; two taps zoom in at the place and out again.
 */

/**
 * @typedef {import("./zoom.js").Point} Point
 * @typedef {object} Hand
 * @property {import("./zoom.js").Zoom} zoom
 * @property {() => boolean} free whether one finger may move the picture: not while a part of it is drawn
 * @property {() => void} letGo two fingers are there: what one had begun is over
 * @property {(step: 1|-1) => void} step
 * @property {() => void} close
 * @property {() => boolean} top whether nothing is scrolled
 */

/** Less far is a tap, px. */
const TAP = 10;
const SWIPE = 50;
const AWAY = 110;
const DOUBLE_MS = 320;
const DOUBLE = 40;

/** @param {TouchList} touches @returns {Point} the middle of the first two */
const middleOf = ({ 0: a, 1: b = a }) => ({ x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2 });

/** @param {TouchList} touches */
const spanOf = ({ 0: a, 1: b }) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);

export class Fingers {
  /** @type {Point} */
  #start = { x: 0, y: 0 };
  /** @type {Point} */
  #last = { x: 0, y: 0 };
  #span = 0;
  /** What the one finger does. @type {"tap"|"pan"|"side"|"down"|"none"} */
  #does = "none";
  #tapped = { x: 0, y: 0, at: 0 };

  /** @param {HTMLElement} room @param {HTMLElement} frame @param {Hand} hand */
  constructor(room, frame, hand) {
    this.frame = frame;
    this.hand = hand;
    room.addEventListener("touchstart", (event) => this.#began(event), { passive: true });
    room.addEventListener("touchmove", (event) => this.#moved(event), { passive: false });
    room.addEventListener("touchend", (event) => this.#ended(event), { passive: false });
    room.addEventListener("touchcancel", () => this.#settle("none"));
  }

  /** @param {TouchEvent} event */
  #began({ touches }) {
    this.#start = this.#last = middleOf(touches);
    this.frame.classList.remove("eased");
    if (touches.length > 1) {
      this.hand.letGo();
      this.#span = spanOf(touches);
      this.#settle("none");
    } else this.#does = this.hand.free() ? "tap" : "none";
  }

  /** @param {TouchEvent} event */
  #moved(event) {
    const { touches } = event;
    const at = middleOf(touches);
    if (touches.length > 1) {
      event.preventDefault();
      const { zoom } = this.hand;
      zoom.to(zoom.scale * (spanOf(touches) / this.#span), at, this.#last);
      this.#span = spanOf(touches);
    } else if (this.#does !== "none") this.#swipe(event, at);
    this.#last = at;
  }

  /** @param {TouchEvent} event @param {Point} at */
  #swipe(event, at) {
    const [x, y] = [at.x - this.#start.x, at.y - this.#start.y];
    if (this.#does === "tap" && Math.hypot(x, y) > TAP) this.#does = this.#wayOf(x, y);
    if (this.#does === "none" || !event.cancelable) return; // the page scrolls
    event.preventDefault();
    if (this.#does === "pan") this.hand.zoom.pan(at.x - this.#last.x, at.y - this.#last.y);
    else if (this.#does === "side") this.frame.style.translate = `${x}px 0`;
    else if (this.#does === "down") this.frame.style.translate = `0 ${Math.max(0, y)}px`;
  }

  /** @param {number} x @param {number} y */
  #wayOf(x, y) {
    if (this.hand.zoom.on) return "pan";
    if (Math.abs(x) > Math.abs(y)) return "side";
    return y > 0 && this.hand.top() ? "down" : "none";
  }

  /** @param {TouchEvent} event */
  #ended(event) {
    if (event.touches.length) { // one of two: it goes on by itself
      this.#start = this.#last = middleOf(event.touches);
      return void (this.#does = this.hand.free() && this.hand.zoom.on ? "pan" : "none");
    }
    const [x, y] = [this.#last.x - this.#start.x, this.#last.y - this.#start.y];
    const did = this.#does;
    this.#settle("none");
    if (did === "side" && Math.abs(x) > SWIPE) this.hand.step(x < 0 ? 1 : -1);
    else if (did === "down" && y > AWAY) this.hand.close();
    else if (did === "tap") this.#tap(event);
  }

  /** @param {TouchEvent} event */
  #tap(event) {
    const { x, y } = this.#start;
    const near = Math.hypot(x - this.#tapped.x, y - this.#tapped.y) < DOUBLE;
    const twice = near && event.timeStamp - this.#tapped.at < DOUBLE_MS;
    this.#tapped = { x, y, at: twice ? 0 : event.timeStamp };
    if (!twice) return;
    event.preventDefault(); // else a double click too
    this.hand.zoom.toggle({ x, y });
  }

  /** Back to its place. @param {"none"} does */
  #settle(does) {
    this.#does = does;
    this.frame.style.translate = "";
  }
}

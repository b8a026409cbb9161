/** How far the whole is, how long it will take: in the tab's title, and now and then aloud. */
import { announce } from "../shared/announce.js";
import { texts } from "../texts.js";

const TICK_MS = 1000;
/** The pace is that of so many ticks; before the first few it would be a guess. */
const REMEMBERED = 20;
const SURE = 5;
/** Said aloud every so many per cent, and not oftener than so many ms. */
const STEP = 10;
const QUIET_MS = 5000;
const MARK = /^\d+ % · /;

export class Progress {
  /** Bytes sent, one number a tick. @type {number[]} */
  #sent = [];
  #timer = 0;
  #saidStep = 0;
  #saidAt = 0;

  /** @param {import("./uploads.js").Uploads} uploads @param {() => void} ticked */
  constructor(uploads, ticked) {
    this.uploads = uploads;
    this.ticked = ticked;
  }

  get moving() {
    return this.uploads.count("queued", "uploading") > 0;
  }

  get share() {
    return this.uploads.bytes.all ? this.uploads.sent / this.uploads.bytes.all : 0;
  }

  /** In words, once the pace is known. */
  get left() {
    const first = this.#sent[0];
    const last = this.#sent[this.#sent.length - 1];
    if (this.uploads.pause.on || this.#sent.length < SURE || last <= first) return "";
    const pace = (last - first) / (this.#sent.length - 1);
    return texts.timeLeft(((this.uploads.bytes.all - last) / pace) * (TICK_MS / 1000));
  }

  /** To be called when anything has changed: begins and ends by itself. */
  follow() {
    if (this.moving && !this.#timer) {
      this.#saidStep = 0;
      this.#saidAt = Date.now();
      this.#timer = setInterval(() => this.#tick(), TICK_MS);
    } else if (!this.moving && this.#timer) {
      clearInterval(this.#timer);
      this.#timer = 0;
      this.#sent = [];
    }
    this.#title();
  }

  #tick() {
    if (this.uploads.pause.on) this.#sent = []; // why it pauses is said, and is not talked over
    else {
      this.#sent = [...this.#sent.slice(1 - REMEMBERED), this.uploads.sent];
      this.#say();
    }
    this.#title();
    this.ticked();
  }

  #say() {
    const step = Math.floor((this.share * 100) / STEP) * STEP;
    if (step <= this.#saidStep || Date.now() - this.#saidAt < QUIET_MS) return;
    this.#saidStep = step;
    this.#saidAt = Date.now();
    announce(texts.uploadedShare(step, this.left));
  }

  /** Before what the page calls itself, whatever that is by now. */
  #title() {
    const own = document.title.replace(MARK, "");
    const title = this.moving ? `${texts.percent(Math.floor(this.share * 100))} · ${own}` : own;
    if (title !== document.title) document.title = title;
  }
}

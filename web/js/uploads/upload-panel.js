/** The panel in the corner: how many, how far, what is in the way, and the files. */
import { announce } from "../shared/announce.js";
import { button, el, icon } from "../shared/dom.js";
import { texts } from "../texts.js";
import { Progress } from "./progress.js";
import { UploadList } from "./upload-list.js";

/** @typedef {import("./uploads.js").Upload} Upload */

export class UploadPanel {
  #frame = 0;
  #said = "";
  #seen = 0;

  /**
   * @param {HTMLElement} panel
   * @param {import("./uploads.js").Uploads} uploads
   * @param {{left: import("./left-out.js").LeftOut, question: import("./question.js").Question, open: (image: import("../api.js").Image) => void}} parts
   */
  constructor(panel, uploads, { left, question, open }) {
    this.panel = panel;
    this.uploads = uploads;
    this.left = left;
    this.question = question;
    this.progress = new Progress(uploads, () => this.changed());
    this.list = new UploadList(uploads, open, () => this.changed());
    this.title = el("h2");
    this.detail = el("p", { class: "detail" });
    this.fold = button({ icon: "down", label: texts.collapse, class: "icon-button fold", data: { testid: "uploads-fold" }, click: () => this.#folded(!panel.classList.contains("folded")) });
    this.fold.setAttribute("aria-expanded", "true");
    this.end = button({ icon: "close", label: texts.close, class: "icon-button", data: { testid: "uploads-close" }, click: () => this.#close() });
    this.bar = el("progress", { max: "1", value: "0", "aria-label": texts.uploads });
    const press = (/** @type {string} */ text, /** @type {string} */ testid, /** @type {() => void} */ click) => button({ text, class: "text-button", data: { testid }, click });
    this.why = el("span");
    this.pause = el("p", { class: "pause", data: { testid: "uploads-pause" } }, icon("alert"), this.why, press(texts.retry, "uploads-resume", () => uploads.pause.end()));
    this.cancelAll = press(texts.cancelAll, "uploads-cancel", () => uploads.cancelAll());
    this.retryAll = press(texts.retryAll, "uploads-retry", () => uploads.retryAll());
    this.clearDone = press(texts.clearDone, "uploads-clear", () => uploads.clear(["ready", "cancelled"]));
    this.foot = el("div", { class: "foot" }, this.clearDone, this.retryAll, this.cancelAll);
    panel.append(
      el("div", { class: "head" }, el("div", {}, this.title, this.detail), this.fold, this.end),
      this.bar, this.pause, question.element, left.element, this.list.element, this.foot,
    );
  }

  /** Draws at the next frame, however many changes come before it. @param {Upload} [_] */
  changed(_) {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
    if (document.hidden) this.progress.follow(); // there are no frames where nobody looks
  }

  /** @param {number} n files found in a folder so far; 0: it is looked through */
  looking(n) {
    this.#seen = n;
    this.changed();
  }

  #draw() {
    this.#frame = 0;
    this.panel.hidden = !this.uploads.all && !this.question.open && !this.left.size && !this.#seen;
    this.progress.follow();
    this.list.draw();
    if (!this.panel.hidden) this.#drawHead();
  }

  #drawHead() {
    const { uploads, progress } = this;
    const { pause } = uploads;
    const n = uploads.count.bind(uploads);
    const { moving } = progress;
    const known = uploads.in("ready").filter((upload) => upload.known).length;
    this.title.textContent = this.#title();
    this.detail.textContent = [
      moving && progress.left,
      moving && n("waiting") && texts.indexingCount(n("waiting")),
      n("rejected") && texts.uploadsRejected(n("rejected")),
      n("failed") && texts.uploadsFailed(n("failed")),
      known > 0 && texts.uploadsKnown(known),
      moving && this.#collection(),
    ].filter(Boolean).join(" · ");
    this.bar.value = progress.share;
    this.bar.hidden = !moving;
    this.pause.hidden = !pause.on;
    this.why.textContent = pause.reason;
    this.cancelAll.hidden = !moving;
    this.retryAll.hidden = !n("failed");
    this.clearDone.hidden = !uploads.busy || !n("ready", "cancelled");
    this.foot.hidden = [this.cancelAll, this.retryAll, this.clearDone].every(({ hidden }) => hidden);
    this.end.hidden = moving || this.question.open || this.#seen > 0;
    this.#say(pause.on ? pause.reason : moving || !uploads.all ? "" : [this.title.textContent, this.detail.textContent].filter(Boolean).join(" · "));
  }

  #title() {
    const { uploads } = this;
    const n = uploads.count.bind(uploads);
    const all = uploads.all - n("cancelled");
    const moving = n("queued", "uploading");
    if (this.#seen) return texts.folderLooking(this.#seen);
    if (uploads.pause.on && !n("uploading")) return texts.uploadsPaused(n("queued"));
    if (moving) return texts.uploadingCount(all - moving, all);
    if (n("waiting")) return texts.indexingCount(n("waiting"));
    return !uploads.all && (this.question.open || this.left.size) ? (this.question.open ? texts.uploads : texts.noImages) : texts.uploadsDone(n("ready"));
  }

  #collection() {
    const [first] = this.uploads.of.uploading.size ? this.uploads.of.uploading : this.uploads.of.queued;
    return first?.collection && texts.uploadsTo(first.collection);
  }

  /** @param {string} sentence */
  #say(sentence) {
    if (sentence && sentence !== this.#said) announce(sentence);
    this.#said = sentence;
  }

  /** @param {boolean} folded */
  #folded(folded) {
    this.panel.classList.toggle("folded", folded);
    this.fold.setAttribute("aria-expanded", String(!folded));
  }

  #close() {
    this.left.clear();
    this.uploads.clear();
    if (!this.uploads.all) this.#folded(false);
  }
}

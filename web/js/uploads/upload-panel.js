/** The panel in the corner: how many, how far, and one row a file. */
import { announce } from "../shared/announce.js";
import { button, el, icon } from "../shared/dom.js";
import { formatBytes, nameOf } from "../shared/format.js";
import { texts } from "../texts.js";

/** @typedef {import("./uploads.js").Upload} Upload */

const ICONS = { queued: "clock", uploading: "upload", waiting: "clock", ready: "check", rejected: "alert", failed: "alert", cancelled: "close" };

export class UploadPanel {
  /** @type {Map<number, {row: HTMLElement, draw: (upload: Upload) => void}>} */
  #rows = new Map();
  /** @type {Set<Upload>} */
  #changed = new Set();
  #frame = 0;
  #said = "";

  /** @param {HTMLElement} panel @param {import("./uploads.js").Uploads} uploads @param {(image: import("../api.js").Image) => void} onOpen */
  constructor(panel, uploads, onOpen) {
    this.panel = panel;
    this.uploads = uploads;
    this.onOpen = onOpen;
    this.title = el("h2");
    this.detail = el("p", { class: "detail" });
    this.fold = button({ icon: "down", label: texts.collapse, class: "icon-button fold", click: () => this.#folded(!panel.classList.contains("folded")) });
    this.fold.setAttribute("aria-expanded", "true");
    this.end = button({ icon: "close", label: texts.close, class: "icon-button", data: { testid: "uploads-close" }, click: () => this.#close() });
    this.bar = el("progress", { max: "1", value: "0", "aria-label": texts.uploads });
    this.list = el("ul");
    this.cancelAll = button({ text: texts.cancelAll, class: "text-button", data: { testid: "uploads-cancel" }, click: () => uploads.cancelAll() });
    this.retryAll = button({ text: texts.retryAll, class: "text-button", data: { testid: "uploads-retry" }, click: () => uploads.retryAll() });
    this.foot = el("div", { class: "foot" }, this.retryAll, this.cancelAll);
    panel.append(el("div", { class: "head" }, el("div", {}, this.title, this.detail), this.fold, this.end), this.bar, this.list, this.foot);
  }

  /** Draws at the next frame, however many changes come before it. @param {Upload} [upload] */
  changed(upload) {
    if (upload) this.#changed.add(upload);
    else for (const each of this.uploads.list) this.#changed.add(each);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const { list } = this.uploads;
    this.panel.hidden = !list.length;
    const kept = new Set(list.map(({ number }) => number));
    for (const [number, { row }] of this.#rows) {
      if (kept.has(number)) continue;
      row.remove();
      this.#rows.delete(number);
    }
    for (const upload of this.#changed) if (kept.has(upload.number)) this.#row(upload).draw(upload);
    this.#changed.clear();
    if (list.length) this.#drawHead();
  }

  #drawHead() {
    const { uploads } = this;
    const n = (/** @type {import("./uploads.js").UploadState[]} */ ...states) => uploads.in(...states).length;
    const all = uploads.list.length - n("cancelled");
    const moving = n("queued", "uploading");
    const title = moving ? texts.uploadingCount(all - moving, all) : n("waiting") ? texts.indexingCount(n("waiting")) : texts.uploadsDone(n("ready"));
    const detail = [
      moving && n("waiting") && texts.indexingCount(n("waiting")),
      n("rejected") && texts.uploadsRejected(n("rejected")),
      n("failed") && texts.uploadsFailed(n("failed")),
      moving && uploads.list[uploads.list.length - 1].collection && texts.uploadsTo(uploads.list[uploads.list.length - 1].collection),
    ].filter(Boolean).join(" · ");
    this.title.textContent = title;
    this.detail.textContent = detail;
    const bytes = uploads.list.filter(({ state }) => state !== "cancelled");
    const size = bytes.reduce((sum, { file }) => sum + file.size + 1, 0);
    this.bar.value = bytes.reduce((sum, { file, state, progress }) => sum + (file.size + 1) * (state === "queued" || state === "uploading" ? progress : 1), 0) / (size || 1);
    this.bar.hidden = !moving;
    this.cancelAll.hidden = !moving;
    this.retryAll.hidden = !n("failed");
    this.foot.hidden = !moving && !n("failed");
    this.end.hidden = moving > 0;
    const said = moving ? "" : [title, detail].filter(Boolean).join(" · ");
    if (said && said !== this.#said) announce(said);
    this.#said = said;
  }

  /** @param {Upload} upload */
  #row(upload) {
    const known = this.#rows.get(upload.number);
    if (known) return known;
    const mark = el("span", { class: "mark" });
    const name = el("span", { class: "name" });
    const state = el("span", { class: "state" });
    const bar = el("progress", { max: "1", "aria-label": upload.file.name });
    const cancel = button({ icon: "close", label: texts.cancelName(upload.file.name), class: "icon-button", click: () => this.uploads.cancel(upload) });
    const retry = button({ icon: "retry", label: texts.retryName(upload.file.name), class: "icon-button", click: () => this.uploads.retry(upload) });
    const open = button({ text: upload.file.name, class: "open", click: () => upload.image && this.onOpen(upload.image) });
    name.textContent = upload.file.name;
    const row = el("li", { data: { testid: "upload-row", number: upload.number } }, mark, el("div", {}, name, open, state, bar), cancel, retry);
    this.list.append(row);
    let drawn = "";
    const draw = (/** @type {Upload} */ now) => {
      bar.value = now.progress;
      if (now.state === drawn) return;
      drawn = now.state;
      row.dataset.state = now.state;
      row.dataset.id = now.id;
      if (now.state === "rejected" || now.state === "failed") this.list.prepend(row); // in sight
      mark.replaceChildren(icon(ICONS[now.state]));
      const word = texts.uploadState[now.state];
      state.textContent = now.reason ? texts.uploadReason(word, now.reason) : `${word} · ${formatBytes(now.file.size)}`;
      bar.hidden = now.state !== "uploading";
      cancel.hidden = now.state !== "queued" && now.state !== "uploading";
      retry.hidden = now.state !== "failed" && now.state !== "cancelled";
      open.hidden = now.state !== "ready";
      name.hidden = !open.hidden;
      if (now.image) open.textContent = nameOf(now.image);
    };
    const made = { row, draw };
    this.#rows.set(upload.number, made);
    return made;
  }

  /** @param {boolean} folded */
  #folded(folded) {
    this.panel.classList.toggle("folded", folded);
    this.fold.setAttribute("aria-expanded", String(!folded));
  }

  #close() {
    this.uploads.clear();
    if (!this.uploads.list.length) this.#folded(false);
  }
}

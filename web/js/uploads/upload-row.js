/** One file in the panel. Rows are made for those in sight only, and kept while they are. */
import { button, el, icon } from "../shared/dom.js";
import { formatBytes, nameOf, safeUrl } from "../shared/format.js";
import { texts } from "../texts.js";

/** @typedef {import("./uploads.js").Upload} Upload */

const ICONS = { queued: "clock", uploading: "upload", waiting: "clock", ready: "check", rejected: "alert", failed: "alert", cancelled: "close" };

export class UploadRow {
  #drawn = "";

  /** @param {Upload} upload @param {import("./uploads.js").Uploads} uploads @param {(image: import("../api.js").Image) => void} onOpen */
  constructor(upload, uploads, onOpen) {
    const name = nameOf(upload.file);
    this.upload = upload;
    this.mark = el("span", { class: "mark" });
    this.name = el("span", { class: "name", text: name });
    this.state = el("span", { class: "state" });
    this.bar = el("progress", { max: "1", "aria-label": name });
    this.cancel = button({ icon: "close", label: texts.cancelName(name), class: "icon-button", data: { testid: "upload-cancel" }, click: () => uploads.cancel(upload) });
    this.retry = button({ icon: "retry", label: texts.retryName(name), class: "icon-button", data: { testid: "upload-retry" }, click: () => uploads.retry(upload) });
    this.open = button({ text: name, class: "open", data: { testid: "upload-open" }, click: () => upload.image && onOpen(upload.image) });
    this.element = el("li", { data: { testid: "upload-row", number: upload.number } },
      this.mark, el("div", {}, this.name, this.open, this.state, this.bar), this.cancel, this.retry);
  }

  draw() {
    const { state, progress, id, reason, image, file, known } = this.upload;
    this.bar.value = progress;
    const drawn = `${state} ${known}`;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.element.dataset.state = state;
    this.element.dataset.id = id;
    this.mark.replaceChildren(this.#thumbnail() ?? icon(ICONS[state]));
    const word = texts.uploadState[state];
    this.state.textContent = reason ? texts.uploadReason(word, reason) : `${word} · ${known ? texts.uploadKnown : formatBytes(file.size)}`;
    this.bar.hidden = state !== "uploading";
    this.cancel.hidden = state !== "queued" && state !== "uploading";
    this.retry.hidden = state !== "failed" && state !== "cancelled";
    this.open.hidden = state !== "ready";
    this.name.hidden = !this.open.hidden;
    if (image) this.open.textContent = nameOf(image);
  }

  #thumbnail() {
    const src = this.upload.state === "ready" && safeUrl(this.upload.image?.thumbnail_url);
    return src ? el("img", { src, alt: "", width: "36", height: "36", loading: "lazy" }) : null;
  }
}

/** Where files come from: the pickers, a drop anywhere on the page, the clipboard. */
import { announce } from "../shared/announce.js";
import { byId } from "../shared/dom.js";
import { texts } from "../texts.js";

/** @typedef {import("./door.js").Arrival} Arrival */

/**
 * @param {{take: (arrival: Arrival) => void, prepare: () => void}} door `prepare`: files may come soon
 * @param {() => boolean} allowed where it is not, one picture may be searched by and nothing is uploaded
 * @param {(files: File[], event: DragEvent|ClipboardEvent) => boolean} [taken] asked first: true means that the search has taken what was dropped or pasted
 */
export function takeFiles(door, allowed, taken = () => false) {
  for (const input of [byId("file-input"), byId("folder-input")]) {
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      if (files.length) door.take({ files });
    });
  }
  const pickers = [[byId("upload-button"), "file-input"], [byId("upload-folder"), "folder-input"]];
  for (const [button, input] of pickers) {
    button.addEventListener("click", () => byId(input).click());
    for (const sign of ["click", "pointerenter"]) button.addEventListener(sign, () => door.prepare());
  }
  takeDrops(door, allowed, taken);
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter(({ type }) => type.startsWith("image/"));
    const field = /** @type {Element} */ (event.target).matches?.("input, select, textarea");
    // Many programs put a picture of a text beside the text.
    if (!files.length || document.querySelector("dialog[open]") || (field && event.clipboardData?.types.includes("text/plain"))) return;
    event.preventDefault();
    if (taken(files, event)) return;
    if (allowed()) door.take({ files: files.map(named) });
    else announce(texts.uploadRefused);
  });
}

/** @param {Parameters<typeof takeFiles>[0]} door @param {() => boolean} allowed @param {(files: File[], event: DragEvent) => boolean} taken */
function takeDrops(door, allowed, taken) {
  const cover = byId("drop");
  let own = false; // a picture of the page itself is dragged
  let depth = 0;
  const wanted = (/** @type {DragEvent} */ event) => !own && Boolean(event.dataTransfer?.types.includes("Files")) && !document.querySelector("dialog[open]");
  const show = (/** @type {DragEvent|null} */ event) => {
    const search = !allowed() || Boolean(/** @type {Element|null} */ (event?.target)?.closest?.("#search-form"));
    cover.hidden = !event;
    cover.classList.toggle("search-by", search);
    cover.querySelector("span").textContent = search ? texts.dropSearch : texts.dropHere;
    if (!event) depth = 0;
  };
  document.addEventListener("dragstart", () => (own = true));
  document.addEventListener("dragend", () => (own = false));
  document.addEventListener("dragenter", (event) => {
    if (!wanted(event)) return;
    depth += 1;
    show(event);
    if (allowed()) door.prepare();
  });
  document.addEventListener("dragleave", (event) => {
    if (!wanted(event)) return;
    depth -= 1;
    if (depth <= 0) show(null);
  });
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault(); // else the browser would leave the page for the file
    event.dataTransfer.dropEffect = wanted(event) ? "copy" : "none";
  });
  document.addEventListener("drop", (event) => {
    const take = wanted(event);
    show(null);
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    const files = [...event.dataTransfer.files];
    if (!take || taken(files, event)) return;
    if (!allowed()) return announce(texts.uploadRefused);
    // What was dropped can be asked for only now; folders are walked through later.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    door.take(entries.some((entry) => entry?.isDirectory) ? { files: [], entries } : { files });
  });
}

/** Pasted pictures are all called image.png; a time tells them apart. @param {File} file */
function named(file) {
  if (file.name && !/^image\.\w+$/i.test(file.name)) return file;
  const stamp = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const ending = file.type.split("/")[1]?.replace("jpeg", "jpg").replace(/\W.*$/, "") || "png";
  return new File([file], texts.pastedName(stamp, ending), { type: file.type, lastModified: file.lastModified });
}

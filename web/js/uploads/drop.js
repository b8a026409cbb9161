/** Where files come from: the picker, a drop anywhere on the page, the clipboard. */
import { announce } from "../shared/announce.js";
import { byId } from "../shared/dom.js";
import { texts } from "../texts.js";

/** Images that browsers often know no type for. */
const BY_NAME = /\.(hei[cf]|hif|tiff?|avif|bmp|jxl|dng|cr[23]|nef|nrw|arw|sr[2fw]|orf|rw2|raf|pef|3fr|erf|mef)$/i;

/** @param {(files: File[]) => void} onFiles @param {() => boolean} allowed where it is not, the cover says so and nothing is taken */
export function takeFiles(onFiles, allowed) {
  const input = byId("file-input");
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    if (files.length) onFiles(files);
  });
  byId("upload-button").addEventListener("click", openPicker);
  takeDrops(onFiles, allowed);
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter(({ type }) => type.startsWith("image/"));
    if (!files.length || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (allowed()) onFiles(files.map(named));
    else announce(texts.uploadRefused);
  });
}

export function openPicker() {
  byId("file-input").click();
}

/** @param {(files: File[]) => void} onFiles @param {() => boolean} allowed */
function takeDrops(onFiles, allowed) {
  const cover = byId("drop");
  let own = false; // a picture of the page itself is dragged
  let depth = 0;
  const wanted = (/** @type {DragEvent} */ event) => !own && Boolean(event.dataTransfer?.types.includes("Files")) && !document.querySelector("dialog[open]");
  const show = (/** @type {boolean} */ on) => {
    cover.hidden = !on;
    cover.classList.toggle("refused", !allowed());
    cover.querySelector("span").textContent = allowed() ? texts.dropHere : texts.uploadRefused;
    if (!on) depth = 0;
  };
  document.addEventListener("dragstart", () => (own = true));
  document.addEventListener("dragend", () => (own = false));
  document.addEventListener("dragenter", (event) => {
    if (!wanted(event)) return;
    depth += 1;
    show(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!wanted(event)) return;
    depth -= 1;
    if (depth <= 0) show(false);
  });
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault(); // else the browser would leave the page for the file
    event.dataTransfer.dropEffect = wanted(event) && allowed() ? "copy" : "none";
  });
  document.addEventListener("drop", async (event) => {
    const take = wanted(event);
    show(false);
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (!take) return;
    if (!allowed()) return announce(texts.uploadRefused);
    const files = await filesOf(event.dataTransfer);
    if (files.length) onFiles(files);
  });
}

/** Every file that was dropped, those in folders too. @param {DataTransfer} data */
async function filesOf(data) {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null && entry !== undefined);
  const loose = [...data.files];
  if (!entries.some((entry) => entry.isDirectory)) return loose;
  /** @type {File[]} */
  const files = [];
  const walk = async (/** @type {any} */ entry) => {
    if (entry.name.startsWith(".")) return;
    if (entry.isFile) return void files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const each of some) await walk(each);
    }
  };
  for (const entry of entries) await walk(entry).catch(console.warn);
  return files.filter(({ name, type }) => type.startsWith("image/") || BY_NAME.test(name));
}

/** Pasted pictures are all called image.png; a time tells them apart. @param {File} file */
function named(file) {
  if (file.name && !/^image\.\w+$/i.test(file.name)) return file;
  const stamp = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const ending = file.type.split("/")[1]?.replace("jpeg", "jpg").replace(/\W.*$/, "") || "png";
  return new File([file], texts.pastedName(stamp, ending), { type: file.type, lastModified: file.lastModified });
}

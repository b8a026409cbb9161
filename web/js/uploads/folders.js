/**
 * What came, told apart: what is sent, and of a folder what is left out and why. A file that was
 * chosen by itself is never left out in silence; the line says what is wrong with it.
 *
 * @typedef {"hidden"|"kind"|"empty"|"twice"|"unreadable"} LeftWhy
 * @typedef {{file: File, path: string}} Found
 * @typedef {{files: File[], folder: string, left: [LeftWhy, string][]}} Sorted `folder`: the name of the one that all files are in
 */
import { texts } from "../texts.js";

/** What is read (docs/api.md, POST /uploads), by name: for many of these browsers know no type. */
const BY_NAME = /\.(jpe?g?|jfif|a?png|webp|gif|bmp|dib|hei[cf]|hif|tiff?|avif|jxl|dng|cr[23]|nef|nrw|arw|sr[2fw]|orf|rw2|raf|pef|3fr|erf|mef)$/i;
/** Of the types that begin as those of images do. */
const DRAWINGS = /^image\/(svg|x-icon|vnd\.)/;
/** Types that need no asking; of the others the API says whether it reads them. */
const NO_IMAGE = /^(?!image\/|application\/octet-stream)./;
const MEBIBYTE = 2 ** 20;

/** @param {File} file */
const isImage = ({ name, type }) => BY_NAME.test(name) || (type.startsWith("image/") && !DRAWINGS.test(type));

/** Why a file is not even tried; "" where it is. @param {File} file */
export const faultOf = ({ type, size }) => (NO_IMAGE.test(type) ? texts.notAnImage : size ? "" : texts.fileEmpty);

/**
 * @param {import("./door.js").Arrival} arrival
 * @param {(n: number) => void} seen so many files were found so far
 * @returns {Promise<Sorted>}
 */
export async function sortOut({ files, entries }, seen) {
  if (!entries && !files.some(({ webkitRelativePath }) => webkitRelativePath)) return { files, folder: "", left: [] };
  /** @type {Sorted["left"]} */
  const left = [];
  const found = entries ? await walk(entries, left, seen) : files.map((file) => ({ file, path: file.webkitRelativePath }));
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  found.sort((a, b) => compare(a.path, b.path));
  const kept = found.filter(({ file, path }) => {
    const why = /(^|\/)\./.test(path) ? "hidden" : !isImage(file) ? "kind" : !file.size ? "empty" : "";
    if (why) left.push([why, path]);
    return !why;
  });
  const tops = new Set(kept.map(({ path }) => (path.includes("/") ? path.slice(0, path.indexOf("/")) : "")));
  return { files: kept.map(({ file }) => file), folder: tops.size === 1 ? [...tops][0] : "", left };
}

/** @param {any[]} entries FileSystemEntry @param {Sorted["left"]} left @param {(n: number) => void} seen @returns {Promise<Found[]>} */
async function walk(entries, left, seen) {
  /** @type {Found[]} */
  const found = [];
  const stack = [...entries].reverse();
  for (let entry = stack.pop(); entry; entry = stack.pop()) {
    const path = entry.fullPath.replace(/^\//, "");
    try {
      if (entry.isFile) found.push({ file: await promised((done, failed) => entry.file(done, failed)), path });
      else if (entry.name.startsWith(".")) left.push(["hidden", `${path}/`]);
      else stack.push(...(await listed(entry)));
    } catch {
      left.push(["unreadable", path]);
    }
    seen(found.length);
  }
  return found;
}

/** All entries of a folder: each answer holds a hundred at most, the last one none. @param {any} folder @returns {Promise<any[]>} */
async function listed(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await promised((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return all;
    all.push(...some);
  }
}

/** @param {(done: (value: any) => void, failed: (error: unknown) => void) => void} ask @returns {Promise<any>} */
const promised = (ask) => new Promise(ask);

/**
 * Files that are the same as one that is on its way, or as one before them, told by what they hold.
 * @param {File[]} files @param {File[]} under on their way to the same collection @returns {Promise<{once: File[], twice: File[]}>}
 */
export async function onlyOnce(files, under) {
  const looks = (/** @type {File} */ { name, size, lastModified }) => `${size} ${lastModified} ${name}`;
  /** @type {Map<string, File[]>} */
  const known = new Map();
  const learn = (/** @type {File} */ file) => known.set(looks(file), [...(known.get(looks(file)) ?? []), file]);
  under.forEach(learn);
  /** @type {File[]} */
  const once = [];
  /** @type {File[]} */
  const twice = [];
  for (const file of files) {
    if (await anySame(file, known.get(looks(file)) ?? [])) twice.push(file);
    else {
      once.push(file);
      learn(file);
    }
  }
  return { once, twice };
}

/** @param {File} file @param {File[]} others of the same size */
async function anySame(file, others) {
  for (const other of others) if (await same(file, other)) return true;
  return false;
}

/** Compared a mebibyte at a time: neither is read whole into memory. @param {File} a @param {File} b */
async function same(a, b) {
  try {
    for (let at = 0; at < a.size; at += MEBIBYTE) {
      const [one, two] = await Promise.all([a, b].map((file) => file.slice(at, at + MEBIBYTE).arrayBuffer()));
      const [left, right] = [new Uint8Array(one), new Uint8Array(two)];
      if (left.some((byte, i) => byte !== right[i])) return false;
    }
    return true;
  } catch {
    return false; // one of them cannot be read any more: its transfer will say so
  }
}

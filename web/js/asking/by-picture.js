/** Searching by pictures from this device: made small here, sent once, then known by their vectors. */
import { announce } from "../shared/announce.js";
import { button, byId, el } from "../shared/dom.js";
import { texts } from "../texts.js";
import { anew, likeOf, MOST_PIECES, picturesOf, piecesOf, sent } from "./query.js";

/** Pixels of the shorter side: no model in use looks at more. */
const SIDE = 512;
/** Models look at the middle square, so of a long picture no more need be sent than so many sides. */
const LONGEST = 3 * SIDE;
/** Of JPEG: what it takes away is below what the model tells apart. */
const QUALITY = 0.92;
/** Bytes of a file that goes as it is: base64 makes a third more of it, and the API takes 4.4 MB. */
const MOST_BYTES = 3_000_000;
/** Characters of vectors: an address in front of the page may have 8,192 bytes, CloudFront's limit
 * (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html). */
const MOST_LIKE = 6000;
/** Images that browsers often know no type for. */
const BY_NAME = /\.(jpe?g|png|webp|gif|hei[cf]|hif|tiff?|avif|bmp|jxl|dng|cr[23]|nef|nrw|arw|sr[2fw]|orf|rw2|raf|pef|3fr|erf|mef)$/i;

let count = 0;

/**
 * Adds the pictures to the search under way.
 * @param {File[]} files @param {import("../page.js").Page} page
 * @param {boolean} pasted they might have been meant for the library: that is offered
 */
export async function searchBy(files, page, pasted) {
  clearNote();
  try {
    const ids = [];
    for (const file of files) ids.push(await known(file));
    const query = page.search.query;
    if (piecesOf(query).length + ids.length > MOST_PIECES || query.like.length > MOST_LIKE) throw new Refused(texts.byPicture.tooMany(MOST_PIECES));
    const like = likeOf([...picturesOf(query), ...ids.map((id) => ({ id }))]);
    page.ask(anew(query, { like }));
    const upload = pasted && page.api.may("upload") && button({ text: texts.byPicture.uploadInstead, class: "text-button", data: { testid: "upload-instead" }, click: () => {
      clearNote();
      page.uploads.take({ files });
    } });
    if (upload) note(texts.byPicture.pasted, upload);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    note(error.message);
    announce(error.message);
  }
}

/** Why a file is not searched by, as a sentence. */
class Refused extends Error {}

/** Keeps a picture to be sent. @param {File} file @returns {Promise<string>} its key in `sent` */
async function known(file) {
  const small = await smallOf(file);
  const id = `p${++count}`;
  const image = await dataUrlOf(small ?? whole(file));
  sent.set(id, { image, preview: small ? URL.createObjectURL(small) : "" });
  return id;
}

/** The picture upright and small, as JPEG; null where this browser cannot read it. @param {File} file @returns {Promise<Blob|null>} */
async function smallOf(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
  const { width, height } = bitmap;
  const scale = Math.min(1, SIDE / Math.min(width, height), LONGEST / Math.max(width, height));
  const canvas = el("canvas", { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // as the library sees transparent pictures
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

/** A file that goes as it is, for the API to read. @param {File} file */
function whole(file) {
  if (!file.type.startsWith("image/") && !BY_NAME.test(file.name)) throw new Refused(texts.byPicture.notAPicture(file.name));
  if (file.size > MOST_BYTES) throw new Refused(texts.byPicture.tooLarge(file.name, MOST_BYTES / 1e6));
  return file;
}

/** @param {Blob} blob @returns {Promise<string>} */
const dataUrlOf = (blob) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(String(reader.result));
  reader.onerror = () => reject(new Refused(texts.byPicture.gone));
  reader.readAsDataURL(blob);
});

/** One sentence above the answer, until it is put away or the next picture comes. @param {string} text @param {...(Node|false)} more */
function note(text, ...more) {
  byId("chips").before(el("p", { class: "asking-note", id: "asking-note", data: { testid: "asking-note" } }, el("span", { text }), ...more,
    button({ icon: "close", label: texts.close, class: "icon-button", click: clearNote })));
}

function clearNote() {
  byId("asking-note")?.remove();
}

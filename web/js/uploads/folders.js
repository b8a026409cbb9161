/** The files of folders that were dropped. */

/** Images that browsers often know no type for. */
const BY_NAME = /\.(hei[cf]|hif|tiff?|avif|bmp|jxl|dng|cr[23]|nef|nrw|arw|sr[2fw]|orf|rw2|raf|pef|3fr|erf|mef)$/i;

/** Every image in what was dropped. @param {any[]} entries @returns {Promise<File[]>} */
export async function filesIn(entries) {
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

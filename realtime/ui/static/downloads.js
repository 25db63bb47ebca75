// Links that save what the Review tab has exported.

import { make } from "./colours.js";

/** A link for each exported file, and one for all of them as a ZIP file, whose name has the code of
 * `coder`. `base`: address of the session's routes. */
export function downloadLinks(base, files, coder) {
  const links = files.map((file) => {
    const path = file.split("/").map(encodeURIComponent).join("/");
    return saveLink(new URL(`exported/${path}`, base), file.split("/").at(-1));
  });
  if (files.length > 1) {
    const all = new URL("exported.zip", base);
    all.searchParams.set("coder", coder);
    for (const file of files) all.searchParams.append("file", file);
    links.unshift(saveLink(all, "all as a ZIP file"));
  }
  return links.flatMap((link) => [" · ", link]).slice(1);
}

/** A link that saves what is at `address`. */
export function saveLink(address, words) {
  return make("a", { href: address, download: "" }, words);
}

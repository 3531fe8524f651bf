// One picture of a page's first screen, for documents: node screenshot.js RUN_FOLDER OUT.png [VIEW]

import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Chromium } from "./chromium.js";

const MOST_BYTES = 300_000;

const [folder, out, view = "overview"] = process.argv.slice(2);
const browser = await Chromium.launch();
const page = await browser.page({ width: 1280, height: 860 });
// Without a view the page begins with loopback and one thread; the view keeps that choice.
await page.open(pathToFileURL(resolve(folder, "index.html")).href);
await page.eval(`location.hash = (location.hash || document.querySelector(".views a").hash).replace(/view=[a-z]+/, "view=${view.replace(/[^a-z]/g, "")}")`);
await page.until(`document.querySelector(".views [aria-current]").hash.includes("view=${view.replace(/[^a-z]/g, "")}")`);
await page.eval(`document.querySelector("#warnings details")?.removeAttribute("open")`);
const picture = await page.screenshot();
await browser.close();
if (picture.length > MOST_BYTES) throw new Error(`${picture.length} bytes are more than ${MOST_BYTES}: choose a view with less in it`);
await writeFile(out, picture);
console.log(`${out}: ${picture.length} bytes`);

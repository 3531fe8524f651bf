// Pictures of every view in light and dark at two widths, to be looked at: node screenshots.js RUN_FOLDER OUT_FOLDER [VIEW ...]

import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Chromium } from "./chromium.js";

const [folder, out, ...views] = process.argv.slice(2);
const page = pathToFileURL(resolve(folder, "index.html")).href;
await mkdir(out, { recursive: true });
const browser = await Chromium.launch();
for (const scheme of ["light", "dark"]) {
  for (const width of [1280, 360]) {
    const tab = await browser.page({ width, height: 900, scheme, mobile: width < 500 });
    for (const view of views) {
      await tab.open(`${page}#view=${view}`);
      await writeFile(join(out, `${view.replace(/\W+/g, "-")}-${scheme}-${width}.png`), await tab.screenshot());
    }
    await tab.close();
  }
}
await browser.close();

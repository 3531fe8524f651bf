// Writes the payload of a page as a constant of the declared type: node payload.js PAGE OUT

import { readFileSync, writeFileSync } from "node:fs";

const [page, out] = process.argv.slice(2);
const [, json] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(readFileSync(page, "utf8"));
writeFileSync(out, `export const payload: Payload = ${json};\n`);

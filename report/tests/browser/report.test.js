// The report in a real browser. SYNTHETIC, DAMAGED, LARGE and MACHINES are run folders that the runner made.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Chromium } from "./chromium.js";

const folders = Object.fromEntries(["SYNTHETIC", "DAMAGED", "LARGE", "MACHINES"].map((name) => {
  assert.ok(process.env[name], `${name} names no run folder: start the tests with ./run`);
  return [name, resolve(process.env[name])];
}));
const address = (name, hash = "") => `${pathToFileURL(join(folders[name], "index.html")).href}${hash}`;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const VIEWS = ["overview", "time", "time&split=span", "time&log=", "layers", "communication", "communication&split=span", "networks", "batches", "tradeoffs",
  "memory", "accuracy", "published", "provenance", "method", "cell&cell=mpc/mnist-mlp/mnist/b4/t1/loopback/n12/s0"];

let browser;
before(async () => {
  browser = await Chromium.launch();
});
after(() => browser?.close());

async function opened(name, hash, options) {
  const page = await browser.page(options);
  await page.open(address(name, hash));
  return page;
}

/** The rows of a CSV file without quoted line breaks, as objects. */
function csv(name, file) {
  const [head, ...lines] = readFileSync(join(folders[name], file), "utf8").trim().split("\n")
    .map((line) => [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map((match) => match[1].replace(/^"|"$/g, "")));
  return lines.map((line) => Object.fromEntries(head.map((column, index) => [column, line[index]])));
}

/** What the rows of `summary.csv` that their backend does not run have in common: backend and network. */
const refused = (name) => new Set(csv(name, "summary.csv").filter(({ status }) => status === "unsupported").map(({ backend, network }) => `${backend} ${network}`));

/** Shows every row of lists that grow on demand. */
const grown = (page) => page.eval(`(() => { for (const more of document.querySelectorAll("main .more")) while (!more.hidden) more.click(); })()`);

const text = (page, selector) => page.eval(`document.querySelector(${JSON.stringify(selector)})?.innerText`);
const texts = (page, selector) => page.eval(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((element) => element.innerText)`);
const hash = (page) => page.eval("location.hash");

describe("every view", () => {
  for (const [name, views] of [["SYNTHETIC", VIEWS], ["DAMAGED", ["overview", "provenance"]], ["LARGE", VIEWS.slice(0, -1)], ["MACHINES", VIEWS.slice(0, -1)]]) {
    test(`of the ${name.toLowerCase()} run draws without a console message and asks the network for nothing`, async () => {
      const page = await browser.page();
      for (const view of views) {
        await page.open(address(name, `#view=${view}`));
        assert.ok((await text(page, "main")).length > 100, `${view} is empty`);
      }
      assert.deepEqual(page.errors, []);
      assert.deepEqual(page.requests.filter((url) => !/^(file|data|about):/.test(url)), []);
      assert.deepEqual([...new Set(page.requests.filter((url) => url.startsWith("file:")).map((url) => url.split("#")[0]))], [address(name)]);
      await page.close();
    });
  }

  test("fits a screen of 360 px without scrolling sideways", async () => {
    const page = await browser.page({ width: 360, height: 740, mobile: true });
    for (const view of VIEWS) {
      await page.open(address("SYNTHETIC", `#view=${view}`));
      const [wide, client] = await page.eval("[Math.max(document.documentElement.scrollWidth, document.body.scrollWidth), innerWidth]");
      assert.deepEqual([wide, client], [360, 360], view);
    }
    await page.close();
  });

  for (const [scheme, width] of [["light", 1280], ["dark", 1280], ["light", 360], ["dark", 360]]) {
    // Dark differs from light in its colours alone.
    const rules = scheme === "light" ? ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] : ["color-contrast"];
    test(`passes axe's ${scheme === "light" ? "WCAG rules, contrast among them," : "rule of contrast"} in ${scheme} at ${width} px`, async () => {
      const page = await browser.page({ width, scheme, mobile: width < 500 });
      for (const view of VIEWS) {
        await page.open(address("SYNTHETIC", `#view=${view}&network=malaria-cnn&batch=1&link=loopback`));
        await page.eval("document.querySelectorAll('details').forEach((details) => { details.open = !details.closest('.filter'); })");
        await page.eval(AXE);
        // Addresses of views begin with `#` but are no skip links; the real one has a test of its own.
        const found = await page.eval(`axe.run(document, { runOnly: ${JSON.stringify(rules)}, ${scheme === "light" ? `rules: { "skip-link": { enabled: false } }` : ""} }).then(({ violations, passes }) =>
          ({ contrast: passes.some(({ id }) => id === "color-contrast"), violations: violations.map(({ id, nodes }) => id + ": " + nodes.slice(0, 2).map(({ html }) => html.slice(0, 160)).join(" | ")) }))`);
        assert.deepEqual(found.violations, [], view);
        assert.ok(found.contrast, `contrast was not judged in ${view}`);
      }
      await page.close();
    });
  }
});

test("the first Tab reaches a link past the navigation, which keeps the view", async () => {
  const page = await opened("SYNTHETIC", "#view=memory&q=mpc");
  await page.press("Tab", { keyCode: 9 });
  assert.equal(await page.eval("document.activeElement.innerText"), "Skip to the figures");
  await page.press("Enter", { keyCode: 13, text: "\r" });
  assert.equal(await page.eval("document.activeElement.id"), "main");
  assert.equal(await hash(page), "#view=memory&q=mpc");
  await page.close();
});

describe("the filter", () => {
  test("shows the cells that have every word and says how many", async () => {
    const page = await opened("SYNTHETIC", "#view=overview");
    const all = csv("SYNTHETIC", "summary.csv");
    assert.equal(await text(page, ".shown"), `All ${all.length.toLocaleString("en")} cells`);
    await page.eval("document.querySelector('.filterbar input').focus()");
    await page.type("ckks malaria");
    const fitting = all.filter(({ cell }) => cell.includes("ckks") && cell.includes("malaria"));
    assert.equal(await text(page, ".shown"), `${fitting.length} of ${all.length.toLocaleString("en")} cells`);
    const backends = new Set((await texts(page, "main tbody th[scope=row] a")).map((name) => name.trim()));
    assert.deepEqual([...backends].sort(), ["ckks", "ckks-batched"]);
    assert.match(await hash(page), /q=ckks%20malaria/);
    await page.close();
  });

  test("works from the keyboard, by facet", async () => {
    const page = await opened("SYNTHETIC", "#view=memory");
    await page.eval("[...document.querySelectorAll('.facet > summary')].find((summary) => summary.innerText.startsWith('Backend')).focus()");
    await page.press("Enter", { keyCode: 13, text: "\r" });
    await page.press("Tab", { keyCode: 9 });
    await page.press(" ", { code: "Space", keyCode: 32, text: " " });
    await page.until("location.hash.includes('backend=ckks')");
    await page.press("Escape", { keyCode: 27 });
    assert.equal(await page.eval("document.activeElement.innerText"), "Backend: ckks");
    assert.deepEqual([...new Set(await texts(page, ".bars .label a"))], ["ckks"]);
    await page.close();
  });

  test("that fits nothing says so in every view", async () => {
    const page = await browser.page();
    for (const view of ["overview", "time", "layers", "communication", "networks", "batches", "tradeoffs", "memory", "accuracy"]) {
      await page.open(address("SYNTHETIC", `#view=${view}&q=nosuchcell`));
      assert.match(await text(page, "main"), /fits the filter/, view);
    }
    assert.deepEqual(page.errors, []);
    await page.close();
  });
});

describe("modelled figures", () => {
  const modelled = (page) => texts(page, ".modelled-value");

  test("follow the sliders and are marked", async () => {
    const page = await opened("SYNTHETIC", "#view=networks&backend=mpc&network=mnist-mlp&batch=1");
    const first = await modelled(page);
    assert.ok(first.length > 0);
    await page.eval("document.querySelector('.sliders input').focus()");
    for (let step = 0; step < 5; step += 1) await page.press("PageUp", { keyCode: 33 });
    const second = await modelled(page);
    assert.notDeepEqual(second, first);
    assert.match(await hash(page), /rtt=/);
    await page.eval("document.querySelectorAll('.sliders input')[1].focus()");
    await page.press("Home", { keyCode: 36 });
    assert.notDeepEqual(await modelled(page), second);
    const untagged = await page.eval("[...document.querySelectorAll('.modelled-value')].filter((value) => !value.closest('li').querySelector('.tag.modelled')).length");
    assert.equal(untagged, 0);
    await page.close();
  });

  test("are time on loopback, half a round trip a round, and bytes by bandwidth", async () => {
    const page = await opened("SYNTHETIC", "#view=networks&link=loopback&rtt=10&bw=50");
    const summary = new Map(csv("SYNTHETIC", "summary.csv").map((row) => [row.cell, row]));
    const traffic = csv("SYNTHETIC", "tables/traffic.csv").filter(({ phase }) => phase === "online");
    const shown = await page.eval("[...document.querySelectorAll('.modelled-value')].map((value) => [value.dataset.cell, value.innerText])");
    assert.ok(shown.length > 10);
    const units = { ns: 1, "µs": 1e3, ms: 1e6, s: 1e9, min: 60e9, h: 3600e9 };
    const ns = (text) => {
      const [, number, unit] = /^([\d.,]+) (\S+)$/.exec(text);
      return Number(number.replaceAll(",", "")) * units[unit];
    };
    for (const [cell, text] of shown) {
      const row = summary.get(cell);
      const busiest = Math.max(...traffic.filter((pair) => pair.cell === cell).map(({ bytes }) => Number(bytes)));
      const waiting = Number(row.online_wall_ns) + Number(row.online_rounds) * 5e6;
      const ends = [waiting + busiest * 160, waiting + Number(row.online_bytes) * 160];
      const [low, high = low] = text.split(" to ").map(ns);
      for (const [found, expected] of [[low, ends[0]], [high, ends[1]]]) {
        assert.ok(Math.abs(found - expected) <= expected * 0.006, `${cell}: ${text} instead of ${ends}`);
      }
    }
    await page.close();
  });

  test("stand in no table of measured cells", async () => {
    const page = await opened("SYNTHETIC", "#view=overview");
    assert.ok(!(await texts(page, "main thead th")).some((head) => /modelled/i.test(head)));
    await page.close();
  });
});

describe("the address", () => {
  test("restores a view that was put together by hand", async () => {
    const page = await opened("SYNTHETIC", "#view=overview");
    await page.eval("document.querySelector('.filterbar input').focus()");
    await page.type("mpc");
    await page.eval("(() => { const select = document.querySelector('[data-key=metric]'); select.value = 'accuracy'; select.dispatchEvent(new Event('change')); })()");
    await page.eval("document.querySelector('[data-sort=online_bytes]').click()");
    await page.eval("document.querySelector('[data-sort=online_bytes]').click()");
    await page.eval("document.getElementById('theme').click()");
    const [main, at] = [await text(page, "main"), await hash(page)];
    const other = await opened("SYNTHETIC", at);
    assert.equal(await text(other, "main"), main);
    assert.equal(await other.eval("document.querySelector('.filterbar input').value"), "mpc");
    assert.equal(await other.eval("document.querySelector('[data-key=metric]').value"), "accuracy");
    assert.equal(await other.eval("document.querySelector('[aria-sort]').getAttribute('aria-sort')"), "descending");
    assert.equal(await other.eval("document.documentElement.dataset.theme"), "light");
    await page.close();
    await other.close();
  });

  test("goes back to where a link was followed", async () => {
    const page = await opened("SYNTHETIC", "#view=time&q=mpc");
    await page.eval("document.querySelector('.bars .label a').click()");
    await page.until("document.querySelector('h2').innerText.includes(' on ')");
    await page.eval("history.back()");
    await page.until("document.querySelector('h2').innerText === 'Where the time goes'");
    assert.equal(await hash(page), "#view=time&q=mpc");
    await page.close();
  });

  test("need not be there: the filter then begins with one link and one number of threads and says so", async () => {
    const page = await opened("SYNTHETIC", "");
    const all = csv("SYNTHETIC", "summary.csv");
    const first = all.filter(({ link, threads }) => link === "loopback" && threads === "1").length;
    assert.equal(await text(page, ".shown"), `${first} of ${all.length} cells`);
    await page.eval("[...document.querySelectorAll('.filterbar button')].find((button) => button.innerText === 'Show all').click()");
    assert.equal(await text(page, ".shown"), `All ${all.length} cells`);
    await page.close();
  });

  test("may hold anything", async () => {
    const page = await browser.page();
    for (const bad of ["#%", "#view=__proto__", "#view=nosuch&rtt=-1&bw=NaN", "#&&=&q=%E0%A4%A", "#view=cell&cell=<img src=x onerror=throw>", "#sort=toString&metric=valueOf"]) {
      await page.open(address("SYNTHETIC", bad));
      assert.ok((await text(page, "main")).length > 50, bad);
    }
    assert.deepEqual(page.errors, []);
    await page.close();
  });
});

describe("tasks", () => {
  test("a network and its twin are one row of the matrix and one block of bars", async () => {
    const page = await opened("SYNTHETIC", "#view=overview");
    const tasks = new Set(csv("SYNTHETIC", "summary.csv").map(({ network, dataset }) => `${network.replace(/-poly$/, "")} ${dataset}`));
    const heads = (await texts(page, ".matrix tbody th")).map((head) => head.replace(/\s+/g, " "));
    assert.deepEqual(heads.sort(), [...tasks].sort());
    const twins = await page.eval(`[...document.querySelectorAll(".matrix tbody tr")].map((row) => row.querySelectorAll(".twin").length)`);
    assert.deepEqual(twins, heads.map(() => 7), "every backend says something about every twin");
    await page.open(address("SYNTHETIC", "#view=time&batch=1&threads=1&link=loopback"));
    assert.equal((await texts(page, ".bars .group")).length, tasks.size);
    assert.ok((await texts(page, ".bars .label small")).some((label) => label.includes("polynomials")));
    await page.close();
  });

  for (const view of ["overview", "time", "time&split=span", "communication", "communication&split=span", "networks"]) {
    test(`what a backend does not run is said once for it and the network, with the reason, in ${view}`, async () => {
      const page = await opened("SYNTHETIC", `#view=${view}`);
      await grown(page);
      const expected = refused("SYNTHETIC");
      assert.ok(expected.size >= 4 && csv("SYNTHETIC", "summary.csv").filter(({ status }) => status === "unsupported").length > 5 * expected.size);
      const found = await page.eval(`[...document.querySelectorAll("main .refused")].map((row) => [row.querySelector("a").innerText + " " + row.querySelector("small").innerText.trim(), row.innerText])`);
      assert.deepEqual(found.map(([name]) => name).sort(), [...expected].sort());
      for (const [, row] of found) assert.match(row, /unsupported: ReLU is no polynomial/);
      const others = await page.eval(`[...document.querySelectorAll("main li:not(.refused), main .sticky:not(.matrix) tr:not(.refused)")].filter((row) => row.innerText.includes("unsupported")).length`);
      assert.equal(others, 0);
      await page.close();
    });
  }
});

describe("machines", () => {
  const cells = () => csv("MACHINES", "summary.csv");

  test("of a run with several are told apart by every heading", async () => {
    const page = await opened("MACHINES", "#view=overview");
    const tasks = new Set(cells().map(({ network, dataset, machine }) => `${network.replace(/-poly$/, "")} ${dataset} · on ${machine}`));
    assert.ok([...tasks].some((task) => task.endsWith("node-a")) && [...tasks].some((task) => task.endsWith("node-b")));
    assert.deepEqual((await texts(page, ".matrix tbody th")).map((head) => head.replace(/\s+/g, " ")), [...tasks].sort());
    const titles = [...tasks].sort().map((task) => task.replace(" ", " · "));
    for (const [view, heads] of [["time", ".bars .group"], ["batches", "figure h3"], ["tradeoffs", "figure h3"]]) {
      await page.open(address("MACHINES", `#view=${view}&log=`));
      await grown(page);
      const found = new Set(await texts(page, `main ${heads}`));
      assert.deepEqual([...found].filter((head) => head.includes("node-")), titles, view);
    }
    await page.close();
  });

  test("are a facet, which a run with one does not have", async () => {
    const page = await opened("MACHINES", "#view=overview&machine=node-b");
    const [own, all] = [cells().filter(({ machine }) => machine === "node-b"), cells()];
    assert.ok(own.length > 0 && own.length < all.length);
    assert.equal(await text(page, ".shown"), `${own.length} of ${all.length} cells`);
    assert.ok((await texts(page, ".matrix tbody th")).every((head) => head.endsWith("on node-b")));
    assert.ok((await texts(page, ".facet summary")).includes("Machine: node-b"));
    await page.open(address("SYNTHETIC", "#view=overview"));
    assert.ok(!(await texts(page, ".facet summary")).some((name) => name.startsWith("Machine")));
    await page.close();
  });

  test("have fronts and break-even points of their own", async () => {
    const page = await opened("MACHINES", "#view=tradeoffs");
    await page.eval("document.querySelectorAll('main details').forEach((details) => { details.open = true; })");
    await page.until("document.querySelectorAll('main details table').length === document.querySelectorAll('main details').length");
    const drawn = await page.eval("[...document.querySelectorAll('main details tbody tr')].filter((row) => row.lastChild.innerText === 'yes').map((row) => row.firstChild.innerText)");
    assert.deepEqual(drawn.sort(), csv("MACHINES", "tables/pareto.csv").map(({ cell }) => cell).sort());
    const machineOf = Object.fromEntries(cells().map(({ cell, machine }) => [cell, machine]));
    assert.deepEqual([...new Set(drawn.map((cell) => machineOf[cell]))].sort(), ["node-a", "node-b"]);
    await page.open(address("MACHINES", "#view=batches&foreign=1"));
    const fields = await page.eval("[...document.querySelectorAll('main table tbody tr')].map((row) => [...row.children].map((field) => field.innerText))");
    const points = fields.filter(([task]) => task.includes("node-"));
    assert.ok(points.length > 0);
    for (const [, , , from, until] of points) {
      assert.ok(from !== "batch 1" && until !== "batch 1", "the batch of 1 was measured on another machine");
    }
    await page.close();
  });

  test("stand in the provenance, each by its name", async () => {
    const page = await opened("MACHINES", "#view=provenance");
    const facts = await text(page, "main dl");
    for (const [machine, cores] of [["node-a", 4], ["node-b", 8]]) {
      assert.match(facts, new RegExp(`Processor of ${machine}\\s+Made-up CPU @ 3.00GHz, ${cores} cores`));
      assert.match(facts, new RegExp(`Load when it began of ${machine}\\s+4.75, 3.50, 2.00`));
    }
    assert.match(await text(page, "#warnings"), /2 machines/);
    await page.close();
  });

  test("are told of hosts and of systems of others, which a run without them does not mention", async () => {
    const page = await opened("MACHINES", "#view=provenance");
    const rows = (name) => page.eval(`[...document.querySelectorAll('[aria-label="${name}"] tbody tr')].map((row) => [...row.children].map((field) => field.innerText))`);
    assert.deepEqual(await rows("Hosts"), [["alpha", "data-owner", "node-a", "Made-up CPU @ 3.00GHz"], ["beta", "model-owner", "node-b", "Made-up CPU @ 3.00GHz"]]);
    assert.deepEqual(await rows("Systems of others"), [["hybrid", "made-up 1.2.3", "5".repeat(64)]]);
    await page.open(address("SYNTHETIC", "#view=provenance"));
    const heads = await texts(page, "main h3");
    assert.ok(!heads.includes("Hosts") && !heads.includes("Systems of others"), `${heads}`);
    await page.close();
  });
});

describe("links", () => {
  const all = "network=mnist-mlp&batch=1&threads=1";
  const names = ["loopback", "lan", "wan"];

  test("look different in bars, with a legend", async () => {
    const page = await browser.page();
    for (const view of ["time", "time&log=", "communication", "memory", "networks"]) {
      await page.open(address("SYNTHETIC", `#view=${view}&${all}`));
      const masks = await page.eval(`Object.fromEntries([...document.querySelectorAll(".bars li[data-link]")].map((row) => [row.dataset.link, row.querySelector(".seg:not(.modelled)")]).filter(([, bar]) => bar)
        .map(([link, bar]) => [link, getComputedStyle(bar).maskImage || getComputedStyle(bar).webkitMaskImage]))`);
      assert.deepEqual(Object.keys(masks).sort(), [...names].sort(), view);
      assert.equal(new Set(Object.values(masks)).size, 3, `${view}: ${JSON.stringify(masks)}`);
      assert.equal(masks.loopback, "none");
      assert.deepEqual(await texts(page, ".legend.links li"), names.map((name) => `over ${name}`), view);
    }
    await page.close();
  });

  test("look different as marks and lines, with a legend", async () => {
    const page = await browser.page();
    for (const view of ["batches", "tradeoffs"]) {
      await page.open(address("SYNTHETIC", `#view=${view}&network=mnist-mlp&threads=1`));
      assert.deepEqual(await texts(page, ".legend.links li"), names.map((name) => `over ${name}`), view);
      const dashes = await page.eval(`[...new Set([...document.querySelectorAll(".chart path[fill=none]:not(.cut)")].map((line) => line.getAttribute("stroke-dasharray")))]`);
      // A front of one mark has no line.
      if (view === "batches") assert.equal(dashes.length, 3, `${view}: ${dashes}`);
      const cut = await page.eval(`["a:not(:has(.cut)) .mark", "a:has(.cut1) .mark", "a:has(.cut2) .mark"].map((kind) => document.querySelectorAll(".chart " + kind).length)`);
      assert.ok(cut.every((count) => count > 0), `${view}: ${cut}`);
    }
    await page.open(address("SYNTHETIC", `#view=accuracy&${all}`));
    const dots = await page.eval(`["", "1", "2"].map((style) => document.querySelectorAll(style ? ".dot.cut" + style : ".dot:not(.cut1):not(.cut2)").length)`);
    assert.ok(dots.every((count) => count > 0), `${dots}`);
    assert.deepEqual(page.errors, []);
    await page.close();
  });

  test("need no legend where loopback is the only one", async () => {
    const page = await opened("SYNTHETIC", `#view=time&${all}&link=loopback`);
    assert.deepEqual(await texts(page, ".legend.links"), []);
    await page.close();
  });
});

describe("trust", () => {
  test("sorting stays within a protection until asked otherwise, and then warns", async () => {
    const page = await opened("SYNTHETIC", "#view=overview&network=mnist-mlp-poly&batch=1&link=loopback&sort=online_wall_ns&dir=down");
    const groups = () => page.eval(`(() => { const blocks = []; for (const row of document.querySelectorAll('main .sticky:not(.matrix) tbody tr')) {
      if (row.classList.contains('head')) blocks.push([]); else blocks.at(-1).push(row.querySelector('th').innerText.trim().split(/\\s+/).at(2) ?? ''); } return blocks; })()`);
    const apart = await groups();
    assert.ok(apart.length >= 5, `${apart.length} blocks`);
    assert.equal(await page.eval("document.querySelectorAll('.banner').length"), 0);
    await page.eval("document.querySelector('[data-key=across]').click()");
    assert.equal((await groups()).length, 1);
    assert.match(await text(page, ".banner"), /mixes backends of different protection/);
    await page.close();
  });

  test("the fronts are those of tables/pareto.csv", async () => {
    const page = await opened("SYNTHETIC", "#view=tradeoffs");
    await page.eval("document.querySelectorAll('main details').forEach((details) => { details.open = true; })");
    await page.until("document.querySelectorAll('main details table').length === document.querySelectorAll('main details').length");
    const drawn = await page.eval("[...document.querySelectorAll('main details tbody tr')].filter((row) => row.lastChild.innerText === 'yes').map((row) => row.firstChild.innerText)");
    assert.deepEqual(drawn.sort(), csv("SYNTHETIC", "tables/pareto.csv").map(({ cell }) => cell).sort());
    await page.close();
  });

  test("the front is the run's, whatever the filter hides", async () => {
    const page = await opened("SYNTHETIC", "#view=tradeoffs&batch=4");
    await page.eval("document.querySelectorAll('main details').forEach((details) => { details.open = true; })");
    await page.until("document.querySelectorAll('main details table').length === document.querySelectorAll('main details').length");
    const drawn = await page.eval("[...document.querySelectorAll('main details tbody tr')].filter((row) => row.lastChild.innerText === 'yes').map((row) => row.firstChild.innerText)");
    const fronts = csv("SYNTHETIC", "tables/pareto.csv").map(({ cell }) => cell);
    assert.deepEqual(drawn.sort(), fronts.filter((cell) => cell.includes("/b4/")).sort());
    assert.ok(drawn.length > 0 && drawn.length < fronts.length);
    await page.close();
  });

  test("failures stand where their figure would", async () => {
    const page = await opened("SYNTHETIC", "#view=overview");
    const matrix = await text(page, "table.matrix");
    for (const word of ["unsupported", "timeout", "error in 1 of 3 sessions"]) assert.ok(matrix.includes(word), word);
    await page.close();
  });

  test("published figures are hollow and say why they do not compare", async () => {
    const page = await opened("SYNTHETIC", "#view=published");
    assert.ok((await page.eval("document.querySelectorAll('.dot.hollow.diamond').length")) >= 2);
    assert.match(await text(page, "main"), /Not comparable because\s+the abstract names neither/);
    const heads = await texts(page, "main li.group");
    for (const technology of ["fhe", "mpc", "tee"]) assert.ok(heads.includes(`Published: ${technology}`), `${technology} in ${heads}`);
    assert.match(await text(page, "main"), /security switched off, decrypts on the server/);
    await page.close();
  });

  test("every backend's protection stands in the provenance", async () => {
    const page = await opened("SYNTHETIC", "#view=provenance");
    const backends = new Set(csv("SYNTHETIC", "summary.csv").map(({ backend }) => backend));
    assert.deepEqual((await texts(page, "main details summary")).map((line) => line.split(":")[0]).sort(), [...backends].sort());
    assert.ok(!(await text(page, "main")).includes("[object"));
    await page.close();
  });

  test("damage is named by file and line, and the rest is shown", async () => {
    const page = await opened("DAMAGED", "#view=provenance");
    const findings = (await texts(page, "main tbody tr")).filter((row) => row.startsWith("samples.csv"));
    for (const expected of [/samples\.csv\s+10\s+error\s+\d+ fields instead of/, /samples\.csv\s+12\s+error\s+repeats line 11/, /samples\.csv\s+15\s+error\s+unknown variant `maybe`/]) {
      assert.ok(findings.some((row) => expected.test(row)), `${expected} in ${findings.slice(0, 8)}`);
    }
    assert.match(await text(page, "#warnings"), /findings in the run's files|things to know/);
    await page.open(address("DAMAGED", "#view=overview"));
    assert.match(await text(page, ".shown"), /All \d/);
    await page.close();
  });
});

test("numbers that the page makes read like those that Rust makes", async () => {
  const format = await import(`data:text/javascript,${encodeURIComponent(readFileSync(new URL("../../page/js/format.js", import.meta.url), "utf8"))}`);
  const vectors = JSON.parse(readFileSync(new URL("../format.json", import.meta.url), "utf8"));
  for (const [name, values] of Object.entries(vectors)) {
    for (const [value, text] of values) assert.equal(format[name](value), text, `${name} of ${value}`);
  }
});

test("a picture for documents is a PNG of moderate size", async () => {
  const out = join(folders.SYNTHETIC, "screenshot.png");
  await promisify(execFile)(new URL("screenshot", import.meta.url).pathname, [folders.SYNTHETIC, out]);
  const picture = readFileSync(out);
  assert.equal(picture.subarray(0, 4).toString("latin1"), "\x89PNG");
  assert.ok(picture.length > 20_000 && picture.length < 300_000, `${picture.length} bytes`);
});

test("100,000 samples open within two seconds", async (context) => {
  const samples = readFileSync(join(folders.LARGE, "samples.csv"), "utf8").trimEnd().split("\n").length - 1;
  assert.ok(samples >= 100_000, `${samples} samples`);
  const times = [];
  for (const view of ["overview", "time", "networks", "tradeoffs", "batches"]) {
    const page = await opened("LARGE", `#view=${view}`);
    // Two frames after the script: what it drew is on the screen.
    const ms = await page.eval("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now()))))");
    const ready = await page.eval("Number(document.documentElement.dataset.ready)");
    times.push(`${view} ${ready} ms`);
    assert.ok(ready < 2000, `${view}: drawn after ${ready} ms (frame at ${ms} ms)`);
    await page.close();
  }
  context.diagnostic(`${samples} samples, drawn after: ${times.join(", ")}`);
});

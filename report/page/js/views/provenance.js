// With what every number was made, and what is wrong with the files.

import { DATA, RUN } from "../data.js";
import { h, plainTable } from "../dom.js";
import { count, given, size } from "../format.js";
import { register } from "../registry.js";

/** @param {string} name @param {Child[]} value */
const line = (name, ...value) => [h("dt", {}, name), h("dd", {}, value.flat().some((part) => part !== "" && part !== null && part !== undefined) ? value : "not stated")];

/** The run, its build and the machines it was measured on. */
export function facts() {
  const machines = Object.entries(RUN.machines);
  /** @param {string} name @param {string} id */
  const named = (name, id) => (machines.length > 1 ? `${name} of ${id}` : name);
  const dirty = RUN.git_dirty === true ? ", with changes in no commit" : RUN.git_dirty === false ? ", clean" : "";
  return h("dl", { class: "facts2" },
    line("Run", RUN.name), line("Begun", RUN.created), line("Commit", RUN.git_revision ? h("code", {}, RUN.git_revision + dirty) : ""),
    line("Version", RUN.veilbench_version), line("Compiler", RUN.rustc), line("Executable, SHA-256", h("code", {}, RUN.executable_sha256 || "not stated")),
    machines.map(([id, machine]) => [line(named("Processor", id), machine.cpu_model, machine.cores ? `, ${machine.cores} cores` : ""), line(named("Memory", id), machine.memory_bytes ? size(machine.memory_bytes) : ""),
      line(named("System", id), [machine.os, machine.kernel].filter(Boolean).join(", ")), line(named("Load when it began", id), machine.load_average.map((load) => load.toFixed(2)).join(", "))]),
    line("Seed", String(RUN.seed)));
}

register({
  key: "provenance",
  title: "Provenance",
  filterless: true,
  mount(root) {
    root.append(h("h2", {}, "Where the numbers come from"),
      h("p", { class: "note" }, "Every cell links to a page of its own with its batches, its parameters and the command that measures it again."), facts(),
      h("h3", {}, "Commands"), RUN.commands.length ? h("pre", {}, RUN.commands.join("\n")) : h("p", {}, "not stated"),
      h("h3", {}, "Networks"), plainTable("Networks", ["Network", "Parameters", "Multiplications", "Weights, SHA-256", "Assumed"], Object.entries(RUN.networks).map(([name, network]) =>
        [name, count(network.parameters), count(network.macs), network.sha256, (network.assumptions ?? []).join("; ")]), [1, 2]),
      h("h3", {}, "Data"), plainTable("Data sets", ["Data set", "Images", "Kind", "SHA-256"], Object.entries(RUN.datasets).map(([name, dataset]) =>
        [name, count(dataset.images), dataset.synthetic ? "generated" : "real", dataset.fingerprint]), [1]),
      ...hosts(), ...systems(),
      h("h3", {}, "Backends"), ...Object.entries(RUN.backends).map(([name, backend]) => h("details", {}, h("summary", {}, name, ": ", backend.threat_model_summary || backend.technology), threat(name, backend))),
      h("h3", {}, "Damage"), damage());
    return () => {};
  },
});

/** Where each role was, if not all were on one machine. */
function hosts() {
  const rows = Object.entries(RUN.hosts).map(([name, { machine, roles }]) => [name, roles.join(", "), machine, RUN.machines[machine]?.cpu_model ?? "not stated"]);
  return rows.length ? [h("h3", {}, "Hosts"), plainTable("Hosts", ["Host", "Roles", "Machine", "Processor"], rows)] : [];
}

/** Backends that are not part of the program. */
function systems() {
  const rows = Object.entries(RUN.external ?? {}).map(([name, system]) => [name, system.version || "not stated", h("code", {}, system.files_sha256)]);
  return rows.length ? [h("h3", {}, "Systems of others"), plainTable("Systems of others", ["Backend", "Version", "Its files, SHA-256"], rows)] : [];
}

function damage() {
  if (!DATA.findings.length) return h("p", {}, "The run's files are whole: nothing is damaged, doubled or contradictory.");
  return h("div", {}, h("p", {}, "The rest of the files is shown; of doubled rows the first counts."),
    plainTable("Findings", ["File", "Line", "Kind", "What is wrong"], DATA.findings.map((finding) =>
      [finding.file, given(finding.line, count), finding.error ? "error" : "warning", finding.message]), [1]),
    DATA.findings_unlisted > 0 && h("p", { class: "note" }, `${count(DATA.findings_unlisted)} more are not listed.`));
}

/** The protection as its backend wrote it. @param {string} name @param {BackendRecord} backend */
export function threat(name, backend) {
  const model = backend.threat_model;
  if (!model || typeof model !== "object") return h("p", { class: "note" }, backend.threat_model_summary);
  const list = (/** @type {unknown[]} */ items) => h("ul", {}, items.map((item) => h("li", {}, String(item))));
  const said = (/** @type {any} */ value) => (value === true || value === "yes" ? "yes" : value?.derivable ? `derivable after ${value.derivable}` : "no");
  const title = (/** @type {string} */ item) => item[0].toUpperCase() + item.slice(1);
  const items = ["images", "weights", "activations", "logits", "ranges", "architecture"].filter((item) => Array.isArray(model.learns) && model.learns.some((/** @type {object} */ role) => item in role));
  return h("div", {}, h("dl", { class: "facts2" }, line("Adversary", model.adversary ?? ""), line("May collude", String(model.colluding ?? "")),
    line("Roles", backend.roles.join(", ")), line("Trusted", Array.isArray(model.trusted) ? list(model.trusted) : "")),
    Array.isArray(model.learns) && plainTable(`What each role of ${name} learns`, ["Role", ...items.map(title)], model.learns.map((/** @type {any} */ role) =>
      [String(role.role), ...items.map((item) => said(role[item]))])));
}

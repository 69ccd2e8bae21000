"use strict";
// Python that makes again what is on the screen.

const MOST_LISTED = 500;  // rows of a selection that are written out

function asPython(explorer) {
  const { meta } = explorer, number = (x) => String(Number(Number(x).toPrecision(7)));
  const list = (code) => `[${Array.from(code, number).join(", ")}]`;
  const as = (label) => (label === null || label < 0 ? "" : `, y=${label}`);
  const decoded = (codes, label) => (meta.kinds ? `run.table(run.decode(${codes}${as(label)}))` : `run.decode(${codes}${as(label)})`);
  const given = (rows) => (meta.kinds ? `run.table(original(${rows}, data.spec))` : `original(${rows}, data.spec)`);
  const chosen = explorer.selected(), reads = explorer.item >= 0 || chosen.length;
  const lines = ["import aae"];
  if (reads) lines.push("from aae.data import original", "from aae.evaluation import data_of");
  lines.push("", `run = aae.Run.load(${JSON.stringify(meta.run)})`);
  if (reads) lines.push("data = data_of(run)  # data_of(run, directory=...) where --data-dir is needed");
  lines.push("", "# the code in hand", `decoded = ${decoded(`[${list(explorer.code)}]`, explorer.label)}`);
  if (explorer.item >= 0) {
    const label = explorer.label === null ? null : explorer.assigned[explorer.item];
    lines.push("", "# the point that is open", `opened = ${given(`data.x[[${explorer.row[explorer.item]}]]`)}`,
      `again = ${decoded(`[${list(explorer.codeOf(explorer.item))}]`, label)}`);
  }
  if (explorer.strip?.codes) {
    const codes = Array.from({ length: FRAMES }, (_, k) => "    " + list(rowOf(explorer.strip.codes, k, explorer.latent)) + ",");
    lines.push("", "# the film strip", "path = [", ...codes, "]", `frames = ${decoded("path", explorer.label)}`);
  }
  if (chosen.length) {
    const some = chosen.slice(0, MOST_LISTED), all = some.length === chosen.length;
    const rows = some.map((i) => explorer.row[i]).join(", ");
    lines.push("", `# the selection${all ? "" : `: the first ${some.length} of ${chosen.length}; save it as CSV for all`}`,
      `rows = [${rows}]`, `selected = ${given("data.x[rows]")}`);
  }
  return lines.join("\n");
}

/** To the clipboard, where the page may; else the text is selected, to be copied by hand. Says which. */
async function copyPython(explorer) {
  const text = asPython(explorer), shown = byId("python");
  shown.textContent = text;
  try {
    await navigator.clipboard.writeText(text);  // there is none over an unencrypted connection
    return "Copied";
  } catch {
    getSelection().selectAllChildren(shown);
    return document.execCommand("copy") ? "Copied" : "Selected: press Ctrl-C";
  }
}

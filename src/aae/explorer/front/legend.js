"use strict";
// The legend: classes, splits, clusters and words of a column to show and hide, or the range of a colour.

/** What points can be shown and hidden by: {kind, values of the points, name and colour of a value, whether always}. */
function groups(explorer) {
  const { meta, colourBy } = explorer, found = [], classes = (k) => classColour(meta, k);
  const add = (kind, values, name, colour) => found.push({ kind, values, name, colour: colourBy === kind ? colour : null });
  add("class", explorer.labels, (k) => className(meta, k), classes);
  if (meta.finds && (colourBy === "assigned" || explorer.hidden.assigned.size)) add("assigned", explorer.assigned, (k) => foundName(meta, k), classes);
  if (explorer.words) {
    found.push({ kind: "column", values: explorer.wordOf, name: (k) => (k < 0 ? "missing" : explorer.words[k]), colour: classes });
  }
  const mark = (s) => (s === 2 && explorer.dots.radius(explorer.n) >= 1.5 ? "test, crosses" : meta.splits[s]);
  add("split", explorer.split, mark, (s) => meta.palette[[2, 3, 1][s]]);
  return found;
}

function tally(values) {
  const found = new Map();
  for (const v of values) found.set(v, (found.get(v) ?? 0) + 1);
  return [...found].sort(([a], [b]) => (a < 0) - (b < 0) || a - b);
}

function legend(explorer) {
  const place = byId("legend"), { kind: was, key: at } = document.activeElement?.dataset ?? {};
  place.replaceChildren();
  if (explorer.values && !explorer.words) place.append(range(explorer));
  for (const { kind, values, name, colour } of groups(explorer)) {
    const counts = tally(values);
    if (counts.length < 2 && !colour && kind !== "split") continue;
    const keys = counts.map(([key]) => key), prefix = kind === "assigned" ? (explorer.meta.found ? "found " : "cluster ") : "";
    place.append(make("div", { class: "kind", role: "group", "aria-label": explorer.kindName(kind) }, ...counts.map(([key, count]) =>
      entry(explorer, kind, key, keys, `${prefix}${name(key)} (${grouped(count)})`, colour && colour(key)))));
  }
  if (Object.values(explorer.hidden).some((set) => set.size)) {
    place.append(make("button", { id: "show-all", onclick: () => explorer.showAll() }, "Show all"));
  }
  if (was !== undefined) place.querySelector(`[data-kind="${was}"][data-key="${at}"]`)?.focus();  // its button is a new one
}

function entry(explorer, kind, key, keys, text, colour) {
  const dot = make("span", { class: "dot" }), only = () => explorer.only(kind, key, keys);
  if (colour) dot.style.background = colour;
  return make("button", {
    "aria-pressed": String(!explorer.hidden[kind].has(key)), "data-kind": kind, "data-key": key,
    title: "Show or hide; twice, or with Shift: only this",
    onclick: (event) => (event.shiftKey ? only() : explorer.toggle(kind, key)), ondblclick: only,
  }, colour ? dot : "", text);
}

/** The colours of numbers, from least to most. */
function range(explorer) {
  const bar = make("span", { class: "ramp" }), text = (x) => explorer.numberText(x);
  bar.style.background = `linear-gradient(90deg, ${RAMP.join(",")})`;
  return make("span", { class: "range" }, text(explorer.range[0]), bar, text(explorer.range[1]),
    explorer.values.some(Number.isNaN) ? " (grey: missing)" : "");
}

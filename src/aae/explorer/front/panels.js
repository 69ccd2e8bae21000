"use strict";
// The cards beside the plane: the code in hand, a point, a selection, uneven cells, a film strip, a row of your own.

const SPEAK = 700;  // ms between two things that a screen reader is told
const FRAMES = 24;
const MEAN_OF = 256;  // most codes that a mean image is made of

/** The legend: classes or splits to show and hide, or the range of a colour. */
function legend(explorer) {
  const { meta } = explorer, place = byId("legend");
  const entry = (kind, key, name, colour, count) => {
    const shown = !explorer.hidden[kind].has(key);
    const dot = make("span", { class: "dot" });
    dot.style.background = colour ?? "transparent";
    if (colour === null) dot.style.visibility = "hidden";
    return make("button", {
      "aria-pressed": String(shown), "data-kind": kind, "data-key": key, title: "Show or hide; twice: only this",
      onclick: () => explorer.toggle(kind, key), ondblclick: () => only(kind, key),
    }, colour === null ? "" : dot, `${name} (${grouped(count)})`);
  };
  const only = (kind, key) => {
    const keys = kind === "class" ? [...counts.keys()] : [...parts.keys()];
    explorer.hidden[kind] = new Set(keys.filter((k) => k !== key));
    explorer.recolour();
    explorer.tell("shown");
  };
  const tally = (values) => values.reduce((map, v) => map.set(v, (map.get(v) ?? 0) + 1), new Map());
  const counts = tally(Array.from(explorer.labels)), parts = tally(Array.from(explorer.split));
  const classes = [...counts.keys()].sort((a, b) => (a < 0) - (b < 0) || a - b);
  const byClass = explorer.colourBy === "class", bySplit = explorer.colourBy === "split";
  place.replaceChildren();
  if (explorer.values) {
    const bar = make("span", { class: "ramp" });
    bar.style.background = `linear-gradient(90deg, ${RAMP.join(",")})`;
    place.append(make("span", { class: "range" }, short(explorer.range[0]), bar, short(explorer.range[1])));
  }
  if (classes.length > 1 || byClass) {
    for (const c of classes) place.append(entry("class", c, className(meta, c), byClass ? classColour(meta, c) : null, counts.get(c)));
    place.append(make("span", { class: "gap" }));
  }
  for (const s of [...parts.keys()].sort()) {
    const mark = s === 2 && explorer.dots.radius(explorer.n) >= 1.5 ? "test, crosses" : meta.splits[s];
    place.append(entry("split", s, mark, bySplit ? meta.palette[[2, 3, 1][s]] : null, parts.get(s)));
  }
}

/** The decoded row, its code, and a slider for each coordinate of it. */
class CodeCard {
  constructor(explorer) {
    this.explorer = explorer;
    this.spoken = 0;
    explorer.on("code", () => this.update());
    explorer.on("decoded", (row) => this.decoded(row));
    explorer.on("view", () => this.build());
    explorer.on("points", () => this.ranges());
    byId("follow").addEventListener("click", () => {
      explorer.held = false;
      explorer.open(-1);
      this.update();
    });
    this.build();
  }

  build() {
    const { explorer } = this;
    this.inputs = Array.from({ length: explorer.latent }, (_, k) => {
      const input = make("input", { type: "range", id: `slider-${k}`, oninput: () => this.slide(k, Number(input.value)) });
      return input;
    });
    this.outputs = this.inputs.map((_, k) => make("output", { for: `slider-${k}` }));
    byId("sliders").replaceChildren(...this.inputs.map((input, k) =>
      make("div", { class: "slider" }, make("label", { for: `slider-${k}` }, explorer.axisName(k)), input, this.outputs[k])));
    this.ranges();
    this.update();
  }

  /** Each slider spans what codes and prior reach, and a little more. */
  ranges() {
    const { explorer } = this;
    this.inputs.forEach((input, k) => {
      let low = Infinity, high = -Infinity;
      for (const codes of [explorer.codes, explorer.priorCodes]) {
        const n = codes.length / explorer.latent, every = Math.max(1, Math.floor(n / 2000));
        for (let i = 0; i < n; i += every) {
          const t = explorer.frame.one(rowOf(codes, i, explorer.latent), k);
          low = Math.min(low, t);
          high = Math.max(high, t);
        }
      }
      const margin = 0.1 * (high - low) || 1;
      Object.assign(input, { min: low - margin, max: high + margin, step: (high - low + 2 * margin) / 500 });
    });
  }

  slide(k, value) {
    const t = this.explorer.frame.from(this.explorer.code);
    t[k] = value;
    this.explorer.setCode(this.explorer.frame.to(t), { held: true });
  }

  update() {
    const { explorer } = this, t = explorer.frame.from(explorer.code);
    this.inputs.forEach((input, k) => {
      if (document.activeElement !== input) input.value = t[k];
      this.outputs[k].textContent = short(t[k]);
    });
    const all = Array.from(explorer.code.slice(0, 8), short).join(", ");
    byId("code").textContent = `z = (${all}${explorer.latent > 8 ? ", ..." : ""})`;
    byId("held").textContent = explorer.held ? "Held where it is." : "Move over the plane.";
    byId("follow").hidden = !explorer.held;
    const [x, y] = explorer.place();
    byId("readout").textContent = explorer.latent > 1 ? `${short(x)}, ${short(y)}` : short(x);
  }

  decoded(row) {
    const { explorer } = this, where = explorer.place().map(short).join(", ");
    byId("decoded").parentElement.classList.toggle("stacked", !explorer.meta.image);
    show(byId("decoded"), row, explorer.meta, 140, `decoded at ${where}`);
    const now = performance.now();
    if (now - this.spoken < SPEAK) return;
    this.spoken = now;
    const [near] = explorer.nearest(...explorer.place());
    byId("spoken").textContent = `Decoded at ${where}.` + (near < 0 ? "" : ` Nearest point: ${className(explorer.meta, explorer.labels[near])}.`);
  }
}

/** The point that is open: what it was, what comes back, and what an edited code makes of it. */
class ItemCard {
  constructor(explorer) {
    this.explorer = explorer;
    explorer.on("item", () => this.open());
    explorer.on("decoded", (row) => this.edit(row));
    explorer.on("points", () => explorer.item >= 0 && explorer.open(-1));
  }

  async open() {
    const { explorer } = this, { item: i, meta, source } = explorer;
    byId("item-card").hidden = i < 0;
    this.reconstruction = null;
    if (i < 0) return;
    const code = explorer.codeOf(i), near = explorer.neighbours(i, 7);
    byId("item-title").textContent = `Row ${explorer.row[i]}`;
    try {
      const [row, original] = await Promise.all([source.decode(code, explorer.labelsOf([i])), this.original(i)]);
      const others = await this.thumbs(near);
      if (explorer.item !== i) return;
      this.reconstruction = row;
      this.fill(i, row, original, near, others);
    } catch (error) {
      notice(`Row ${explorer.row[i]} cannot be shown: ${error.message}`);
    }
  }

  async original(i) {
    return this.explorer.source.hasOriginal(i) ? this.explorer.source.originals([i]) : null;
  }

  /** Rows of the neighbours: as they were, where this page has them, else decoded. */
  async thumbs(near) {
    const { source, latent } = this.explorer, points = near.map((n) => n.point);
    if (!points.length) return new Float32Array(0);
    if (points.every((p) => source.hasOriginal(p))) return source.originals(points);
    const codes = new Float32Array(points.length * latent);
    points.forEach((p, k) => codes.set(this.explorer.codeOf(p), k * latent));
    return source.decode(codes, this.explorer.labelsOf(points));
  }

  fill(i, row, original, near, others) {
    const { explorer } = this, { meta } = explorer, list = make("dl", { class: "facts" });
    const fact = (name, text) => list.append(make("dt", {}, name), make("dd", {}, text));
    fact("Split", meta.splits[explorer.split[i]]);
    fact("Class", className(meta, explorer.labels[i]));
    if (meta.finds) fact("Found", meta.found?.[explorer.assigned[i]] ?? String(explorer.assigned[i]));
    fact(meta.stochastic ? "Code (one draw)" : "Code", Array.from(explorer.codeOf(i), short).join(", "));
    const parts = [list];
    const rest = original && original.map((x, k) => x - row[k]);
    if (original) {
      fact("Residual", `${short(Math.sqrt(rest.reduce((s, x) => s + x * x, 0) / rest.length))} (root mean square)`);
    } else fact("Original", "not kept in this file");
    if (meta.image) {
      const pictures = make("div", { class: "row" });
      const add = (values, text, signed) => pictures.append(captioned(picture(values, meta, 76, { signed, label: text }), text));
      if (original) add(original, "original");
      add(row, "reconstruction");
      if (rest) add(rest, "residual", true);
      parts.push(pictures);
    } else parts.push(values({ ...(original && { original }), reconstruction: row, ...(rest && { residual: rest }) }, meta));
    parts.push(make("div", { id: "edited" }), make("p", { class: "soft" }, "Nearest in code space:"), this.near(near, others));
    byId("item").replaceChildren(...parts);
  }

  near(near, others) {
    const { explorer } = this, { meta } = explorer;
    return make("div", { class: "row" }, ...near.map(({ point, distance }, k) => {
      const name = className(meta, explorer.labels[point]), title = `row ${explorer.row[point]}, ${name}, ${short(distance)} away`;
      const face = meta.image ? picture(rowOf(others, k, meta.features), meta, 34, { label: title }) : `row ${explorer.row[point]}`;
      return make("button", { class: "thumb", title, "aria-label": title, onclick: () => explorer.open(point) }, face);
    }));
  }

  /** Beside the point, once its code has been changed with a slider: what is decoded now, and what has changed. */
  edit(row) {
    const { explorer } = this, place = byId("edited"), { meta } = explorer;
    if (!place || explorer.item < 0 || !this.reconstruction) return;
    const code = explorer.codeOf(explorer.item);
    if (code.every((x, k) => x === explorer.code[k]) && (explorer.label ?? -1) === (explorer.label === null ? -1 : explorer.assigned[explorer.item])) {
      place.replaceChildren();
      return;
    }
    const change = row.map((x, k) => x - this.reconstruction[k]);
    if (!meta.image) place.replaceChildren(values({ "edited code": row, change }, meta));
    else {
      place.replaceChildren(make("div", { class: "row" },
        captioned(picture(row, meta, 76, { label: "with the edited code" }), "edited code"),
        captioned(picture(change, meta, 76, { signed: true, label: "what has changed" }), "change")));
    }
  }
}

/** What the lasso took. */
class SelectionCard {
  constructor(explorer) {
    this.explorer = explorer;
    explorer.on("selection", () => this.update());
    explorer.on("points", () => explorer.selection && explorer.select(null));
  }

  async update() {
    const { explorer } = this, { meta } = explorer, chosen = explorer.selected();
    byId("selection-card").hidden = explorer.selection === null;
    if (explorer.selection === null) return;
    const counts = new Map();
    for (const i of chosen) counts.set(explorer.labels[i], (counts.get(explorer.labels[i]) ?? 0) + 1);
    const bars = make("div", { class: "bars" });
    for (const [c, count] of [...counts].sort((a, b) => b[1] - a[1]).slice(0, 12)) {
      const bar = make("i");
      bar.style.width = `${(100 * count) / chosen.length}%`;
      bar.style.background = classColour(meta, c);
      bars.append(make("div", {}, make("span", {}, className(meta, c)), bar, make("b", {}, grouped(count))));
    }
    const mean = make("div", { id: "mean" });
    byId("selection-title").textContent = `${grouped(chosen.length)} points selected`;
    byId("selection").replaceChildren(bars, mean, make("p", {},
      make("button", { onclick: () => this.csv(), disabled: !chosen.length }, "Save as CSV"), " ",
      make("button", { onclick: () => explorer.select(null) }, "Clear")));
    if (chosen.length) await this.mean(mean, chosen);
  }

  async mean(place, chosen) {
    const { explorer } = this, { meta, latent } = explorer, some = chosen.slice(0, MEAN_OF);
    const codes = new Float32Array(some.length * latent), selection = explorer.selection;
    some.forEach((i, k) => codes.set(explorer.codeOf(i), k * latent));
    const rows = await explorer.source.decode(codes, explorer.labelsOf(some), () => explorer.selection === selection);
    if (explorer.selection !== selection) return;
    const mean = new Float32Array(meta.features);
    rows.forEach((x, k) => { mean[k % meta.features] += x / some.length; });
    const text = `mean decoded${some.length < chosen.length ? `, of ${some.length}` : ""}`;
    place.replaceChildren(meta.image ? make("div", { class: "row" }, captioned(picture(mean, meta, 96, { label: text }), text)) : values({ [text]: mean }, meta));
  }

  /** Place, split, class and code of each point, and the columns of a table. */
  async csv() {
    const { explorer } = this, { meta } = explorer, chosen = explorer.selected();
    const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const kept = meta.names && chosen.every((i) => explorer.source.hasOriginal(i));
    const rows = kept ? await explorer.source.originals(chosen) : null;
    const head = ["row", "split", "class", ...Array.from({ length: explorer.latent }, (_, k) => `code_${k + 1}`), ...(kept ? meta.names : [])];
    const lines = chosen.map((i, at) => [
      explorer.row[i], meta.splits[explorer.split[i]], className(meta, explorer.labels[i]), ...explorer.codeOf(i),
      ...(kept ? rowOf(rows, at, meta.features) : []),
    ].map((x) => quoted(String(x))).join(","));
    download("selection.csv", [head.map(quoted).join(","), ...lines, ""].join("\n"));
  }
}

/** The film strip along a path. */
class StripCard {
  constructor(explorer) {
    this.explorer = explorer;
    explorer.on("path", (line) => this.make(line));
    byId("strip-clear").addEventListener("click", () => this.clear());
    byId("strip-play").addEventListener("click", () => this.play());
  }

  async make(line) {
    const { explorer } = this, { meta, latent } = explorer, codes = new Float32Array(FRAMES * latent);
    along(line, FRAMES).forEach(([x, y], k) => codes.set(explorer.at(x, y), k * latent));
    const rows = await explorer.source.decode(codes, explorer.label);
    this.codes = codes;
    byId("strip-box").hidden = false;
    byId("strip").replaceChildren(...Array.from({ length: FRAMES }, (_, k) => {
      const row = rowOf(rows, k, meta.features), text = `frame ${k + 1} of ${FRAMES}`;
      const face = meta.image ? picture(row, meta, 64, { label: text }) : Array.from(row.slice(0, 3), short).join("\n");
      return make("button", { "aria-label": text, title: text, onclick: () => this.go(k) }, face);
    }));
  }

  go(k) {
    this.explorer.setCode(rowOf(this.codes, k, this.explorer.latent), { held: true });
  }

  async play() {
    const codes = this.codes;
    for (let k = 0; k < FRAMES && this.codes === codes; k++) {
      this.go(k);
      await pause(90);
    }
  }

  clear() {
    this.codes = null;
    this.explorer.line = [];
    byId("strip-box").hidden = true;
    this.explorer.redrawOver();
  }
}

/** Cells where the prior expects codes and finds few, or the other way round. */
class CellsCard {
  constructor(explorer) {
    this.explorer = explorer;
    byId("show-cells").addEventListener("change", () => {
      explorer.draw();
      this.update();
    });
    for (const name of ["points", "view", "shown"]) explorer.on(name, () => setTimeout(() => this.update(), 50));
  }

  update() {
    const { explorer } = this, on = byId("show-cells").checked;
    byId("cells-card").hidden = !on;
    if (!on) return;
    explorer.redraw();
    explorer.uneven ??= unevenCells(explorer.x, explorer.y, explorer.shown, explorer.priorX, explorer.priorY);
    const { uneven } = explorer;
    const list = (name, cells, colour) => {
      const dot = make("span", { class: "dot" });
      const buttons = cells.slice(0, 5).map((cell) => make("button", {
        title: `${cell.have} codes, ${short(cell.want)} expected`, onclick: () => this.go(cell),
      }, `${cell.have} for ${Math.round(cell.want)}`));
      const head = make("p", {}, make("strong", {}, name), ` ${cells.length} of ${uneven.n ** 2} cells`);
      head.style.borderLeft = `6px solid ${colour}`;
      head.style.paddingLeft = ".5rem";
      return [head, make("div", { class: "row" }, ...buttons)];
    };
    byId("cells").replaceChildren(
      ...list("Holes:", uneven.holes, HOLE), ...list("Crowds:", uneven.crowds, CROWD),
      make("p", { class: "soft" }, "Codes in a cell for those that the prior would put there. Press one to decode at its middle. " +
        "A hole has under a quarter of 5 or more expected; a crowd over three times as many, beyond chance."));
  }

  go({ i, j }) {
    const { explorer } = this, { uneven } = explorer;
    explorer.setCode(explorer.at(uneven.x0 + (i + 0.5) * uneven.wide, uneven.y0 + (j + 0.5) * uneven.high), { held: true });
  }
}

/** Python that makes again what is on the screen. */
function asPython(explorer) {
  const { meta } = explorer, number = (x) => String(Number(Number(x).toPrecision(7)));
  const list = (code) => `[${Array.from(code, number).join(", ")}]`;
  const lines = ["import aae", "", `run = aae.Run.load(${JSON.stringify(meta.run)})`];
  const label = explorer.label === null ? "" : `, y=${explorer.label}`;
  lines.push("", "# the code in hand", `row = run.decode([${list(explorer.code)}]${label})[0]`);
  if (explorer.item >= 0) {
    lines.push("", "# the point that is open", "from aae.evaluation import data_of", "", "data = data_of(run)");
    lines.push(`original = data.x[${explorer.row[explorer.item]}]`, `again = run.decode([${list(explorer.codeOf(explorer.item))}]${label})[0]`);
  }
  if (explorer.strip && explorer.strip.codes) {
    const codes = Array.from({ length: FRAMES }, (_, k) => "    " + list(rowOf(explorer.strip.codes, k, explorer.latent)) + ",");
    lines.push("", "# the film strip", "path = [", ...codes, "]", `frames = run.decode(path${label})`);
  }
  const chosen = explorer.selected();
  if (chosen.length) {
    const rows = chosen.slice(0, 500).map((i) => explorer.row[i]).join(", ");
    lines.push("", `# the selection${chosen.length > 500 ? `: the first 500 of ${chosen.length}; save it as CSV for all` : ""}`, `rows = [${rows}]`);
  }
  return lines.join("\n");
}

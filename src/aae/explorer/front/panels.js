"use strict";
// The cards beside the plane: the code in hand, a point, a selection, uneven cells, a film strip, a row of your own.

const SPEAK = 700;  // ms between two things that a screen reader is told
const FRAMES = 24;
const NO_PIXELS = "Row, split, class and code of each; no pixels: `row` is an image's place in the data";
const MEAN_OF = 256;  // most codes that a mean image is made of

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
    if (explorer.meta.image) show(byId("inset"), row, explorer.meta, 84, "");
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
    explorer.on("points", () => explorer.item >= 0 && this.open());
  }

  async open() {
    const { explorer } = this, { item: i, meta, source } = explorer;
    byId("item-card").hidden = i < 0;
    if (i < 0) return;
    const code = explorer.codeOf(i), near = explorer.neighbours(i, 7);
    byId("item-title").textContent = `Row ${explorer.row[i]}`;
    try {
      const [row, original] = await Promise.all([source.decode(code, explorer.labelsOf([i])), this.original(i)]);
      const others = await this.thumbs(near);
      if (explorer.item !== i) return;
      this.reconstruction = row;
      this.of = i;
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
    if (meta.finds) fact(meta.found ? "Found" : "Cluster", foundName(meta, explorer.assigned[i]));
    fact(meta.stochastic ? "Code (one draw)" : "Code", Array.from(explorer.codeOf(i), short).join(", "));
    const parts = [list];
    const rest = original && original.map((x, k) => x - row[k]);
    if (!original) fact("Original", "not kept in this file");
    else if (meta.image) {
      fact("Residual", `${short(Math.sqrt(rest.reduce((s, x) => s + x * x, 0) / rest.length))} (root mean square)`);
    }
    if (meta.image) {
      const pictures = make("div", { class: "row" });
      const add = (values, text, signed) => pictures.append(captioned(picture(values, meta, 76, { signed, label: text }), text));
      if (original) add(original, "original");
      add(row, "reconstruction");
      if (rest) add(rest, "residual", true);
      parts.push(pictures);
    } else parts.push(values({ ...(original && { original }), reconstruction: row }, meta, original ? { residual: [original, row] } : {}));
    parts.push(make("div", { id: "edited" }), make("p", { class: "soft" }, "Nearest in code space:"), this.near(near, others));
    byId("item").replaceChildren(...parts);
    if (explorer.decoded) this.edit(explorer.decoded);
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
    if (!place || explorer.item < 0 || this.of !== explorer.item) return;
    const code = explorer.codeOf(explorer.item);
    if (code.every((x, k) => x === explorer.code[k]) && (explorer.label ?? -1) === (explorer.label === null ? -1 : explorer.assigned[explorer.item])) {
      place.replaceChildren();
      return;
    }
    if (!meta.image) place.replaceChildren(values({ "edited code": row }, meta, { change: [row, this.reconstruction] }));
    else {
      const change = row.map((x, k) => x - this.reconstruction[k]);
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
    explorer.on("points", () => explorer.selection && this.update());
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
      make("button", { onclick: () => this.csv(), disabled: !chosen.length, title: meta.image ? NO_PIXELS : "" }, "Save as CSV"), " ",
      make("button", { onclick: () => explorer.select(null) }, "Clear")));
    if (chosen.length) await this.mean(mean, chosen);
  }

  async mean(place, chosen) {
    const { explorer } = this, { meta, latent } = explorer, some = chosen.slice(0, MEAN_OF);
    const codes = new Float32Array(some.length * latent), selection = explorer.selection;
    some.forEach((i, k) => codes.set(explorer.codeOf(i), k * latent));
    const rows = await explorer.source.decode(codes, explorer.labelsOf(some), () => explorer.selection === selection);
    if (explorer.selection !== selection) return;
    const mean = meanRow(rows, meta), of = some.length < chosen.length ? `Of ${some.length} points. ` : "";
    const text = "mean decoded", words = meta.categories?.some(Boolean) ? "Of words the commonest." : "";
    place.replaceChildren(meta.image ? make("div", { class: "row" }, captioned(picture(mean, meta, 96, { label: text }), text)) : values({ [text]: mean }, meta),
      make("p", { class: "soft" }, of + words));
  }

  /** Place, split, class and code of each point, and the columns of a table as far as this page has them. */
  async csv() {
    const { explorer } = this, { meta } = explorer, chosen = explorer.selected();
    const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const kept = meta.names ? chosen.filter((i) => explorer.source.hasOriginal(i)) : [], places = new Map(kept.map((i, at) => [i, at]));
    const rows = kept.length ? await explorer.source.originals(kept) : null, names = kept.length ? meta.names : [];
    const head = ["row", "split", "class", ...(meta.finds ? [explorer.kindName("assigned")] : []),
      ...Array.from({ length: explorer.latent }, (_, k) => `code_${k + 1}`), ...names];
    const cells = (i) => (places.has(i) ? Array.from(rowOf(rows, places.get(i), meta.features), (x, k) => this.cell(k, x)) : names.map(() => ""));
    const lines = chosen.map((i) => [
      explorer.row[i], meta.splits[explorer.split[i]], className(meta, explorer.labels[i]),
      ...(meta.finds ? [foundName(meta, explorer.assigned[i])] : []), ...explorer.codeOf(i), ...cells(i),
    ].map((x) => quoted(String(x))).join(","));
    download("selection.csv", [head.map(quoted).join(","), ...lines, ""].join("\n"));
  }

  /** A value of a table in full, as its own file would have it. */
  cell(k, x) {
    const { meta } = this.explorer, kind = meta.kinds?.[k];
    if (Number.isNaN(x)) return "";
    return kind === "day" || kind === "time" ? timeText(x, kind) : meta.categories?.[k]?.[x] ?? x;
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
    this.codes = codes;
    let rows;
    try {
      rows = await explorer.source.decode(codes, explorer.label, () => this.codes === codes);
    } catch (error) {
      notice(`The path cannot be decoded: ${error.message}`);
      return;
    }
    if (this.codes !== codes) return;
    byId("strip-box").hidden = false;
    byId("strip").replaceChildren(...(meta.image ? this.pictures(rows) : [this.table(rows)]));
    explorer.tell("strip");
  }

  frame(k, ...face) {
    const text = `frame ${k + 1} of ${FRAMES}`;
    return make("button", { "aria-label": text, title: text, onclick: () => this.go(k) }, ...face);
  }

  pictures(rows) {
    const { meta } = this.explorer;
    return Array.from({ length: FRAMES }, (_, k) =>
      this.frame(k, picture(rowOf(rows, k, meta.features), meta, 64, { label: `frame ${k + 1} of ${FRAMES}` })));
  }

  /** Rows of a table side by side, a column for each frame. */
  table(rows) {
    const { meta } = this.explorer;
    const found = values(Object.fromEntries(Array.from({ length: FRAMES }, (_, k) => [`frame ${k + 1}`, rowOf(rows, k, meta.features)])), meta);
    found.querySelectorAll("thead th").forEach((cell, k) => k && cell.replaceChildren(this.frame(k - 1, String(k))));
    return found;
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
    this.explorer.tell("strip");
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

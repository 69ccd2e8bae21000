"use strict";
// What is on the screen: the points, where they lie, how they are coloured, which are shown, and the code in hand.

class Explorer extends Screen {
  constructor(source, points) {
    super();
    this.source = source;
    this.meta = source.meta;
    this.latent = this.meta.latent;
    this.view = new View();
    this.frame = new Frame(this.latent);
    this.axes = [0, Math.min(1, this.latent - 1)];
    this.code = new Float32Array(this.latent);
    this.label = null;  // the class to decode as, where the decoder takes one
    this.held = false;
    this.item = -1;
    this.selection = null;
    this.tool = "look";
    this.line = [];  // the path or lasso being drawn, in plane coordinates
    this.colourBy = "class";
    this.values = null;
    this.words = null;  // of the column that colours, where its values are words
    this.hidden = { class: new Set(), assigned: new Set(), column: new Set(), split: new Set() };
    this.listeners = { code: [], decoded: [], points: [], shown: [], view: [], selection: [], item: [], path: [],
      strip: [] };
    this.timings = [];
    this.frames = 0;
    this.dots = new Dots();
    this.tiles = [];
    this.decoding = new Newest((request) => this.decodeNow(request));
    this.tiling = new Newest(() => this.makeTiles());
    this.plot = byId("plot").getContext("2d");
    this.over = byId("over").getContext("2d");
    this.take(points);
    new ResizeObserver(() => this.resize()).observe(byId("plane"));
    this.resize();
    this.view.fit(this.bounds());
  }

  on(name, listener) {
    this.listeners[name].push(listener);
  }

  tell(name, ...told) {
    for (const listener of this.listeners[name]) listener(...told);
  }

  // Points

  take(points) {
    Object.assign(this, { codes: points.codes, labels: points.labels, split: points.split, row: points.row });
    this.priorCodes = points.prior;
    this.assigned = points.assigned;
    this.n = this.labels.length;
    this.shape = Uint8Array.from(this.split, (s) => (s === 2 ? 1 : 0));
    this.project();
    this.recolour();
  }

  codeOf(i) {
    return rowOf(this.codes, i, this.latent);
  }

  /** Plane coordinates of all points and prior samples under the chosen axes. */
  project() {
    const [a, b] = this.axes;
    const put = (codes, n, spread) => {
      const x = new Float32Array(n), y = new Float32Array(n);
      for (let i = 0; i < n; i++) {
        const z = rowOf(codes, i, this.latent);
        x[i] = this.frame.one(z, a);
        // A code of one number has no second axis: its dots are spread so that they do not hide each other.
        y[i] = spread ? (((i * 2654435761) >>> 0) / 2 ** 32 - 0.5) * spread : this.frame.one(z, b);
      }
      return [x, y];
    };
    const spread = this.latent === 1 ? 1 : 0;
    [this.x, this.y] = put(this.codes, this.n, spread);
    [this.priorX, this.priorY] = put(this.priorCodes, this.priorCodes.length / this.latent, spread);
    this.uneven = null;
  }

  /** New codes of the same points, as training moves them: they drift there. */
  drift(points) {
    const from = [this.x, this.y], { item } = this;
    const inHand = item >= 0 && this.codeOf(item).every((x, k) => x === this.code[k]);
    this.take(points);
    if (inHand) this.setCode(this.codeOf(item));
    if (this.values) this.colour(this.colourBy).catch((error) => notice(`Not coloured: ${error.message}`));
    const to = [this.x, this.y], began = performance.now();
    const move = () => {
      const part = clamp((performance.now() - began) / 700, 0, 1), ease = part * part * (3 - 2 * part);
      [this.x, this.y] = part === 1 ? to : to.map((end, k) => end.map((v, i) => from[k][i] + (v - from[k][i]) * ease));
      this.redraw();
      if (part < 1) requestAnimationFrame(move);
    };
    if (from[0].length === to[0].length && !matchMedia("(prefers-reduced-motion: reduce)").matches) move();
    else this.redraw();
    this.tell("points");
  }

  bounds() {
    const near = (values, share) => Float32Array.from(values).sort()[Math.floor(share * (values.length - 1))];
    const all = [this.x, this.y, this.priorX, this.priorY];
    const low = all.map((v) => (v.length ? near(v, 0.002) : Infinity));
    const high = all.map((v) => (v.length ? near(v, 0.998) : -Infinity));
    const found = [[0, 2], [1, 3]].flatMap(([a, b]) => [Math.min(low[a], low[b]), Math.max(high[a], high[b])]);
    for (const [x, y] of this.outline().flat()) {
      Object.assign(found, [Math.min(found[0], x), Math.max(found[1], x), Math.min(found[2], y), Math.max(found[3], y)]);
    }
    return found;
  }

  setAxes(frame, axes) {
    this.frame = frame;
    this.axes = axes;
    this.project();
    this.view.fit(this.bounds());
    this.tell("view");
    this.retile();
    this.redraw();
  }

  axisName(k) {
    if (!this.frame.basis) return this.latent === 1 && k === 1 ? "spread" : `code ${k + 1}`;
    return `principal ${k + 1}`;
  }

  // Colours, and what is shown

  recolour() {
    const faded = (hex) => "#" + [1, 3, 5].map((k) =>
      Math.round(235 - (235 - parseInt(hex.slice(k, k + 2), 16)) * 0.22).toString(16).padStart(2, "0")).join("");
    const table = new Map();
    const colour = (hex, strong) => {
      const key = strong ? hex : hex + "-";
      if (!table.has(key)) table.set(key, pixel(strong ? hex : faded(hex)));
      return table.get(key);
    };
    this.colours = Uint32Array.from({ length: this.n }, (_, i) =>
      colour(this.colourOf(i), this.selection === null || this.selection[i] === 1));
    const { hidden, labels, assigned, split, wordOf } = this;
    this.shown = Uint8Array.from({ length: this.n }, (_, i) => (hidden.class.has(labels[i]) || hidden.split.has(split[i]) ||
      hidden.assigned.has(assigned[i]) || (this.words && hidden.column.has(wordOf[i])) ? 0 : 1));
    this.uneven = null;
    this.redraw();
  }

  colourOf(i) {
    if (this.colourBy === "class") return classColour(this.meta, this.labels[i]);
    if (this.colourBy === "assigned") return classColour(this.meta, this.assigned[i]);
    if (this.colourBy === "split") return this.meta.palette[[2, 3, 1][this.split[i]]];
    if (this.words) return classColour(this.meta, this.wordOf[i]);
    if (Number.isNaN(this.values[i])) return classColour(this.meta, -1);
    const [low, high] = this.range;
    return ramp(Math.round((63 * (this.values[i] - low)) / Math.max(high - low, 1e-12)) / 63);
  }

  /** Colour by "class", "split", "code K", or a column of numbers by its index. */
  async colour(by) {
    let values = null, of = null;
    if (by.startsWith("code ")) {
      const k = Number(by.slice(5)) - 1;
      values = Float32Array.from({ length: this.n }, (_, i) => this.codeOf(i)[k]);
    } else if (/^\d+$/.test(by)) {
      values = await this.source.column(Number(by));
      of = this.meta.columns[by].of;
    }
    if (values) {
      const sorted = Float32Array.from(values).filter((x) => !Number.isNaN(x)).sort();
      this.range = [0.01, 0.99].map((share) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0);
    }
    if (by !== this.colourBy) this.hidden.column.clear();
    this.values = values;
    this.of = of;  // the column of the table
    this.words = of === null ? null : this.meta.categories?.[of] ?? null;
    this.wordOf = this.words && Int32Array.from(values, (x) => (Number.isNaN(x) ? -1 : x));
    this.colourBy = by;
    this.recolour();
    this.tell("shown");
  }

  numberText(x) {
    return this.of === null ? short(x) : valueText(this.meta, this.of, x);
  }

  /** What a kind of group of points is called. */
  kindName(kind) {
    if (kind === "assigned") return this.meta.found ? "class found" : "cluster";
    return kind === "column" ? this.meta.columns[this.colourBy].name : kind;
  }

  /** Show those points alone whose group of this kind is `key`. */
  only(kind, key, keys) {
    this.hidden[kind] = new Set(keys.filter((k) => k !== key));
    this.recolour();
    this.tell("shown");
  }

  showAll() {
    for (const set of Object.values(this.hidden)) set.clear();
    this.recolour();
    this.tell("shown");
  }

  toggle(kind, key) {
    const set = this.hidden[kind];
    if (set.has(key)) set.delete(key);
    else set.add(key);
    this.recolour();
    this.tell("shown");
  }

  select(selection) {
    this.selection = selection;
    this.recolour();
    this.tell("selection");
  }

  selected() {
    const found = [];
    if (this.selection) this.selection.forEach((chosen, i) => chosen && found.push(i));
    return found;
  }

  // The code in hand

  setCode(code, { held = this.held, stamp = performance.now() } = {}) {
    this.code = Float32Array.from(code);
    this.held = held;
    this.tell("code");
    this.redrawOver();
    this.decoding.ask({ code: this.code, label: this.label, stamp });
  }

  /** The code in hand with its two seen coordinates moved to a place on the plane. */
  at(x, y) {
    const t = this.frame.from(this.code);
    t[this.axes[0]] = x;
    if (this.latent > 1) t[this.axes[1]] = y;
    return this.frame.to(t);
  }

  /** Decode as this class from now on. */
  setLabel(label) {
    this.label = label;
    byId("class").value = String(label);
    this.setCode(this.code);
    this.retile();
  }

  /** The classes that these points are decoded with; null where the decoder takes none. */
  labelsOf(points) {
    return this.label === null ? null : Array.from(points, (i) => this.assigned[i]);
  }

  place(code = this.code) {
    return [this.frame.one(code, this.axes[0]), this.latent > 1 ? this.frame.one(code, this.axes[1]) : 0];
  }

  async decodeNow({ code, label, stamp }) {
    try {
      const row = await this.source.decode(code, label);
      this.decoded = row;
      this.tell("decoded", row, code);
      this.timings.push(performance.now() - stamp);
      if (this.timings.length > 2000) this.timings.shift();
    } catch (error) {
      notice(`Not decoded: ${error.message}`);
    }
  }

  /** The shown point nearest to a place on the plane, and its distance in pixels; -1 if there is none. */
  nearest(x, y) {
    let best = -1, least = Infinity;
    for (let i = 0; i < this.n; i++) {
      if (!this.shown[i]) continue;
      const d = (this.x[i] - x) ** 2 + (this.y[i] - y) ** 2;
      if (d < least) [best, least] = [i, d];
    }
    return [best, Math.sqrt(least) * this.view.scale];
  }

  /** Points whose codes, in all dimensions, lie nearest to that of point `i`. */
  neighbours(i, count) {
    const z = this.codeOf(i), found = [];
    for (let j = 0; j < this.n; j++) {
      if (j === i) continue;
      let d = 0;
      for (let k = 0; k < this.latent; k++) d += (this.codes[j * this.latent + k] - z[k]) ** 2;
      if (found.length < count || d < found[found.length - 1][0]) {
        found.push([d, j]);
        found.sort((a, b) => a[0] - b[0]);
        found.length = Math.min(found.length, count);
      }
    }
    return found.map(([d, j]) => ({ point: j, distance: Math.sqrt(d) }));
  }

  open(i) {
    this.item = i;
    if (i >= 0 && this.label !== null && this.assigned[i] >= 0) this.setLabel(this.assigned[i]);
    if (i >= 0) this.setCode(this.codeOf(i), { held: true });
    this.tell("item");
    this.redrawOver();
  }
}

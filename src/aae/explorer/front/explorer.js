"use strict";
// What is on the screen: the points, where they lie, how they are coloured, which are shown, and the code in hand.

const INK = "#262626", FAINT = "#8a8f98", HOLE = "#0072b2", CROWD = "#d55e00";
const TILE = 58;  // CSS pixels of a tile of the manifold
const MARGIN = 24;

class Explorer {
  constructor(source, points) {
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
    this.hidden = { class: new Set(), split: new Set() };
    this.listeners = { code: [], decoded: [], points: [], shown: [], view: [], selection: [], item: [], path: [] };
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
    const from = [this.x, this.y];
    this.take(points);
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
    this.shown = Uint8Array.from({ length: this.n }, (_, i) =>
      this.hidden.class.has(this.labels[i]) || this.hidden.split.has(this.split[i]) ? 0 : 1);
    this.uneven = null;
    this.redraw();
  }

  colourOf(i) {
    if (this.colourBy === "class") return classColour(this.meta, this.labels[i]);
    if (this.colourBy === "assigned") return classColour(this.meta, this.assigned[i]);
    if (this.colourBy === "split") return this.meta.palette[[2, 3, 1][this.split[i]]];
    const [low, high] = this.range;
    return ramp(Math.round((63 * (this.values[i] - low)) / Math.max(high - low, 1e-12)) / 63);
  }

  /** Colour by "class", "split", "code K", or a column of numbers by its index. */
  async colour(by) {
    let values = null;
    if (by.startsWith("code ")) {
      const k = Number(by.slice(5)) - 1;
      values = Float32Array.from({ length: this.n }, (_, i) => this.codeOf(i)[k]);
    } else if (/^\d+$/.test(by)) values = await this.source.column(Number(by));
    if (values) {
      const sorted = Float32Array.from(values).sort();
      this.range = [0.01, 0.99].map((share) => sorted[Math.floor(share * (sorted.length - 1))]);
    }
    this.values = values;
    this.colourBy = by;
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

  // Drawing

  resize() {
    const { width, height } = byId("plane").getBoundingClientRect();
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.view.width = Math.max(width, 50);
    this.view.height = Math.max(height, 50);
    for (const canvas of [byId("plot"), byId("over")]) {
      canvas.width = Math.round(this.view.width * this.ratio);
      canvas.height = Math.round(this.view.height * this.ratio);
    }
    this.retile();
    this.redraw();
  }

  redraw() {
    this.stale = true;
    this.redrawOver();
  }

  redrawOver() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.stale) this.draw();
      this.stale = false;
      this.drawOver();
    });
  }

  draw() {
    const { plot, view } = this;
    plot.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    plot.clearRect(0, 0, view.width, view.height);
    if (byId("show-manifold").checked) this.drawTiles();
    if (byId("show-cells").checked) this.drawCells();
    const draw = (...what) => {
      plot.setTransform(1, 0, 0, 1, 0, 0);
      plot.drawImage(this.dots.draw(view, this.ratio, ...what), 0, 0);
      plot.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    };
    if (byId("show-prior").checked) {
      const n = this.priorX.length, all = new Uint8Array(n).fill(1);
      draw(this.priorX, this.priorY, new Uint32Array(n).fill(pixel("#c3c7cd")), new Uint8Array(n), all);
    }
    draw(this.x, this.y, this.colours, this.shape, this.shown);
    this.frames++;
  }

  drawCells() {
    this.uneven ??= unevenCells(this.x, this.y, this.shown, this.priorX, this.priorY);
    const { plot, view, uneven } = this;
    for (const [cells, colour] of [[uneven.holes, HOLE], [uneven.crowds, CROWD]]) {
      plot.fillStyle = colour + "33";
      plot.strokeStyle = colour;
      for (const { i, j } of cells) {
        const [x, y] = view.toScreen(uneven.x0 + i * uneven.wide, uneven.y0 + (j + 1) * uneven.high);
        const [w, h] = [uneven.wide * view.scale, uneven.high * view.scale];
        plot.fillRect(x, y, w, h);
        plot.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
      }
    }
  }

  // The manifold: what the decoder makes of the plane that is seen, at the zoom that is shown

  retile() {
    clearTimeout(this.tileTimer);
    if (this.meta.image && byId("show-manifold").checked) this.tileTimer = setTimeout(() => this.tiling.ask(true), 150);
  }

  async makeTiles() {
    const { view } = this, columns = Math.ceil(view.width / TILE), rows = Math.ceil(view.height / TILE);
    const [x0, y0] = view.toPlane(0, 0), step = TILE / view.scale;
    const places = [];
    for (let j = 0; j < rows; j++)
      for (let i = 0; i < columns; i++) places.push([x0 + (i + 0.5) * step, y0 - (j + 0.5) * step]);
    const codes = new Float32Array(places.length * this.latent);
    places.forEach(([x, y], k) => codes.set(this.at(x, y), k * this.latent));
    const found = await this.source.decode(codes, this.label, () => this.tiling.next === null);
    if (this.tiling.next !== null) return;
    this.tiles = places.map(([x, y], k) => {
      const canvas = document.createElement("canvas");
      [canvas.height, canvas.width] = this.meta.shape.slice(-2);
      paint(canvas, rowOf(found, k, this.meta.features), this.meta);
      return { canvas, x: x - step / 2, y: y + step / 2, step };
    });
    this.redraw();
  }

  drawTiles() {
    const { plot, view } = this;
    plot.imageSmoothingEnabled = false;
    plot.globalAlpha = 0.42;  // a background: the points on it must stay readable
    for (const { canvas, x, y, step } of this.tiles) {
      const [px, py] = view.toScreen(x, y), size = step * view.scale;
      if (px > -size && py > -size && px < view.width && py < view.height) plot.drawImage(canvas, px, py, size - 1, size - 1);
    }
    plot.globalAlpha = 1;
  }

  drawOver() {
    const { over, view } = this;
    over.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    over.clearRect(0, 0, view.width, view.height);
    this.drawOutline();
    this.drawTicks();
    if (this.item >= 0) {
      const [x, y] = view.toScreen(this.x[this.item], this.y[this.item]);
      this.ring(x, y, 8);
    }
    this.drawLine();
    this.drawCursor();
  }

  /** The curves of the prior's outline, where it is known in the two coordinates seen. */
  outline() {
    const { prior } = this.meta, [a, b] = this.axes;
    if (!prior || this.frame.basis || this.latent === 1) return [];
    return prior.same || (a === 0 && b === 1) ? prior.outline : [];
  }

  drawOutline() {
    const { over, view } = this;
    over.strokeStyle = INK;
    over.lineWidth = 1.5;
    over.setLineDash([6, 4]);
    over.beginPath();
    for (const curve of this.outline())
      curve.forEach(([u, v], i) => over[i ? "lineTo" : "moveTo"](...view.toScreen(u, v)));
    over.stroke();
    over.setLineDash([]);
  }

  drawTicks() {
    const { over, view } = this;
    const [x0, y1] = view.toPlane(0, 0), [x1, y0] = view.toPlane(view.width, view.height);
    over.font = "11px system-ui, sans-serif";
    over.strokeStyle = FAINT;
    over.lineWidth = 1;
    const write = (text, x, y) => {
      over.lineWidth = 3;
      over.strokeStyle = "#ffffffd9";
      over.strokeText(text, x, y);
      over.fillStyle = "#4a4f57";
      over.fillText(text, x, y);
    };
    over.textAlign = "center";
    for (const t of ticks(x0, x1, view.width / 90)) {
      const [px] = view.toScreen(t, 0);
      if (px > 30 && px < view.width - 20) write(String(Number(t.toPrecision(6))), px, 13);
    }
    over.textAlign = "right";
    for (const t of ticks(y0, y1, view.height / 70)) {
      const [, py] = view.toScreen(0, t);
      if (py > MARGIN && py < view.height - 34) write(String(Number(t.toPrecision(6))), view.width - 6, py + 4);
    }
    over.textAlign = "left";
  }

  ring(x, y, radius) {
    const { over } = this;
    for (const [wide, colour] of [[4, "#fff"], [2, INK]]) {
      over.lineWidth = wide;
      over.strokeStyle = colour;
      over.beginPath();
      over.arc(x, y, radius, 0, 2 * Math.PI);
      over.stroke();
    }
  }

  drawLine() {
    const { over, view } = this;
    if (this.line.length === 0) return;
    over.beginPath();
    for (const [x, y] of this.line) over.lineTo(...view.toScreen(x, y));
    if (this.tool === "lasso") {
      over.closePath();
      over.fillStyle = "#0b5cad22";
      over.fill();
    }
    for (const [wide, colour] of [[5, "#fff"], [2.5, "#0b5cad"]]) {
      over.lineWidth = wide;
      over.strokeStyle = colour;
      over.stroke();
    }
    if (this.tool === "path") for (const end of [this.line[0], this.line[this.line.length - 1]]) this.ring(...view.toScreen(...end), 4);
  }

  drawCursor() {
    const { over, view } = this, [x, y] = view.toScreen(...this.place());
    const reach = 11, gap = this.held ? 0 : 4;
    for (const [wide, colour] of [[5, "#fff"], [2, this.held ? CROWD : INK]]) {
      over.lineWidth = wide;
      over.strokeStyle = colour;
      over.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        over.moveTo(x + dx * gap, y + dy * gap);
        over.lineTo(x + dx * reach, y + dy * reach);
      }
      over.stroke();
    }
  }
}

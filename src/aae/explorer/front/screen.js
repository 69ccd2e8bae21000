"use strict";
// What is drawn on the plane: points, manifold, uneven cells, outline, ticks, and the code in hand.

const INK = "#262626", FAINT = "#8a8f98", HOLE = "#0072b2", CROWD = "#d55e00";
const TILE = 58;  // CSS pixels of a tile of the manifold
const MARGIN = 24;

/** The drawing half of `Explorer`, which holds all that is drawn. */
class Screen {
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
    const outline = this.outline();
    this.tiles = places.map(([x, y], k) => {
      const outside = outline.length > 0 && !insideAll(x, y, outline);
      const canvas = document.createElement("canvas");
      [canvas.height, canvas.width] = this.meta.shape.slice(-2);
      paint(canvas, rowOf(found, k, this.meta.features), this.meta);
      return { canvas, x: x - step / 2, y: y + step / 2, step, outside };
    });
    this.redraw();
  }

  drawTiles() {
    const { plot, view } = this;
    plot.imageSmoothingEnabled = false;
    for (const { canvas, x, y, step, outside } of this.tiles) {
      // A background: the points on it must stay readable. What no sample of the prior decodes to is fainter still.
      plot.globalAlpha = outside ? 0.12 : 0.42;
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

"use strict";
// The latent plane: which two coordinates are seen, where they fall on the screen, and the points drawn there.

/** Coordinates t of a code z: z = mean + basis t. The identity, or the principal axes of the codes. */
class Frame {
  constructor(latent, principal = null) {
    this.latent = latent;
    this.mean = principal ? Float64Array.from(principal.mean) : new Float64Array(latent);
    this.basis = principal ? principal.basis : null;
  }

  /** The coordinate `k` of a code. */
  one(z, k) {
    if (!this.basis) return z[k];
    let sum = 0;
    for (let i = 0; i < this.latent; i++) sum += this.basis[i][k] * (z[i] - this.mean[i]);
    return sum;
  }

  from(z) {
    return Float64Array.from({ length: this.latent }, (_, k) => this.one(z, k));
  }

  to(t) {
    if (!this.basis) return Float32Array.from(t);
    return Float32Array.from({ length: this.latent }, (_, i) =>
      this.basis[i].reduce((sum, b, k) => sum + b * t[k], this.mean[i]));
  }
}

/** The part of the plane that is seen: centre in code units and pixels to a unit. */
class View {
  constructor() {
    Object.assign(this, { x: 0, y: 0, scale: 100, width: 1, height: 1 });
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, this.height / 2 - (y - this.y) * this.scale];
  }

  toPlane(px, py) {
    return [(px - this.width / 2) / this.scale + this.x, (this.height / 2 - py) / this.scale + this.y];
  }

  fit([x0, x1, y0, y1]) {
    this.x = (x0 + x1) / 2;
    this.y = (y0 + y1) / 2;
    this.scale = 0.92 * Math.min(this.width / Math.max(x1 - x0, 1e-9), this.height / Math.max(y1 - y0, 1e-9));
  }

  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.toPlane(px, py);
    this.scale = clamp(this.scale * factor, 1e-6, 1e9);
    this.x = x - (px - this.width / 2) / this.scale;
    this.y = y - (this.height / 2 - py) / this.scale;
  }

  pan(dx, dy) {
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
  }
}

const RADIUS_BY_COUNT = [[60000, 1.1], [20000, 1.5], [5000, 2.1], [1500, 2.9], [0, 3.8]];

/** Coverage of the pixels around a dot's centre: [dx, dy, share]. A disc, or a cross for test rows. The smallest dots,
 * of which there are many, have sharp edges, which are drawn several times as fast. */
function stamp(radius, cross) {
  const found = [], reach = Math.ceil(radius + 0.5);
  if (radius < 1.3) return [[0, 0, 1], [1, 0, 1], [-1, 0, 1], [0, 1, 1], [0, -1, 1]];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      let share = clamp(radius + 0.5 - Math.hypot(x, y), 0, 1);
      if (cross) {
        const away = Math.abs(Math.abs(x) - Math.abs(y)) / Math.SQRT2;
        share = Math.max(Math.abs(x), Math.abs(y)) <= radius ? clamp(0.3 * radius + 0.5 - away, 0, 1) : 0;
      }
      if (share > 0.05) found.push([x, y, share]);
    }
  }
  return found;
}

/** "#rrggbb" as a little-endian RGBA pixel. */
function pixel(hex) {
  const v = parseInt(hex.slice(1), 16);
  return (0xff000000 | ((v & 255) << 16) | (v & 0xff00) | (v >> 16)) >>> 0;
}

/** Draws dots straight into pixels: 100,000 of them take a few milliseconds, without a graphics processor. */
class Dots {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d");
  }

  /** x, y: plane coordinates; colours: pixels by point; shape: 1 for a cross; shown: which points. */
  draw(view, ratio, x, y, colours, shape, shown) {
    const w = Math.round(view.width * ratio), h = Math.round(view.height * ratio);
    if (!this.image || this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
      this.image = this.context.createImageData(w, h);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    this.pixels.fill(0);
    const radius = this.radius(x.length) * ratio;
    const stamps = [stamp(radius, false), stamp(radius * 1.25, radius >= 1.9)].map((list) => this.flat(list, w));
    const scale = view.scale * ratio, dx = w / 2 - view.x * scale, dy = h / 2 + view.y * scale;
    const edge = Math.ceil(radius * 1.25 + 1);
    for (let i = 0; i < x.length; i++) {
      if (!shown[i]) continue;
      const px = Math.round(x[i] * scale + dx), py = Math.round(dy - y[i] * scale);
      if (px < edge || py < edge || px >= w - edge || py >= h - edge) continue;
      this.put(py * w + px, stamps[shape[i]], colours[i]);
    }
    this.context.putImageData(this.image, 0, 0);
    return this.canvas;
  }

  radius(n) {
    return RADIUS_BY_COUNT.find(([least]) => n >= least)[1];
  }

  flat(list, w) {
    return { offset: Int32Array.from(list, ([x, y]) => y * w + x), share: Float32Array.from(list, (p) => p[2]) };
  }

  put(at, { offset, share }, colour) {
    const { pixels } = this, count = offset.length;
    for (let k = 0; k < count; k++) {
      const to = at + offset[k], part = share[k], old = pixels[to];
      if (old === colour) continue;
      if (part > 0.95) {
        pixels[to] = colour;
        continue;
      }
      if (old === 0) {
        pixels[to] = ((colour & 0xffffff) | (Math.round(part * 255) << 24)) >>> 0;
        continue;
      }
      const keep = 1 - part, alpha = Math.max(old >>> 24, Math.round(part * 255));
      const b = ((colour >> 16) & 255) * part + ((old >> 16) & 255) * keep;
      const g = ((colour >> 8) & 255) * part + ((old >> 8) & 255) * keep;
      const r = (colour & 255) * part + (old & 255) * keep;
      pixels[to] = ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
    }
  }
}

/** Ticks at round numbers. */
function ticks(low, high, most) {
  const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i * step);
  return found;
}

/** Dark blue to yellow, in an order that colour-blind eyes see too (cividis, Nunez et al. 2018). */
const RAMP = ["#00204d", "#31446b", "#666970", "#958f78", "#cbba69", "#ffea46"];

function ramp(share) {
  const at = clamp(share, 0, 1) * (RAMP.length - 1), i = Math.min(Math.floor(at), RAMP.length - 2), part = at - i;
  const mix = [1, 3, 5].map((k) => {
    const [a, b] = [RAMP[i], RAMP[i + 1]].map((hex) => parseInt(hex.slice(k, k + 2), 16));
    return Math.round(a + (b - a) * part).toString(16).padStart(2, "0");
  });
  return "#" + mix.join("");
}

/** Whether (x, y) lies inside the polygon [[x, y], ...], by counting crossings. */
function inside(x, y, polygon) {
  let found = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i], [xj, yj] = polygon[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) found = !found;
  }
  return found;
}

/** Whether (x, y) lies inside what closed curves enclose together: a curve within another cuts a hole. */
function insideAll(x, y, curves) {
  return curves.reduce((found, curve) => found !== inside(x, y, curve), false);
}

/** `count` points at equal distances along the polyline [[x, y], ...]. */
function along(line, count) {
  const lengths = [0];
  for (let i = 1; i < line.length; i++) {
    lengths.push(lengths[i - 1] + Math.hypot(line[i][0] - line[i - 1][0], line[i][1] - line[i - 1][1]));
  }
  const whole = lengths[lengths.length - 1];
  return Array.from({ length: count }, (_, k) => {
    const want = (whole * k) / (count - 1);
    let i = 1;
    while (i < line.length - 1 && lengths[i] < want) i++;
    const part = clamp((want - lengths[i - 1]) / Math.max(lengths[i] - lengths[i - 1], 1e-12), 0, 1);
    return [0, 1].map((c) => line[i - 1][c] + (line[i][c] - line[i - 1][c]) * part);
  });
}

/** Cells of the prior with far fewer codes than it has samples there (holes), or far more (crowds).
 *
 * A square grid over the prior's samples in the two coordinates seen. A cell counts where chance hardly explains it:
 * expecting e codes, by the prior's share of samples, under e / 4 is a hole from e = 5 on; above 3 e, and above
 * e + 4 sqrt(e) + 3, a crowd. Works for any prior, in any two coordinates. */
function unevenCells(x, y, shown, px, py) {
  const near = (values, share) => Float32Array.from(values).sort()[Math.floor(share * (values.length - 1))];
  const [x0, x1, y0, y1] = [near(px, 0.002), near(px, 0.998), near(py, 0.002), near(py, 0.998)];
  const codes = shown.reduce((a, b) => a + b, 0), n = clamp(Math.floor(Math.sqrt(codes / 12)), 4, 28);
  const cell = (a, b) => {
    const i = Math.floor(((a - x0) / (x1 - x0)) * n), j = Math.floor(((b - y0) / (y1 - y0)) * n);
    return i >= 0 && j >= 0 && i < n && j < n ? j * n + i : -1;
  };
  const have = new Float64Array(n * n), want = new Float64Array(n * n);
  for (let i = 0; i < x.length; i++) if (shown[i] && cell(x[i], y[i]) >= 0) have[cell(x[i], y[i])]++;
  for (let i = 0; i < px.length; i++) if (cell(px[i], py[i]) >= 0) want[cell(px[i], py[i])] += codes / px.length;
  const found = { holes: [], crowds: [], x0, y0, wide: (x1 - x0) / n, high: (y1 - y0) / n, n };
  for (let k = 0; k < n * n; k++) {
    const at = { i: k % n, j: Math.floor(k / n), have: have[k], want: want[k] };
    if (want[k] >= 5 && have[k] < want[k] / 4) found.holes.push(at);
    if (have[k] > 3 * want[k] && have[k] > want[k] + 4 * Math.sqrt(want[k]) + 3) found.crowds.push(at);
  }
  found.holes.sort((a, b) => b.want - b.have - (a.want - a.have));
  found.crowds.sort((a, b) => b.have - b.want - (a.have - a.want));
  return found;
}

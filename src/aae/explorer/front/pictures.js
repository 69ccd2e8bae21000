"use strict";
// Rows as people see them: images on a canvas, tables as values.

/** A canvas with the image of one row, at most `size` CSS pixels wide or high. `signed`: around 0, blue to orange. */
function picture(row, meta, size, { signed = false, label = "" } = {}) {
  const canvas = make("canvas", { class: "picture", role: "img", "aria-label": label || "decoded image" });
  const [h, w] = meta.shape.slice(-2);
  canvas.width = w;
  canvas.height = h;
  const by = size / Math.max(w, h);
  canvas.style.width = `${Math.round(w * by)}px`;
  canvas.style.height = `${Math.round(h * by)}px`;
  paint(canvas, row, meta, signed);
  return canvas;
}

function paint(canvas, row, meta, signed = false) {
  const [h, w] = meta.shape.slice(-2), channels = meta.shape.length > 2 ? meta.shape[0] : 1;
  const image = new ImageData(w, h), [low, high] = greys(row, meta), area = w * h;
  for (let i = 0; i < area; i++) {
    const at = 4 * i;
    image.data[at + 3] = 255;
    if (signed) {
      let value = 0;
      for (let c = 0; c < channels; c++) value += row[c * area + i] / channels;
      shade(image.data, at, clamp(value / (high - low), -1, 1));
      continue;
    }
    for (let c = 0; c < 3; c++) {
      const from = channels >= 3 ? c : 0;
      image.data[at + c] = (255 * (row[from * area + i] - low)) / (high - low);
    }
    if (channels === 4) image.data[at + 3] = (255 * (row[3 * area + i] - low)) / (high - low);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** White at 0, orange above, blue below. */
function shade(data, at, value) {
  const to = value > 0 ? [213, 94, 0] : [0, 114, 178], part = Math.abs(value);
  for (let c = 0; c < 3; c++) data[at + c] = 255 + (to[c] - 255) * part;
}

/** What is black and what is white: the range of the data, else of the row. */
function greys(row, meta) {
  if (meta.limits[0] !== null) return meta.limits;
  let low = Infinity, high = -Infinity;
  for (const x of row) {
    low = Math.min(low, x);
    high = Math.max(high, x);
  }
  return [low, high > low ? high : low + 1];
}

const MOST_VALUES = 64;

/** A value of column `i` in words. */
function valueText(meta, i, value) {
  if (Number.isNaN(value)) return "missing";
  const kind = meta.kinds?.[i];
  if (kind === "day" || kind === "time") return timeText(value, kind).replace("T", " ");
  if (kind === "integer" && Number.isSafeInteger(value)) return String(value);
  return meta.categories?.[i]?.[value] ?? short(value);
}

/** Seconds since 1970 as date, or date and time, in the form of ISO 8601; empty for what is none. */
function timeText(seconds, kind) {
  const date = new Date(Math.round(seconds * 1000));
  return Number.isNaN(date.getTime()) ? "" : date.toISOString().slice(0, kind === "day" ? 10 : 19);
}

/** How far value `a` of column `i` lies above `b`. */
function differenceText(meta, i, a, b) {
  if (Number.isNaN(a) || Number.isNaN(b)) return "-";
  if (meta.categories?.[i]) return a === b ? "same" : "other";
  const kind = meta.kinds?.[i];
  return kind === "day" || kind === "time" ? `${short((a - b) / 86400)} days` : short(a - b);
}

/** The mean of rows [n * features]; of words the commonest. */
function meanRow(rows, meta) {
  const wide = meta.features;
  return Float64Array.from({ length: wide }, (_, i) => {
    const found = [];
    for (let at = i; at < rows.length; at += wide) if (!Number.isNaN(rows[at])) found.push(rows[at]);
    if (!meta.categories?.[i]) return found.reduce((sum, x) => sum + x, 0) / found.length;
    return tally(found).reduce((best, one) => (one[1] > best[1] ? one : best), [NaN, 0])[0];
  });
}

/** Rows of a table side by side: {heading: row}. differences: {heading: two rows, the second taken from the first}. */
function values(columns, meta, differences = {}) {
  const heads = Object.keys(columns), wide = Math.min(meta.features, MOST_VALUES);
  const head = make("tr", {}, make("th", { scope: "col" }, "Column"), ...[...heads, ...Object.keys(differences)].map((h) => make("th", { scope: "col" }, h)));
  const body = Array.from({ length: wide }, (_, i) =>
    make("tr", {}, make("th", { scope: "row" }, meta.names ? meta.names[i] : `column ${i}`),
      ...heads.map((h) => make("td", {}, valueText(meta, i, columns[h][i]))),
      ...Object.values(differences).map(([a, b]) => make("td", {}, differenceText(meta, i, a[i], b[i])))));
  const table = make("table", { class: "values" }, make("thead", {}, head), make("tbody", {}, ...body));
  const rest = meta.features - wide;
  return make("div", { class: "values" }, table, rest > 0 ? `and ${rest} more columns` : "");
}

/** One row, as an image or as values, into `place`; what is there is painted over where it can be. */
function show(place, row, meta, size, label) {
  if (!meta.image) {
    place.replaceChildren(values({ value: row }, meta));
    return;
  }
  const canvas = place.querySelector("canvas");
  if (canvas) {
    paint(canvas, row, meta);
    canvas.setAttribute("aria-label", label);
  } else place.replaceChildren(picture(row, meta, size, { label }));
}

function captioned(element, text) {
  return make("figure", {}, element, make("figcaption", {}, text));
}

function className(meta, label) {
  if (label < 0) return "unlabelled";
  return meta.classes ? meta.classes[label] : String(label);
}

/** The class, or the number of the cluster, that the model has found. */
function foundName(meta, k) {
  return k < 0 ? "none" : meta.found?.[k] ?? String(k);
}

function classColour(meta, label) {
  return label < 0 ? meta.palette[meta.palette.length - 1] : meta.palette[label % (meta.palette.length - 1)];
}

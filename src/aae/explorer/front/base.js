"use strict";
// Helpers that the other files use. All files share one scope and are read in the order of assemble.py.

const byId = (id) => document.getElementById(id);

/** A new element: attributes by name, `on*` as listeners, children as elements or text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** A number in few digits, for people. */
function short(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return "-";
  if (x !== 0 && (Math.abs(x) >= 1e5 || Math.abs(x) < 1e-3)) return x.toExponential(2);
  return String(Number(x.toPrecision(4)));
}

const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const grouped = (n) => n.toLocaleString("en");

/** IEEE half-precision numbers, given as their 16 bits, as a Float32Array. */
function fromHalves(bits) {
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const h = bits[i], exponent = (h >> 10) & 31, mantissa = h & 1023;
    let x;
    if (exponent === 0) x = mantissa * 2 ** -24;
    else if (exponent === 31) x = mantissa ? NaN : Infinity;
    else x = (1 + mantissa / 1024) * 2 ** (exponent - 15);
    out[i] = h & 0x8000 ? -x : x;
  }
  return out;
}

const VIEWS = { f4: Float32Array, f8: Float64Array, u1: Uint8Array, i2: Int16Array, i4: Int32Array, u4: Uint32Array, f2: Uint16Array };

/** Named arrays out of the bytes that pack.py wrote: {name: typed array with a `shape`}. */
function unpack(buffer) {
  const length = new DataView(buffer).getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const found = {};
  for (const [name, [kind, shape, offset]] of Object.entries(header)) {
    const count = shape.reduce((a, b) => a * b, 1);
    const raw = new VIEWS[kind](buffer, 8 + length + offset, count);
    found[name] = kind === "f2" ? fromHalves(raw) : raw;
    found[name].shape = shape;
  }
  return found;
}

/** Runs `work` for the newest request only: one at a time, and what came in between is dropped. */
class Newest {
  constructor(work) {
    this.work = work;
    this.busy = false;
    this.next = null;
  }

  async ask(request) {
    this.next = request;
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.next !== null) {
        const now = this.next;
        this.next = null;
        await this.work(now);
      }
    } finally {
      this.busy = false;
    }
  }
}

/** Row `i` of a flat array of rows. */
const rowOf = (array, i, width) => array.subarray(i * width, (i + 1) * width);

function notice(text) {
  byId("notice").textContent = text;
}

function download(name, text) {
  const link = make("a", { download: name, href: URL.createObjectURL(new Blob([text], { type: "text/csv" })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

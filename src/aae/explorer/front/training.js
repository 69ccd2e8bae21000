"use strict";
// Loss curves and what the run's doctor says; while the run trains, its controls as well.

const SVG = "http://www.w3.org/2000/svg";
const SPLIT_NAMES = ["train", "validation", "test"];

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A figure for each loss: its curve on training, validation and test rows. */
function curves(history) {
  const names = new Map();
  for (const row of history) {
    for (const key of Object.keys(row)) {
      const split = SPLIT_NAMES.find((s) => key.endsWith(`_${s}`));
      if (split) names.set(key.slice(0, -split.length - 1), true);
    }
  }
  const figures = [...names.keys()].map((name) => curve(name, history));
  byId("curves").replaceChildren(...(figures.length ? figures : [make("p", { class: "soft" }, "No epoch has ended yet.")]));
}

function curve(name, history) {
  const wide = 400, high = 220, left = 48, right = 10, top = 8, bottom = 26;
  const series = SPLIT_NAMES.map((split) => history.map((row) => [row.epoch, row[`${name}_${split}`]])
    .filter(([, y]) => Number.isFinite(y)));
  const all = series.flat(), xs = all.map((p) => p[0]), ys = all.map((p) => p[1]);
  let [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  if (x1 === x0) x1 = x0 + 1;
  const room = 0.06 * (y1 - y0) || 0.5 * Math.abs(y1) || 1;
  [y0, y1] = [y0 - room, y1 + room];
  const px = (x) => left + ((x - x0) / (x1 - x0)) * (wide - left - right);
  const py = (y) => high - bottom - ((y - y0) / (y1 - y0)) * (high - bottom - top);
  const drawing = svg("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": `${name} by epoch` });
  for (const y of ticks(y0, y1, 4)) {
    drawing.append(svg("line", { class: "grid", x1: left, x2: wide - right, y1: py(y), y2: py(y) }),
      svg("text", { x: left - 6, y: py(y) + 4, "text-anchor": "end" }, short(y)));
  }
  for (const x of ticks(x0, x1, 6).filter(Number.isInteger)) drawing.append(svg("text", { x: px(x), y: high - 8, "text-anchor": "middle" }, String(x)));
  const key = make("div", { class: "key" });
  series.forEach((points, k) => {
    if (!points.length) return;
    const d = points.map(([x, y], i) => `${i ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("");
    drawing.append(svg("path", { class: `s${k}`, d: points.length > 1 ? d : `${d}h3` }));
    key.append(make("span", { class: `k${k}` }, `${SPLIT_NAMES[k]} ${short(points[points.length - 1][1])}`));
  });
  return make("figure", {}, make("figcaption", {}, name.replaceAll("_", " ")), drawing, key);
}

function verdict(said) {
  byId("verdict").replaceChildren(...(said ? [make("p", { class: "verdict" }, said)] : []));
}

/** The page's side of a run that trains: asks how it stands, and sends what the buttons say. */
class LivePage {
  constructor(explorer) {
    this.explorer = explorer;
    this.version = -1;
    this.missed = 0;
    this.build();
    this.poll();
  }

  build() {
    const button = (command, text) => make("button", { "data-command": command, onclick: () => this.send({ command }) }, text);
    this.bar = make("progress", { "aria-label": "Share of training that is done", max: 1, value: 0 });
    this.said = make("p", { role: "status" });
    this.pause = make("button", { id: "pause", onclick: () => this.send({ command: this.state.paused ? "resume" : "pause" }) }, "Pause");
    this.rates = make("div", { class: "rates" });
    byId("controls").hidden = false;
    byId("controls").replaceChildren(this.bar, this.said,
      make("p", {}, this.pause, " ", button("save", "Save now"), " ", button("stop", "Save and stop")), this.rates,
      make("p", { class: "soft" }, "A changed learning rate is saved with the run at once, so resuming goes on with it. Closing this page changes nothing."));
  }

  async send(body) {
    try {
      await this.explorer.source.json("/api/live/command", body);
      this.note = "";
    } catch (error) {
      this.note = error.message;
    }
    this.tellState();
  }

  async poll() {
    for (;;) {
      try {
        this.state = await this.explorer.source.json("/api/live");
        this.missed = 0;
        await this.follow();
      } catch {
        this.missed++;
      }
      if (this.missed > 3) return this.ended();
      await pause(document.hidden ? 2000 : 800);
    }
  }

  async follow() {
    const { state } = this;
    this.tellState();
    if (state.history.length !== this.epochs) {
      this.epochs = state.history.length;
      curves(state.history);
      verdict(state.verdict);
    }
    if (state.points !== this.version) {
      const first = this.version < 0;
      this.version = state.points;
      await this.renew();  // principal axes, and a prior around learnt heads, move with the codes
      if (!first) this.explorer.drift(await this.explorer.source.points());
    }
    if (state.finished && !this.finished) {
      this.finished = true;
      notice("Training has finished; this page stays for as long as it is open.");
    }
    if (state.finished && !this.explorer.meta.report) await this.renew();  // figures and numbers come after the last step
  }

  /** What the page knows of the run beside arrays, once more. */
  async renew() {
    const { explorer } = this, { source } = explorer, drawn = explorer.meta.figures.length, { report } = explorer.meta;
    await source.open();
    explorer.meta = source.meta;
    if (source.meta.figures.length !== drawn || source.meta.report !== report) {
      head(source.meta);
      figures(explorer);
      settings(source.meta);
    }
  }

  tellState() {
    const { state } = this;
    if (!state) return;
    this.bar.value = state.step / state.steps;
    const losses = Object.entries(state.losses).map(([name, x]) => `${name.replaceAll("_", " ")} ${short(x)}`).join(", ");
    const how = state.finished ? "Finished" : state.said ? "Stopped" : state.paused ? "Paused" : "Training";
    this.said.textContent = `${how}: epoch ${state.epoch} of ${state.epochs}, step ${grouped(state.step)} of ${grouped(state.steps)}. ` +
      (losses ? `${losses}. ` : "") + (state.saved ? `Saved by hand at step ${grouped(state.saved)}. ` : "") + state.said + (this.note ?? "");
    this.pause.textContent = state.paused ? "Go on" : "Pause";
    for (const button of byId("controls").querySelectorAll("button")) button.disabled = state.finished || Boolean(state.said);
    if (this.rates.children.length !== state.phases.length) this.makeRates(state.phases);
    for (const { name, learning_rate: rate } of state.phases) {
      const input = byId(`rate-${name}`);
      if (document.activeElement !== input && input.dataset.known !== String(rate)) {
        input.value = rate;
        input.dataset.known = rate;
      }
    }
  }

  makeRates(phases) {
    this.rates.replaceChildren(...phases.map(({ name }) => make("label", {}, `${name} learning rate`,
      make("input", { id: `rate-${name}`, type: "number", step: "any", min: 0 }),
      make("button", {
        onclick: () => this.send({ command: "learning_rate", phase: name, learning_rate: byId(`rate-${name}`).valueAsNumber }),
      }, "Set"))));
  }

  ended() {
    notice(`Training is no longer running here. Open the run with: aae explore ${this.explorer.meta.run}`);
    for (const button of byId("controls").querySelectorAll("button")) button.disabled = true;
  }
}

"use strict";
// Pointer, wheel and keys on the plane. What the pointer can do, the keys can do.

const NEAR = 10;  // CSS pixels within which a click takes a point
const CLICK = 4;  // CSS pixels of movement up to which a press is a click

class Gestures {
  constructor(explorer) {
    this.explorer = explorer;
    this.canvas = byId("over");
    this.pointers = new Map();
    const on = (name, method, options) => this.canvas.addEventListener(name, (event) => this[method](event), options);
    on("pointerdown", "down");
    on("pointermove", "move");
    on("pointerup", "up");
    on("pointercancel", "cancel");
    on("wheel", "wheel", { passive: false });
    on("keydown", "key");
    for (const button of byId("tools").children) {
      button.addEventListener("click", () => this.setTool(button.dataset.tool));
      button.addEventListener("keydown", (event) => this.switchTool(event, button));
    }
    byId("closer").addEventListener("click", () => this.zoom(1.5));
    byId("farther").addEventListener("click", () => this.zoom(1 / 1.5));
    byId("fit").addEventListener("click", () => this.fit());
  }

  setTool(name) {
    const { explorer } = this;
    explorer.tool = name;
    explorer.line = [];
    for (const button of byId("tools").children) {
      const chosen = button.dataset.tool === name;
      button.setAttribute("aria-checked", chosen);
      button.tabIndex = chosen ? 0 : -1;
    }
    explorer.redrawOver();
  }

  switchTool(event, button) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    const all = [...byId("tools").children], next = all[(all.indexOf(button) + by + all.length) % all.length];
    event.preventDefault();
    next.focus();
    this.setTool(next.dataset.tool);
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    const at = this.place(event);
    this.pointers.set(event.pointerId, at);
    this.start = at;
    this.dragged = false;
    this.last = at;
    if (this.pointers.size > 1) this.explorer.line = [];
    else if (this.explorer.tool !== "look") this.explorer.line = [this.explorer.view.toPlane(...at)];
    this.canvas.focus({ preventScroll: true });
  }

  move(event) {
    const { explorer } = this, at = this.place(event);
    if (this.pointers.has(event.pointerId)) {
      if (this.pointers.size === 2) return this.pinch(event.pointerId, at);
      this.pointers.set(event.pointerId, at);
      if (Math.hypot(at[0] - this.start[0], at[1] - this.start[1]) > CLICK) this.dragged = true;
      if (this.dragged) this.drag(at);
      this.last = at;
    }
    if (!explorer.held || (this.pointers.size === 1 && explorer.tool === "path")) {
      explorer.setCode(explorer.at(...explorer.view.toPlane(...at)), { stamp: event.timeStamp });
    }
    return undefined;
  }

  drag(at) {
    const { explorer } = this;
    if (explorer.tool === "look") {
      explorer.view.pan(at[0] - this.last[0], at[1] - this.last[1]);
      this.moved();
    } else {
      explorer.line.push(explorer.view.toPlane(...at));
      explorer.redrawOver();
    }
  }

  pinch(id, at) {
    const { explorer } = this, other = [...this.pointers].find(([key]) => key !== id)[1], was = this.pointers.get(id);
    const length = (a) => Math.max(Math.hypot(a[0] - other[0], a[1] - other[1]), 1);
    explorer.view.zoom(length(at) / length(was), (at[0] + other[0]) / 2, (at[1] + other[1]) / 2);
    explorer.view.pan((at[0] - was[0]) / 2, (at[1] - was[1]) / 2);
    this.pointers.set(id, at);
    this.dragged = true;
    this.moved();
  }

  up(event) {
    const { explorer } = this, at = this.place(event), many = this.pointers.size > 1;
    this.pointers.delete(event.pointerId);
    if (many) return;
    if (!this.dragged) this.click(at, event.timeStamp);
    else if (explorer.tool !== "look") this.finish();
  }

  cancel(event) {
    this.pointers.delete(event.pointerId);
    this.explorer.line = [];
    this.explorer.redrawOver();
  }

  /** Opens the point there, or holds the code there. */
  click(at, stamp) {
    const { explorer } = this, plane = explorer.view.toPlane(...at);
    explorer.line = [];
    const [point, distance] = explorer.nearest(...plane);
    if (point >= 0 && distance <= NEAR) explorer.open(point);
    else {
      explorer.open(-1);
      explorer.setCode(explorer.at(...plane), { held: true, stamp });
    }
  }

  /** The path or lasso that has been drawn takes effect. */
  finish() {
    const { explorer } = this, { line, tool } = explorer;
    if (tool === "path" && line.length > 1) explorer.tell("path", line);
    if (tool === "lasso" && line.length > 2) {
      const chosen = new Uint8Array(explorer.n);
      for (let i = 0; i < explorer.n; i++) if (explorer.shown[i] && inside(explorer.x[i], explorer.y[i], line)) chosen[i] = 1;
      explorer.line = [];
      explorer.select(chosen);
    }
    explorer.redrawOver();
  }

  wheel(event) {
    event.preventDefault();
    const step = event.deltaMode === 1 ? 30 : 1;
    this.explorer.view.zoom(Math.exp(clamp(-event.deltaY * step, -240, 240) * 0.002), ...this.place(event));
    this.moved();
  }

  zoom(factor) {
    this.explorer.view.zoom(factor);
    this.moved();
  }

  fit() {
    this.explorer.view.fit(this.explorer.bounds());
    this.moved();
  }

  moved() {
    this.explorer.redraw();
    this.explorer.retile();
  }

  key(event) {
    const { explorer } = this, steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (steps[event.key]) {
      const by = (event.shiftKey ? 1 : 8) / explorer.view.scale, [x, y] = explorer.place();
      explorer.setCode(explorer.at(x + steps[event.key][0] * by, y + steps[event.key][1] * by), { held: true, stamp: event.timeStamp });
      this.follow();
    } else if (event.key === "Enter" || event.key === " ") this.enter();
    else if (event.key === "Escape") this.letGo();
    else if (event.key === "+" || event.key === "=") this.zoom(1.25);
    else if (event.key === "-") this.zoom(0.8);
    else if (event.key === "0") this.fit();
    else if ("123".includes(event.key)) this.setTool(["look", "path", "lasso"][Number(event.key) - 1]);
    else return;
    event.preventDefault();
  }

  /** Keeps the code in hand in sight. */
  follow() {
    const { view } = this.explorer, [px, py] = view.toScreen(...this.explorer.place());
    const over = (v, most) => (v < 20 ? 20 - v : v > most - 20 ? most - 20 - v : 0);
    const [dx, dy] = [over(px, view.width), over(py, view.height)];
    if (dx || dy) {
      view.pan(dx, dy);
      this.moved();
    }
  }

  enter() {
    const { explorer } = this, place = explorer.place();
    if (explorer.tool === "look") explorer.open(explorer.nearest(...place)[0]);
    else if (explorer.tool === "path") {
      explorer.line.push(place);
      this.finish();
    } else {
      const [first] = explorer.line, back = first && Math.hypot(first[0] - place[0], first[1] - place[1]);
      if (explorer.line.length > 2 && back * explorer.view.scale < 12) this.finish();
      else explorer.line.push(place);
      explorer.redrawOver();
    }
  }

  letGo() {
    const { explorer } = this;
    if (explorer.line.length) explorer.line = [];
    else if (explorer.selection) explorer.select(null);
    else {
      explorer.held = false;
      explorer.open(-1);
      explorer.tell("code");
    }
    explorer.redrawOver();
  }
}
